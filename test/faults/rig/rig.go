// Package rig runs the filter as a process of its own, for tests that treat it
// badly, and checks that what it answers is right.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// Patience is how long anything may take before it counts as not happening.
const Patience = time.Minute

// Domain is what the filter signs for, with selector Selector.
const (
	Domain   = "example.com"
	Selector = "sel"
)

// Rig is a folder with a key, tables and a configuration, and the filter on it.
type Rig struct {
	t       testing.TB
	Dir     string
	Command []string // before the filter's own: a wrapper such as unshare
	Env     []string
	Program string   // another filter, "" for ours
	Stdout  *os.File // nil: the log
	log     proctest.Output
	process *proctest.Process
}

// Record is the key record of a Rig's key, testutil.RSAKey.
func Record() string { return testutil.KeyRecord(testutil.RSAKey()) }

// New makes the folder. The configuration is a common one and more.
func New(t testing.TB, more string) *Rig {
	t.Helper()
	r := &Rig{t: t, Dir: t.TempDir()}
	r.Write("key.private", testutil.KeyPEM(testutil.RSAKey()))
	r.Write("KeyTable", "k "+Domain+":"+Selector+":"+r.Path("key.private")+"\n")
	r.Write("SigningTable", "*@"+Domain+" k\n")
	r.Write("keys", Selector+"._domainkey."+Domain+" "+Record()+"\n")
	r.Configure(more)
	return r
}

// Path is a file of the folder.
func (r *Rig) Path(name string) string { return filepath.Join(r.Dir, name) }

// Socket is where the filter listens.
func (r *Rig) Socket() string { return r.Path("s") }

// Write writes a file of the folder.
func (r *Rig) Write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.Path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// Configure writes the configuration. DIR stands for the folder.
func (r *Rig) Configure(more string) {
	r.t.Helper()
	text := `Mode sv
Socket local:DIR/s
Background no
StdoutLog yes
SyslogSuccess yes
RequireSafeKeys no
Canonicalization relaxed/simple
KeyTable DIR/KeyTable
SigningTable refile:DIR/SigningTable
AuthservID filter.test
` + more
	if !strings.Contains(more, "Nameservers") {
		text += "\nTestPublicKeys DIR/keys\n"
	}
	r.Write("opendkim.conf", strings.ReplaceAll(text, "DIR", r.Dir))
}

// Start starts the filter and waits until it answers.
func (r *Rig) Start() {
	r.t.Helper()
	bin := r.Program
	if bin == "" {
		bin = filepath.Join(testutil.Build(r.t), "opendkim")
	}
	command := append(append([]string(nil), r.Command...), bin, "-f", "-x", r.Path("opendkim.conf"))
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = &r.log
	if r.Stdout != nil {
		cmd.Stdout = r.Stdout
	}
	cmd.Env = append(os.Environ(), r.Env...)
	r.process = proctest.Start(r.t, cmd)
	r.Until("it answers", func() bool {
		c, err := milter.Dial("unix", r.Socket(), milter.ClientOptions{})
		if err != nil {
			return false
		}
		c.Quit()
		return true
	})
}

// Pid is the process's.
func (r *Rig) Pid() int { return r.process.Cmd.Process.Pid }

// Signal sends a signal.
func (r *Rig) Signal(s os.Signal) {
	r.t.Helper()
	r.process.Signal(s)
}

// Stop ends the filter by TERM; it must end well.
func (r *Rig) Stop() {
	r.t.Helper()
	r.Signal(syscall.SIGTERM)
	if err := r.Wait(); err != nil {
		r.t.Fatalf("the filter ended badly: %v\n%s", err, r.Log())
	}
}

// Wait waits for the end.
func (r *Rig) Wait() error {
	r.t.Helper()
	if r.process.Wait(Patience) != 0 {
		return errors.New(r.process.Cmd.ProcessState.String())
	}
	return nil
}

// Log is what it logged, and its end.
func (r *Rig) Log() string { return r.log.String() }

// Until waits for something to become true.
func (r *Rig) Until(what string, f func() bool) {
	r.t.Helper()
	if err := r.process.Await(Patience, f); err != nil {
		r.t.Fatalf("waited in vain until %s: %v", what, err)
	}
}

