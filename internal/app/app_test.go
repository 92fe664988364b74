package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/logging"
	"dojang/internal/problem"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// server is a filter under test.
type server struct {
	t    *testing.T
	dir  string
	conf string
	log  *proctest.Output
	app  *App
	halt func() // stops it and waits, once
	done chan error
	// every is KeepInterval.
	every time.Duration
}

// newServer makes a folder with a key and tables for example.com and starts a
// filter on it; more is added to its configuration.
func newServer(t *testing.T, more string) *server {
	t.Helper()
	s := &server{t: t, dir: testutil.HomeDir(t), log: new(proctest.Output), done: make(chan error, 1)}
	s.conf = filepath.Join(s.dir, "opendkim.conf")
	s.write("key.private", testutil.KeyPEM(testutil.RSAKey()))
	s.write("KeyTable", "k example.com:a:"+s.path("key.private")+"\n")
	s.write("SigningTable", "*@example.com k\n")
	s.write("opendkim.conf", s.text("relaxed/simple")+more)
	s.start()
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) text(canonicalization string) string {
	return fmt.Sprintf("Mode sv\nSocket local:%s\nKeyTable %s\nSigningTable refile:%s\nCanonicalization "+
		"%s\nRequireSafeKeys no\nSyslogSuccess yes\n",
		s.path("sock"), s.path("KeyTable"), s.path("SigningTable"), canonicalization)
}

