package redisset

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/remote"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

var uncached = remote.Options{TTL: -1, NegativeTTL: -1, KeepStale: -1, MinBackoff: 10 * time.Millisecond,
	MaxBackoff: 100 * time.Millisecond}

func open(t testing.TB, spec string, r remote.Options) (dataset.Set, error) {
	t.Helper()
	set, err := dataset.Open(context.Background(), spec,
		dataset.Options{Openers: map[string]dataset.Opener{"redis": Opener(Options{Timeout: 3 * time.Second}, r)}})
	if err == nil {
		t.Cleanup(func() { set.Close() })
	}
	return set, err
}

func server(t testing.TB, dir, port string, args ...string) *datasettest.Process {
	return datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+port),
		append([]string{testutil.Need(t, "redis-server"), "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", ""}, args...)...)
}

// fill stores the rows through the client given, as plain keys and in a hash.
func fill(t testing.TB, c redis.UniversalClient) {
	t.Helper()
	defer c.Close()
	ctx := context.Background()
	for _, r := range datasettest.Rows() {
		if err := errors.Join(c.Set(ctx, "dkim:"+r.Key, r.Text(), 0).Err(), c.HSet(ctx, "table", r.Key, r.Text()).Err()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServer(t *testing.T) {
	dir, port := datasettest.Folder(t, 0o700), proctest.FreePort(t)
	p := server(t, dir, port, "--requirepass", "geheim/@:", "--unixsocket", dir+"/s", "--appendonly", "yes", "--appendfsync", "always")
	fill(t, redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, Password: "geheim/@:"}))
	base := "redis://:geheim%2F%40%3A@127.0.0.1:" + port
	for _, params := range []string{"/0?prefix=dkim:", "?hash=table"} {
		set, err := New(base+params, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		datasettest.Swaps(t, set, func(key string) []string {
			row, err := set.Lookup(t.Context(), key, 3)
			if err != nil && !errors.Is(err, dataset.ErrNotFound) {
				t.Fatal(err)
			}
			return row
		})
	}
	for name, spec := range map[string]string{
		"keys": base + "/0?prefix=dkim:", "hash": base + "?hash=table",
		"socket": "redis://:geheim%2F%40%3A@" + strings.ReplaceAll(dir, "/", "%2F") + "%2Fs/0?hash=table",
	} {
		t.Run(name, func(t *testing.T) {
			set, err := open(t, spec, uncached)
			if err != nil {
				t.Fatal(err)
			}
			datasettest.Run(t, set, datasettest.Options{OneColumn: true})
		})
	}
	t.Run("walk", func(t *testing.T) {
		for _, params := range []string{"?hash=table", "/0?prefix=dkim:"} {
			set, _ := open(t, base+params, uncached)
			n := 0
			if err := dataset.Walk(context.Background(), set, func(dataset.Entry) error { n++; return nil }); err != nil ||
				n != len(datasettest.Rows()) {
				t.Error(params, n, err)
			}
		}
		if set, _ := open(t, base, uncached); dataset.Walk(context.Background(), set, nil) != dataset.ErrNoWalk {
			t.Error("a database without a prefix was listed")
		}
	})
	t.Run("type", func(t *testing.T) {
		set, _ := open(t, base, uncached)
		if _, err := set.Lookup(context.Background(), "table", 1); err == nil || dataset.IsTemporary(err) ||
			errors.Is(err, dataset.ErrNotFound) {
			t.Error(err)
		}
	})
	t.Run("login", func(t *testing.T) {
		if _, err := open(t, "redis://:falsch@127.0.0.1:"+port, uncached); !dataset.IsTemporary(err) ||
			strings.Contains(err.Error(), "falsch") {
			t.Error(err)
		}
	})
	t.Run("still", func(t *testing.T) {
		datasettest.StandsStill(t, "tcp", "127.0.0.1:"+port, func(address string) dataset.Set {
			set, err := New(strings.Replace(base, "127.0.0.1:"+port, address, 1)+"?hash=table", Options{Timeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { set.Close() })
			return set
		})
	})
	t.Run("outage", func(t *testing.T) {
		set, err := open(t, base+"?hash=table", uncached)
		if err != nil {
			t.Fatal(err)
		}
		datasettest.Outage(t, set, p.Kill, p.Start)
	})
}

func TestSentinel(t *testing.T) {
	dir, port, sentinelPort := datasettest.Folder(t, 0o700), proctest.FreePort(t), proctest.FreePort(t)
	server(t, dir, port)
	fill(t, redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port}))
	conf := "port " + sentinelPort + "\nbind 127.0.0.1\ndir " + dir + "\nsentinel monitor keys 127.0.0.1 " + port + " 1\n"
	if err := os.WriteFile(dir+"/sentinel.conf", []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+sentinelPort), testutil.Need(t, "redis-server"),
		dir+"/sentinel.conf", "--sentinel")
	set, err := open(t, "redis+sentinel://127.0.0.1:"+sentinelPort+"/keys/0?prefix=dkim:", uncached)
	if err != nil {
		t.Fatal(err)
	}
	datasettest.Run(t, set, datasettest.Options{OneColumn: true})
}

