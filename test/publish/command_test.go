package publish

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
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/zonetest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// site is a machine with keys and a KeyTable, and the DNS that its domains are in: a
// root and com, a resolver, and a real server for the domains.
type site struct {
	t        *testing.T
	dir      string
	resolver *dnstest.Server
	parent   *dnstest.Server
	server   *zonetest.Server
	passwd   string // what /etc/passwd is for dojang
	settings string
	uid      int // of dojang-dns
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
	s := &site{t: t, dir: testutil.SecureDir(t), uid: 64123}
	s.parent = dnstest.OnPort53(t)
	s.server = zonetest.StartOnPort53(t, kind, zones...)
	address := s.server.Public
	root := ". IN NS a.root.\na.root. IN A " + s.parent.Addr + "\n"
	names, delegated := "", "customer.example. IN NS a.root.\n"
	for _, z := range zones {
		names += "ns." + z.Name + ". IN A " + address + "\n"
		delegated += z.Name + ". IN NS ns." + z.Name + ".\n"
	}
	for line := range strings.Lines(root + "com. IN NS a.root.\nexample. IN NS a.root.\n" + delegated + names) {
		s.parent.AddRR(strings.TrimSpace(line))
	}
	s.parent.ServeZones(".", "com", "example", "customer.example")
	s.resolver = dnstest.New(t, root+names)
	s.write("opendkim.conf", "KeyTable "+s.dir+"/KeyTable\n", 0o644)
	if err := os.Mkdir(s.path("dns"), 0o755); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(s.server.KeyFile)
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
	s.settings = s.write("rotate.conf", "Config "+s.dir+"/opendkim.conf\nNameservers "+s.resolver.Addr+"\nTTL 1m\n"+
		strings.NewReplacer("DIR", s.dir, "SERVER", s.server.Addr).Replace(rotate), 0o644)
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
	out, err := exec.Command(filepath.Join(testutil.Build(s.t), "dojang"), "genkey", "-d", domain, "-s", selector, "--type", kind, "--format", "json", "-D", s.dir).Output()
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
	cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", script, s.passwd, filepath.Join(testutil.Build(s.t), "dojang")}, args...)...)
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

func TestPublishCommand(t *testing.T) {
	for _, kind := range zonetest.Kinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, kind, byBIND)
			one, text1 := s.key("example.com", "one")
			two, text2 := s.key("example.com", "two")
			s.write("KeyTable", "a example.com:one:"+one+"\nb example.com:two:"+two+"\n", 0o644)

			s.expect(s.publish(0, "--dry-run"), "one._domainkey.example.com: would be published in the zone example.com by bind: "+text1)
			if got := s.server.Text(t, "one._domainkey.example.com"); got != "" {
				t.Fatalf("published by --dry-run: %q", got)
			}
			s.expect(s.publish(0), "one._domainkey.example.com: published on 1 of 1 name servers", "two._domainkey.example.com: published on 1 of 1 name servers")
			for selector, text := range map[string]string{"one": text1, "two": text2} {
				if got := s.server.Text(t, selector+"._domainkey.example.com"); got != text {
					t.Errorf("%s: %q, want %q", selector, got, text)
				}
			}
			s.expect(s.publish(0, "example.com"), "published on 1 of 1")
			// Nobody asked a cache for a name that was not there yet.
			if n := s.resolver.Queries("one._domainkey.example.com"); n > 4 {
				t.Errorf("the resolver was asked %d times", n)
			}

			// Another key under the same selector is another's record.
			three, _ := s.key("example.com", "three")
			s.write("KeyTable", "a example.com:one:"+three+"\n", 0o644)
			s.expect(s.publish(69), "one._domainkey.example.com: blocked (conflict): another record stands there", text1[len(text1)-20:])
			if got := s.server.Text(t, "one._domainkey.example.com"); got != text1 {
				t.Errorf("overwritten: %q", got)
			}
		})
	}
}

