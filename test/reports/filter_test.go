// Package reports compares what dojang and Debian's opendkim leave behind a
// message: reports about failed signatures, diagnostic files, statistics, and
// the results of ATPS and VBR.
package reports

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/testutil"
	"dojang/milter"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// key signs everything here.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func keyRecord(t *testing.T, tags string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; k=rsa; " + tags + "p=" + base64.StdEncoding.EncodeToString(der)
}

// fault is what is done to a message after it was signed.
type fault uint8

const (
	none fault = iota
	wrongBody
	wrongHeader
)

// signed is a message with a signature by our own signer, whose bytes other
// packages hold against other implementations.
func signed(t *testing.T, message string, f fault, o dkim.SignOptions) string {
	t.Helper()
	message = strings.ReplaceAll(message, "\n", "\r\n")
	fields, body, err := header.Parse([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	if f == wrongBody {
		body = append(bytes.Clone(body), "more\r\n"...)
	}
	signedFields := fields
	if f == wrongHeader {
		signedFields = new(header.List)
		for i := range fields.Len() {
			raw := fields.At(i).Raw
			if fields.At(i).Is("Subject") {
				raw = []byte("Subject: as it was")
			}
			signedFields.AddRaw(raw)
		}
	}
	if o.Domain == "" {
		o.Domain = "example.com"
	}
	if o.Selector == "" {
		o.Selector = "sel"
	}
	o.Key, o.BodyLength = key(), -1
	var bodies dkim.BodyHashes
	s, err := dkim.NewSigner(o, signedFields, &bodies)
	if err != nil {
		t.Fatal(err)
	}
	bodies.Write(body)
	bodies.Close()
	value, err := s.Sign()
	if err != nil {
		t.Fatal(err)
	}
	return dkim.FieldName + ":" + value + "\r\n" + message
}

// filter is one of the two at work.
type filter struct {
	name, dir string
	cmd       *exec.Cmd
	exited    chan struct{}
}

// start runs a filter with a configuration in which DIR is a folder of its own.
func start(t *testing.T, name, program, config string, files map[string]string) *filter {
	t.Helper()
	f := &filter{name: name, dir: testutil.SecureDir(t), exited: make(chan struct{})}
	for path, text := range files {
		path = filepath.Join(f.dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(f.dir, "conf")
	text := strings.ReplaceAll(config, "DIR", f.dir) + "\nSyslog no\nSocket local:" + f.socket() + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.cmd = exec.Command(program, "-f", "-x", conf)
	f.cmd.Dir = f.dir
	var output bytes.Buffer
	f.cmd.Stdout, f.cmd.Stderr = &output, &output
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.cmd.Wait(); close(f.exited) }()
	t.Cleanup(func() { f.cmd.Process.Kill(); <-f.exited })
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", f.socket()); err == nil {
			conn.Close()
			return f
		}
		select {
		case <-f.exited:
			t.Fatalf("%s has ended: %s", name, output.String())
		default:
		}
	}
	t.Fatalf("%s does not listen", name)
	return nil
}

// both starts opendkim and ours under the same configuration.
func both(t *testing.T, config string, files map[string]string) (theirs, ours *filter) {
	t.Helper()
	program := testutil.Need(t, "opendkim")
	testutil.NeedRoot(t)
	theirs = start(t, "opendkim", program, config, files)
	ours = start(t, "ours", filepath.Join(testutil.Build(t), "opendkim"), config, files)
	return theirs, ours
}

func (f *filter) socket() string { return filepath.Join(f.dir, "s") }

// send puts a message through the filter and returns the edits it asks for.
func (f *filter) send(t *testing.T, message string, change ...func(*milter.Message)) milter.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := milter.Dial("unix", f.socket(), milter.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Quit()
	m := milter.Message{
		Raw: []byte(message),
		Envelope: milter.Envelope{
			Host: "mail.example.net", Helo: "helo.example.net", From: "user@example.com", Rcpts: []string{"rcpt@example.net"},
			Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 12345},
		},
		Macros: map[string]string{"j": "mx.example.org", "i": "JOB"},
	}
	for _, c := range change {
		c(&m)
	}
	o, err := client.Send(ctx, m)
	if err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	return o
}

// fromHere makes a message come from this host.
func fromHere(m *milter.Message) {
	m.Host, m.Addr.Addr = "localhost", netip.MustParseAddr("127.0.0.1")
}

// inserted is the value of the first field of a name that the filter adds, "-"
// for none.
func inserted(o milter.Outcome, name string) string {
	for _, e := range o.Edits {
		if strings.EqualFold(e.Name, name) && e.Value != "" {
			return e.Value
		}
	}
	return "-"
}

// await returns a file when it is there and complete.
func (f *filter) await(t *testing.T, name, end string) string {
	t.Helper()
	var text []byte
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(filepath.Join(f.dir, name))
		if len(text) > 0 && strings.HasSuffix(string(text), end) {
			return strings.ReplaceAll(string(text), f.dir, "DIR")
		}
	}
	t.Fatalf("%s: no complete %s, but %q", f.name, name, text)
	return ""
}

var ipv6 = netip.MustParseAddr("2001:db8::1")

const message = `From: User One <user@example.com>
To: rcpt@example.net
Subject: a test
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <1@example.com>

Hello  world. 

A second line.
`

func (f *filter) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func privateKey(t *testing.T) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key())}))
}
