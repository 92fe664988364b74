package rotation

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/zonetest"
	"dojang/milter"
)

// life is a site whose keys change, with a filter that signs.
type life struct {
	*site
	filter *filtertest.Filter
}

type item struct {
	Domain, Selector, State, Reason, Detail, Next, Path string
	LastSigned                                          map[string]*time.Time `json:"last_signed"`
}

const fast = "Interval 1h\nKeepOld 2s\nKeepRevoked 2s\nMargin 1s\nProofs 2\nProofInterval 1s\nMaxCredit 1m\n"

func newLife(t *testing.T, kind, rotate string) *life {
	t.Helper()
	s := newSiteOf(t, kind, rotate+"State DIR/state\n", zonetest.Zone{Name: "example.com", Minimum: 2},
		zonetest.Zone{Name: "host.example", Minimum: 2})
	l := &life{site: s}
	for _, d := range []string{"example.com"} {
		path, _ := s.key(d, "old")
		s.write("KeyTable", "# the keys\nk\t"+d+":old:"+path+"   # first\n", 0o644)
	}
	s.write("SigningTable", "*@example.com k\n", 0o644)
	s.write("opendkim.conf", "KeyTable "+s.dir+"/KeyTable\nSigningTable refile:"+s.dir+
		"/SigningTable\nSocket local:"+s.dir+"/s\nMetricsSocket local:"+s.dir+"/metrics\nStatusSocket local:"+
		s.dir+"/status\nStatusFile "+s.dir+"/status.kept\nMode s\n", 0o644)
	s.publish(0)
	conf, err := os.ReadFile(s.path("opendkim.conf"))
	if err != nil {
		t.Fatal(err)
	}
	l.filter = filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), s.dir, string(conf), nil)
	return l
}

func (l *life) run(args ...string) (string, int) {
	l.t.Helper()
	out, errs, code := l.dojang(append(args, "--settings", l.settings)...)
	return out + errs, code
}

func (l *life) keys() (items []item) {
	l.t.Helper()
	out, errs, code := l.dojang("keys", "--json", "--settings", l.settings)
	if err := json.Unmarshal([]byte(out), &items); err != nil || code != 0 {
		l.t.Fatalf("keys: %d, %v\n%s%s", code, err, out, errs)
	}
	return items
}

// signer sends a message and returns the selectors that signed it.
func (l *life) signer(from string) (selectors []string) {
	l.t.Helper()
	m := filtertest.Outside("From: " + from + "\r\nSubject: s\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n")
	filtertest.FromHere(&m)
	out, err := l.filter.Dial(l.t, milter.ClientOptions{}).Send(l.t.Context(), m)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range out.Edits {
		if strings.EqualFold(e.Name, "DKIM-Signature") {
			for tag := range strings.SplitSeq(e.Value, ";") {
				if s, ok := strings.CutPrefix(strings.TrimSpace(tag), "s="); ok {
					selectors = append(selectors, s)
				}
			}
		}
	}
	return selectors
}

func TestLifeOfAKey(t *testing.T) {
	l := newLife(t, "bind", byBIND+fast)
	if out, code := l.run("keys", "adopt", "--all"); code != 0 {
		t.Fatalf("adopt: %d\n%s", code, out)
	}
	if got := l.signer("a@example.com"); fmt.Sprint(got) != "[old]" {
		t.Fatalf("signed by %v", got)
	}
	if out, code := l.run("rotate", "start", "example.com"); code != 0 && code != 75 {
		t.Fatalf("start: %d\n%s", code, out)
	}
	seen := map[string]bool{}
	for end := time.Now().Add(90 * time.Second); ; {
		out, code := l.run("rotate", "run")
		states := ""
		for _, it := range l.keys() {
			states += it.Selector + "=" + it.State + " "
			if it.Reason != "" {
				states += "(" + it.Reason + ": " + it.Detail + ") "
			}
		}
		if !seen[states] {
			t.Logf("%d %s\n%s", code, states, out)
			seen[states] = true
		}
		if got := l.signer("a@example.com"); len(got) != 1 {
			t.Fatalf("signed by %v", got)
		}
		items := l.keys()
		if len(items) == 1 && items[0].State == "signing" && items[0].Selector != "old" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not end")
		}
		time.Sleep(300 * time.Millisecond)
	}
	table, _ := os.ReadFile(l.path("KeyTable"))
	t.Logf("%s", table)
	if got := l.Server.Text(t, "old._domainkey.example.com"); got != "" {
		t.Errorf("the old record is %q", got)
	}
}
