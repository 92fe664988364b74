package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dojang/internal/testutil/zonetest"
)

func TestPublishCommand(t *testing.T) {
	for _, kind := range zonetest.Kinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, kind, byBIND)
			one, text1 := s.key("example.com", "one")
			two, text2 := s.key("example.com", "two")
			s.write("KeyTable", "a example.com:one:"+one+"\nb example.com:two:"+two+"\n", 0o644)

			s.expect(s.publish(0, "--dry-run"), "one._domainkey.example.com: would be published in the zone example.com by bind: "+text1)
			if got := s.Server.Text(t, "one._domainkey.example.com"); got != "" {
				t.Fatalf("published by --dry-run: %q", got)
			}
			s.expect(s.publish(0), "one._domainkey.example.com: published on 1 of 1 name servers",
				"two._domainkey.example.com: published on 1 of 1 name servers")
			for selector, text := range map[string]string{"one": text1, "two": text2} {
				if got := s.Server.Text(t, selector+"._domainkey.example.com"); got != text {
					t.Errorf("%s: %q, want %q", selector, got, text)
				}
			}
			s.expect(s.publish(0, "example.com"), "published on 1 of 1")
			// Nobody asked a cache for a name that was not there yet.
			if n := s.Resolver.Queries("one._domainkey.example.com"); n > 4 {
				t.Errorf("the resolver was asked %d times", n)
			}

			// The domains of a row that is for any are those of its Group.
			s.write("KeyTable", "all %:shared:"+one+"\n", 0o644)
			s.expect(s.publish(69), "'all' is a key for any domain", "Group all DOMAIN...")
			conf, _ := os.ReadFile(s.settings)
			s.write("rotate.conf", string(conf)+"Zone host.example bind\nGroup all example.com host.example\n", 0o644)
			s.expect(s.publish(0), "shared._domainkey.example.com: published on 1 of 1",
				"shared._domainkey.host.example: published on 1 of 1")

			// Another key under the same selector is another's record.
			three, _ := s.key("example.com", "three")
			s.write("KeyTable", "a example.com:one:"+three+"\n", 0o644)
			s.expect(s.publish(69), "one._domainkey.example.com: blocked (conflict): another record stands there", text1[len(text1)-20:])
			if got := s.Server.Text(t, "one._domainkey.example.com"); got != text1 {
				t.Errorf("overwritten: %q", got)
			}
		})
	}
}

func TestPublishTry(t *testing.T) {
	for _, kind := range zonetest.Kinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, kind, byBIND)
			s.expect(s.publish(0, "--try", "example.com"), "example.com: written by bind (rfc2136) in ",
				"ns.example.com 127.", "removed", "Ready.")
			var said struct {
				Record  string
				OK      bool
				Removed bool
			}
			if err := json.Unmarshal([]byte(s.publish(0, "--json", "--try", "example.com")), &said); err != nil ||
				!said.OK || !said.Removed {
				t.Errorf("%+v, %v", said, err)
			}
			if got := s.Server.Text(t, said.Record); got != "" || said.Record == "" {
				t.Errorf("%q is still there: %q", said.Record, got)
			}
			s.expect(s.publish(69, "--try", "elsewhere.example"), "no-publisher")
		})
	}
}

// What each mistake of an administrator is told as.
func TestPublishIsBlocked(t *testing.T) {
	s := newSite(t, "bind", byBIND+"Publisher hand manual\nZone *.host.example hand\nZone customer.example "+
		"cname=keys.host.example ring=k1,k2 publisher=dkim\n"+
		"Publisher dkim exec DIR/hook\n")
	path, text := s.key("example.com", "m1")
	s.write("hook", "#!/bin/sh\nread -r x; case $x in *'\"version\"}'*) echo '{\"version\":1}'; exit;; esac\nid -u > "+
		"DIR/out/uid\ncat DIR/m1.private > DIR/out/key 2>&1\nexit 75\n", 0o755)
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
	s.expect(s.publish(69), "is a key for any domain: name one (dojang publish DOMAIN)")
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
