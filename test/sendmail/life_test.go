package sendmail

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// running is one filter behind Sendmail's three kinds of entrance: without it
// mail waits, is refused, or goes on.
type running struct {
	*filter
	w *world
	m *mta
}

// TestLife is what happens to a filter in service.
func TestLife(t *testing.T) {
	r := &running{w: newWorld(t), m: newMTA(t)}
	r.filter = r.w.filter(filtertest.Ours(t), r.w.unix("ours"), "")
	socket := "S=" + r.socket + ", T=S:10s;R:10s;E:1m"
	r.m.start(r.m.entrances([]entrance{{"waits", socket + ", F=T"}, {"refuses", socket + ", F=R"}, {"goes-on", socket}}))
	for _, step := range []struct {
		name string
		run  func(*running, *testing.T)
	}{
		{"session", (*running).session}, {"local session", (*running).localSession}, {"sendmail command", (*running).sendmailCommand},
		{"leavers", (*running).leavers}, {"reload", (*running).reload}, {"without the filter", (*running).without}, {"restart", (*running).restart},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(r, t) })
	}
}

func added(id string) string { return id + ": DKIM-Signature field added (s=s1, d=example.com)" }

// notOurs are the log's lines about mail from outside.
func notOurs(id string) string {
	return fmt.Sprintf("%[1]s: %s [%s] not internal\n%[1]s: not authenticated\n", id, outside, outsideIP)
}

// signed wants one signature in mail to each, which Mail::DKIM lets pass.
func (r *running) signed(t *testing.T, rcpts ...string) {
	t.Helper()
	var messages [][]byte
	for _, rcpt := range rcpts {
		messages = append(messages, r.m.far.Await(t, rcpt))
	}
	for i, got := range r.w.verdicts(t, messages...) {
		if got != ourSignature {
			t.Errorf("%s: Mail::DKIM says %q of\n%s", rcpts[i], got, messages[i])
		}
	}
}

// session mixes what is signed, given up, verified and left alone on one
// connection. The job in the log is the queue ID that Sendmail tells the client:
// it gives one out only when MAIL comes.
func (r *running) session(t *testing.T) {
	foreign := letter("a@example.org", "", "Hello.\r\n")
	mine := letter("user@example.com", "", "Hello.\r\n")
	c := r.m.dial(t, "waits", insideIP)
	for i := range 3 {
		to := fmt.Sprintf("session%d@example.net", i)
		id := c.Send("user@example.com", to, mine)
		r.logged(t, added(id))
		c.Envelope("gone@example.net", "gone@example.net")
		c.Command(250, "RSET")
		c.Command(250, "MAIL FROM:<user@example.com>")
		c.Command(553, "RCPT TO:<>")
		c.Command(250, "RSET")
		c.Command(250, "HELO again.example.org")
		id = c.Send("user@example.com", "foreign@example.net", foreign)
		r.logged(t, id+": no signing table match for 'a@example.org'\n"+id+": no signature data")
	}
	c.Quit()
	if got := smtptest.Fields(r.m.far.Await(t, "foreign@example.net"), "DKIM-Signature"); len(got) != 0 {
		t.Errorf("foreign mail is signed: %q", got)
	}

	c = r.m.dial(t, "waits", outsideIP)
	id := c.Send("user@example.com", "claims@example.com", mine)
	r.logged(t, notOurs(id)+id+": no signature data")
	login(c)
	id = c.Send("user@example.com", "login@example.net", mine)
	r.logged(t, added(id))
	c.Quit()
	r.signed(t, "session0@example.net", "session1@example.net", "session2@example.net", "login@example.net")
	if got := smtptest.Fields(r.m.far.Await(t, "claims@example.com"), "DKIM-Signature"); len(got) != 0 {
		t.Errorf("a stranger's mail is signed: %q", got)
	}
}

