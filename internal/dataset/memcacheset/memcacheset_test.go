package memcacheset

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/remote"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

var uncached = remote.Options{TTL: -1, NegativeTTL: -1, KeepStale: -1, MinBackoff: 10 * time.Millisecond,
	MaxBackoff: 100 * time.Millisecond}

func open(t testing.TB, spec string, o dataset.Options) dataset.Set {
	t.Helper()
	o.Openers = map[string]dataset.Opener{"memcache": Opener(Options{}, uncached)}
	set, err := dataset.Open(context.Background(), spec, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

func start(t testing.TB) (*datasettest.Process, string) {
	address := "127.0.0.1:" + proctest.FreePort(t)
	args := []string{testutil.Need(t, "memcached"), "-l", address[:9], "-p", address[10:], "-U", "0"}
	if os.Getuid() == 0 {
		args = append(args, "-u", "nobody")
	}
	return datasettest.Start(t, proctest.Dials("tcp", address), args...), address
}

func fill(t testing.TB, addresses ...string) {
	t.Helper()
	c := memcache.New(addresses...)
	defer c.Close()
	for _, r := range datasettest.Rows() {
		if err := c.Set(&memcache.Item{Key: "dkim:" + r.Key, Value: []byte(r.Text())}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemcached(t *testing.T) {
	p, a := start(t)
	_, b := start(t)
	t.Run("one", func(t *testing.T) {
		fill(t, a)
		datasettest.Run(t, open(t, "memcache:"+a+"/dkim", dataset.Options{}), datasettest.Options{OneColumn: true})
		datasettest.Run(t, open(t, "memcache:"+a+"/dkim", dataset.Options{FoldCase: true}),
			datasettest.Options{OneColumn: true, FoldCase: true})
	})
	t.Run("outage", func(t *testing.T) {
		set := open(t, "memcache:"+a+"/dkim", dataset.Options{})
		datasettest.Outage(t, set, p.Kill, func() { p.Start(); fill(t, a) })
	})
	t.Run("still", func(t *testing.T) {
		datasettest.StandsStill(t, "tcp", a, func(address string) dataset.Set {
			set, err := New(address+"/dkim", Options{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { set.Close() })
			return set
		})
	})
	t.Run("two", func(t *testing.T) {
		fill(t, a, b)
		datasettest.Run(t, open(t, "memcache:"+a+","+b+"/dkim", dataset.Options{}), datasettest.Options{OneColumn: true})
	})
}

func TestNewErrors(t *testing.T) {
	for _, s := range []string{"host", "host/", "/prefix", "host/a b", "%zz/x", ",/x", "h,/x", "h:0/x", "h:x/x", "[::1/x", "::1:11211/x"} {
		if _, err := New(s, Options{}); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
	if _, err := dataset.Open(context.Background(), "memcache:127.0.0.1:1/x",
		dataset.Options{Openers: map[string]dataset.Opener{"memcache": Opener(Options{}, remote.Options{})}}); !dataset.IsTemporary(err) {
		t.Errorf("server is away: %v", err)
	}
}

func Benchmark(b *testing.B) {
	_, address := start(b)
	fill(b, address)
	datasettest.Bench(b, "cold", open(b, "memcache:"+address+"/dkim", dataset.Options{}))
}
