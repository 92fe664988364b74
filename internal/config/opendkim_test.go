package config

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// TestAgainstOpenDKIM gives the same files to Debian's opendkim and to us:
// both take or both refuse them, but for the cases marked with the reason why
// they differ.
func TestAgainstOpenDKIM(t *testing.T) {
	opendkim := testutil.Need(t, "opendkim")
	const verify, sign = "Socket inet:8891@localhost\nMode v\n", "Socket inet:8891@localhost\nMode sv\n"
	for _, test := range []struct {
		text    string
		differs string // why our answer is another one
	}{
		{verify, ""}, {"Mode v\n", ""}, {"", ""}, {"\n\n", ""}, {"#\n", ""},
		{verify + "Foo bar\n", ""}, {verify + "Syslog\n", ""}, {verify + "Syslog \n", ""}, {verify + "Syslog # yes\n", ""},
		{verify + "Syslog maybe\n", ""}, {verify + "Syslog on\n", ""}, {verify + "Syslog \"yes\"\n", ""}, {verify + "Syslog yellow stuff\n", ""}, {verify + "Syslog 1\n", ""},
		{verify + "Syslog 2\n", ""}, {verify + "Syslog -1\n", ""}, {verify + "syslog Nope\n", ""},
		{verify + "ClockDrift 12x\n", ""}, {verify + "ClockDrift 0x12\n", ""}, {verify + "ClockDrift 012\n", ""}, {verify + "ClockDrift 08\n", ""}, {verify + "ClockDrift -5\n", ""},
		{verify + "ClockDrift +5\n", ""}, {verify + "ClockDrift 12 34\n", ""}, {verify + "ClockDrift 5 # x\n", ""}, {verify + "ClockDrift 5#x\n", ""}, {verify + "ClockDrift 0x\n", ""},
		{verify + "ClockDrift 1_0\n", ""}, {verify + "ClockDrift 0b1\n", ""}, {verify + "ClockDrift 0o1\n", ""}, {verify + "ClockDrift +-5\n", ""}, {verify + "ClockDrift 5m\n", ""},
		{verify + "ClockDrift 3000000000\n", "OpenDKIM keeps the low 32 bits"},
		{verify + "UMask 0x2\n", ""}, {verify + "UMask 002\n", ""}, {verify + "Umask 0002\n", ""}, {verify + "UMask 22\n", ""}, {verify + "UMask 2 3\n", ""},
		{verify + "UMask 8\n", "OpenDKIM reads it as decimal, 010, which nobody means"}, {verify + "UMask 01777\n", "OpenDKIM keeps what umask(2) takes"},
		{verify + "AuthservID a b  c\n", ""}, {verify + "AuthservID = a\n", ""}, {verify + "AuthservID=a\n", ""}, {verify + "AuthservID a \\\n b\n", ""}, {verify + "AuthservID a\r\n", ""}, {verify + "AuthservID\va\n", ""}, {verify + "AuthservID\fa\n", ""}, {verify + "AuthservID\ra\n", ""}, {verify + "\fAuthservID a\n", ""}, {verify + "AuthservID\r\n", ""},
		{"\xef\xbb\xbf" + verify, "a byte order mark is a warning here"},
		{verify + "X-Header yes\n", ""}, {verify + "ADSPAction reject\n", "historic options are a warning here"}, {verify + "LDAPSoftStart yes\n", "historic options are a warning here"},
		{verify + "IdentityHeader X\n", "Debian's build lacks it"}, {verify + "ResignAll yes\n", "Debian's build lacks it"}, {verify + "SMTPURI smtp://x\n", "Debian's build lacks it"},
		{verify + "StdoutLog yes\n", "added upstream in 2026"}, {verify + "MetricsSocket local:/x\n", "ours"},
		{"Socket inet:1\nMode x\n", ""}, {"Socket inet:1\nMode S\n", ""}, {"Socket inet:1\nMode svv\n", ""}, {"Socket inet:1\nMode vs\n", ""}, {"Socket inet:1\nMode s v\n", ""},
		{verify + "Canonicalization relaxed/simple\n", ""}, {verify + "Canonicalization relaxed\n", ""}, {verify + "Canonicalization Relaxed/SIMPLE\n", ""}, {verify + "Canonicalization foo\n", ""},
		{verify + "Canonicalization relaxed/\n", ""}, {verify + "Canonicalization /simple\n", ""}, {verify + "Canonicalization simple/simple/simple\n", ""}, {verify + "Canonicalization relaxed / simple\n", ""},
		{verify + "On-BadSignature a\n", ""}, {verify + "On-BadSignature Accept\n", ""}, {verify + "On-BadSignature bounce\n", ""}, {verify + "On-Default tempfail\n", ""},
		{verify + "BogusKey neutral\n", ""}, {verify + "BogusKey Neutral\n", ""}, {verify + "BogusKey foo\n", ""}, {verify + "UnprotectedKey foo\n", ""}, {verify + "UnprotectedKey fail\n", ""},
		{verify + "Minimum 50\n", ""}, {verify + "Minimum 50%\n", ""}, {verify + "Minimum 50+\n", ""}, {verify + "Minimum 150%\n", ""}, {verify + "Minimum abc\n", ""}, {verify + "Minimum 5x\n", ""}, {verify + "Minimum -5\n", ""},
		{verify + "Minimum 50%x\n", "OpenDKIM does not look behind the sign"},
		{verify + "SignatureAlgorithm rsa-sha256\n", ""}, {verify + "SignatureAlgorithm RSA-SHA256\n", ""}, {verify + "SignatureAlgorithm ed25519-sha256\n", ""}, {verify + "SignatureAlgorithm foo\n", ""},
		{verify + "ATPSDomains a\nATPSHashAlgorithm foo\n", ""}, {verify + "ATPSDomains a\nATPSHashAlgorithm SHA1\n", ""},
		{verify + "SyslogFacility local3\n", ""}, {verify + "SyslogFacility foo\n", "OpenDKIM starts and crashes"},
		{verify + "AutoRestart yes\nAutoRestartRate 10/1h\n", ""}, {verify + "AutoRestart yes\nAutoRestartRate 10/1x\n", "OpenDKIM refuses it at the start, not with -n"},
		{"Mode v\nSocket bogus:1\n", "OpenDKIM refuses it at the start, not with -n"},
		{verify + "Domain example.com\n", ""}, {verify + "Selector s\n", ""}, {verify + "KeyTable csl:a=b\n", ""}, {verify + "SigningTable csl:a=b\n", ""},
		{sign + "Domain example.com\n", ""}, {sign + "Domain example.com\nSelector s\n", ""}, {sign + "Selector s\n", ""}, {sign + "KeyTable csl:a=b\n", ""}, {sign + "SigningTable csl:a=b\n", ""},
		{sign + "KeyTable csl:a=b\nDomain x.example\n", ""}, {sign + "KeyTable csl:k=%:s:/k\nSigningTable csl:*=k\n", ""}, {sign + "KeyTable csl:k=%:s:/k\nSigningTable csl:*=k\nSelector s\n", ""},
		{sign + "KeyTable csl:k=%:s:/k\nSigningTable csl:*=k\nDomain s\n", ""}, {sign, ""}, {"Socket inet:1\nMode s\n", ""},
		{verify + "Include /nonexistent/file\n", ""}, {verify + "Include\n", ""},
		{verify + "ChangeRootDirectory /tmp\n", ""}, {verify + "MultipleSignatures yes\n", ""}, {verify + "SenderHeaders From,Sender\n", ""}, {verify + "DNSTimeout -1\n", ""},
		{verify + "Domain " + strings.Repeat("a", 30000) + "\n", ""},
	} {
		path := filepath.Join(t.TempDir(), "f.conf")
		write(t, path, test.text)
		theirs, err := exec.Command(opendkim, "-n", "-x", path).CombinedOutput()
		refused := err != nil
		c, problems := Load(path)
		problems = append(problems, c.Check()...)
		if differ := problems.HasErrors() != refused; differ != (test.differs != "") {
			t.Errorf("%.120q: OpenDKIM refuses: %v %s; we: %v (expected to differ: %q)", test.text, refused, theirs, problems, test.differs)
		}
	}
}