func (s *server) start() {
	s.t.Helper()
	load := func() (*config.Config, problem.List) { return config.Load(s.conf) }
	c, problems := load()
	if problems.HasErrors() {
		s.t.Fatal(problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, problems := New(ctx, Options{Config: c, Path: s.conf, Load: load, Version: "test",
		Console: logging.NewStream(s.log, "", slog.LevelDebug), KeepInterval: s.every})
	if a == nil {
		s.t.Fatal(problems)
	}
	s.app = a
	ready := make(chan struct{})
	go func() { s.done <- a.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-s.done:
		s.t.Fatalf("Run: %v\n%s", err, s.log)
	case <-time.After(20 * time.Second):
		s.t.Fatal("not ready after 20 s")
	}
	s.halt = sync.OnceFunc(func() {
		cancel()
		if err := <-s.done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	})
	s.t.Cleanup(s.halt)
}

var inside = milter.Message{
	Envelope: milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1")},
		From: "a@example.com", Rcpts: []string{"b@example.org"}},
	Macros: map[string]string{"i": "JOB", "j": "mx.example.com"},
	Raw:    []byte("From: a@example.com\r\nTo: b@example.org\r\nSubject: s\r\n\r\nhello\r\n"),
}

func (s *server) dial() *milter.Client {
	s.t.Helper()
	c, err := milter.Dial("unix", s.path("sock"), milter.ClientOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// signature sends a message of ours and returns the signature it gets.
func signature(ctx context.Context, c *milter.Client) (string, error) {
	out, err := c.Send(ctx, inside)
	if err != nil {
		return "", err
	}
	for _, e := range out.Edits {
		if e.Name == "DKIM-Signature" {
			return strings.Join(strings.Fields(e.Value), " "), nil
		}
	}
	return "", fmt.Errorf("not signed: %s", out.Final.String())
}

func TestReloadSwapsAndTellsTheDifference(t *testing.T) {
	s := newServer(t, "")
	old := s.dial()
	if got, err := signature(t.Context(), old); err != nil || !strings.Contains(got, "s=a;") {
		t.Fatalf("before: %q, %v", got, err)
	}
	s.write("KeyTable", "k example.com:b:"+s.path("key.private")+"\nk2 example.org:b:"+s.path("key.private")+"\n")
	s.write("SigningTable", "*@example.com k\n*@example.org k2\n*@example.net k2\n")
	if problems := s.app.Reload(t.Context()); problems.HasErrors() {
		t.Fatal(problems)
	}
	if !strings.Contains(s.log.String(), "configuration reloaded from "+s.conf) ||
		!strings.Contains(s.log.String(), "+2 domains, +1 key, 1 key replaced") {
		t.Errorf("the log does not tell the difference:\n%s", s.log)
	}
	if got, err := signature(t.Context(), s.dial()); err != nil || !strings.Contains(got, "s=b;") {
		t.Errorf("after, new connection: %q, %v", got, err)
	}
	if got, err := signature(t.Context(), old); err != nil || !strings.Contains(got, "s=a;") {
		t.Errorf("a connection in hand must keep what it began with: %q, %v", got, err)
	}
}

func TestReloadWithErrorsChangesNothing(t *testing.T) {
	s := newServer(t, "")
	for name, text := range map[string]string{
		"KeyTable":      "k example.com:b:/x\x00\n",
		"SigningTable":  "*@example.com \x00\n",
		"opendkim.conf": s.text("relaxed/simple") + "NoSuchOption yes\n",
	} {
		was, err := os.ReadFile(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		s.write(name, text)
		if problems := s.app.Reload(t.Context()); !problems.HasErrors() {
			t.Errorf("%s: a broken file was taken", name)
		}
		if got, err := signature(t.Context(), s.dial()); err != nil || !strings.Contains(got, "s=a;") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		s.write(name, string(was))
	}
	if !strings.Contains(s.log.String(), "the old one stays in force") {
		t.Errorf("the log does not say that the old one stays:\n%s", s.log)
	}
}

// A wrong row keeps no good row from coming, at a reload as at the start. It is told,
// and its mail waits.
func TestReloadLivesWithAWrongRow(t *testing.T) {
	s := newServer(t, "LogWhy yes\n")
	for name, row := range map[string]string{
		"no file": "broken example.com:b:" + s.path("gone.private"), "too short": "broken example.com:b", "no domain": "broken @example.com:b:" + s.path("key.private"),
		"no selector": "broken example.com:my sel:" + s.path("key.private"), "no key": "broken example.com:b:nonsense",
	} {
		s.write("KeyTable", "k example.com:c:"+s.path("key.private")+"\n"+row+"\n")
		s.write("SigningTable", "*@example.com k\n")
		for _, step := range []func() string{
			func() string {
				problems := s.app.Reload(t.Context())
				if problems.HasErrors() {
					t.Errorf("%s: a wrong row keeps the others out: %v", name, problems)
				}
				var b strings.Builder
				problems.Write(&b)
				return b.String()
			},
			func() string { s.halt(); s.start(); return s.log.String() },
		} {
			if told := step(); !strings.Contains(told, s.path("KeyTable")+":2: KeyTable: ") {
				t.Errorf("%s: not told: %s", name, told)
			}
			if got, err := signature(t.Context(), s.dial()); err != nil || !strings.Contains(got, "s=c;") {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		s.write("SigningTable", "*@example.com broken\n")
		s.app.Reload(t.Context())
		if got, err := signature(t.Context(), s.dial()); err == nil || !strings.Contains(err.Error(), "tempfail") &&
			!strings.Contains(err.Error(), "451") {
			t.Errorf("%s: mail of the row: %q, %v", name, got, err)
		}
	}
}

// Every message during reloads, half of them broken, is signed, and by one of
// the two configurations as a whole.
func TestReloadUnderLoad(t *testing.T) {
	s := newServer(t, "")
	const connections, reloads = 8, 200
	messages := 10_000
	if testing.Short() {
		messages = 1_000
	}
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			for sent := 0; sent < messages/connections; {
				c, err := milter.Dial("unix", s.path("sock"), milter.ClientOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 { // a few messages a connection, as Postfix does
					got, err := signature(t.Context(), c)
					whole := strings.Contains(got, "s=a;") && strings.Contains(got, "c=relaxed/simple") ||
						strings.Contains(got, "s=b;") && strings.Contains(got, "c=simple/simple")
					if err != nil || !whole {
						t.Errorf("lost or half applied: %q, %v", got, err)
						return
					}
					sent++
				}
				c.Close()
			}
		})
	}
	for i := range reloads {
		switch i % 4 {
		case 0:
			s.write("KeyTable", "k example.com:b:"+s.path("key.private")+"\n")
			s.write("opendkim.conf", s.text("simple/simple"))
		case 2:
			s.write("KeyTable", "k example.com:a:"+s.path("key.private")+"\n")
			s.write("opendkim.conf", s.text("relaxed/simple"))
		default:
			s.write("opendkim.conf", s.text("relaxed/simple")+"On-BadSignature\nKeyTable /nonexistent\n")
		}
		if problems := s.app.Reload(t.Context()); problems.HasErrors() != (i%2 == 1) {
			t.Errorf("reload %d: %v", i, problems)
		}
	}
	wait.Wait()
}

func TestMetricsSocketAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "metrics")
	s := newServer(t, "MetricsSocket local:"+socket+"\nSigningEngine go\n")
	if _, err := signature(t.Context(), s.dial()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string,
		string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}}
	get := func(method, path string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.Status + " " + string(body)
	}
	if got := get("GET", "/healthz"); got != "200 OK ok\n" {
		t.Errorf("healthz: %q", got)
	}
	metrics := get("GET", "/metrics")
	for _, want := range []string{`dojang_signatures_total{algorithm="rsa-sha256"} 1`, `dojang_messages_total{answer="accept"} 1`, `dojang_build_info{version="test"} 1`, `dojang_signing_engine_info{engine="go"} 1`, "dojang_signing_faults_total 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if got := get("POST", "/reload"); !strings.HasPrefix(got, "200 OK {\"ok\":true") {
		t.Errorf("reload: %q", got)
	}
	s.write("opendkim.conf", "Nonsense yes\n")
	if got := get("POST", "/reload"); !strings.HasPrefix(got, "422 ") || !strings.Contains(got, "opendkim.conf:1: ") {
		t.Errorf("reload of a broken file: %q", got)
	}
}

func TestRestartLimits(t *testing.T) {
	at := func(seconds ...int) (times []time.Time) {
		for _, s := range seconds {
			times = append(times, time.Unix(int64(s), 0))
		}
		return times
	}
	rate := restartLimits{RateCount: 2, RatePeriod: time.Minute}
	for _, c := range []struct {
		limits   restartLimits
		restarts []time.Time
		want     string
	}{
		{restartLimits{}, at(1, 2, 3, 4, 5), ""},
		{restartLimits{Count: 2}, at(1, 2), ""},
		{restartLimits{Count: 2}, at(1, 2, 3), "count"},
		{rate, at(0, 30, 59), "rate"},
		{rate, at(0, 30, 61), ""},
	} {
		if got := c.limits.exceeded(c.restarts); got != c.want {
			t.Errorf("%+v after %d restarts: got %q, want %q", c.limits, len(c.restarts), got, c.want)
		}
	}
}

func TestCheckFindsTableMistakes(t *testing.T) {
	dir := testutil.HomeDir(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keyTable := write("KeyTable", "k1 example.com:s:/nonexistent/key\nk2 example.com:s\n")
	signing := write("SigningTable", "*@example.com k1\na@example.org k9\n")
	conf := write("opendkim.conf", "Socket inet:8891@localhost\nKeyTable "+keyTable+"\nSigningTable file:"+
		signing+"\nInternalHosts 0.0.0.0/0\n")
	c, problems := config.Load(conf)
	problems = append(problems, build.Check(t.Context(), c)...)
	var b bytes.Buffer
	problems.Write(&b)
	for _, want := range []string{
		keyTable + ":1: KeyTable: can't load key from /nonexistent/key: No such file or directory",
		keyTable + ":2: KeyTable: ",
		signing + ":1: SigningTable: \"*@example.com\" never matches",
		"hint: write SigningTable refile:" + signing,
		signing + ":2: SigningTable: key \"k9\" is not in the KeyTable",
		"matches every host",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not found: %s\nin:\n%s", want, b.String())
		}
	}
	if problems.HasErrors() {
		t.Error("a wrong row keeps the filter from starting, with which OpenDKIM starts")
	}
}
