package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/logging"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// The configurations that people have start and, where they name keys, sign; only
// places and the user are other ones here. Those with a database as their table
// (Modoboa, Zimbra) sign from real servers in test/databases.
func TestConfigurationsInTheWildStartAndSign(t *testing.T) {
	paths, err := filepath.Glob("../config/testdata/wild/*.conf")
	if err != nil || len(paths) < 8 {
		t.Fatalf("%d configurations, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".conf")
		if name == "modoboa" || name == "zimbra" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := &server{t: t, dir: testutil.HomeDir(t), log: new(proctest.Output), done: make(chan error, 1)}
			c, problems := config.Load(path)
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			signs := s.moveHere(c)
			ctx, cancel := context.WithCancel(t.Context())
			a, problems := New(ctx, Options{Config: c, Path: path, Version: "test", Console: logging.NewStream(s.log, "", slog.LevelDebug)})
			if a == nil {
				t.Fatal(problems)
			}
			ready := make(chan struct{})
			go func() { s.done <- a.Run(ctx, func() { close(ready) }) }()
			select {
			case <-ready:
			case err := <-s.done:
				t.Fatalf("it does not start: %v\n%s", err, s.log)
			case <-time.After(20 * time.Second):
				t.Fatal("not ready after 20 s")
			}
			out, err := s.dial().Send(t.Context(), authenticated())
			if err != nil {
				t.Fatal(err)
			}
			signed := false
			for _, e := range out.Edits {
				signed = signed || e.Name == "DKIM-Signature" && strings.Contains(e.Value, "d=example.com;")
			}
			if signed != signs {
				t.Errorf("signed %v, want %v; log:\n%s", signed, signs, s.log)
			}
			cancel()
			if err := <-s.done; err != nil {
				t.Error(err)
			}
		})
	}
}

// moveHere puts what a configuration names into the test's folder, and reports
// whether it has keys to sign with.
func (s *server) moveHere(c *config.Config) (signs bool) {
	s.write("key.private", testutil.KeyPEM(testutil.RSAKey()))
	s.write("KeyTable", "mail._domainkey.example.com example.com:mail:"+s.path("key.private")+"\n")
	s.write("SigningTable", "*@example.com mail._domainkey.example.com\n")
	s.write("TrustedHosts", "127.0.0.1\nlocalhost\n")
	s.write("script.lua", "return nil\n")
	set := func(option, value string) {
		if problems := c.Set(option, value, config.CommandLine); problems.HasErrors() {
			s.t.Fatal(problems)
		}
	}
	for option, value := range map[string]string{
		"KeyTable": s.path("KeyTable"), "SigningTable": "refile:" + s.path("SigningTable"), "KeyFile": s.path("key.private"), "PidFile": s.path("pid"),
		"InternalHosts": "refile:" + s.path("TrustedHosts"), "ExternalIgnoreList": "refile:" + s.path("TrustedHosts"), "PeerList": "192.0.2.99", "UserID": build.CurrentAccount().Name,
		"SetupPolicyScript": s.path("script.lua"), "ScreenPolicyScript": s.path("script.lua"), "FinalPolicyScript": s.path("script.lua"), "Statistics": s.path("statistics"), "TemporaryDirectory": s.dir, "SyslogSocket": s.path("log"),
	} {
		if f := c.Field(option); f.IsSet() && f.Text() != "-" {
			set(option, value)
		}
	}
	if path := c.TrustAnchorFile.Value; path != "" {
		if _, err := os.Stat(path); err != nil {
			s.t.Skipf("%s is not on this machine (dns-root-data)", path)
		}
	}
	set("Socket", "local:"+s.path("sock"))
	set("SyslogSocket", s.path("log"))
	return c.Signs() && (c.KeyTable.IsSet() || c.KeyFile.IsSet() && c.Domain.IsSet())
}

// authenticated is a message of ours from a client that logged in.
func authenticated() milter.Message {
	m := inside
	m.Macros = map[string]string{"i": "JOB", "j": "mx.example.com", "auth_type": "PLAIN"}
	return m
}