// TestExtractAgainstOpenDKIM compares what -e prints.
func TestExtractAgainstOpenDKIM(t *testing.T) {
	opendkim := testutil.Need(t, "opendkim")
	folder := t.TempDir()
	sub := filepath.Join(folder, "sub.conf")
	write(t, sub, "AuthservID sub\n")
	for _, test := range []struct{ option, text string }{
		{"ClockDrift", "ClockDrift 0x12\n"}, {"ClockDrift", "ClockDrift 012\n"}, {"ClockDrift", "ClockDrift -5\n"}, {"ClockDrift", "ClockDrift +5\n"}, {"ClockDrift", "ClockDrift 5#x\n"},
		{"UMask", "Umask 0002\n"}, {"UMask", "UMask 22\n"}, {"UMask", "UMask 077\n"}, {"Syslog", "Syslog 1\n"}, {"Syslog", "Syslog Nope\n"}, {"Syslog", "Syslog yellow stuff\nSyslog no\n"},
		{"AuthservID", "AuthservID a b\t c  \r\n"}, {"AuthservID", "AuthservID a#b\n"}, {"AuthservID", "AuthservID \"a b\" \n"}, {"AuthservID", "AuthservID a \\# b\n"}, {"AuthservID", "\t AuthservID\ta\n"},
		{"AuthservID", "AuthservID = a\n"}, {"AuthservID", "AuthservID a\nauthservid b\nAUTHSERVID c\n"}, {"AuthservID", "AuthservID \va\v\n"}, {"AuthservID", "AuthservID last"},
		{"AuthservID", "AuthservID before\nInclude " + sub + "\n"}, {"AuthservID", "Include " + sub + "\nAuthservID after\n"}, {"AuthservID", "AuthservID before\nInclude " + sub + "\nAuthservID after\n"},
		{"Domain", "Domain a , b,c\n"}, {"Domain", "Domain " + strings.Repeat("a", 30000) + "\n"}, {"AutoRestartRate", "AutoRestartRate 10/1h\n"}, {"LDAPTimeout", "LDAPTimeout 10\n"},
		{"Syslog", "LogWhy yes\n"}, {"Mode", "Mode sv\nMode v\n"}, {"authservid", "AuthservID x\n"},
	} {
		path := filepath.Join(folder, "f.conf")
		if !strings.Contains(test.text, "Mode") { // for signing, options want one another
			test.text = "Mode v\n" + test.text
		}
		write(t, path, test.text)
		var out bytes.Buffer
		cmd := exec.Command(opendkim, "-e", test.option, "-x", path)
		cmd.Stdout = &out
		_ = cmd.Run() // 78 when the option is not given
		c, problems := Load(path)
		if problems.HasErrors() {
			t.Errorf("%.100q: %v", test.text, problems)
		}
		got := ""
		for _, line := range c.Extract(test.option) {
			got += line + "\n"
		}
		if got != out.String() {
			t.Errorf("%.100q: %s: OpenDKIM prints %.100q, we %.100q", test.text, test.option, out.String(), got)
		}
	}
}
