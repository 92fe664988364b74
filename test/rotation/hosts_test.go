package rotation

import (
	"math/rand/v2"

	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
)

// running reports whether the other host is up.
func (m *mail) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.down
}

func (m *mail) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// startOther starts the filter of another host, whose tables are copies.
func (m *mail) startOther() {
	m.t.Helper()
	m.copyTables()
	m.other = filtertest.Start(m.t, filepath.Join(testutil.Build(m.t), "opendkim"), m.path("two"),
		"KeyTable DIR/KeyTable\nSigningTable refile:DIR/SigningTable\n"+
			"StatusSocket local:DIR/status\nStatusFile DIR/status.kept\nMode s\n", nil)
}

// copyTables does what rsync does with the sync-list: files in that order.
func (m *mail) copyTables() {
	m.t.Helper()
	out, code := m.run("rotate", "sync-list")
	if code != 0 {
		m.t.Fatalf("%d\n%s", code, out)
	}
	_ = os.Mkdir(m.path("two"), 0o755)
	for path := range strings.FieldsSeq(out) {
		if data, err := os.ReadFile(path); err != nil {
			m.t.Error(err)
		} else if strings.HasSuffix(path, "Table") {
			m.write("two/"+filepath.Base(path), string(data), 0o644)
		}
	}
}

// Two hosts, of which one gets its tables late and is down for a while: the record of
// the old key stays until it has not signed with it for KeepOld.
func TestHosts(t *testing.T) {
	t.Parallel()
	// However the domain is written, it is the one that hosts tell of.
	domain := []string{"example.com", "Example.COM", "bücher.example"}[rand.IntN(3)]
	m := newMail(t, rig{kind: "bind", domains: []string{domain}, rotate: pace +
		"Interval 1h\nHosts local:DIR/status local:DIR/two/status\n"})
	m.startOther()
	record := "old0._domainkey." + keyrecord.ASCII(domain)
	until := func(what string, f func(items []item) bool) {
		t.Helper()
		for end := time.Now().Add(40 * time.Second); !f(m.keys()); time.Sleep(200 * time.Millisecond) {
			if m.turn(); time.Now().After(end) {
				t.Fatalf("%s never came:\n%s\n%+v", what, m.said, m.keys())
			}
		}
	}
	reason := func(word string) func([]item) bool {
		return func(items []item) bool { return len(items) == 2 && items[0].Reason == word }
	}
	m.flowing(func() {
		m.run("rotate", "start", domain)
		until("host-lags", reason("host-lags"))
		if got := m.Server.Text(t, record); strings.HasSuffix(got, "p=") || got == "" {
			t.Errorf("a host signs with it, and the record is %q", got)
		}
		m.setDown(true)
		time.Sleep(500 * time.Millisecond) // until messages on their way are signed
		m.other.Signal(syscall.SIGTERM)
		m.other.Wait(20 * time.Second)
		until("host-silent", reason("host-silent"))
		m.startOther()
		m.setDown(false)
		until("the end of the old key", func(items []item) bool { return len(items) == 1 })
	})
	if got := m.Server.Text(t, record); got != "" {
		t.Errorf("the old record is %q", got)
	}
}
