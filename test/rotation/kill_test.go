package rotation

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/zonetest"
)

// killed starts a run and kills it after a while; it reports whether the run was over
// before.
func (m *mail) killed(after time.Duration) bool {
	m.t.Helper()
	script := `mount --bind "$0" /etc/passwd && exec "$@"`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, m.passwd, filepath.Join(testutil.Build(m.t), "dojang"),
		"rotate", "run", "--settings", m.settings)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
		return true
	case <-time.After(after):
		_ = cmd.Process.Kill()
		<-ended
		return false
	}
}

// holds looks whether the row names a whole key whose record stands; used are the paths
// and selectors that rows named, in their order.
func (m *mail) holds(used *[]string) {
	m.t.Helper()
	data, err := os.ReadFile(m.path("KeyTable"))
	parts := strings.Split(strings.TrimSpace(strings.TrimPrefix(string(data), "k0 ")), ":")
	if err != nil || len(parts) != 3 {
		m.t.Fatalf("%q, %v", data, err)
	}
	if key, err := os.ReadFile(parts[2]); err != nil || !strings.Contains(string(key), "-----END") {
		m.t.Errorf("%s: %q, %v", parts[2], key, err)
	}
	if text := m.Server.Text(m.t, parts[1]+"._domainkey.example.com"); text == "" || strings.HasSuffix(text, "p=") {
		m.t.Errorf("the row names %s, whose record is %q", parts[1], text)
	}
	now := parts[1] + " " + parts[2]
	if n := len(*used); n == 0 || (*used)[n-1] != now {
		if slices.Contains(*used, now) {
			m.t.Errorf("%s comes again after %q", now, *used)
		}
		*used = append(*used, now)
	}
}

// records are the names below _domainkey that the server has.
func (m *mail) records() (names []string) {
	m.t.Helper()
	q := new(dns.Msg)
	q.SetAxfr("example.com.")
	q.SetTsig(zonetest.KeyName+".", dns.HmacSHA256, 300, time.Now().Unix())
	tr := &dns.Transfer{TsigSecret: map[string]string{zonetest.KeyName + ".": zonetest.Secret}}
	envelopes, err := tr.In(q, m.Server.Addr)
	if err != nil {
		m.t.Fatal(err)
	}
	for e := range envelopes {
		if e.Error != nil {
			m.t.Fatal(e.Error)
		}
		for _, rr := range e.RR {
			if _, ok := rr.(*dns.TXT); ok && strings.Contains(rr.Header().Name, "._domainkey.") {
				names = append(names, rr.Header().Name)
			}
		}
	}
	return names
}

// Runs that are killed at any instant: each row names a whole key that is published, no
// path and no selector comes twice, all mail verifies, and in the end nothing is left over.
func TestKilledCommand(t *testing.T) {
	t.Parallel()
	kills := 12
	if testutil.Long() {
		kills = 60
	}
	m := newMail(t, rig{kind: "bind", domains: three[:1], rotate: quickly})
	var used []string
	m.flowing(func() {
		for n := 0; n < kills; {
			if !m.killed(time.Duration(rand.IntN(400)) * time.Millisecond) {
				n++
			}
			m.holds(&used)
		}
		settings, _ := os.ReadFile(m.settings)
		m.write("rotate.conf", strings.Replace(string(settings), "Interval 2s", "Interval 1h", 1), 0o644)
		for end := time.Now().Add(time.Minute); len(m.keys()) > 1 || len(used) < 2; time.Sleep(200 * time.Millisecond) {
			if m.turn(); len(m.keys()) == 1 && len(used) < 2 {
				m.run("rotate", "start", "example.com")
			}
			m.holds(&used)
			if time.Now().After(end) {
				t.Fatalf("it does not end:\n%s\n%+v", m.said, m.keys())
			}
		}
	})
	t.Logf("%d kills, %d keys", kills, len(used))
	if names := m.records(); len(names) != 1 {
		t.Errorf("left in the zone: %q", names)
	}
	for _, pattern := range []string{"*.private", ".*.tmp", "state/.*.tmp", "state/units/.*.tmp", "state/pending/*"} {
		if left, _ := filepath.Glob(m.path(pattern)); len(left) > 1 || len(left) == 1 && pattern != "*.private" {
			t.Errorf("left on the disk: %q", left)
		}
	}
}
