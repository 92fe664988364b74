package databases

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/loadgen"
	"dojang/internal/testutil"
	"dojang/internal/testutil/databasetest"
	"dojang/milter"
)

// million is the number of domains in the tables that are measured.
const million = 1_000_000

// popularDomains are those that most mail comes from.
const popularDomains = 2000

// BenchmarkMillionPostgreSQL signs for a million domains, each with its own row in
// both tables and its RSA key of 2,048 bits in the row.
//
//	go test -run '^$' -bench Million -benchtime 20000x ./test/databases
func BenchmarkMillionPostgreSQL(b *testing.B) {
	p := databasetest.StartPostgres(b, "-c", "shared_buffers=256MB", "-c", "synchronous_commit=off", "-c", "max_wal_size=4GB")
	p.Run(b, fmt.Sprintf("CREATE TABLE dkim_keys AS SELECT 'k' || i AS name, 'd' || i || '.example' AS domain, 'sel' AS "+
		"selector, '%s' AS private_key, '' AS algorithm FROM generate_series(0,%d) i;\n"+
		"CREATE TABLE dkim_signing AS SELECT 'd' || i || '.example' AS author, 'k' || i AS key_name, '' AS identity "+
		"FROM generate_series(0,%d) i;\n"+
		"ALTER TABLE dkim_keys ADD PRIMARY KEY (name); ALTER TABLE dkim_signing ADD PRIMARY KEY (author); ANALYZE;",
		rsaKey(b).line, million-1, million-1))
	signingRates(b, sqlOptions(p.DSN))
}

// BenchmarkMillionFile has the same rows in files.
func BenchmarkMillionFile(b *testing.B) {
	dir := b.TempDir()
	keys := filepath.Join(dir, "key.private")
	must(b, os.WriteFile(keys, []byte(rsaKey(b).pem), 0o600))
	write := func(name, format string) string {
		var text strings.Builder
		for i := range million {
			text.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		path := filepath.Join(dir, name)
		must(b, os.WriteFile(path, []byte(text.String()), 0o600))
		return path
	}
	table := write("KeyTable", "k# d#.example:sel:"+keys+"\n")
	exact, patterns := write("exact", "d#.example k#\n"), write("patterns", "*@d#.example k#\n")
	for name, spec := range map[string]string{"file": "file:" + exact, "refile": "refile:" + patterns} {
		b.Run(name, func(b *testing.B) { signingRates(b, "KeyTable "+table+"\nSigningTable "+spec+"\n") })
	}
}

// signingRates measures messages of 4 KB a second over 16 connections: from 2,000
// domains, asked for before; and each from another domain.
func signingRates(b *testing.B, options string) {
	before := heapMB()
	begin := time.Now()
	s := startFilter(b, options)
	started := time.Since(begin).Seconds()
	used := heapMB() - before
	var next atomic.Int64
	for _, c := range []struct {
		name   string
		domain func() int
	}{
		{"popular", func() int { return rand.IntN(popularDomains) }},
		{"all different", func() int { return popularDomains + int(next.Add(1))%(million-popularDomains) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.name == "popular" {
				var i atomic.Int64
				sendMany(b, s, 16, popularDomains, func() int { return int(i.Add(1)) % popularDomains })
			}
			b.ResetTimer()
			cpu := testutil.ProcessorTime(b)
			sendMany(b, s, 16, b.N, c.domain)
			b.ReportMetric(float64((testutil.ProcessorTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/message")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(started, "start-s")
			b.ReportMetric(used, "start-MB")
		})
	}
}

func heapMB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// sendMany sends so many messages over several connections and expects that each
// is signed for its domain.
func sendMany(b *testing.B, s *server, connections, messages int, domain func() int) {
	var left atomic.Int64
	left.Store(int64(messages))
	failed := make(chan error, connections)
	for range connections {
		c := s.dial(b)
		go func() {
			var out milter.Outcome
			for left.Add(-1) >= 0 {
				author := fmt.Sprintf("d%d.example", domain())
				m := message("x@" + author)
				m.Raw = loadgen.Message("user@"+author, 4096)
				err := c.SendTo(b.Context(), &m, &out)
				if err == nil && (len(out.Edits) == 0 || !strings.Contains(out.Edits[0].Value, "d="+author+";")) {
					err = fmt.Errorf("%s: %s, %v", author, out.Final.String(), out.Edits)
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range connections {
		if err := <-failed; err != nil {
			b.Error(err)
		}
	}
}