// Dial connects and negotiates.
func (r *Rig) Dial() *milter.Client {
	r.t.Helper()
	c, err := milter.Dial("unix", r.Socket(), milter.ClientOptions{})
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.Log())
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Message is one of ours, with a body of so many octets that begins with text.
func Message(text string, octets int) milter.Message {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: joe@%s\r\nTo: ann@example.org\r\nSubject: %s\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n%s\r\n",
		Domain, text, text)
	for line := strings.Repeat("all work and no play ", 3) + "\r\n"; octets > len(line); octets -= len(line) {
		b.WriteString(line)
	}
	m := milter.Message{Raw: b.Bytes(), Macros: map[string]string{"i": "JOB", "j": "mx.test"}}
	m.Addr = milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1"), Port: 25}
	m.From, m.Rcpts = "joe@"+Domain, []string{"ann@example.org"}
	return m
}

// Foreign turns a message into one that comes from outside.
func Foreign(m milter.Message) milter.Message {
	m.Addr.Addr = netip.MustParseAddr("192.0.2.1")
	return m
}

// Signed sends a message, which must come back signed.
func Signed(c *milter.Client, m milter.Message) error {
	o, err := c.Send(context.Background(), m)
	if err != nil {
		return err
	}
	return CheckSigned(&m, &o)
}

// CheckSigned reports why an outcome is not an accepted message with one
// signature that verifies.
func CheckSigned(m *milter.Message, o *milter.Outcome) error {
	if o.Final.Kind != milter.ReplyAccept {
		return fmt.Errorf("answered with %v", o.Final.String())
	}
	if len(o.Edits) != 1 || o.Edits[0].Name != "DKIM-Signature" {
		return fmt.Errorf("edits are %v", o.Edits)
	}
	field := "DKIM-Signature:" + strings.ReplaceAll(o.Edits[0].Value, "\n", "\r\n") + "\r\n"
	results, err := Verify(append([]byte(field), m.Raw...))
	if err != nil {
		return err
	}
	if len(results) != 1 || results[0].Status != dkim.StatusPass || results[0].Signature.Domain != Domain {
		return fmt.Errorf("the signature is %v (%v): %s", results[0].Status, results[0].Reason, field)
	}
	return nil
}

// Verify verifies a message with the rig's key, whatever the selector.
func Verify(message []byte) ([]dkim.Result, error) {
	fields, body, err := header.Parse(message)
	if err != nil {
		return nil, err
	}
	var bodies dkim.BodyHashes
	v := dkim.NewVerifier(dkim.VerifyOptions{Now: time.Now()}, fields, &bodies)
	if v.Len() == 0 {
		return nil, errors.New("no signature")
	}
	bodies.Write(body)
	bodies.Close()
	for _, q := range v.Queries() {
		v.SetKey(q, dkim.KeyAnswer{Texts: []string{Record()}})
	}
	return v.Finish(), nil
}

// SignedBy makes a message with a signature of that selector and the rig's key.
func SignedBy(t testing.TB, m milter.Message, selector string) milter.Message {
	t.Helper()
	field := filtertest.Signature(t, string(m.Raw),
		dkim.SignOptions{Domain: Domain, Selector: selector, Key: testutil.RSAKey(), Time: time.Now()})
	m.Raw = append([]byte(field), m.Raw...)
	return m
}

// Signs sends a message over a new connection, which must come back signed.
func (r *Rig) Signs(text string) {
	r.t.Helper()
	c := r.Dial()
	defer c.Quit()
	if err := Signed(c, Message(text, 1000)); err != nil {
		r.t.Fatalf("%s: %v\n%s", text, err, r.Log())
	}
}

// Descriptors is how many the process has open.
func (r *Rig) Descriptors() int {
	r.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.Pid()))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(entries)
}

// Memory is a line of /proc/PID/status, in octets.
func (r *Rig) Memory(line string) int64 {
	r.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Pid()))
	if err != nil {
		r.t.Fatal(err)
	}
	for l := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return kb << 10
		}
	}
	r.t.Fatalf("no %s in status", line)
	return 0
}
