package rehearse

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dojang/internal/exit"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
	"dojang/milter"
)

// TestHalfThatDies: mail gets the old filter's answers while our half is killed, again
// and again.
func TestHalfThatDies(t *testing.T) {
	theirs := testutil.Need(t, "opendkim")
	s := newStage(t)
	configuration := s.configured("")
	old := filtertest.Start(t, theirs, testutil.SecureDir(t), configuration, nil)
	r := s.rehearse(t, old.Socket, "", configuration)
	c, err := milter.Dial("unix", r.socket, milter.ClientOptions{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ours := s.mail(t)["ours"]
	for i := range 60 {
		if i%20 == 10 {
			kill(t, r.half(t), syscall.SIGKILL)
		}
		var o milter.Outcome
		m := numbered(ours, fmt.Sprintf("J%d", i))
		if err := c.SendPart(&m, len(m.Raw)/2, &o); err != nil {
			t.Fatal(err)
		}
		if err := c.Abort(); err != nil {
			t.Fatal(err)
		}
		out, err := c.Send(t.Context(), m)
		if err != nil || filtertest.Added(out, "DKIM-Signature") == "" {
			t.Fatalf("message %d: %v %+v", i, err, out)
		}
		if i%20 == 19 {
			if err := c.Quit(); err != nil {
				t.Fatal(err)
			}
			proctest.Until(t, patience, "another half", func() bool { return strings.Count(r.String(), "started anew") == i/20+1 })
			compared := r.numbers(t).Messages
			proctest.Until(t, patience, "a message that it sees", func() bool {
				load(t, r.socket, s.mail(t), 1, 5)
				return r.numbers(t).Messages > compared
			})
			if c, err = milter.Dial("unix", r.socket, milter.ClientOptions{Timeout: 5 * time.Second}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	load(t, r.socket, s.mail(t), 1, 5)
	if _, numbers := r.end(t); numbers.Restarts != 3 || numbers.Messages < 25 || numbers.Different != 0 {
		t.Errorf("%+v", numbers)
	}
}

// TestNobodyReads: mail gets the old filter's answers when the terminal is lost, and when
// the program that reads what is told has ended.
func TestNobodyReads(t *testing.T) {
	theirs := testutil.Need(t, "opendkim")
	s := newStage(t)
	configuration := s.configured("")
	old := filtertest.Start(t, theirs, testutil.SecureDir(t), configuration, nil)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.reader = writer
	r := s.rehearse(t, old.Socket, "", configuration)
	reader.Close()
	for i, sent := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR1, syscall.SIGHUP} {
		r.Signal(sent)
		c, err := milter.Dial("unix", r.socket, milter.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Send(t.Context(), numbered(s.mail(t)["ours"], fmt.Sprint(i)))
		if err != nil || filtertest.Added(out, "DKIM-Signature") == "" {
			t.Fatalf("after %v: %v %+v", sent, err, out)
		}
		if err := c.Quit(); err != nil {
			t.Fatal(err)
		}
	}
	r.Signal(os.Interrupt)
	if code := r.Wait(2 * patience); code != exit.IOErr { // what it told was lost
		t.Errorf("it ends with %d: %s", code, r.Process)
	}
}

// TestHalfThatHangs: a half that no longer runs costs the mail nothing; what it holds up
// is dropped beyond a bound, and counted.
func TestHalfThatHangs(t *testing.T) {
	theirs := testutil.Need(t, "opendkim")
	s := newStage(t)
	configuration := s.configured("")
	old := filtertest.Start(t, theirs, testutil.SecureDir(t), configuration, nil)
	r := s.rehearse(t, old.Socket, "", configuration)
	half := r.half(t)
	kill(t, half, syscall.SIGSTOP)
	defer syscall.Kill(half, syscall.SIGCONT) // it may have ended
	big := s.mail(t)["long"]
	c, err := milter.Dial("unix", r.socket, milter.ClientOptions{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 { // 16 MB, and 4 may wait
		out, err := c.Send(t.Context(), numbered(big, fmt.Sprintf("J%d", i)))
		if err != nil || filtertest.Added(out, "DKIM-Signature") == "" {
			t.Fatalf("message %d: %v %+v", i, err, out)
		}
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var peak int
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &peak); err != nil || peak > 100<<10 {
		t.Errorf("%d kB of memory (%v)", peak, err)
	}
	kill(t, half, syscall.SIGCONT)
	load(t, r.socket, s.mail(t), 1, 5)
	if _, numbers := r.end(t); numbers.Dropped != 1 || numbers.Different != 0 || numbers.Messages == 0 {
		t.Errorf("%+v", numbers)
	}
}

// TestKilledBesidePostfix: a real Postfix sends through the rehearsal. Its half is
// killed, and mail leaves signed by the old filter; then all of it is killed, and mail
// waits, as milter_default_action = tempfail says, and leaves signed when the rehearsal,
// or the old filter's own socket, is there again.
func TestKilledBesidePostfix(t *testing.T) {
	theirs := testutil.Need(t, "opendkim", "postfix")
	s := newStage(t)
	configuration := s.configured("")
	old := filtertest.Start(t, theirs, testutil.SecureDir(t), configuration, nil)
	_, port, _ := net.SplitHostPort(proctest.FreeAddress(t))
	listen := "inet:" + port + "@127.0.0.1"
	r := s.rehearse(t, old.Socket, listen, configuration)
	far := smtptest.NewSink(t)
	address := proctest.FreeAddress(t)
	smtptest.StartPostfix(t, filepath.Join(s.dir, "postfix"), far, "myhostname = mx.example.org\nsmtpd_milters = inet:127.0.0.1:"+port+
		"\nmilter_protocol = 6\nmilter_default_action = tempfail\n", address)
	var n atomic.Int64
	raw := s.mail(t)["ours"].Raw
	send := func(code int) {
		t.Helper()
		c := smtptest.Dial(t, address, "127.0.0.1")
		c.Expect(220)
		c.Hello()
		rcpt := fmt.Sprintf("r%d@example.net", n.Add(1))
		if code != 250 {
			c.Command(code, "MAIL FROM:<one@example.com>")
			return
		}
		c.Send("one@example.com", rcpt, raw)
		c.Quit()
		if len(smtptest.Fields(far.Await(t, rcpt), "DKIM-Signature")) != 1 {
			t.Errorf("%s is not signed", rcpt)
		}
	}
	for range 5 {
		send(250)
	}
	kill(t, r.half(t), syscall.SIGKILL)
	for range 5 {
		send(250)
	}
	kill(t, r.Cmd.Process.Pid, syscall.SIGKILL)
	r.Wait(patience)
	send(451)
	r = s.rehearse(t, old.Socket, listen, configuration)
	for range 5 {
		send(250)
	}
	if _, numbers := r.end(t); numbers.Messages != 5 || numbers.Different != 0 {
		t.Errorf("%+v", numbers)
	}
}