func TestPublishTry(t *testing.T) {
	for _, kind := range zonetest.Kinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, kind, byBIND)
			s.expect(s.publish(0, "--try", "example.com"), "example.com: written by bind (rfc2136) in ", "ns.example.com 127.", "removed", "Ready.")
			var said struct {
				Record  string
				OK      bool
				Removed bool
			}
			if err := json.Unmarshal([]byte(s.publish(0, "--json", "--try", "example.com")), &said); err != nil || !said.OK || !said.Removed {
				t.Errorf("%+v, %v", said, err)
			}
			if got := s.server.Text(t, said.Record); got != "" || said.Record == "" {
				t.Errorf("%q is still there: %q", said.Record, got)
			}
			s.expect(s.publish(69, "--try", "elsewhere.example"), "no-publisher")
		})
	}
}

// What each mistake of an administrator is told as.
func TestPublishIsBlocked(t *testing.T) {
	s := newSite(t, "bind", byBIND+"Publisher hand manual\nZone *.host.example hand\nZone customer.example cname=keys.host.example ring=k1,k2 publisher=dkim\n"+
		"Publisher dkim exec DIR/hook\n")
	path, text := s.key("example.com", "m1")
	s.write("hook", "#!/bin/sh\nread -r x; case $x in *'\"version\"}'*) echo '{\"version\":1}'; exit;; esac\nid -u > DIR/out/uid\ncat DIR/m1.private > DIR/out/key 2>&1\nexit 75\n", 0o755)
	hook, _ := os.ReadFile(s.path("hook"))
	s.write("hook", strings.ReplaceAll(string(hook), "DIR", s.dir), 0o755)
	if err := os.Mkdir(s.path("out"), 0o777); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(s.path("out"), 0o777)

	// The process that publishes is dojang-dns, and cannot read a key.
	s.write("KeyTable", "a customer.example:k1:"+path+"\n", 0o644)
	s.expect(s.publish(75), "k1._domainkey.customer.example.keys.host.example: waiting (again)")
	if uid, _ := os.ReadFile(s.path("out/uid")); strings.TrimSpace(string(uid)) != fmt.Sprint(s.uid) {
		t.Errorf("published as user %s", uid)
	}
	if key, _ := os.ReadFile(s.path("out/key")); !strings.Contains(string(key), "Permission denied") {
		t.Errorf("the publishing process reads the key: %q", key)
	}
	// Who signs cannot read a credential.
	if out, err := exec.Command("setpriv", "--reuid=65534", "--clear-groups", "cat", s.path("dns/tsig.key")).CombinedOutput(); err == nil {
		t.Errorf("another user reads the credential: %s", out)
	}

	s.write("KeyTable", "a sub.host.example:m1:"+path+"\n", 0o644)
	s.expect(s.publish(75), "publish this, then do nothing", text, "waiting (not-published): printed")
	s.write("KeyTable", "a other.test:m1:"+path+"\n", 0o644)
	s.expect(s.publish(69), "blocked (no-publisher)")
	s.write("KeyTable", "a %:m1:"+path+"\n", 0o644)
	s.expect(s.publish(69), "is a key for any domain: name one: dojang publish DOMAIN")
	s.expect(s.publish(0, "example.com"), "m1._domainkey.example.com: published")
	s.write("KeyTable", "a example.com:m2:"+path+"\n", 0o644)

	if err := os.Chown(s.path("dns/tsig.key"), 0, 0); err != nil {
		t.Fatal(err)
	}
	s.expect(s.publish(69), "m2._domainkey.example.com: blocked (refused)", "permission denied")
	s.passwd = "/etc/passwd"
	if data, _ := os.ReadFile("/etc/passwd"); !bytes.Contains(data, []byte("dojang-dns:")) {
		s.expect(s.publish(69), "blocked (refused): there is no user dojang-dns", "useradd --system")
		_, errs, status := s.dojang("config", "check", "--config", s.path("opendkim.conf"), "--settings", s.settings)
		if status != 78 || !strings.Contains(errs, "hint: useradd --system") {
			t.Errorf("config check: %d\n%s", status, errs)
		}
	}
}
