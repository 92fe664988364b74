package rotation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/zonetest"
)

// A customer whose aliases lead into a zone of ours: keys go round in the ring, and a slot
// is taken again only when it is gone for as long as caches may keep it. A customer
// without the aliases stays on his key.
func TestRing(t *testing.T) {
	t.Parallel()
	l := &life{site: newSiteOf(t, "powerdns", "Publisher p rfc2136 server=SERVER key=DIR/dns/tsig.key\n"+
		"Zone *.example cname=dkim.host.example ring=k1,k2,k3 publisher=p\nState DIR/state\nInterval 3s\nTTL 2s\n"+pace,
		zonetest.Zone{Name: "host.example", Minimum: 2})}
	path, _ := l.key("customer.example", "k1")
	l.write("KeyTable", "k customer.example:k1:"+path+"\no other.example:k1:"+path+"\n", 0o644)
	l.write("SigningTable", "*@customer.example k\n*@other.example o\n", 0o644)
	conf := "KeyTable DIR/KeyTable\nSigningTable refile:DIR/SigningTable\nSocket local:DIR/s\nMetricsSocket " +
		"local:DIR/metrics\nStatusSocket local:DIR/status\nMode s\n"
	l.write("opendkim.conf", strings.ReplaceAll(conf, "DIR", l.dir), 0o644)
	for _, k := range []string{"k1", "k2", "k3"} {
		l.Parent.AddRR(k + "._domainkey.customer.example. 2 IN CNAME " + k + "._domainkey.customer.example.dkim.host.example.")
	}
	l.Parent.AddRR("k1._domainkey.other.example. 2 IN CNAME k1._domainkey.other.example.dkim.host.example.")
	l.publish(0)
	l.filter = filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), l.dir, conf, nil)
	if out, code := l.run("keys", "adopt", "--all"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	turns := 2
	if testutil.Long() {
		turns = 6
	}
	said, seen := "", []string{"k1"}
	for end := time.Now().Add(time.Duration(turns) * time.Minute); len(seen) <= turns; time.Sleep(200 * time.Millisecond) {
		out, _ := l.run("rotate", "run")
		said += out
		got := l.signer("a@customer.example")
		if len(got) != 1 || l.Server.Text(t, got[0]+"._domainkey.customer.example.dkim.host.example") == "" {
			t.Fatalf("signed by %q\n%s", got, said)
		}
		if got[0] != seen[len(seen)-1] {
			seen = append(seen, got[0])
		}
		if time.Now().After(end) {
			t.Fatalf("%q\n%s\n%+v", seen, said, l.keys())
		}
	}
	if want := strings.Repeat("k1 k2 k3 ", 3); !strings.HasPrefix(want, strings.Join(seen, " ")) {
		t.Errorf("signed by %q in turn", seen)
	}
	if got := l.signer("a@other.example"); strings.Join(got, " ") != "k1" {
		t.Errorf("the other customer is signed by %q", got)
	}
	reasons := ""
	for _, it := range l.keys() {
		if it.Domain == "other.example" {
			reasons += it.Selector + " " + it.Reason + " "
		}
	}
	if !strings.Contains(reasons, "alias-missing") {
		t.Errorf("the other customer: %q\n%s", reasons, said)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the key that another row names is gone: %v", err)
	}
}
