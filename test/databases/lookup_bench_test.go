package databases

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/httpset"
	"dojang/internal/dataset/ldapset"
	"dojang/internal/dataset/memcacheset"
	"dojang/internal/dataset/redisset"
	"dojang/internal/dataset/remote"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/testutil"
	"dojang/internal/testutil/databasetest"
	"dojang/internal/testutil/proctest"
)

// lookupDomains is how many domains the tables have.
const lookupDomains = 20_000

// BenchmarkLookups measures what signing one message asks of its tables: for a
// sender, under the six names that a SigningTable is asked for, and for a key. By
// sixteen at once, each time for another of 20,000 domains; cold asks the server
// every time, warm asks again for 1,000 domains.
//
//	go test -run '^$' -bench Lookups ./test/databases
func BenchmarkLookups(b *testing.B) {
	tb := manyTables(b)
	for _, backend := range []struct {
		name  string
		start func(testing.TB, tables) (keyTable, signingTable string)
	}{
		{"file", inFiles}, {"PostgreSQL", inPostgres}, {"MariaDB", inMariaDB}, {"SQLite", inSQLite}, {"Redis", inRedis}, {"memcached", inMemcached}, {"slapd", inDirectory}, {"HTTP", inHTTP},
	} {
		b.Run(backend.name, func(b *testing.B) {
			keyTable, signingTable := backend.start(b, tb)
			b.Run("cold", func(b *testing.B) { lookups(b, keyTable, signingTable, -1, lookupDomains) })
			b.Run("warm", func(b *testing.B) { lookups(b, keyTable, signingTable, time.Hour, 1000) })
		})
	}
}

func manyTables(b *testing.B) (tb tables) {
	k := edKey(b)
	for i := range lookupDomains {
		domain, name := fmt.Sprintf("d%d.example", i), fmt.Sprintf("k%d", i)
		tb.keys = append(tb.keys, [4]string{name, domain, "sel", k.line})
		tb.signing = append(tb.signing, [3]string{domain, name, ""})
	}
	return tb
}

func lookups(b *testing.B, keyTable, signingTable string, ttl time.Duration, domains int) {
	r := remote.Options{TTL: ttl, NegativeTTL: ttl}
	openers := map[string]dataset.Opener{
		dataset.TypeDSN: sqlset.Opener(sqlset.Options{}, r), dataset.TypeRedis: redisset.Opener(redisset.Options{}, r), dataset.TypeMemcache: memcacheset.Opener(memcacheset.Options{}, r),
		dataset.TypeLDAP: ldapset.Opener(ldapset.Options{BindUser: directoryUser, BindPassword: "geheim"}, r), dataset.TypeHTTP: httpset.Opener(httpset.Options{}, r),
	}
	open := func(spec string, fold bool) dataset.Set {
		set, err := dataset.Open(b.Context(), spec, dataset.Options{FoldCase: fold, Openers: openers})
		must(b, err)
		b.Cleanup(func() { set.Close() })
		return set
	}
	keys, signing := open(keyTable, false), open(signingTable, true)
	ask := func(i int) error {
		name := ""
		err := dataset.SigningLookup(b.Context(), signing, "user", fmt.Sprintf("d%d.example", i), 2,
			false, func(e dataset.Entry) bool { name = e.Values[0]; return true })
		if err != nil || name != fmt.Sprintf("k%d", i) {
			return fmt.Errorf("domain %d: %q, %v", i, name, err)
		}
		_, err = keys.Lookup(b.Context(), name, 4)
		return err
	}
	if ttl > 0 {
		for i := range domains {
			must(b, ask(i))
		}
	}
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := ask(rand.IntN(domains)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func inFiles(t testing.TB, tb tables) (keyTable, signingTable string) {
	dir := t.TempDir()
	keys, signing := tb.pairs()
	for name, rows := range map[string]map[string]string{"keys": keys, "signing": signing} {
		var text strings.Builder
		for key, value := range rows {
			text.WriteString(key + " " + value + "\n")
		}
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o600))
	}
	return "file:" + dir + "/keys", "file:" + dir + "/signing"
}

func tableSpecs(dsn string) (keyTable, signingTable string) {
	return dsn + "/table=dkim_keys?keycol=name?datacol=domain,selector,private_key,algorithm",
		dsn + "/table=dkim_signing?keycol=author?datacol=key_name,identity"
}

func inPostgres(t testing.TB, tb tables) (keyTable, signingTable string) {
	p := databasetest.StartPostgres(t)
	p.Run(t, "BEGIN;\n"+tb.sql()+"COMMIT; ANALYZE;\n")
	return tableSpecs(p.DSN)
}

func inMariaDB(t testing.TB, tb tables) (keyTable, signingTable string) {
	m := databasetest.StartMariaDB(t)
	m.Run(t, strings.Replace(tb.sql(), "INSERT", "BEGIN;\nINSERT", 1)+"COMMIT;\n")
	return tableSpecs(m.DSN)
}

func inSQLite(t testing.TB, tb tables) (keyTable, signingTable string) {
	dir := datasettest.Folder(t, 0o700)
	proctest.Run(t, "BEGIN;\n"+tb.sql()+"COMMIT;\n", testutil.Need(t, "sqlite3"), dir+"/mail.db")
	return tableSpecs("dsn:sqlite3://" + strings.ReplaceAll(dir, "/", "=2F") + "/mail.db")
}

func inRedis(t testing.TB, tb tables) (keyTable, signingTable string) {
	url, client := databasetest.StartRedis(t)
	keys, signing := tb.pairs()
	must(t, client.HSet(context.Background(), "keys", keys).Err())
	must(t, client.HSet(context.Background(), "signing", signing).Err())
	return url + "?hash=keys", url + "?hash=signing"
}

func inMemcached(t testing.TB, tb tables) (keyTable, signingTable string) {
	address := startMemcached(t)
	client := memcache.New(address)
	defer client.Close()
	keys, signing := tb.pairs()
	for prefix, rows := range map[string]map[string]string{"k:": keys, "s:": signing} {
		for key, value := range rows {
			must(t, client.Set(&memcache.Item{Key: prefix + key, Value: []byte(value)}))
		}
	}
	return "memcache:" + address + "/k", "memcache:" + address + "/s"
}

func inDirectory(t testing.TB, tb tables) (keyTable, signingTable string) {
	d := startDirectory(t, strings.ReplaceAll(tb.ldif(), "\nou: ", "\nDKIMIdentity: "))
	return d.url + "ou=dkim,dc=test?DKIMDomain,DKIMSelector,DKIMKey?sub?(DKIMIdentity=$d)",
		d.url + "ou=dkim,dc=test?description,l?sub?(DKIMIdentity=$d)"
}

func inHTTP(t testing.TB, tb tables) (keyTable, signingTable string) {
	keys, signing := tb.pairs()
	serve := func(rows map[string]string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			value, ok := rows[r.URL.Query().Get("key")]
			if !ok {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(strings.Split(value, ":"))
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/keys", serve(keys))
	mux.Handle("/signing", serve(signing))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/keys?key={key}", s.URL + "/signing?key={key}"
}
