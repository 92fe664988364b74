package config

import (
	"os"
	"strings"
	"testing"

	"dojang/internal/problem"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	const socket = "Socket inet:8891@localhost\n"
	for _, test := range []struct {
		text string
		want []string // a trailing ! marks an error
	}{
		{socket, nil},
		{socket + "Mode v\n", nil},
		{"", []string{"Socket: there is none, and the filter does not start without one unless systemd hands it over"}},
		{socket + "KeyTable /kt\nSigningTable refile:/st\n", nil},
		{socket + "KeyTable /kt\n", []string{"f:2: KeyTable: needs a SigningTable or a SetupPolicyScript: nothing says which sender gets which key!"}},
		{socket + "KeyTable /kt\nMode v\n", []string{"f:2: KeyTable: not used: Mode v does not sign"}},
		{socket + "SigningTable /st\n", []string{"f:2: SigningTable: needs a KeyTable!"}},
		{socket + "SigningTable /st\nMode v\n", []string{"f:2: SigningTable: needs a KeyTable!"}},
		{socket + "Domain example.com\n", []string{"f:2: Domain: needs KeyFile and Selector!"}},
		{socket + "Domain example.com\nSelector s\n", []string{"f:2: Domain: needs KeyFile and Selector!"}},
		{socket + "KeyFile /k\n", []string{"f:2: KeyFile: needs a Selector!"}},
		{socket + "Selector s\n", []string{"f:2: Selector: needs a KeyFile!"}},
		{socket + "Selector s\nMode v\n", nil},
		{socket + "KeyFile /k\nSelector s\n", []string{"f:2: KeyFile: without a Domain nothing is signed"}},
		{socket + "KeyFile /k\nSelector s\nDomain *\n", nil},
		{socket + "KeyTable /kt\nSigningTable /st\nDomain a\nSelector b\nKeyFile /k\n", []string{
			"f:4: Domain: not used: KeyTable and SigningTable win", "f:5: Selector: not used: KeyTable and SigningTable win", "f:6: KeyFile: not used: KeyTable and SigningTable win"}},
		{socket + "Mode s\n", []string{"f:2: Mode: there is no key to sign with: mail is only verified"}},
		{socket + "Mode s\nKeyTable /kt\nSigningTable /st\nOn-NoSignature reject\n", []string{"f:5: On-NoSignature: not used: Mode s does not verify"}},
		{socket + "AutoRestartRate 10/1h\nAutoRestart no\n", []string{"f:2: AutoRestartRate: has no effect without AutoRestart"}},
		{socket + "AutoRestartRate 10/1h\nAutoRestart yes\n", nil},
		{socket + "SyslogSuccess yes\n", []string{"f:2: SyslogSuccess: has no effect without Syslog or StdoutLog"}},
		{socket + "SyslogSuccess yes\nStdoutLog yes\n", nil},
		{socket + "SubDomains yes\n", []string{"f:2: SubDomains: has no effect without Domain"}},
		{socket + "ChangeRootDirectory /jail\n", []string{"f:2: ChangeRootDirectory: without UserID the process stays root, and root gets out of a chroot"}},
		{socket + "MinimumKeyBits 4096\nMaximumKeyBits 2048\n", []string{"f:3: MaximumKeyBits: no key can be at least 4096 and at most 2048 bits long!"}},
		{socket + "MinimumKeyBits 4096\nMaximumKeyBits 0\n", nil},
		{socket + "KeyCacheSize 0\n", []string{"f:2: KeyCacheSize: the keys of a message must have room!"}},
		{socket + "DataSetCacheSize 0\n", []string{"f:2: DataSetCacheSize: the answers for a message must have room!"}},
		{socket + "DNSTimeout 60\n", []string{"f:2: DNSTimeout: longer than the 25s that a message's look-ups may take together (MessageTimeBudget)"}},
		{socket + "DNSTimeout 60\nMessageTimeBudget 2m\n", nil},
		{socket + "On-DNSError D\n", []string{"f:2: On-DNSError: discard loses good mail whenever something is out of order for a moment"}},
		{socket + "On-BadSignature discard\n", nil},
		{socket + "TestPublicKeys /k\n", []string{"f:2: TestPublicKeys: public keys come from it and not from DNS"}},
		{socket + "ResolverTracing yes\n", []string{"f:2: ResolverTracing: there is nothing to do for it here"}},
		{socket + "ResolverTracing no\nDisableCryptoInit no\n", nil},
		{"Socket inet:1@localhost\nSocket inet:2@localhost\n", []string{"f:1: Socket: not used: the one at f:2 wins"}},
		{"Socket inet:1@localhost\nSocket inet:1@localhost\n", nil},
		{"Socket inet:1@localhost\nSocket inet:1@localhost both\n", []string{"f:2: Socket: the same socket as at f:1!"}},
		{"Mode v\nSocket inet:1@localhost sign\nSocket inet:2@localhost\n", []string{"f:2: Socket: Mode v leaves nothing to do for a socket that is to sign"}},
	} {
		t.Chdir(t.TempDir())
		write(t, "f", test.text)
		c, problems := Load("f")
		if problems.HasErrors() {
			t.Errorf("%q: %v", test.text, problems)
		}
		var got []string
		for _, p := range c.Check() {
			line := p.String()
			if p.Severity == problem.Error {
				line += "!"
			}
			if p.Hint == "" && !strings.Contains(line, "no key can be") {
				t.Errorf("%q: no hint", line)
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.text, diff)
		}
	}
}

