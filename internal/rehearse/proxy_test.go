package rehearse

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stand is a stand-in for the old filter: what it got and what it answered.
type stand struct {
	l             net.Listener
	got, answered bytes.Buffer
	done          chan struct{}
}

// newStand serves one connection: it answers octets that have nothing to do with what it
// gets, in pieces, and ends when its peer does.
func newStand(t *testing.T, seed uint64) *stand {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "old"))
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{l: l, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := rand.New(rand.NewPCG(seed, 2))
		buffer := make([]byte, 70000)
		for {
			n, err := conn.Read(buffer[:1+r.IntN(len(buffer)-1)])
			s.got.Write(buffer[:n])
			if err != nil {
				return
			}
			answer := noise(r, r.IntN(2000))
			s.answered.Write(answer)
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { l.Close() })
	return s
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// through dials a stand through a proxy whose taps lead to dial.
func through(t *testing.T, s *stand, dial func() (net.Conn, error)) (conn net.Conn, dropped *atomic.Int64, p *Proxy) {
	t.Helper()
	dropped = new(atomic.Int64)
	p = &Proxy{
		Dial: func(context.Context) (net.Conn, error) { return net.Dial("unix", s.l.Addr().String()) },
		Taps: &Taps{Dial: dial, Dropped: func(string) { dropped.Add(1) }},
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	go p.Serve(l)
	t.Cleanup(func() { l.Close(); p.Stop(t.Context()) })
	if conn, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return conn, dropped, p
}

// TestEveryOctetPasses: whatever both sides say, of the protocol or not, reaches the
// other octet by octet, and the taps record it; with taps that are not there, that hang
// or that break off, too.
func TestEveryOctetPasses(t *testing.T) {
	watchers := map[string]func(*recorder) func() (net.Conn, error){
		"watched": func(rec *recorder) func() (net.Conn, error) { return rec.dial },
		"not there": func(*recorder) func() (net.Conn, error) {
			return func() (net.Conn, error) { return nil, errors.New("not there") }
		},
		"hangs": func(*recorder) func() (net.Conn, error) {
			return func() (net.Conn, error) { near, _ := net.Pipe(); return near, nil }
		},
		"breaks off": func(*recorder) func() (net.Conn, error) {
			return func() (net.Conn, error) { near, far := net.Pipe(); far.Close(); return near, nil }
		},
	}
	for name, watcher := range watchers {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, 7)
			rec := &recorder{}
			conn, dropped, p := through(t, s, watcher(rec))
			r := rand.New(rand.NewPCG(7, 1))
			var sent, got bytes.Buffer
			read := make(chan error, 1)
			go func() { _, err := io.Copy(&got, conn); read <- err }()
			for sent.Len() < 6<<20 {
				piece := noise(r, 1+r.IntN(100000))
				sent.Write(piece)
				if _, err := conn.Write(piece); err != nil {
					t.Fatal(err)
				}
			}
			if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := <-read; err != nil {
				t.Fatal(err)
			}
			<-s.done
			if !bytes.Equal(s.got.Bytes(), sent.Bytes()) || !bytes.Equal(got.Bytes(), s.answered.Bytes()) {
				t.Errorf("%d octets became %d, and %d became %d", sent.Len(), s.got.Len(), s.answered.Len(), got.Len())
			}
			if name != "watched" {
				for end := time.Now().Add(10 * time.Second); dropped.Load() != 1 && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
				if dropped.Load() != 1 {
					t.Errorf("%d connections were dropped", dropped.Load())
				}
				return
			}
			p.Taps.Wait(t.Context())
			rec.running.Wait()
			if dropped.Load() == 0 && (!bytes.Equal(rec.records[fromMTA], sent.Bytes()) ||
				!bytes.Equal(rec.records[fromFilter], got.Bytes())) {
				t.Error("the tap's copy is another")
			}
			if held := p.Taps.held.Load(); held != 0 {
				t.Errorf("%d octets are still counted", held)
			}
		})
	}
}

// recorder takes what a tap hands over.
type recorder struct {
	running sync.WaitGroup
	records map[direction][]byte
}

func (r *recorder) dial() (net.Conn, error) {
	near, far := net.Pipe()
	r.records = map[direction][]byte{}
	r.running.Go(func() {
		for {
			d, data, err := readRecord(far, nil)
			if err != nil {
				return
			}
			r.records[d] = append(r.records[d], data...)
		}
	})
	return near, nil
}

// TestFilterThatIsNotThere: the MTA sees a connection that ends.
func TestFilterThatIsNotThere(t *testing.T) {
	s := newStand(t, 1)
	s.l.Close()
	conn, _, _ := through(t, s, func() (net.Conn, error) { return nil, errors.New("unused") })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d octets, %v", n, err)
	}
}

// TestKnownAreDocumented: each name of a known difference stands in docs/differences.md.
func TestKnownAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range known {
		if !regexp.MustCompile(`(?m)^- \[` + k.name + `\] `).Match(text) {
			t.Errorf("%s is not there", k.name)
		}
	}
}
