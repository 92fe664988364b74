package databases

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/app"
	"dojang/internal/config"
	"dojang/internal/logging"
	"dojang/internal/problem"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// key is a key pair, its halves as tables and DNS hold them.
type key struct {
	pem    string
	line   string // base64 of PKCS #8
	record string
}

func edKey(t testing.TB) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return makeKey(t, private)
}

// rsaKey is one key for all tests: it takes long to make.
func rsaKey(t testing.TB) key {
	t.Helper()
	return makeKey(t, testutil.RSAKey())
}

func makeKey(t testing.TB, private crypto.Signer) key {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key{pem: string(text), line: base64.StdEncoding.EncodeToString(der), record: testutil.KeyRecord(private)}
}

// records are the published keys, by name of the record.
type records map[string]string

func (r records) publish(selector, domain string, k key) {
	r[strings.ToLower(selector+"._domainkey."+domain)] = k.record
}

// server is a filter at work.
type server struct {
	app    *app.App
	log    *proctest.Output
	socket string
}

// startFilter starts a filter that signs what its configuration says.
func startFilter(t testing.TB, more string) *server {
	t.Helper()
	s, problems := tryFilter(t, more)
	if s == nil {
		t.Fatal(problems)
	}
	return s
}

// tryFilter returns nil when the filter refuses to start.
func tryFilter(t testing.TB, more string) (*server, problem.List) {
	t.Helper()
	dir := t.TempDir()
	s := &server{log: new(proctest.Output), socket: filepath.Join(dir, "s")}
	conf := filepath.Join(dir, "opendkim.conf")
	must(t, os.WriteFile(conf, []byte("Mode s\nCanonicalization relaxed/simple\nRequireSafeKeys no\nLogWhy yes\nSocket local:"+
		s.socket+"\n"+more), 0o600))
	load := func() (*config.Config, problem.List) { return config.Load(conf) }
	c, problems := load()
	if problems.HasErrors() {
		return nil, problems
	}
	ctx, cancel := context.WithCancel(context.Background())
	var console slog.Handler
	if _, ok := t.(*testing.B); !ok {
		console = logging.NewStream(s.log, "", slog.LevelDebug)
	}
	if s.app, problems = app.New(ctx, app.Options{Config: c, Path: conf, Load: load, Version: "test", Console: console}); s.app == nil {
		cancel()
		return nil, problems
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.app.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Run: %v\n%s", err, s.log)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, problems
}

func (s *server) dial(t testing.TB) *milter.Client {
	t.Helper()
	c, err := milter.Dial("unix", s.socket, milter.ClientOptions{})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func message(from string) milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1")},
			From: "bounce@example.net", Rcpts: []string{"b@example.org"}},
		Macros: map[string]string{"i": "JOB", "j": "mx.example.com"},
		Raw:    []byte("From: " + from + "\r\nTo: b@example.org\r\nSubject: s\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n"),
	}
}

var (
	errTempFail = errors.New("temporary failure")
	errUnsigned = errors.New("accepted without a signature")
)

// send sends a message and returns its good signatures as "domain/selector", with
// "/identity" when there is i=, sorted. A bad one is an error.
func (r records) send(c *milter.Client, m milter.Message) ([]string, error) {
	out, err := c.Send(context.Background(), m)
	if err != nil {
		return nil, err
	}
	switch kind := out.Final.Kind; {
	case kind == milter.ReplyAccept || kind == milter.ReplyContinue:
	case kind == milter.ReplyTempFail || kind == milter.ReplyCode && strings.HasPrefix(out.Final.Text, "4"):
		return nil, errTempFail
	default:
		return nil, fmt.Errorf("answered with %s", out.Final.String())
	}
	fields, body, err := header.Parse(m.Raw)
	if err != nil {
		return nil, err
	}
	signed := new(header.List)
	for _, e := range out.Edits {
		if e.Name == dkim.FieldName {
			signed.Add([]byte(e.Name), []byte(e.Value), strings.HasPrefix(e.Value, " "))
		}
	}
	if signed.Len() == 0 {
		return nil, errUnsigned
	}
	for i := range fields.Len() {
		signed.AddRaw(fields.At(i).Raw)
	}
	return r.verify(signed, body)
}

func (r records) verify(fields *header.List, body []byte) ([]string, error) {
	var bodies dkim.BodyHashes
	v := dkim.NewVerifier(dkim.VerifyOptions{Now: time.Now(), MaximumSignatures: 32}, fields, &bodies)
	for _, q := range v.Queries() {
		text, ok := r[q.Name]
		if !ok {
			return nil, fmt.Errorf("signed with a key that nobody published: %s", q.Name)
		}
		v.SetKey(q, dkim.KeyAnswer{Texts: []string{text}})
	}
	bodies.Write(body)
	bodies.Close()
	var good []string
	for _, result := range v.Finish() {
		name := result.Signature.Domain + "/" + result.Signature.Selector
		if result.Status != dkim.StatusPass {
			return nil, fmt.Errorf("signed with a wrong key: %s: %v", name, result.Reason)
		}
		if i := result.Signature.Identity; i != "" && i != "@"+result.Signature.Domain {
			name += "/" + i
		}
		good = append(good, name)
	}
	slices.Sort(good)
	return good, nil
}

// expect sends a message from each author and compares who signed; "" expects an
// accepted message without signature, "4" a temporary failure.
func (r records) expect(t *testing.T, s *server, want map[string]string) {
	t.Helper()
	c := s.dial(t)
	for _, from := range slices.Sorted(maps.Keys(want)) {
		got, err := r.send(c, message(from))
		switch {
		case errors.Is(err, errUnsigned):
			got = []string{""}
		case errors.Is(err, errTempFail):
			got = []string{"4"}
		case err != nil:
			t.Errorf("%q: %v\n%s", from, err, s.log)
			continue
		}
		if text := strings.Join(got, " "); text != want[from] {
			t.Errorf("%q: signed by %q, want %q\n%s", from, text, want[from], s.log)
		}
	}
}
