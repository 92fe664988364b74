package filter_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/filter"
	"dojang/internal/logging"
	"dojang/internal/testutil"
	"dojang/milter"
)

// rig is a filter in this process, made from a configuration as the service makes
// it, and a socket to it.
type rig struct {
	t      testing.TB
	dir    string
	log    *recorder
	filter *filter.Filter
	server *milter.Server
	socket string
	// finish ends the filter when all is done that messages want, reports too.
	finish func()
}

// newRig starts a filter. In the configuration and the files, which are put into DIR
// first, DIR is a folder of the test, KEYS one with a private key, RECORD what is
// published of it: put in with the others, since a random key may have DIR in its text.
func newRig(t testing.TB, text string, files map[string]string, o milter.Options, change func(*filter.Snapshot)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: new(recorder)}
	r.write("k2048.pem", testutil.KeyPEM(testutil.RSAKey()))
	r.write("keys", "sel._domainkey.example.com "+testutil.KeyRecord(testutil.RSAKey())+"\n")
	for name, content := range files {
		r.write(name, r.place(content))
	}
	r.write("conf", r.place(text))
	c, problems := config.Load(filepath.Join(r.dir, "conf"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	// As a start does it: wrong rows are told when mail needs them.
	built, problems := build.Snapshot(t.Context(), c, build.Parts{Log: slog.New(r.log), Account: build.Account{UID: os.Getuid()}})
	if built == nil {
		t.Fatal(problems)
	}
	if change != nil {
		change(built.Snapshot)
	}
	r.log.take()
	r.filter = filter.New(built.Snapshot, nil, nil)
	r.server = milter.NewServer(r.filter.SessionMaker(filter.AsConfigured), o)
	r.socket = filepath.Join(r.dir, "s")
	l, err := net.Listen("unix", r.socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(l) }()
	r.finish = sync.OnceFunc(func() {
		_ = r.server.Shutdown(context.Background())
		<-served
		r.filter.Close()
	})
	t.Cleanup(func() {
		r.server.Close()
		r.finish()
	})
	return r
}

func (r *rig) place(s string) string {
	return strings.NewReplacer("DIR", r.dir, "KEYS", r.dir, "RECORD", testutil.KeyRecord(testutil.RSAKey())).Replace(s)
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) dial(o milter.ClientOptions) *milter.Client {
	r.t.Helper()
	c, err := milter.Dial("unix", r.socket, o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) send(c *milter.Client, m milter.Message) milter.Outcome {
	r.t.Helper()
	out, err := c.Send(r.t.Context(), m)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// recorder is a log that keeps its lines as "severity text".
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelDebug }

func (r *recorder) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r *recorder) WithGroup(string) slog.Handler      { return r }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	severity := "crit"
	switch {
	case record.Level < slog.LevelInfo:
		severity = "debug"
	case record.Level < logging.LevelNotice:
		severity = "info"
	case record.Level < slog.LevelWarn:
		severity = "notice"
	case record.Level < slog.LevelError:
		severity = "warning"
	case record.Level < logging.LevelCritical:
		severity = "err"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, severity+" "+record.Message)
	return nil
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// outside is the message of the captured scenarios: from a client that is not
// ours.
func outside() milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{
			Host: "mail.example.net", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 12345},
			From: "user@example.com", Rcpts: []string{"rcpt@example.net"},
		},
		Macros: map[string]string{"i": "JOB", "j": "mx.example.org", "daemon_name": "smtpd", "mail_addr": "user@example.com"},
		Raw: []byte("From: User One <user@example.com>\r\nTo: rcpt@example.net\r\nSubject: test message\r\n" +
			"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello world.\r\n\r\nSecond line.\r\n"),
	}
}

// inside is the same from this host.
func inside() milter.Message {
	m := outside()
	m.Host, m.Addr.Addr = "localhost", netip.MustParseAddr("127.0.0.1")
	return m
}

func hasEdit(out milter.Outcome, name string) bool {
	for _, e := range out.Edits {
		if e.Name == name {
			return true
		}
	}
	return false
}
