package databases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil/databasetest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

const (
	outageMessages = 5000
	warmDomains    = 40 // asked for before the outage
	coldDomains    = 20 // asked for first in the outage
	rowsLive       = 30 * time.Second
)

// tally counts what became of messages.
type tally struct{ signed, tempFailed, sent atomic.Int64 }

// TestOutageOfPostgreSQL sends 5,000 messages while the server of both tables is
// killed and started. Senders whose rows are known are signed for all the time,
// others temporarily refused; nobody is signed for with another's key; and a key
// replaced meanwhile is used as soon as the server is back.
func TestOutageOfPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("rows have to grow old")
	}
	t.Parallel()
	p := databasetest.StartPostgres(t)
	r, text := outageTables(t)
	p.Run(t, text)
	metrics := t.TempDir() + "/metrics"
	s := startFilter(t, sqlOptions(p.DSN)+"MetricsSocket local:"+metrics+"\n")
	start := time.Now()
	c := s.dial(t)
	for i := range warmDomains {
		if got, err := r.send(c, message(warm(i))); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	time.Sleep(time.Until(start.Add(rowsLive - 4*time.Second)))
	var n tally
	var load sync.WaitGroup
	for worker := range 8 {
		client := s.dial(t)
		load.Go(func() {
			for i := worker; i < outageMessages; i += 8 {
				r.one(t, client, i, &n)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	time.Sleep(2 * time.Second)
	p.Kill()
	time.Sleep(time.Until(start.Add(rowsLive + 2*time.Second)))
	if problems := s.app.Reload(t.Context()); !problems.HasErrors() {
		t.Error("a reload took tables that cannot be asked for good ones")
	}
	p.Start()
	p.Run(t, "UPDATE dkim_keys k SET selector='s2', private_key=n.private_key FROM next_keys n WHERE k.name=n.name")
	load.Wait()
	if n.sent.Load() != outageMessages || n.signed.Load()+n.tempFailed.Load() != outageMessages {
		t.Errorf("of %d messages %d were signed and %d temporarily refused", outageMessages, n.signed.Load(), n.tempFailed.Load())
	}
	if n.tempFailed.Load() == 0 {
		t.Error("no message met the outage")
	}
	t.Logf("%d signed, %d temporarily refused", n.signed.Load(), n.tempFailed.Load())
	r.recovered(t, s)
	for _, line := range []string{"no answer: ", ": answers again"} {
		if got := strings.Count(s.log.String(), line); got != 2 { // KeyTable and SigningTable
			t.Errorf("%d lines with %q", got, line)
		}
	}
	if stale := scrape(t, metrics, `dojang_dataset_lookup_seconds_count\{.*"stale"\} [1-9]`); len(stale) == 0 {
		t.Error("no look-up was answered by a last known row")
	}
}

// TestReloadInAnOutage: what is remembered outlives a reload that SoftStart lets
// happen while the server is away, and the server is not asked anew after one
// while it is there.
func TestReloadInAnOutage(t *testing.T) {
	t.Parallel()
	p, tb := databasetest.StartPostgres(t), newTables(t)
	// Each question of the filter leaves a row.
	p.Run(t, tb.sql()+"CREATE SEQUENCE asked;\nCREATE VIEW counted AS SELECT * FROM dkim_signing WHERE nextval('asked') > 0;")
	options := strings.Replace(sqlOptions(p.DSN), "table=dkim_signing", "table=counted", 1) + tb.identities
	s := startFilter(t, options+"SoftStart yes\n")
	asked := func() string { return strings.TrimSpace(p.Run(t, "SELECT last_value FROM asked")) }
	want := map[string]string{"jim@example.com": "example.com/a", "x@sub.example.com": "example.com/sub",
		"o'brien@example.com": "example.com/sub"}
	tb.records.expect(t, s, want)
	before := asked()
	for range 3 {
		if problems := s.app.Reload(t.Context()); problems.HasErrors() {
			t.Fatal(problems)
		}
		tb.records.expect(t, s, want)
	}
	if now := asked(); now != before {
		t.Errorf("after reloads the server was asked for what was known: %s, %s", before, now)
	}
	p.Kill()
	if problems := s.app.Reload(t.Context()); problems.HasErrors() {
		t.Fatal(problems)
	}
	want["ann@example.com"] = "4" // not known
	tb.records.expect(t, s, want)
	if got := strings.Count(s.log.String(), "configuration reloaded"); got != 4 {
		t.Errorf("%d reloads are told", got)
	}
}

func warm(i int) string { return fmt.Sprintf("user@warm%d.example", i) }
func cold(i int) string { return fmt.Sprintf("user@cold%d.example", i) }

// outageTables have a key each domain; next_keys are the second ones of every
// other warm domain.
func outageTables(t *testing.T) (records, string) {
	var tb tables
	r := records{}
	var next strings.Builder
	next.WriteString("CREATE TABLE next_keys (name TEXT, private_key TEXT);\n")
	for i := range warmDomains + coldDomains {
		_, domain, _ := strings.Cut(warm(i), "@")
		if i >= warmDomains {
			_, domain, _ = strings.Cut(cold(i-warmDomains), "@")
		}
		k := edKey(t)
		r.publish("s1", domain, k)
		tb.keys = append(tb.keys, [4]string{"key " + domain, domain, "s1", k.line})
		tb.signing = append(tb.signing, [3]string{domain, "key " + domain, ""})
		if rotated(i) {
			k := edKey(t)
			r.publish("s2", domain, k)
			fmt.Fprintf(&next, "INSERT INTO next_keys VALUES (%s);\n", quoted("key "+domain, k.line))
		}
	}
	return r, tb.sql() + next.String()
}

func rotated(i int) bool { return i < warmDomains && i%2 == 0 }

// one sends message i: most are of warm domains.
func (r records) one(t *testing.T, client *milter.Client, i int, n *tally) {
	from, isWarm := warm(i%warmDomains), true
	if i%5 == 0 {
		from, isWarm = cold(i*coldDomains/outageMessages), false // now and then a new one
	}
	_, domain, _ := strings.Cut(from, "@")
	got, err := r.send(client, message(from))
	n.sent.Add(1)
	switch {
	case errors.Is(err, errTempFail) && !isWarm:
		n.tempFailed.Add(1)
	case err != nil:
		t.Errorf("%s: %v", from, err)
	case !slices.Equal(got, []string{domain + "/s1"}) && !slices.Equal(got, []string{domain + "/s2"}):
		t.Errorf("%s: signed by %v", from, got)
	default:
		n.signed.Add(1)
	}
}

// recovered waits until every domain is signed for by what the server says now.
func (r records) recovered(t *testing.T, s *server) {
	c := s.dial(t)
	deadline := time.Now().Add(15 * time.Second)
	for i := range warmDomains + coldDomains {
		from, want := warm(i), "/s1"
		if i >= warmDomains {
			from = cold(i - warmDomains)
		}
		if rotated(i) {
			want = "/s2"
		}
		for {
			got, err := r.send(c, message(from))
			if err == nil && len(got) == 1 && strings.HasSuffix(got[0], want) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the server is back, but %v, %v\n%s", from, got, err, s.log)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// scrape asks a metrics socket and returns what a pattern finds.
func scrape(t *testing.T, socket, pattern string) []string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	response, err := client.Get("http://x/metrics")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return regexp.MustCompile(pattern).FindAllString(string(text), -1)
}

// A directory that takes questions and answers none is away as well, once
// LDAPTimeout is over; and it is asked again when it wakes up.
func TestDirectoryThatHangs(t *testing.T) {
	t.Parallel()
	tb := newTables(t)
	d := startDirectory(t, tb.ldif())
	s := startFilter(t, directoryOptions(d)+"LDAPTimeout 1\nLDAPDisableCache yes\n")
	tb.records.expect(t, s, map[string]string{"jim@example.com": "example.com/a"})
	text, err := os.ReadFile(d.dir + "/pid")
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	stop(t, pid)
	start := time.Now()
	tb.records.expect(t, s, map[string]string{"jim@example.com": "example.com/a", "ann@example.com": "4", "x@sub.example.com": "4"})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("three messages took %s", took)
	}
	must(t, syscall.Kill(pid, syscall.SIGCONT))
	r := tb.records
	for c, deadline := s.dial(t), time.Now().Add(15*time.Second); ; time.Sleep(100 * time.Millisecond) {
		if got, err := r.send(c, message("ann@example.com")); err == nil && slices.Equal(got, []string{"example.com/a"}) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("the directory is back, but %v, %v\n%s", got, err, s.log)
		}
	}
}

// stop stops a process and waits until each of its threads has stopped: one that is
// answering goes on for a moment.
func stop(t *testing.T, pid int) {
	t.Helper()
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	proctest.Until(t, 10*time.Second, "the threads to stop", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		must(t, err)
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			must(t, err)
			if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return len(threads) > 0
	})
}
