package rotation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
)

// Many domains change their keys at once, after a break-in, in batches.
func TestEmergencyForAll(t *testing.T) {
	n := 100
	if testutil.Long() {
		n = 2000
	}
	s := newSite(t, "powerdns", "Publisher pdns rfc2136 server=SERVER key=DIR/dns/tsig.key\nZone * pdns\nState DIR/state\n")
	keys, authors := "", ""
	for i := range n {
		path, _ := s.key("example.com", fmt.Sprintf("s%d", i))
		keys += fmt.Sprintf("k%d d%d.example.com:old:%s\n", i, i, path)
		authors += fmt.Sprintf("*@d%d.example.com k%d\n", i, i)
	}
	s.write("KeyTable", keys, 0o644)
	s.write("SigningTable", authors, 0o644)
	conf := s.write("opendkim.conf", "KeyTable "+s.dir+"/KeyTable\nSigningTable "+
		"refile:"+s.dir+"/SigningTable\nSocket local:"+s.dir+"/s\nMetricsSocket local:"+s.dir+"/metrics\nStatusSocket local:"+s.dir+
		"/status\nMode s\n", 0o644)
	s.publish(0)
	text, _ := os.ReadFile(conf)
	l := &life{site: s, filter: filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), s.dir, string(text), nil)}
	start := time.Now()
	out, code := l.run("rotate", "emergency", "--all", "--yes")
	t.Logf("%d domains in %s", n, time.Since(start))
	if code != 0 {
		t.Errorf("%d\n%.2000s", code, out)
	}
	table, _ := os.ReadFile(s.path("KeyTable"))
	if strings.Contains(string(table), ":old:") || strings.Count(string(table), "\n") != n {
		t.Errorf("the table is\n%.2000s", table)
	}
	for _, i := range []int{0, n / 2, n - 1} {
		domain := fmt.Sprintf("d%d.example.com", i)
		if got := s.Server.Text(t, "old._domainkey."+domain); !strings.HasSuffix(got, "p=") {
			t.Errorf("%s: the old record is %q", domain, got)
		}
		if got := l.signer("a@" + domain); len(got) != 1 || got[0] == "old" {
			t.Errorf("%s: signed by %q", domain, got)
		}
	}
}
