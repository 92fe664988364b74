package milter

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
)

// freePort finds a port nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// sink is an SMTP server that keeps the text of what it gets.
func sink(t *testing.T) (port string, messages <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	out := make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				c := textproto.NewConn(conn)
				c.PrintfLine("220 sink")
				for {
					line, err := c.ReadLine()
					switch {
					case err != nil:
						return
					case line == "DATA":
						c.PrintfLine("354 go on")
						b, err := io.ReadAll(c.DotReader())
						if err != nil {
							return
						}
						out <- string(b)
						c.PrintfLine("250 ok")
					case line == "QUIT":
						c.PrintfLine("221 bye")
						return
					default:
						c.PrintfLine("250 ok")
					}
				}
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, out
}

// startPostfix runs a Postfix of its own with a milter and returns the address
// of its smtpd and what it delivers.
func startPostfix(t *testing.T, milterAddress, more string) (smtpd string, messages <-chan string) {
	t.Helper()
	testutil.Need(t, "postfix", "postconf")
	if os.Geteuid() != 0 {
		if testutil.PeersRequired() {
			t.Fatal("Postfix needs root")
		}
		t.Skip("Postfix needs root")
	}
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sinkPort, messages := sink(t)
	port := freePort(t)
	conf, queue, data := filepath.Join(dir, "conf"), filepath.Join(dir, "queue"), filepath.Join(dir, "data")
	for _, d := range []string{conf, queue, data} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(dir, 0o755)
	run(t, "chown", "postfix", data)
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %s
data_directory = %s
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_milters = inet:%s
milter_default_action = tempfail
default_transport = smtp:[127.0.0.1]:%s
relay_transport = smtp:[127.0.0.1]:%s
disable_dns_lookups = yes
smtp_host_lookup = native
%s
`, queue, data, milterAddress, sinkPort, sinkPort, more)
	master := "127.0.0.1:" + port + ` inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
scache unix - - n - 1 scache
`
	for name, text := range map[string]string{"main.cf": main, "master.cf": master} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "postfix", "-c", conf, "start")
	t.Cleanup(func() {
		exec.Command(find("postfix"), "-c", conf, "stop").Run()
	})
	return "127.0.0.1:" + port, messages
}

func find(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	return "/usr/sbin/" + program
}

// run waits for the program, not for daemons it leaves behind with its output.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(find(program), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v: %s", program, err, text)
	}
}

func smtpSend(address, rcpt string, raw []byte) error {
	var conn net.Conn
	var err error
	for range 200 {
		if conn, err = net.Dial("tcp", address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail("a@example.com"); err != nil {
		return err
	}
	if err := c.Rcpt(rcpt); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	w.Write(raw)
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// Postfix drives our server, and Apply does to a message what Postfix does.
func TestPostfix(t *testing.T) {
	raw := []byte("From: a@example.com\r\nX-A: 1\r\nX-A: 2\r\n\tfolded\r\nX-A:3\r\nTo: b@example.org\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nSubject: one\r\n\r\nHello\r\n")
	type edit func(e *Edits) error
	edits := map[string][]edit{
		"nothing":          nil,
		"insert first":     {func(e *Edits) error { return e.InsertHeader(0, "X-New", " a\r\n\tb") }},
		"insert twice":     {func(e *Edits) error { return e.InsertHeader(0, "X-1", "1") }, func(e *Edits) error { return e.InsertHeader(0, "X-2", "2") }},
		"insert third":     {func(e *Edits) error { return e.InsertHeader(2, "X-New", " a") }},
		"insert far":       {func(e *Edits) error { return e.InsertHeader(99, "X-New", " a") }},
		"insert after two": {func(e *Edits) error { return e.InsertHeader(0, "X-1", "1") }, func(e *Edits) error { return e.InsertHeader(1, "X-2", "2") }},
		"add":              {func(e *Edits) error { return e.AddHeader("X-New", " a") }, func(e *Edits) error { return e.AddHeader("X-New", "b") }},
		"delete second":    {func(e *Edits) error { return e.DeleteHeader(2, "x-a") }},
		"delete back to front": {func(e *Edits) error { return e.DeleteHeader(3, "X-A") }, func(e *Edits) error { return e.DeleteHeader(1, "X-A") },
			func(e *Edits) error { return e.InsertHeader(1, "X-New", "a") }},
		"delete front to back":   {func(e *Edits) error { return e.DeleteHeader(1, "X-A") }, func(e *Edits) error { return e.DeleteHeader(2, "X-A") }},
		"delete what is not":     {func(e *Edits) error { return e.DeleteHeader(4, "X-A") }, func(e *Edits) error { return e.DeleteHeader(1, "X-B") }},
		"change":                 {func(e *Edits) error { return e.ChangeHeader(2, "X-A", " two\n\tfolded") }},
		"change what is not":     {func(e *Edits) error { return e.ChangeHeader(4, "X-A", " four") }},
		"insert, change, delete": {func(e *Edits) error { return e.InsertHeader(0, "X-A", "0") }, func(e *Edits) error { return e.ChangeHeader(1, "X-A", "zero") }, func(e *Edits) error { return e.DeleteHeader(2, "X-A") }},
		"new body":               {func(e *Edits) error { return e.ReplaceBody([]byte("new\r\n")) }, func(e *Edits) error { return e.ReplaceBody([]byte("body\r\n")) }},
	}
	for _, protocol := range []string{"2", "6"} {
		t.Run("milter_protocol "+protocol, func(t *testing.T) {
			t.Parallel()
			var now []edit
			var header bytes.Buffer
			rec := &recorder{answers: map[string]Response{"RCPT <no@example.org>": Reply(550, "5.7.0", "100% refused %s")}}
			rec.atEnd = func(c *Conn, e *Edits) Response {
				header.Reset()
				for _, call := range rec.all() {
					if f, ok := strings.CutPrefix(call, "HEADER "); ok {
						header.WriteString(f + "\n")
					}
				}
				if c.Macro("i") == "" || c.Macro("{daemon_name}") != "mx.example.com" || c.Macro("j") != "mx.example.com" {
					t.Errorf("macros %q, %q, %q", c.Macro("i"), c.Macro("daemon_name"), c.Macro("j"))
				}
				for _, f := range now {
					if err := f(e); err != nil {
						t.Error(err)
					}
				}
				return Accept
			}
			h := start(t, "tcp", Options{Actions: AllActions, WantHeaderLeadingSpace: true, WantSkip: true, NoReply: StepHeader, Skip: StepUnknown | StepData}, rec)
			smtpd, messages := startPostfix(t, h.address, "milter_protocol = "+protocol)
			for name, list := range edits {
				now = list
				rec.mu.Lock()
				rec.calls = nil
				rec.mu.Unlock()
				if err := smtpSend(smtpd, "b@example.org", raw); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				var got string
				select {
				case got = <-messages:
				case <-time.After(20 * time.Second):
					t.Fatalf("%s: nothing was delivered", name)
				}
				// The client's view of the same edits, from a server of the same session.
				c := h.dial(ClientOptions{})
				m := sampleMessage()
				m.Raw, m.Macros = raw, map[string]string{"i": "1", "j": "mx.example.com", "daemon_name": "mx.example.com"}
				o := send(t, c, m)
				c.Quit()
				want := strings.ReplaceAll(string(Apply(raw, o.Edits)), "\r\n", "\n")
				if d := cmp.Diff(want, withoutReceived(got)); d != "" {
					t.Errorf("%s: Apply (-), Postfix (+):\n%s", name, d)
				}
			}
			if protocol == "6" && !strings.Contains(header.String(), "X-A:3\n") {
				t.Errorf("fields as Postfix gave them: %q", header.String())
			}
			if err := smtpSend(smtpd, "no@example.org", raw); err == nil || !strings.Contains(err.Error(), "5.7.0 100% refused %s") {
				t.Errorf("refusal: %v", err)
			}
			if n := rec.negotiation.Version; fmt.Sprint(n) != protocol && n != 6 {
				t.Errorf("version %d", n)
			}
			if l := h.logged(); len(l) > 0 {
				t.Error(l)
			}
		})
	}
}

// withoutReceived takes off the field Postfix makes itself.
func withoutReceived(message string) string {
	var b strings.Builder
	rest := []byte(message)
	for {
		field, next := nextField(rest)
		if field == nil {
			return b.String() + string(rest)
		}
		if !bytes.HasPrefix(field, []byte("Received:")) {
			b.Write(rest[:len(rest)-len(next)])
		}
		rest = next
	}
}
