package sendmail

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
)

// TestWalkthroughWorks writes the lines of the walk-through into sendmail.mc and
// sends 8-bit mail on to a server that does not announce 8BITMIME.
func TestWalkthroughWorks(t *testing.T) {
	text, err := os.ReadFile("../../docs/walkthrough.md")
	must(t, err)
	lines := regexp.MustCompile("(?m)^(INPUT_MAIL_FILTER|define)\\(.*\n").FindAllString(string(text), -1)
	if len(lines) != 4 || !strings.HasPrefix(lines[2], "define") || !strings.HasPrefix(lines[3], "define") {
		t.Fatalf("the walk-through has %q", lines)
	}
	w := newWorld(t)
	const options = "Canonicalization relaxed/simple\n"
	inet, local := w.filter(filtertest.Ours(t), w.tcp(), options), w.filter(filtertest.Ours(t), w.unix("ours"), options)
	place := strings.NewReplacer("inet:8891@127.0.0.1", inet.socket, "local:/run/opendkim/opendkim.sock", local.socket)
	for _, c := range []struct{ name, lines, verdict string }{
		{"inet", lines[0] + lines[2] + lines[3], ourSignature},
		{"local", lines[1] + lines[2] + lines[3], ourSignature},
		{"recoded", lines[0], "fail d=example.com s=s1 i=@example.com"},
	} {
		m := newMTA(t)
		m.port["MTA"] = proctest.FreePort(t)
		// Mail goes on as it does without a relay.
		m.start("define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl\ndefine(`ESMTP_MAILER_ARGS', `TCP $h " + m.relayPort() + "')dnl\n" +
			"DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port=" + m.port["MTA"] + "')dnl\n" + place.Replace(c.lines))
		session := m.dial(t, "MTA", insideIP)
		session.Send("user@example.com", "friend@example.net",
			letter("user@example.com", "MIME-Version: 1.0\r\nContent-Type: text/plain; "+
				"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", "여우\r\n"))
		session.Quit()
		if got := w.verdicts(t, m.far.Await(t, "friend@example.net"))[0]; got != c.verdict {
			t.Errorf("%s: Mail::DKIM says %q, want %q of\n%s", c.name, got, c.verdict, m.far.Look("friend@example.net"))
		}
	}
}
