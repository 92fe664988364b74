package resolver

import (
	"context"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/proctest"
)

// Many callers, impatient ones among them, on a server that misbehaves now and then:
// whoever waits long enough has the right answer, and nothing is left behind.
func TestManyAtOnce(t *testing.T) {
	s := dnstest.New(t, "")
	const names = 60
	for i := range names {
		name := "k" + strconv.Itoa(i) + ".example"
		s.AddTXT(name, "key of "+name)
		switch i % 4 {
		case 1:
			s.SetFault(name, dnstest.Fault{Silent: true, FirstOnly: true})
		case 2:
			s.SetFault(name, dnstest.Fault{Delay: 20 * time.Millisecond})
		case 3:
			s.SetFault(name, dnstest.Fault{Truncate: true})
		}
	}
	d := newTestDNS(t, Options{Timeout: time.Second, Attempts: 10, CacheSize: 16, MaxSockets: 20, FailureTTL: -1}, s)
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := range names {
				name := "k" + strconv.Itoa((i*7+worker)%names) + ".example"
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if (i+worker)%5 == 0 {
					cancel()
					ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
				}
				a, err := d.LookupTXT(ctx, name)
				cancel()
				if err == nil && (len(a.Texts) != 1 || a.Texts[0] != "key of "+name) {
					t.Errorf("%s: %q", name, a.Texts)
				}
				if err != nil && (i+worker)%5 != 0 {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	proctest.Until(t, time.Minute, "the end of all work and sockets", func() bool { return d.flight.Len() == 0 && len(d.sockets) == 0 })
}

// Sockets must not pile up when a name server goes silent under load, nor stay.
func TestSocketsAreBounded(t *testing.T) {
	s := dnstest.New(t, "")
	s.SetDefaultFault(dnstest.Fault{Silent: true})
	var mu sync.Mutex
	open, most := 0, 0
	o := Options{Timeout: 100 * time.Millisecond, Attempts: 1, MaxSockets: 10}
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		open++
		most = max(most, open)
		return &countedConn{Conn: conn, closed: func() {
			mu.Lock()
			defer mu.Unlock()
			open--
		}}, nil
	}
	d := newTestDNS(t, o, s)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			_, err := d.LookupTXT(context.Background(), "k"+strconv.Itoa(i)+".example")
			if err == nil {
				t.Error("an answer from a silent server")
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most > 10 || most < 2 || open != 0 {
		t.Errorf("%d sockets at most, %d left open", most, open)
	}
	// The fake server keeps a goroutine for each silent query.
	if after := runtime.NumGoroutine(); after > before+250 {
		t.Errorf("goroutines: %d before, %d after", before, after)
	}
}

type countedConn struct {
	net.Conn
	closed func()
	once   sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// TestSlowNamesDoNotDelayOthers: a hundred messages at once, as many as Postfix takes
// by default, each with nine names whose servers do not answer, leave sockets for
// everybody else's.
func TestSlowNamesDoNotDelayOthers(t *testing.T) {
	s := dnstest.New(t, "")
	s.AddTXT("good.example", "key")
	d := newTestDNS(t, Options{Timeout: time.Hour}, s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 900 {
		name := "slow" + strconv.Itoa(i) + ".example"
		s.SetFault(name, dnstest.Fault{Silent: true})
		wg.Go(func() {
			_, _ = d.LookupTXT(ctx, name) // nobody answers it
		})
	}
	defer wg.Wait()
	defer cancel()
	proctest.Until(t, time.Minute, "all sockets", func() bool { return len(d.sockets) >= min(900, cap(d.sockets)) })
	soon, stop := context.WithTimeout(ctx, time.Minute) // much less than that of the others
	defer stop()
	if a, err := d.LookupTXT(soon, "good.example"); err != nil || len(a.Texts) != 1 {
		t.Errorf("%q, %v", a.Texts, err)
	}
}