func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("its servers take seconds to agree")
	}
	hosts := datasettest.RedisCluster(t, testutil.Need(t, "redis-server"), testutil.Need(t, "redis-cli"))
	fill(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: hosts[:1]}))
	for _, query := range []string{"?prefix=dkim:", "?hash=table"} {
		set, err := open(t, "redis+cluster://"+strings.Join(hosts[:2], ",")+query, uncached)
		if err != nil {
			t.Fatal(err)
		}
		datasettest.Run(t, set, datasettest.Options{OneColumn: true})
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]spec{
		"redis://h":                            {kind: "redis", hosts: []string{"h:6379"}, network: "tcp"},
		"redis://u:p%40@h:1/2?prefix=a%3A":     {kind: "redis", hosts: []string{"h:1"}, network: "tcp", user: "u", password: "p@", db: 2, prefix: "a:"},
		"rediss://h?hash=t":                    {kind: "redis", tls: true, hosts: []string{"h:6379"}, network: "tcp", hash: "t"},
		"rediss://h?ca=/etc/ca.pem":            {kind: "redis", tls: true, ca: "/etc/ca.pem", hosts: []string{"h:6379"}, network: "tcp"},
		"redis+cluster://a?ca=/ca.pem":         {kind: "redis+cluster", tls: true, ca: "/ca.pem", hosts: []string{"a:6379"}, network: "tcp"},
		"rediss://h?tls=require":               {kind: "redis", tls: true, noCheck: true, hosts: []string{"h:6379"}, network: "tcp"},
		"redis://%2Frun%2Fredis%2Fs/1":         {kind: "redis", hosts: []string{"/run/redis/s"}, network: "unix", db: 1},
		"redis+sentinel://a,b:2/m/3":           {kind: "redis+sentinel", hosts: []string{"a:26379", "b:2"}, network: "tcp", master: "m", db: 3},
		"redis+cluster://a:1,[::1]?prefix=x":   {kind: "redis+cluster", hosts: []string{"a:1", "[::1]:6379"}, network: "tcp", prefix: "x"},
		"redis+cluster://u:p@a?tls=yes&hash=h": {kind: "redis+cluster", tls: true, hosts: []string{"a:6379"}, network: "tcp", user: "u", password: "p", hash: "h"},
	} {
		got, err := parse(s)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(spec{})); diff != "" || err != nil {
			t.Errorf("%s: %v %s", s, err, diff)
		}
	}
	// What is cut off from a password is taken for something else.
	for _, s := range []string{"redis://:swordfish", "redis://user:swordfish", "redis://:a/swordfish@h",
		"redis://:1/swordfish@h", "redis://:1?swordfish@h=x",
		"redis://user:a:swordfish", "redis://:swordfish%zz@h"} {
		if _, err := parse(s); err == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"redis:", "http://h", "redis://a,b", "redis+sentinel://a", "redis://h/x",
		"redis://h?y=1", "redis://h?prefix=a&hash=b", "redis+cluster://h/1", "redis://%zz@h",
		"redis://h:0", "redis://h:65536", "redis://[::1", "redis://::1:6379", "redis+cluster://,", "redis+cluster://a,",
		"rediss://h?tls=perhaps", "rediss://h?tls=require&ca=/x", "redis://h?tls=no&ca=/x", "rediss://h?tls=no"} {
		if _, err := parse(s); err == nil {
			t.Errorf("%s: no error", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("redis+sentinel://u:p@a,b:2/m/3?prefix=x")
	f.Fuzz(func(t *testing.T, s string) {
		if sp, err := parse(s); err == nil && (len(sp.hosts) == 0 || sp.db < 0) {
			t.Fatalf("%+v", sp)
		}
	})
}

func Benchmark(b *testing.B) {
	dir, port := datasettest.Folder(b, 0o700), proctest.FreePort(b)
	server(b, dir, port)
	fill(b, redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port}))
	for name, r := range map[string]remote.Options{"cold": uncached, "warm": {TTL: time.Hour, NegativeTTL: time.Hour}} {
		set, err := open(b, "redis://127.0.0.1:"+port+"?hash=table", r)
		if err != nil {
			b.Fatal(err)
		}
		datasettest.Bench(b, name, set)
	}
}