// An option that does nothing must say so: each of them, when given a value
// that is not its default.
func TestCheckTellsOfOptionsWithoutEffect(t *testing.T) {
	for _, o := range Options() {
		if o.Status == Historic || o.Name == "Include" {
			continue
		}
		c := New()
		value := o.examples()[0]
		if value == o.Default && o.Type == Boolean {
			continue
		}
		if len(o.Allowed) > 1 && value == o.Default {
			value = o.Allowed[1]
		}
		switch {
		case o.Name == "Mode":
			value = "v"
		case value == o.Default && o.Type == Path:
			value = "/elsewhere"
		case value == o.Default:
			value = "7"
		}
		if problems := c.Set(o.Name, value, CommandLine); problems.HasErrors() {
			t.Fatalf("%s %s: %v", o.Name, value, problems)
		}
		told := false
		for _, p := range c.Check() {
			told = told || p.Option == o.Name && p.Text == "there is nothing to do for it here"
		}
		if told != (o.Status == Ignored) {
			t.Errorf("%s %s (%s): told %v", o.Name, value, o.Status, told)
		}
	}
}

// Configurations from real life load without an error.
func TestWild(t *testing.T) {
	entries, err := os.ReadDir("testdata/wild")
	if err != nil || len(entries) < 10 {
		t.Fatalf("%d files: %v", len(entries), err)
	}
	want := map[string]string{ // something each must have brought
		"chatmail.conf": "SignHeaders *,+autocrypt,+content-type", "debian.conf": "UMask 007", "docker-mailserver.conf": `ReportAddress "Example Postmaster" <postmaster@example.com>`,
		"epel.conf": "UMask 002", "historic.conf": "InternalHosts -", "howto.conf": "SigningTable refile:/etc/opendkim/SigningTable", "mailinabox.conf": "Socket inet:8891@127.0.0.1",
		"modoboa.conf": "SigningTable dsn:mysql://opendkim:verysecret@3306+127.0.0.1/modoboa/table=dkim?keycol=domain_name?datacol=id",
		"windows.conf": "AuthservID mail.example.com", "zimbra.conf": "KeyTable ldap://ldap1.example.com:389/?DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMIdentity=$d) ldap://ldap2.example.com:389/",
	}
	for _, entry := range entries {
		c, problems := Load("testdata/wild/" + entry.Name())
		problems = append(problems, c.Check()...)
		if problems.HasErrors() {
			t.Errorf("%s: %v", entry.Name(), problems.Error())
		}
		name, text, ok := strings.Cut(want[entry.Name()], " ")
		if !ok || c.Field(name).Text() != text {
			t.Errorf("%s: %s is %q, want %q", entry.Name(), name, c.Field(name).Text(), text)
		}
		if entry.Name() == "historic.conf" && len(problems) < 10 {
			t.Errorf("historic.conf: %v", problems)
		}
	}
}
