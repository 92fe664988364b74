package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/policy"

	"github.com/google/go-cmp/cmp"
)

// load writes a file and loads it; problems come back as lines with hints, the
// folder's name taken out.
func load(t *testing.T, text string) (*Config, []string) {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "f.conf")
	write(t, path, text)
	c, problems := Load(path)
	var b strings.Builder
	problems.Write(&b)
	out := strings.ReplaceAll(b.String(), folder+"/", "")
	if out == "" {
		return c, nil
	}
	return c, strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The expected values are what `opendkim -e OPTION -x FILE` of Debian 12
// (2.11.0~beta2-8+deb12u1) prints; TestAgainstOpenDKIM asks it again.
func TestLine(t *testing.T) {
	for _, test := range []struct{ line, option, want string }{
		{"AuthservID a b  c", "AuthservID", "a b  c"},
		{`AuthservID   "a b"  `, "AuthservID", `"a b"`},
		{"AuthservID a#b", "AuthservID", "a"},
		{`AuthservID a \# b`, "AuthservID", `a \`},
		{"\t AuthservID\ta", "AuthservID", "a"},
		{"AuthservID = a", "AuthservID", "= a"},
		{"AuthservID a\nAuthservID b", "AuthservID", "b"},
		{"AuthservID a\r", "AuthservID", "a"},
		{"AuthservID a b\t c  \r\n", "AuthservID", "a b\t c"},
		{"AuthservID \va\v", "AuthservID", "\va\v"},
		{"AuthservID\va", "AuthservID", ""},
		{"AuthservID\ra", "AuthservID", ""},
		{"authservid x", "AuthServID", "x"},
		{"Umask 0002", "UMask", "0002"},
		{"\n\n  # only a comment\n#\nAuthservID x", "AuthservID", "x"},
		{"Domain a , b,c", "Domain", "a , b,c"},
		{"Domain *", "Domain", "*"},
		{"InternalHosts -", "InternalHosts", "-"},
		{"Socket inet:8891@localhost", "Socket", "inet:8891@localhost"},
	} {
		c, _ := load(t, test.line)
		if got := textOf(c, test.option); got != test.want {
			t.Errorf("%q: %s is %q, want %q", test.line, test.option, got, test.want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"Syslog yes\nSelektor mail\n", []string{`f.conf:2: unknown option "Selektor"`, "    hint: did you mean Selector?"}},
		{"SigningTabel refile:/x\n", []string{`f.conf:1: unknown option "SigningTabel"`, "    hint: did you mean SigningTable?"}},
		{"Foobarbaz x\n", []string{`f.conf:1: unknown option "Foobarbaz"`, "    hint: `dojang config explain` lists all options"}},
		{"AuthservID=a\n", []string{`f.conf:1: unknown option "AuthservID=a"`, "    hint: write a blank instead of the equals sign: AuthservID a"}},
		{"Selector: mail\n", []string{`f.conf:1: unknown option "Selector:"`, "    hint: write Selector without a colon"}},
		{"Syslog\n", []string{"f.conf:1: Syslog: no value", "    hint: write Syslog yes"}},
		{"KeyTable # none\n", []string{"f.conf:1: KeyTable: no value", "    hint: write KeyTable refile:/etc/opendkim/KeyTable"}},
		{"Include\n", []string{"f.conf:1: Include: no value", "    hint: write Include /path/of/it"}},
		{"Syslog maybe\n", []string{`f.conf:1: Syslog: "maybe" is neither yes nor no`, "    hint: write yes or no"}},
		{`Syslog "yes"` + "\n", []string{`f.conf:1: Syslog: "\"yes\"" is neither yes nor no`, "    hint: write yes or no"}},
		{"MaximumHeaders 64k\n", []string{`f.conf:1: MaximumHeaders: "64k" is not a number`, "    hint: write a whole number: MaximumHeaders 65536"}},
		{"MaximumHeaders 99999999999\n", []string{`f.conf:1: MaximumHeaders: "99999999999" is a number beyond 32 bits`, "    hint: write a whole number: MaximumHeaders 65536"}},
		{"MaximumHeaders -1\n", []string{`f.conf:1: MaximumHeaders: "-1" is below zero; 0 is used (warning)`}},
		{"SignatureTTL 7d\n", []string{`f.conf:1: SignatureTTL: "7d" is not a number`, "    hint: write seconds: SignatureTTL 604800"}},
		{"DNSTimeout soon\n", []string{`f.conf:1: DNSTimeout: "soon" is not a number`, "    hint: write seconds: DNSTimeout 5"}},
		{"MessageTimeBudget soon\n", []string{`f.conf:1: MessageTimeBudget: "soon" is no time`, "    hint: write a number and s, m, h or d: MessageTimeBudget 25s"}},
		{"UMask 9\n", []string{`f.conf:1: UMask: "9" is no permission mask`, "    hint: write three octal digits: UMask 002"}},
		{"UMask 22\n", []string{`f.conf:1: UMask: "22" has no leading 0 and is read as decimal, which is 026 (warning)`, "    hint: write UMask 022, or 026 if that is meant"}},
		{"UMask 01777\n", []string{`f.conf:1: UMask: "01777" is no permission mask`, "    hint: write three octal digits: UMask 002"}},
		{"AutoRestartRate 10\n", []string{`f.conf:1: AutoRestartRate: "10" is no rate: not a rate`, "    hint: write a count, a slash and a time with s, m, h or d: AutoRestartRate 10/1h"}},
		{"BogusKey maybe\n", []string{`f.conf:1: BogusKey: "maybe" is not known here`, "    hint: one of fail, neutral, none"}},
		{"On-NoSignature rej\n", []string{`f.conf:1: On-NoSignature: "rej" is not known here; accept is used, as OpenDKIM does (warning)`, "    hint: one of accept, discard, quarantine, reject, tempfail, or its first letter"}},
		{"Mode x\n", []string{`f.conf:1: Mode: unknown mode "x"`, "    hint: write s to sign, v to verify, sv for both"}},
		{"Canonicalization relaxed/nowsp\n", []string{`f.conf:1: Canonicalization: unknown canonicalization "nowsp"`, "    hint: write simple or relaxed, or two of them: Canonicalization relaxed/simple"}},
		{"Minimum 150%\n", []string{`f.conf:1: Minimum: "150%" is not a number of bytes, a number with % up to 100, or a number with +`, "    hint: write bytes, a percentage or bytes with +: 1024, 75% or 512+"}},
		{"Nameservers 192.0.2.1, ns.example\n", []string{`f.conf:1: Nameservers: "ns.example" is no IP address`, "    hint: write Nameservers 192.0.2.1"}},
		{"Socket bogus:1\n", []string{`f.conf:1: Socket: "bogus:1": unknown kind of socket "bogus"`, "    hint: write Socket inet:8891@localhost or Socket local:/run/opendkim/opendkim.sock"}},
		{"SyslogFacility LOG_MAIL\n", []string{`f.conf:1: SyslogFacility: "LOG_MAIL" is not known here`, "    hint: one of auth, authpriv, cron, daemon, ftp, kern, lpr, mail, news, security, syslog, user, uucp, local0, local1, local2, local3, local4, local5, local6, local7"}},
		{"UserID :mail\n", []string{`f.conf:1: UserID: ":mail" lacks a name`, "    hint: write a user, or user:group"}},
		{"MinimumKeyBits 512\n", []string{`f.conf:1: MinimumKeyBits: keys of 512 bits can be forged (warning)`, "    hint: RFC 8301 §3.2 forbids RSA keys below 1024 bits"}},
		{"SignatureAlgorithm rsa-sha1\n", []string{`f.conf:1: SignatureAlgorithm: RFC 8301 §3.1 forbids signing with SHA-1 (warning)`, "    hint: leave the option out: the key decides"}},
		{`Domain "example.com"` + "\n", []string{"f.conf:1: Domain: the quotation marks are part of the value (warning)", "    hint: write Domain example.com"}},
		{"AuthservID = a\n", []string{"f.conf:1: AuthservID: the equals sign is part of the value (warning)", "    hint: write AuthservID a"}},
		{"Domain a.example, \\\n", []string{"f.conf:1: Domain: a backslash at the end does not continue the line (warning)", "    hint: write all of it in one line"}},
		{"Selector a\nSelector b\n", []string{"f.conf:2: Selector: given before, in line 1; the last one counts (warning)", "    hint: take out line 1 or line 2"}},
		{"InsecureKey none\n", []string{"f.conf:1: InsecureKey: an option of older releases; it has no effect (warning)", "    hint: take the line out and use UnprotectedKey"}},
		{"ADSPAction\n", []string{"f.conf:1: ADSPAction: an option of older releases; it has no effect (warning)", "    hint: take the line out"}},
		{"\xef\xbb\xbfMode v\n", []string{"f.conf:1: the file begins with a byte order mark (warning)", "    hint: save the file as UTF-8 without a mark; OpenDKIM refuses it"}},
		{"AuthservID a\x00b\n", []string{"f.conf:1: a NUL byte in the line", "    hint: write the file as plain text"}},
		{"Include nowhere.conf\n", []string{`f.conf:1: Include: "nowhere.conf" cannot be read: no such file or directory`, "    hint: a relative path is relative to the folder the filter is started in; write the whole path"}},
		{"Include /\n", []string{`f.conf:1: Include: "/" cannot be read: is a directory`}},
		{"Foo x\n\nSyslog maybe\nMode\n", []string{
			`f.conf:1: unknown option "Foo"`, "    hint: `dojang config explain` lists all options",
			`f.conf:3: Syslog: "maybe" is neither yes nor no`, "    hint: write yes or no",
			"f.conf:4: Mode: no value", "    hint: write Mode sv"}},
	} {
		_, got := load(t, test.text)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.text, diff)
		}
	}
}

// What is refused is not kept: the default stays in force.
func TestRefusedValueIsNotKept(t *testing.T) {
	c, _ := load(t, "MaximumHeaders 64k\nOn-NoSignature rej\n")
	if c.MaximumHeaders.Value != 65536 || c.MaximumHeaders.IsSet() || c.OnNoSignature.Value != policy.Accept {
		t.Error("a refused value is in force")
	}
}

func TestLongLine(t *testing.T) {
	names := make([]string, 2500)
	for i := range names {
		names[i] = fmt.Sprintf("a%d.example", i)
	}
	list := strings.Join(names, ",")
	if len(list) < 25_000 {
		t.Fatal("the line is too short to prove anything")
	}
	c, problems := load(t, "Domain "+list+"\nAuthservID x\n")
	if problems != nil || c.Domain.Text() != list || len(parseList(c.Domain.Value)) != 2500 || c.AuthservID.Text() != "x" {
		t.Errorf("a line of %d bytes: %v", len(list), problems)
	}
	c, problems = load(t, "Domain "+strings.Repeat("a", maxLineBytes)+"\nAuthservID x\n")
	want := []string{"f.conf:1: the line is longer than 1048576 bytes", "    hint: put long lists into a file and name it"}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
	if c.Domain.IsSet() || c.AuthservID.Text() != "x" {
		t.Error("the rest of the file was not read rightly")
	}
}

func TestUnreadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.conf")
	c, problems := Load(path)
	if c == nil || len(problems) != 1 || problems[0].String() != path+": cannot be read: no such file or directory" {
		t.Errorf("%v", problems)
	}
	write(t, path, strings.Repeat("# a comment of twenty bytes\n", maxFileBytes/28+1))
	if _, problems = Load(path); len(problems) != 1 || problems[0].Text != "cannot be read: larger than 16777216 bytes" {
		t.Errorf("%v", problems)
	}
	if _, problems = Load(""); problems != nil {
		t.Errorf("no file: %v", problems)
	}
}

// What nobody writes to would have the start, or a reload, wait for ever.
func TestPipesAreNoConfiguration(t *testing.T) {
	folder := t.TempDir()
	pipe, path := filepath.Join(folder, "pipe"), filepath.Join(folder, "f.conf")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{pipe, "/dev/zero"} {
		if _, problems := Load(other); len(problems) != 1 || problems[0].String() != other+": cannot be read: not a regular file" {
			t.Errorf("%v", problems)
		}
		write(t, path, "Mode v\nInclude "+other+"\n")
		want := fmt.Sprintf("%s:2: Include: %q cannot be read: not a regular file", path, other)
		if _, problems := Load(path); len(problems) != 1 || problems[0].String() != want {
			t.Errorf("%v", problems)
		}
	}
}

func TestInclude(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	write(t, path("top.conf"), "AuthservID top\nInclude "+path("sub.conf")+"  # here\nSelector top\n")
	write(t, path("sub.conf"), "AuthservID sub\nSelector sub\nSyslog perhaps\n")
	c, problems := Load(path("top.conf"))
	if c.AuthservID.Source() != (Value{Text: "sub", File: path("sub.conf"), Line: 1}) ||
		c.Selector.Source() != (Value{Text: "top", File: path("top.conf"), Line: 3}) {
		t.Errorf("%v, %v", c.AuthservID.Source(), c.Selector.Source())
	}
	if len(problems) != 1 || problems[0].String() != path("sub.conf")+`:3: Syslog: "perhaps" is neither yes nor no` {
		t.Errorf("%v", problems)
	}
}

// OpenDKIM takes five levels below the first file and says "nesting too deep"
// at the sixth.
func TestIncludeDepth(t *testing.T) {
	folder := t.TempDir()
	for i := range 7 {
		write(t, filepath.Join(folder, fmt.Sprintf("%d.conf", i)), fmt.Sprintf("Include %s/%d.conf\n", folder, i+1))
	}
	write(t, filepath.Join(folder, "7.conf"), "AuthservID deep\n")
	if c, problems := Load(filepath.Join(folder, "2.conf")); problems != nil || c.AuthservID.Text() != "deep" {
		t.Errorf("five levels: %v", problems)
	}
	_, problems := Load(filepath.Join(folder, "1.conf"))
	if len(problems) != 1 || problems[0].String() != filepath.Join(folder, "6.conf")+":1: Include: nested too deep" {
		t.Errorf("six levels: %v", problems)
	}
}

func TestIncludeCycleAndFlood(t *testing.T) {
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a.conf"), filepath.Join(folder, "b.conf")
	write(t, a, "Include "+b+"\n")
	write(t, b, "Include "+folder+"/../"+filepath.Base(folder)+"/a.conf\n")
	_, problems := Load(a)
	if len(problems) != 1 || !strings.HasSuffix(problems[0].Text, "a.conf includes itself") || problems[0].File != b {
		t.Errorf("%v", problems)
	}
	// 300^2 files without the limit.
	write(t, b, "Syslog yes\n")
	write(t, a, strings.Repeat("Include "+filepath.Join(folder, "c.conf")+"\n", 300))
	write(t, filepath.Join(folder, "c.conf"), strings.Repeat("Include "+b+"\n", 300))
	_, problems = Load(a)
	if !problems.HasErrors() || problems[0].Text != "more than 1000 files" {
		t.Errorf("%v", problems[0])
	}
}

// TestLongFile: a configuration of more than 16 MiB is none.
func TestLongFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for n, want := range map[int]bool{16 << 20: true, 16<<20 + 1: false} {
		write(t, path, "Mode v\n"+strings.Repeat("#\n", (n-7)/2)+strings.Repeat("\n", (n-7)%2))
		if _, problems := Load(path); problems.HasErrors() == want {
			t.Errorf("%d bytes: %v", n, problems)
		}
	}
}

// Compat(opendkim 2.11): relative to the working folder.
func TestIncludeRelative(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, "inc.conf", "AuthservID working\n")
	write(t, "sub/inc.conf", "AuthservID beside\n")
	write(t, "sub/main.conf", "Include inc.conf\n")
	if c, problems := Load("sub/main.conf"); problems != nil || c.AuthservID.Text() != "working" {
		t.Errorf("%q %v", c.AuthservID.Text(), problems)
	}
	if err := os.Remove("inc.conf"); err != nil {
		t.Fatal(err)
	}
	_, problems := Load("sub/main.conf")
	want := "a relative path is relative to the folder the filter is started in; write the whole path: Include " +
		filepath.Join(folder, "sub/inc.conf")
	if len(problems) != 1 || problems[0].Hint != want {
		t.Errorf("%v", problems)
	}
}

// textOf is the text of an option in any case, "" for an unknown one.
func textOf(c *Config, name string) string {
	o := Find(name)
	if o == nil {
		return ""
	}
	return c.Field(o.Name).Text()
}
