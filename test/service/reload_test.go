package service

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/milter"
)

func (w *world) newKeyTable(selector string) {
	w.t.Helper()
	w.write("KeyTable", "k example.com:"+selector+":"+w.path("key.private")+"\n")
}

func TestReloadBySignal(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"USR1": syscall.SIGUSR1, "HUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.serve("")
			inHand := w.dial("unix", w.path("s"))
			if got := w.over(inHand); !strings.Contains(got, "s=sel;") {
				t.Fatalf("before: %q", got)
			}
			w.newKeyTable("new")
			p.Signal(signal)
			w.logged("info configuration reloaded from " + w.path("opendkim.conf"))
			w.logged("info reloaded: 1 key replaced")
			if got := w.send(); !strings.Contains(got, "s=new;") {
				t.Errorf("after: %q", got)
			}
			if got := w.over(inHand); !strings.Contains(got, "s=sel;") {
				t.Errorf("a connection in hand: %q", got)
			}
			w.write("opendkim.conf", "Nonsense yes\nSocket local:x\n")
			p.Signal(signal)
			w.logged("err " + w.path("opendkim.conf") + ":1: ")
			w.logged("err configuration not reloaded: the old one stays in force")
			if got := w.send(); !strings.Contains(got, "s=new;") {
				t.Errorf("after a broken reload: %q", got)
			}
			w.configure("UMask 077\nCanonicalization relaxed/relaxed\n")
			p.Signal(signal)
			w.logged("warning a restart is needed for: UMask")
			w.until("the new canonicalization", func() bool { return strings.Contains(w.send(), "c=relaxed/relaxed;") })
		})
	}
}

// A signal in the very moment of the start must not kill.
func TestSignalsFromTheFirstMoment(t *testing.T) {
	w := newWorld(t)
	pid := w.background("")
	must(t, syscall.Kill(pid, syscall.SIGUSR1))
	must(t, syscall.Kill(pid, syscall.SIGHUP))
	w.logged("configuration reloaded from")
	w.signs()
}

func TestReloadCommand(t *testing.T) {
	for way, more := range map[string]string{"signal": "", "socket": "MetricsSocket local:DIR/m\n"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t)
			w.serve("PidFile DIR/pid\n" + more)
			w.until("the pid file", func() bool { pid, _ := os.ReadFile(w.path("pid")); return len(pid) > 0 }) // written once it listens
			w.newKeyTable("new")
			r := w.run("", "dojang", "reload", "--config", "DIR/opendkim.conf")
			if r.code != 0 || !strings.Contains(r.out, "reloaded") && !strings.Contains(r.out, "was told to read it") {
				t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
			}
			w.until("a reload", func() bool { return strings.Contains(w.send(), "s=new;") })
			was, err := os.ReadFile(w.path("KeyTable"))
			must(t, err)
			good := string(was)
			w.write("KeyTable", good+"other example.com\n")
			r = w.run("", "dojang", "reload", "--config", "DIR/opendkim.conf")
			if r.code != 0 || !strings.Contains(r.out+r.err, w.path("KeyTable")+":2: ") {
				t.Errorf("a wrong row: exit %d: %s%s", r.code, r.out, r.err)
			}
			w.until("the second reload", func() bool { return strings.Count(w.log.String(), "configuration reloaded from") >= 2 })
			w.write("KeyTable", "k example.com \x00\n")
			r = w.run("", "dojang", "reload", "--config", "DIR/opendkim.conf")
			if r.code != 78 || !strings.Contains(r.err, w.path("KeyTable")+":1: ") ||
				!strings.Contains(r.err, "the old configuration stays in force") {
				t.Errorf("a broken table: exit %d: %s%s", r.code, r.out, r.err)
			}
			if got := w.send(); !strings.Contains(got, "s=new;") {
				t.Errorf("after a broken reload: %q", got)
			}
		})
	}
	w := newWorldBeside(t)
	w.configure("PidFile DIR/pid\n")
	if r := w.run("", "dojang", "reload", "--config", "DIR/opendkim.conf"); r.code != 69 {
		t.Errorf("nothing runs: exit %d: %s%s", r.code, r.out, r.err)
	}
}

func TestAutoReload(t *testing.T) {
	w := newWorld(t)
	w.write("more.conf", "LogWhy no\n")
	w.serve("AutoReload yes\nInclude DIR/more.conf\n")
	w.newKeyTable("new")
	w.logged("reloaded: 1 key replaced")
	if got := w.send(); !strings.Contains(got, "s=new;") {
		t.Errorf("after a changed table: %q", got)
	}
	w.write("more.conf", "Nonsense\n")
	w.logged("err configuration not reloaded: the old one stays in force")
	w.write("more.conf", "Canonicalization relaxed/relaxed\n")
	w.until("a changed included file", func() bool { return strings.Contains(w.send(), "c=relaxed/relaxed;") })
	if n := w.log.count("configuration not reloaded"); n != 1 {
		t.Errorf("a broken file was tried %d times", n)
	}
}

// A KeyFile is read at start alone, unless AutoReload is set.
func TestAutoReloadOfAKeyFile(t *testing.T) {
	w := newWorld(t)
	w.write("opendkim.conf", w.text("Syslog yes\nSyslogSocket DIR/log\nMode s\nAutoReload yes\nDomain "+
		"example.com\nSelector sel\nKeyFile DIR/key.private\nSocket local:DIR/s\n"))
	w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
	long := func() bool {
		_, b, _ := strings.Cut(w.send(), " b=")
		return len(b) > 250 // base64 of 256 octets is, of 128 is not
	}
	if !long() {
		t.Fatal("a key of 2048 bits makes a short signature")
	}
	w.write("key.private", shortKey(t))
	w.until("the new key", func() bool { return !long() })
	w.logged("configuration reloaded from")
}

func shortKey(t *testing.T) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

// half sends the first half of a message from outside, and returns when the
// filter has it.
func half(t *testing.T, w *world) *milter.Client {
	t.Helper()
	c := w.dial("unix", w.path("s"))
	m := message()
	m.Host, m.Addr.Addr = "mail.example.net", netipAddr("192.0.2.1")
	var out milter.Outcome
	if err := c.SendPart(&m, 2, &out); err != nil {
		t.Fatal(err)
	}
	w.logged("mail.example.net [192.0.2.1] not internal")
	return c
}

func TestTermFinishesTheMessageInHand(t *testing.T) {
	w := newWorld(t)
	p := w.serve("LogWhy yes\nAlwaysAddARHeader yes\n")
	idle := w.dial("unix", w.path("s"))
	_ = w.over(idle)
	c := half(t, w)
	p.Signal(syscall.SIGTERM)
	w.until("no new connections", func() bool {
		_, err := milter.Dial("unix", w.path("s"), milter.ClientOptions{})
		return err != nil
	})
	if _, err := c.Body([]byte("llo\r\n")); err != nil {
		t.Fatalf("the message in hand was cut off: %v", err)
	}
	edits, answer, err := c.EndOfMessage()
	if err != nil || len(edits) == 0 {
		t.Fatalf("the message in hand was not finished: %v, %v, %v", edits, answer, err)
	}
	if code := p.Wait(patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	w.logged("terminating with status 0")
}

func TestTermClosesIdleConnectionsAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.serve("")
	for range 5 {
		_ = w.over(w.dial("unix", w.path("s")))
	}
	start := time.Now()
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(patience); code != 0 || time.Since(start) > 5*time.Second {
		t.Errorf("exit %d after %v", code, time.Since(start))
	}
	if _, err := os.Lstat(w.path("s")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}
