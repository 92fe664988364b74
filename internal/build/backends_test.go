package build

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
	"dojang/internal/testutil/configtest"
)

// service answers "v" for each key that begins with "is", and counts.
type service struct {
	url   string
	asked atomic.Int64
	stop  func()
}

func startService(t *testing.T) *service {
	s := new(service)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if r.URL.Path[:3] != "/is" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, "v")
	}))
	t.Cleanup(server.Close)
	s.url, s.stop = server.URL, server.Close
	return s
}

// build returns the data set of a configuration as a reload makes it, and what
// ends its snapshot.
func (s *service) build(t *testing.T, parts Parts, more string) (dataset.Set, func()) {
	t.Helper()
	parts.Log = slog.New(slog.DiscardHandler)
	built, problems := Snapshot(t.Context(), configtest.Read(t, "Mode v\nExemptDomains "+s.url+"/{key}\n"+more), parts)
	if built == nil {
		t.Fatal(problems)
	}
	t.Cleanup(built.Snapshot.Discard)
	return built.Snapshot.Rules.ExemptDomains, built.Snapshot.Discard
}

// asks reports how many questions a look-up led to.
func (s *service) asks(set dataset.Set, key string) (int64, error) {
	before := s.asked.Load()
	_, err := set.Lookup(context.Background(), key, 0)
	if errors.Is(err, dataset.ErrNotFound) {
		err = nil
	}
	return s.asked.Load() - before, err
}

// Rows outlive a reload; with SoftStart also one while the server is away.
func TestRowsOutliveReload(t *testing.T) {
	s, parts := startService(t), Parts{Caches: new(remote.Caches)}
	set, discard := s.build(t, parts, "")
	for _, key := range []string{"is.example", "no.example"} {
		if n, err := s.asks(set, key); n != 1 || err != nil {
			t.Fatal(key, n, err)
		}
	}
	for range 2 {
		next, discardNext := s.build(t, parts, "SubDomains yes\n")
		discard()
		discard = discardNext
		for _, key := range []string{"is.example", "no.example"} {
			if n, err := s.asks(next, key); n != 0 || err != nil {
				t.Errorf("%s: after a reload the server was asked %d times, %v", key, n, err)
			}
		}
	}
	s.stop()
	if built, _ := Snapshot(t.Context(), configtest.Read(t, "Mode v\nExemptDomains "+s.url+"/{key}\n"),
		Parts{Caches: parts.Caches, Log: slog.New(slog.DiscardHandler)}); built != nil {
		t.Error("a server that is away is taken without SoftStart")
	}
	next, _ := s.build(t, parts, "SoftStart yes\nDataSetCacheTTL 0\n")
	discard()
	if _, err := s.asks(next, "is.example"); err != nil {
		t.Errorf("the last known row is gone: %v", err)
	}
	if _, err := s.asks(next, "is.not.known"); !dataset.IsTemporary(err) {
		t.Errorf("a row that is not known: %v", err)
	}
}

func TestDataSetTimes(t *testing.T) {
	s := startService(t)
	type asked struct{ row, absence int64 }
	sets, got := map[string]dataset.Set{}, map[string]asked{}
	ask := func(options string, set dataset.Set) {
		row, err := s.asks(set, "is.example")
		absence, err2 := s.asks(set, "no.example")
		if err != nil || err2 != nil {
			t.Errorf("%q: %v, %v", options, err, err2)
		}
		got[options] = asked{got[options].row + row, got[options].absence + absence}
	}
	want := map[string]asked{
		"":                       {1, 1},
		"DataSetCacheTTL 0\n":    {2, 1},
		"DataSetNegativeTTL 0\n": {1, 2},
		"DataSetCacheTTL 20ms\nDataSetNegativeTTL 1h\n":     {2, 1},
		"DataSetCacheTTL 1h\nDataSetNegativeTTL 20ms\n":     {1, 2},
		"DataSetCacheTTL 100ms\nDataSetNegativeTTL 100ms\n": {2, 2},
	}
	for options := range want {
		sets[options], _ = s.build(t, Parts{}, options)
		ask(options, sets[options])
	}
	time.Sleep(150 * time.Millisecond)
	for options, set := range sets {
		ask(options, set)
	}
	if !maps.Equal(want, got) {
		t.Errorf("asked %v times, want %v", got, want)
	}
}

// An entry without values takes 200 bytes and its key: 1 MiB holds fewer than 5,200.
func TestDataSetCacheSize(t *testing.T) {
	s := startService(t)
	for options, again := range map[string]int64{"DataSetCacheSize 1\n": 1, "": 0} {
		set, _ := s.build(t, Parts{}, options+"DataSetNegativeTTL 1h\n")
		for i := range 5300 {
			if _, err := s.asks(set, fmt.Sprint("no", i)); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.asks(set, "no0"); n != again || err != nil {
			t.Errorf("%q: the oldest of 5,300 answers was asked for %d times more, %v", options, n, err)
		}
	}
}

// TestKeyCacheSize loads more keys than the smallest room holds.
func TestKeyCacheSize(t *testing.T) {
	dir := t.TempDir()
	var table strings.Builder
	for i := range 2000 {
		seed := sha256.Sum256([]byte(fmt.Sprint(i)))
		fmt.Fprintf(&table, "k%d example.com:s:%s\n", i, base64.StdEncoding.EncodeToString(seed[:]))
	}
	for name, text := range map[string]string{"KeyTable": table.String(), "SigningTable": "example.com k0\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf := "Socket inet:1@127.0.0.1\nMode s\nKeyTable file:" + dir + "/KeyTable\nSigningTable file:" + dir + "/SigningTable\n"
	for options, all := range map[string]bool{"KeyCacheSize 1\n": false, "": true} {
		if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf+options), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(filepath.Join(dir, "conf"))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		built, problems := Snapshot(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
		if built == nil {
			t.Fatal(problems)
		}
		for i := range 2000 {
			if _, err := built.Keys.store.Key(t.Context(), fmt.Sprint("k", i), ""); err != nil {
				t.Fatal(err)
			}
		}
		st := built.Keys.CacheStats()
		if all != (st.Keys == 2000 && st.Forgotten == 0) || !all && st.Bytes > 1<<20 {
			t.Errorf("%q: %+v", options, st)
		}
	}
}
