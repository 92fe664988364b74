package soak

import (
	"context"
	"crypto"
	"crypto/rsa"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/filter"
	"dojang/internal/keystore"
	"dojang/internal/logging"
	"dojang/internal/rsaengine"
	"dojang/milter"
	"dojang/test/faults/rig"
)

const (
	standardMessages = 20_000
	connections      = 24
	legs             = 10
)

// state is what must not grow.
type state struct {
	heap        uint64
	goroutines  int
	descriptors int
}

func now(t *testing.T) state {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return state{m.HeapAlloc, runtime.NumGoroutine(), len(entries)}
}

// TestSoak sends DOJANG_SOAK messages, 20,000 when that is not set, over
// connections that stay, come and go, and break off within a message.
func TestSoak(t *testing.T) {
	messages := standardMessages
	if text := os.Getenv("DOJANG_SOAK"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("DOJANG_SOAK: %v", err)
		}
		messages = n
	}
	mixture := shapes(t)
	socket := serve(t)
	s := &soak{t: t, socket: socket, mixture: mixture}
	begin := time.Now()
	var first state
	for leg := range legs {
		s.leg(messages / legs)
		if t.Failed() {
			return
		}
		is := now(t)
		t.Logf("%8d messages, %5.0f/s: heap %.1f MB, %d goroutines, %d descriptors", s.sent.Load(),
			float64(s.sent.Load())/time.Since(begin).Seconds(), float64(is.heap)/1e6, is.goroutines, is.descriptors)
		if leg == 0 {
			first = is
			continue
		}
		if is.heap > first.heap+first.heap/4+4<<20 {
			t.Errorf("the heap grew from %d to %d octets", first.heap, is.heap)
		}
		if is.goroutines > first.goroutines+4 {
			t.Errorf("goroutines grew from %d to %d", first.goroutines, is.goroutines)
		}
		if is.descriptors > first.descriptors+4 {
			t.Errorf("descriptors grew from %d to %d", first.descriptors, is.descriptors)
		}
	}
	t.Logf("%d messages in %v, %d broken off; load and filter together had %s of memory at most",
		s.sent.Load(), time.Since(begin).Round(time.Second), s.broken.Load(), peak())
}

// peak is the most memory that this process had.
func peak() string {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "an unknown amount"
}

// serve runs the filter in this process, so that the race detector sees it.
func serve(t testing.TB) (socket string) {
	t.Helper()
	r := rig.New(t, "MaximumSignaturesToVerify 3\nLogWhy yes\nLogResults yes")
	c, problems := config.Load(r.Path("opendkim.conf"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	engine, err := rsaengine.New(rsaengine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(k keystore.RSAKey, keep bool) crypto.Signer {
		return engine.Signer(rsaengine.Parts{Bits: k.Bits, P: k.P(), Q: k.Q(), QInv: k.QInv(), Key: k.PrivateKey}, keep)
	}
	check := func(key *rsa.PublicKey) func(crypto.Hash, []byte, []byte) bool {
		if p := engine.Public(key); p != nil {
			return p.Verify
		}
		return nil
	}
	// Log lines are made, and thrown away.
	log := slog.New(logging.NewStream(io.Discard, "", slog.LevelDebug))
	built, problems := build.Snapshot(context.Background(), c,
		build.Parts{Log: log, Account: build.Account{UID: os.Getuid()}, Resolvers: new(build.Resolvers), Engine: sign, FastRSA: check})
	if built == nil {
		t.Fatal(problems)
	}
	f := filter.New(built.Snapshot, nil, nil)
	server := milter.NewServer(f.SessionMaker(filter.AsConfigured), milter.Options{OnPanic: func(v any, stack []byte) milter.Response {
		t.Errorf("panic: %v\n%s", v, stack)
		return milter.TempFail
	}})
	socket = filepath.Join(r.Dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	t.Cleanup(func() { server.Close(); f.Close() })
	return socket
}

type soak struct {
	t            *testing.T
	socket       string
	mixture      []shape
	sent, broken atomic.Int64
	seed         uint64
}

// leg sends so many messages and closes all connections.
func (s *soak) leg(messages int) {
	var left atomic.Int64
	left.Store(int64(messages))
	var wait sync.WaitGroup
	for range connections {
		s.seed++
		r := rand.New(rand.NewPCG(s.seed, 1))
		wait.Go(func() { s.connection(r, &left) })
	}
	wait.Wait()
}

func (s *soak) connection(r *rand.Rand, left *atomic.Int64) {
	var c *milter.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	var o milter.Outcome
	var from netip.Addr
	for left.Add(-1) >= 0 && !s.t.Failed() {
		// Whether a message comes from inside belongs to its connection.
		x := &s.mixture[r.IntN(len(s.mixture))]
		m := x.message
		if c == nil || m.Addr.Addr != from {
			if c != nil {
				c.QuitNC()
			}
			if c == nil || r.IntN(2) == 0 {
				if c != nil {
					c.Close()
				}
				var err error
				if c, err = milter.Dial("unix", s.socket, milter.ClientOptions{}); err != nil {
					s.t.Error(err)
					return
				}
			}
			from = m.Addr.Addr
		}
		if r.IntN(50) == 0 { // gives up within the message
			if err := c.SendPart(&m, r.IntN(len(m.Raw)), &o); err != nil {
				s.t.Error(err)
				return
			}
			s.broken.Add(1)
			if r.IntN(2) == 0 {
				c.Close()
				c = nil
				continue
			}
			c.Abort()
		}
		err := c.SendTo(context.Background(), &m, &o)
		if err == nil {
			err = x.check(&o, r.IntN(32) == 0)
		}
		if err != nil {
			s.t.Error(err)
			return
		}
		s.sent.Add(1)
	}
}
