package service

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// TestFlagsThatEnd holds opendkim's flags that do something and end to what
// OpenDKIM 2.11 was seen to do.
func TestFlagsThatEnd(t *testing.T) {
	w := newWorld(t)
	w.write("conf", w.text("Syslog yes\nUMask 007\nCanonicalization relaxed/simple\nSocket local:DIR/s\nKeyTable "+
		"DIR/KeyTable\nSigningTable refile:DIR/SigningTable\nMode sv\n"))
	w.write("bad", "Mode x\nNonsense yes\n")
	w.write("nosocket", "Mode v\n")
	w.write("table", "b 2\nc:d 3\n")
	w.write("message", "From: a@example.com\r\nTo: b@example.org\r\nSubject: s\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n")
	w.write("broken", "From: a@example.com\r\nno field\r\n\r\n")
	w.write("bare", "From: a@example.com\nTo: b@example.org\n\nhello\n")
	w.write("nothing", "")
	w.write("strict", w.text("Mode v\nStrictTestMode yes\n"))
	type test struct {
		stdin    string
		args     []string
		code     int
		out, err string // "~text": contains text
	}
	for _, c := range []test{
		{"", []string{"-n", "-x", "DIR/conf"}, 0, "", ""},
		{"", []string{"-n", "-x", "DIR/nosocket"}, 0, "", "~(warning)"},
		{"", []string{"-n", "-x", "DIR/bad"}, 78, "", "~DIR/bad:2: "},
		{"", []string{"-n", "-x", "DIR/bad"}, 78, "", "~DIR/bad:1: Mode: "},
		{"", []string{"-V"}, 0, "~opendkim: OpenDKIM Filter v2.11.0\n", ""},
		{"", []string{"-V"}, 0, "~\n\tRSA signing engine: ", ""},
		{"", []string{"-e", "", "-x", "DIR/conf"}, 65, "", "opendkim: : no such option\n"},
		{"", []string{"-ne", "umask", "-x", "DIR/conf"}, 0, "", ""},
		{"", []string{"-t", "", "-x", "DIR/conf"}, 64, "", "~opendkim: usage: "},
		{"", []string{"-e", "umask", "-x", "DIR/conf"}, 0, "7\n", ""},
		{"", []string{"-e", "Syslog", "-x", "DIR/conf"}, 0, "True\n", ""},
		{"", []string{"-e", "Domain", "-x", "DIR/conf"}, 78, "", ""},
		{"", []string{"-e", "Nonsense", "-x", "DIR/conf"}, 65, "", "~no such option"},
		{"file:DIR/table\nb/1\n", []string{"-Q"}, 0, "'2'\n\n", ""},
		{"csl:a=b:c\na/2\n", []string{"-Q"}, 0, "'b'\n'c'\n\n", ""},
		{"file:DIR/table\nx/1\n", []string{"-Q"}, 0, "opendkim: dkimf_db_get(): record not found\n\n", ""},
		{"file:DIR/table\nb/1\n\nc:d/ 1\n", []string{"-Q"}, 0, "'2'\n'3'\n\n", ""},
		{"file:DIR/table\n", []string{"-Q"}, 0, "\n", ""},
		{"file:DIR/table\nnonsense\n", []string{"-Q"}, 64, "", "opendkim: invalid query 'nonsense'\n"},
		{"file:DIR/nowhere\nb/1\n", []string{"-Q"}, 70, "", "~DIR/nowhere: dkimf_db_open(): "},
		{"", []string{"-Q"}, 71, "", ""},
		{"", []string{"-t", "DIR/message"}, 0, "opendkim: DIR/message: message not signed\n", ""},
		{"", []string{"-v", "-t", "DIR/message"}, 0, "~message not signed", "opendkim: DIR/message: mlfi_eom() returned SMFIS_ACCEPT\n"},
		{"", []string{"-t", "DIR/message,DIR/message"}, 0, "opendkim: DIR/message: message not signed\nopendkim: DIR/message: message not signed\n", ""},
		{"From: a@example.com\n\nx\n", []string{"-t", "-"}, 0, "opendkim: (stdin): message not signed\n", ""},
		{"", []string{"-t", "DIR/nowhere"}, 69, "", "opendkim: DIR/nowhere: fopen(): No such file or directory\n"},
		{"", []string{"-t", "DIR/broken"}, 65, "", "opendkim: DIR/broken: line 3: header malformed\n"},
		{"", []string{"-t", "DIR/nothing"}, 0, "", "opendkim: DIR/nothing: warning: no headers on input\n"},
		{"", []string{"-x", "DIR/strict", "-t", "DIR/message"}, 0, "opendkim: DIR/message: message not signed\n", ""},
		{"", []string{"-x", "DIR/strict", "-t", "DIR/bare"}, 65, "", "opendkim: DIR/bare: line 1: not CRLF-terminated\n"},
		{"", []string{"-b", "s", "-d", "example.com", "-s", "sel", "-k", "DIR/key.private", "-F", "1700000000", "-t", "DIR/message"}, 0, "~t=1700000000;", ""},
		{"", []string{"-F", "soon", "-t", "DIR/message"}, 64, "", "~-F"},
	} {
		args := append([]string(nil), c.args...)
		if !strings.Contains(strings.Join(args, " "), "-x") {
			args = append(args, "-x", "/dev/null")
		}
		r := w.run(w.text(c.stdin), "opendkim", args...)
		general := func(s string) string { return strings.ReplaceAll(s, w.dir, "DIR") }
		if r.code != c.code || !says(general(r.out), c.out) || !says(general(r.err), c.err) {
			t.Errorf("%v: exit %d, want %d\nout: %s\nerr: %s", c.args, r.code, c.code, general(r.out), general(r.err))
		}
	}
}

