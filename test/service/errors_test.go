package service

import (
	"os"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// TestStartErrors holds the exit status and the words of a start that fails. The
// words are ours: file, line, what is wrong, and below it what to type.
func TestStartErrors(t *testing.T) {
	w := newWorld(t)
	w.write("lua", "this is no Lua (\n")
	w.write("garbage.private", "no key\n")
	w.write("open.private", testutil.KeyPEM(testutil.RSAKey()))
	must(t, os.Chmod(w.path("open.private"), 0o666))
	const keys = "Domain example.com\nSelector sel\nKeyFile DIR/key.private\n"
	for _, c := range []struct {
		name, config string
		code         int
		words        string
	}{
		{"unknown option", "Mode v\nSocet local:DIR/s\n", 78, `DIR/conf:2: unknown option "Socet"`},
		{"no value", "Mode\n", 78, "DIR/conf:1: Mode: no value"},
		{"bad boolean", "Syslog maybe\n", 78, "DIR/conf:1: Syslog: "},
		{"bad integer", "ClockDrift soon\n", 78, "DIR/conf:1: ClockDrift: "},
		{"bad octal", "UMask 9\n", 78, "DIR/conf:1: UMask: "},
		{"missing include", "Mode v\nInclude DIR/nowhere\n", 78, `DIR/conf:2: Include: "DIR/nowhere" cannot be read: `},
		{"nesting too deep", "Include DIR/conf\n", 78, "DIR/conf:1: Include: "},
		{"unknown mode", "Mode x\n", 78, "DIR/conf:1: Mode: "},
		{"unknown canonicalization", keys + "Canonicalization foo\n", 78, "DIR/conf:4: Canonicalization: "},
		{"unknown algorithm", keys + "SignatureAlgorithm foo\n", 78, "DIR/conf:4: SignatureAlgorithm: "},
		{"bad minimum", "Minimum x\n", 78, "DIR/conf:1: Minimum: "},
		{"unknown key treatment", "BogusKey explode\n", 78, "DIR/conf:1: BogusKey: "},
		{"bad restart rate", "AutoRestartRate often\n", 78, "DIR/conf:1: AutoRestartRate: "},
		{"unknown facility", "SyslogFacility post\n", 78, "DIR/conf:1: SyslogFacility: "},
		{"domain alone", "Domain example.com\n", 78, "KeyFile"},
		{"selector without key", "Mode s\nSelector sel\n", 78, "KeyFile"},
		{"key table alone", "KeyTable DIR/KeyTable\n", 78, "SigningTable"},
		{"signing table alone", "SigningTable DIR/SigningTable\n", 78, "KeyTable"},
		{"missing table", "KeyTable DIR/nowhere\nSigningTable DIR/SigningTable\n", 78, "DIR/conf:1: KeyTable: DIR/nowhere: No such file or directory"},
		{"missing key", "Domain example.com\nSelector sel\nKeyFile DIR/nowhere\n", 78, "DIR/conf:3: KeyFile: can't load key from DIR/nowhere: No such file or directory"},
		{"no key in it", "Domain example.com\nSelector sel\nKeyFile DIR/garbage.private\n", 78, "DIR/conf:3: KeyFile: "},
		{"key open to all", "Domain example.com\nSelector sel\nKeyFile DIR/open.private\n", 78, "DIR/open.private can be read or written by other users"},
		{"macro list in a server", keys + "MacroList refile:DIR/SigningTable\n", 78, "DIR/conf:4: MacroList: "},
		{"missing trust anchor", "TrustAnchorFile DIR/nowhere\n", 78, "DIR/conf:1: TrustAnchorFile: "},
		{"missing replace rules", "ReplaceRules DIR/nowhere\n", 78, "DIR/conf:1: ReplaceRules: DIR/nowhere: No such file or directory"},
		{"missing public keys", "TestPublicKeys DIR/nowhere\n", 78, "DIR/conf:1: TestPublicKeys: "},
		{"missing root", "ChangeRootDirectory DIR/nowhere\n", 71, "DIR/nowhere: chdir(): No such file or directory"},
		{"missing base", "BaseDirectory DIR/nowhere\n", 78, "DIR/conf:1: BaseDirectory: DIR/nowhere: chdir(): No such file or directory"},
		{"unknown user", "UserID nosuch\n", 65, "DIR/conf:1: UserID: no such user 'nosuch'"},
		{"unknown group", "UserID nobody:nosuch\n", 65, "DIR/conf:1: UserID: no such group 'nosuch'"},
		{"bad name server", "Nameservers nonsense/x\n", 78, "DIR/conf:1: Nameservers: "},
		{"no socket", "Socket\n", 78, "DIR/conf:1: Socket: no value"},
		{"kind of socket", "Socket foo:DIR/s\n", 78, "DIR/conf:1: Socket: "},
		{"port", "Socket inet:nosuchport@localhost\n", 78, "DIR/conf:1: Socket: "},
		{"host", "Socket inet:8891@no.such.host.invalid\n", 69, "opendkim: socket no.such.host.invalid:8891: "},
		{"folder of the socket", "Socket local:DIR/nowhere/s\n", 69, "opendkim: socket DIR/nowhere/s: "},
		{"metrics for the world", "MetricsSocket inet:9890@0.0.0.0\n", 78, "MetricsSocket: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.config
			if !strings.Contains("\n"+text, "\nSocket") {
				text += "Socket local:DIR/s\n"
			}
			w.write("conf", w.text(text))
			r := w.run("", "opendkim", "-f", "-x", "DIR/conf")
			if got := strings.ReplaceAll(r.err, w.dir, "DIR"); r.code != c.code || !strings.Contains(got, c.words) || r.out != "" {
				t.Errorf("exit %d, want %d:\n%s%s", r.code, c.code, r.out, got)
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	w := newWorld(t)
	w.write("empty", "")
	for _, c := range []struct {
		args  []string
		code  int
		words string
	}{
		{[]string{"-Z"}, 64, "opendkim: invalid option -- 'Z'\nopendkim: usage: opendkim -p socketfile [options]"},
		{[]string{"-h"}, 64, "opendkim: invalid option -- 'h'\nopendkim: usage: "},
		{[]string{"--help"}, 64, "opendkim: invalid option -- '-'\nopendkim: usage: "},
		{[]string{"-p", "local:DIR/s", "-b"}, 64, "opendkim: option requires an argument -- 'b'\nopendkim: usage: "},
		{[]string{"-p", "local:DIR/s", "-b=s"}, 78, "command line: Mode: "},
		{[]string{"-p", "local:DIR/s", "more"}, 64, `"more"`},
		{[]string{"-x"}, 64, "usage"},
		{[]string{"-p", "local:DIR/s", "-T", "soon"}, 64, "opendkim: invalid value for -T"},
		{[]string{"-p", "local:DIR/s", "-b", "x"}, 78, "command line: Mode: "},
		{[]string{"-f", "-x", "DIR/nowhere"}, 78, "DIR/nowhere: "},
		{[]string{"-f", "-x", "DIR/empty"}, 78, "opendkim: milter socket must be specified"},
	} {
		r := w.run("", "opendkim", c.args...)
		if got := strings.ReplaceAll(r.err, w.dir, "DIR"); r.code != c.code || !strings.Contains(got, c.words) || r.out != "" {
			t.Errorf("%v: exit %d, want %d:\n%s%s", c.args, r.code, c.code, r.out, got)
		}
	}
}

// Compat(opendkim 2.11): it starts with an action that it does not know, and so
// does ours, which says so.
func TestUnknownActionsAreToldOf(t *testing.T) {
	w := newWorld(t)
	p := w.serve("On-BadSignature explode\n")
	if got := p.String(); !strings.Contains(got, "opendkim.conf:7: On-BadSignature: ") {
		t.Errorf("not told of: %s", got)
	}
	w.signs()
}
