package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/zonetest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// site is a machine with keys and a KeyTable, and the DNS that its domains are in.
type site struct {
	*zonetest.Internet
	t        *testing.T
	dir      string
	passwd   string // what /etc/passwd is for dojang
	settings string
	uid      int    // of dojang-dns
	program  string // dojang
}

func newSite(t *testing.T, kind, rotate string) *site {
	t.Helper()
	return newSiteOf(t, kind, rotate, zonetest.Zone{Name: "example.com"}, zonetest.Zone{Name: "host.example"})
}

// newSiteOf is newSite with other zones of these names.
func newSiteOf(t *testing.T, kind, rotate string, zones ...zonetest.Zone) *site {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "unshare", "mount")
	s := &site{t: t, dir: testutil.SecureDir(t), uid: 64123, program: filepath.Join(testutil.Build(t), "dojang")}
	s.Internet = zonetest.NewInternet(t, kind, zones...)
	s.write("opendkim.conf", "KeyTable "+s.dir+"/KeyTable\n", 0o644)
	if err := os.Mkdir(s.path("dns"), 0o755); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(s.Server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	s.write("dns/tsig.key", string(key), 0o400)
	if err := os.Chown(s.path("dns/tsig.key"), s.uid, s.uid); err != nil {
		t.Fatal(err)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	lines := string(passwd)
	if !strings.Contains(lines, "\ndojang-dns:") {
		lines += fmt.Sprintf("dojang-dns:x:%d:%d::/nonexistent:/usr/sbin/nologin\n", s.uid, s.uid)
	}
	s.passwd = s.write("passwd", lines, 0o644)
	s.settings = s.write("rotate.conf", "Config "+s.dir+"/opendkim.conf\nNameservers "+s.Resolver.Addr+"\nTTL 1m\n"+
		strings.NewReplacer("DIR", s.dir, "SERVER", s.Server.Addr).Replace(rotate), 0o644)
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, text string, mode os.FileMode) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// key makes a key by dojang genkey, and returns what is to be published of it.
func (s *site) key(domain, selector string) (path, text string) {
	s.t.Helper()
	return s.keyOf("ed25519", domain, selector)
}

func (s *site) rsa(domain, selector string) (path, text string) {
	s.t.Helper()
	return s.keyOf("rsa", domain, selector)
}

func (s *site) keyOf(kind, domain, selector string) (path, text string) {
	s.t.Helper()
	out, err := exec.Command(filepath.Join(testutil.Build(s.t), "dojang"), "genkey", "-d", domain, "-s", selector, "--type",
		kind, "--format", "json", "-D", s.dir).Output()
	if err != nil {
		s.t.Fatalf("genkey: %v\n%s", err, out)
	}
	var said struct {
		Records []struct{ Text string }
	}
	if err := json.Unmarshal(out, &said); err != nil || len(said.Records) != 1 {
		s.t.Fatalf("%s: %v", out, err)
	}
	return s.path(selector + ".private"), said.Records[0].Text
}

// dojang runs a command where /etc/passwd knows dojang-dns.
func (s *site) dojang(args ...string) (stdout, stderr string, status int) {
	s.t.Helper()
	script := `mount --bind "$0" /etc/passwd && exec "$@"`
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", script, s.passwd,
		s.program}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (s *site) publish(status int, args ...string) string {
	s.t.Helper()
	out, errs, got := s.dojang(append([]string{"publish", "--settings", s.settings}, args...)...)
	if got != status {
		s.t.Fatalf("publish %q: status %d, want %d\n%s%s", args, got, status, out, errs)
	}
	return out + errs
}

func (s *site) expect(out string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			s.t.Errorf("no %q in\n%s", text, out)
		}
	}
}

const byBIND = "Publisher bind rfc2136 server=SERVER key=DIR/dns/tsig.key\nZone example.com bind\nZone *.example.com bind\n"