func says(got, want string) bool {
	if part, ok := strings.CutPrefix(want, "~"); ok {
		return strings.Contains(got, part)
	}
	return got == want
}

// TestVersionIsWrittenAsOpenDKIMs: programs read it to learn what is there.
func TestVersionIsWrittenAsOpenDKIMs(t *testing.T) {
	theirs := testutil.Need(t, "opendkim")
	w := newWorld(t)
	cmd := exec.Command(theirs, "-V")
	cmd.Env = os.Environ()
	a, b := runToEnd(t, cmd), w.run("", "opendkim", "-V")
	for line := range strings.Lines(a.out) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Compiled with") || strings.HasPrefix(line, "SMFI_VERSION") ||
			strings.HasPrefix(line, "libmilter") || strings.HasPrefix(line, "libopendkim") {
			continue // libraries that we have not
		}
		switch line {
		case "USE_UNBOUND", "_FFR_RESOLVE_UNBOUND":
			continue
		}
		if !strings.Contains(b.out, line) {
			t.Errorf("OpenDKIM says %q; ours does not:\n%s", line, b.out)
		}
	}
}

// TestFilesAreTriedAsUserID: root runs -t beside a filter that is another user,
// to whom the keys belong.
func TestFilesAreTriedAsUserID(t *testing.T) {
	w := newWorld(t)
	w.write("conf", w.text("Mode s\nDomain example.com\nSelector sel\nKeyFile DIR/key.private\nUserID nobody\n"))
	w.write("message", "From: a@example.com\r\n\r\nhello\r\n")
	must(t, os.Chown(w.path("key.private"), uidOf(t, "nobody"), -1))
	r := w.run("", "opendkim", "-x", "DIR/conf", "-t", "DIR/message")
	if r.code != 0 || !strings.Contains(r.out, "DKIM-Signature: ") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
	// To anybody else they are not safe; the key is named by its path.
	w.write("conf", w.text("Mode s\nDomain example.com\nSelector sel\nKeyFile DIR/key.private\n"))
	r = w.run("", "opendkim", "-x", "DIR/conf", "-t", "DIR/message")
	if want := w.text("DIR/conf:4: KeyFile: DIR/key.private: key data is not secure: "); r.code != 78 || !strings.Contains(r.err, want) {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}