// localSession is SMTP over a pipe, as programs talk to sendmail -bs: the client
// has no address.
func (r *running) localSession(t *testing.T) {
	r.m.configure("sendmail", r.m.relayPort(), fmt.Sprintf("INPUT_MAIL_FILTER(`dojang', `S=%s, F=T')dnl\n", r.socket))
	cmd := r.m.command("-C", r.m.path("sendmail.cf"), "-bs")
	near, far := net.Pipe()
	cmd.Stdin, cmd.Stdout = far, far
	proctest.Start(t, cmd)
	c := smtptest.NewClient(t, near)
	c.Expect(220)
	c.Hello()
	id := c.Send("user@example.com", "pipe@example.net", letter("user@example.com", "", "Hello.\r\n"))
	r.logged(t, added(id))
	c.Quit()
	r.signed(t, "pipe@example.net")
}

func (r *running) sendmailCommand(t *testing.T) {
	r.m.submit(t, "waits", "user@example.com", "command@example.net", letter("user@example.com", awkward, awkwardBody))
	r.signed(t, "command@example.net")
}

// leavers are a monitor that connects and leaves, and clients that leave in the
// middle of a message, of whom Sendmail tells some by closing the connection:
// the log has nothing of them.
func (r *running) leavers(t *testing.T) {
	before := r.String()
	conn, err := r.dial()
	must(t, err)
	conn.Close()
	for _, lines := range []string{"", "From: a@example.com\r\n", "From: a@example.com\r\n\r\n" +
		strings.Repeat("text\r\n", 20000), "From: a@example.com\r\n\r\nbare\nLF\r\n.\r\n"} {
		c := r.m.dial(t, "waits", insideIP)
		c.Envelope("user@example.com", "left@example.net")
		c.Command(354, "DATA")
		c.W.WriteString(lines)
		c.W.Flush()
		c.Close()
	}
	c := r.m.dial(t, "waits", insideIP)
	id := c.Send("user@example.com", "probed@example.net", letter("user@example.com", "", "Hello.\r\n"))
	c.Quit()
	r.logged(t, added(id))
	time.Sleep(50 * time.Millisecond) // for a line too many
	if got := strings.TrimPrefix(r.String(), before); got != added(id)+"\n" {
		t.Errorf("the log has\n%s", got)
	}
}

// reload comes in the middle of a session, which ends as it began; the next has
// the new tables.
func (r *running) reload(t *testing.T) {
	mine := letter("user@example.com", "", "Hello.\r\n")
	c := r.m.dial(t, "waits", insideIP)
	c.Envelope("user@example.com", "reloaded@example.net")
	r.w.write("SigningTable", "*@example.net s1\n")
	r.Signal(syscall.SIGUSR1)
	r.logged(t, "configuration reloaded from "+r.conf)
	c.Data(250, mine)
	r.signed(t, "reloaded@example.net")
	c.Quit()
	c = r.m.dial(t, "waits", insideIP)
	id := c.Send("user@example.com", "after@example.net", mine)
	r.logged(t, id+": no signing table match for 'user@example.com'\n"+id+": no signature data")
	c.Quit()
	r.w.write("SigningTable", "*@example.com s1\n")
}

// without is mail while no filter is there, in a session that began when it was
// and in a new one: F= decides.
func (r *running) without(t *testing.T) {
	mine := letter("user@example.com", "", "Hello.\r\n")
	const mail = "MAIL FROM:<user@example.com>"
	waits, goesOn := r.m.dial(t, "waits", insideIP), r.m.dial(t, "goes-on", insideIP)
	waits.Send("user@example.com", "before@example.net", mine)
	r.Signal(syscall.SIGTERM)
	r.Wait(patience)
	waits.Command(451, mail)
	r.m.dial(t, "waits", insideIP).Command(451, mail)
	r.m.connect(t, "refuses", insideIP).Expect(554)
	for i, c := range []*smtptest.Client{goesOn, r.m.dial(t, "goes-on", insideIP)} {
		to := fmt.Sprintf("without%d@example.net", i)
		c.Send("user@example.com", to, mine)
		if got := smtptest.Fields(r.m.far.Await(t, to), "DKIM-Signature"); len(got) != 0 {
			t.Errorf("signed without a filter: %q", got)
		}
	}
}

// restart: mail is signed again, without a word to Sendmail.
func (r *running) restart(t *testing.T) {
	r.start()
	c := r.m.dial(t, "waits", insideIP)
	c.Send("user@example.com", "restarted@example.net", letter("user@example.com", "", "Hello.\r\n"))
	c.Quit()
	r.signed(t, "restarted@example.net")
}
