package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/milter"
	"dojang/test/faults/rig"
)

// TestFullDisk: a pid file, a log and a folder for diagnostics that take no
// octet are told of and keep no mail from being signed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	testutil.NeedRoot(t)
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		if testutil.PeersRequired() {
			t.Fatalf("no mount namespaces: %v", err)
		}
		t.Skip("no mount namespaces")
	}
	r := rig.New(t, "PidFile DIR/full/pid\nTemporaryDirectory DIR/full\nKeepTemporaryFiles yes\nDiagnosticDirectory "+
		"DIR/full\nDiagnostics yes")
	if err := os.Mkdir(r.Path("full"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.Command = []string{"unshare", "-m", "sh", "-c",
		`mount -t tmpfs -o size=16k tmpfs "$1/full" && { head -c 100000 /dev/zero > "$1/full/x"; shift; exec "$@"; }`, "sh", r.Dir}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r.Stdout = full
	r.Start()
	for i := range 20 {
		r.Signs(fmt.Sprintf("disk is full %d", i))
	}
	r.Stop()
}

// TestUnreadableTablesOnReload: a reload that cannot read everything changes
// nothing; mail goes on with what was there.
func TestUnreadableTablesOnReload(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	r.Signs("before")
	good, err := os.ReadFile(r.Path("SigningTable"))
	if err != nil {
		t.Fatal(err)
	}
	for i, spoil := range []func() error{
		func() error { return os.Remove(r.Path("SigningTable")) },
		func() error { return os.Mkdir(r.Path("SigningTable"), 0o700) },
		func() error {
			return errors.Join(os.Remove(r.Path("SigningTable")), os.Symlink("SigningTable", r.Path("SigningTable")))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		said := len(r.Log())
		r.Signal(syscall.SIGUSR1)
		r.Until(fmt.Sprintf("reload %d failed", i), func() bool {
			r.Signs("tables are spoilt") // libmilter's filter reloads at the next connection
			return strings.Contains(r.Log()[said:], "SigningTable")
		})
		r.Signs("after a reload that failed")
	}
	if err := os.Remove(r.Path("SigningTable")); err != nil {
		t.Fatal(err)
	}
	r.Write("SigningTable", string(good)+"*@example.org k\n")
	said := len(r.Log())
	r.Signal(syscall.SIGUSR1)
	r.Until("the reload succeeds", func() bool { return strings.Contains(r.Log()[said:], "configuration reloaded") })
	r.Signs("after a reload that worked")
	r.Stop()
}

// TestSyslogGone: lines find their way again when syslog is back; mail does not
// wait for it.
func TestSyslogGone(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "StdoutLog no\nSyslog yes\nSyslogSocket DIR/syslog")
	r.Start()
	begin := time.Now()
	for range 50 {
		r.Signs("without syslog")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("50 messages without syslog took %v", took)
	}
	for range 2 {
		address := &net.UnixAddr{Name: r.Path("syslog"), Net: "unixgram"}
		l, err := net.ListenUnixgram("unixgram", address)
		if err != nil {
			t.Fatal(err)
		}
		r.Until("syslog gets a line", func() bool {
			r.Signs("syslog is back")
			line := make([]byte, 8192)
			l.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			n, _, err := l.ReadFrom(line)
			return err == nil && bytes.Contains(line[:n], []byte("DKIM-Signature field added"))
		})
		l.Close()
		os.Remove(r.Path("syslog"))
		for range 20 {
			r.Signs("syslog went away")
		}
	}
	// One that accepts and reads nothing fills its buffer: nothing may block.
	deaf, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: r.Path("syslog"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	begin = time.Now()
	for range 300 {
		r.Signs("syslog does not read")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("300 messages with a deaf syslog took %v", took)
	}
	r.Stop()
}

// TestKilledInMidMessage: the MTA sees the connection break and keeps the
// message; a new process takes the socket over and signs it.
func TestKilledInMidMessage(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	for _, part := range []int{20, 300, 5000, 150_000} {
		m := rig.Message("killed in the middle", 200_000)
		c := r.Dial()
		var o milter.Outcome
		if err := c.SendPart(&m, part, &o); err != nil {
			t.Fatal(err)
		}
		r.Signal(syscall.SIGKILL)
		r.Wait()
		if _, answer, err := c.EndOfMessage(); err == nil {
			t.Fatalf("a dead filter answered %v", answer)
		}
		r.Start()
		c = r.Dial()
		if err := rig.Signed(c, m); err != nil {
			t.Fatalf("sent again: %v", err)
		}
	}
	r.Stop()
}

// TestStopInMidMessage: TERM lets the message in hand be finished and signed.
func TestStopInMidMessage(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	m := rig.Message("stopped in the middle", 200_000)
	c := r.Dial()
	var o milter.Outcome
	half := len(m.Raw) / 2
	if err := c.SendPart(&m, half, &o); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // until the filter has read that much
	r.Signal(syscall.SIGTERM)
	r.Until("it listens no more", func() bool {
		conn, err := net.Dial("unix", r.Socket())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if _, err := c.Body(m.Raw[half:]); err != nil {
		t.Fatal(err)
	}
	edits, answer, err := c.EndOfMessage()
	if err != nil {
		t.Fatalf("the message in hand was cut off: %v\n%s", err, r.Log())
	}
	if err := rig.CheckSigned(&m, &milter.Outcome{Edits: edits, Final: *answer}); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestReloadStorm reloads all the time, with a table that changes, while mail
// flows: each message is signed by one of the two keys' names, whole and valid.
func TestReloadStorm(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	r.Signs("before")
	before := r.Descriptors()
	var stop atomic.Bool
	var wait sync.WaitGroup
	var sent [2]atomic.Int64
	for range 6 {
		c := r.Dial()
		wait.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if n%10 == 9 { // a connection keeps its configuration: take a new one
					c.Quit()
					var err error
					if c, err = milter.Dial("unix", r.Socket(), milter.ClientOptions{}); err != nil {
						t.Error(err)
						return
					}
				}
				m := rig.Message("in the storm", 700)
				o, err := c.Send(context.Background(), m)
				if err == nil {
					err = rig.CheckSigned(&m, &o)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if strings.Contains(o.Edits[0].Value, "s=other") {
					sent[1].Add(1)
				} else {
					sent[0].Add(1)
				}
			}
			c.Quit()
		})
	}
	for i := range 150 {
		name := [2]string{rig.Selector, "other"}[i%2]
		temporary := r.Path("KeyTable.new")
		if err := os.WriteFile(temporary, []byte("k "+rig.Domain+":"+name+":"+r.Path("key.private")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temporary, r.Path("KeyTable")); err != nil {
			t.Fatal(err)
		}
		r.Signal([2]os.Signal{syscall.SIGUSR1, syscall.SIGHUP}[i%2])
		time.Sleep(15 * time.Millisecond)
	}
	stop.Store(true)
	wait.Wait()
	t.Logf("%d messages by one name, %d by the other", sent[0].Load(), sent[1].Load())
	if sent[0].Load() == 0 || sent[1].Load() == 0 {
		t.Error("no reload took effect")
	}
	r.Until("descriptors are closed", func() bool { return r.Descriptors() <= before+2 })
	r.Signs("after the storm")
	r.Stop()
}

// TestMemoryLimit: large messages and many half-sent ones fit into little
// memory, since no body is kept.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Env = []string{"GOMEMLIMIT=32MiB"}
	r.Start()
	half := rig.Message("half-sent", 400_000)
	var waiting []*milter.Client
	for range 300 {
		c := r.Dial()
		waiting = append(waiting, c)
		var o milter.Outcome
		if err := c.SendPart(&half, 200_000, &o); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	large := rig.Message("ten megabytes", 10<<20)
	for range 8 {
		c := r.Dial()
		wait.Go(func() {
			for range 2 {
				if err := rig.Signed(c, large); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if peak := r.Memory("VmHWM"); peak > 80<<20 {
		t.Errorf("peak memory %d MB", peak>>20)
	} else {
		t.Logf("peak memory %d MB", peak>>20)
	}
	for _, c := range waiting {
		c.Close() // a stop would wait for their messages
	}
	r.Stop()
}
