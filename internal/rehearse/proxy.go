package rehearse

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialTime bounds how long the old filter may take to accept a connection. Postfix
// waits as long (milter_connect_timeout).
const dialTime = 30 * time.Second

// copyBytes is how much is forwarded at a time.
const copyBytes = 32 << 10

// Proxy forwards connections of the MTA to the old filter, octet by octet. It knows
// nothing of what they say.
type Proxy struct {
	// Dial connects to the old filter.
	Dial func(ctx context.Context) (net.Conn, error)
	Taps *Taps
	// Log is told what went wrong, or nil.
	Log func(error)

	connections atomic.Int64
	mu          sync.Mutex
	open        map[net.Conn]struct{}
	closing     bool
	running     sync.WaitGroup
}

// Connections is how many connections there were.
func (p *Proxy) Connections() int64 { return p.connections.Load() }

// Serve accepts connections until l is closed.
func (p *Proxy) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			p.log(err)
			time.Sleep(50 * time.Millisecond) // lack of descriptors or memory passes
			continue
		}
		p.connections.Add(1)
		p.running.Go(func() { p.forward(conn) })
	}
}

func (p *Proxy) log(err error) {
	if p.Log != nil {
		p.Log(err)
	}
}

// Stop waits until the connections have ended, and closes those that have not when ctx
// ends.
func (p *Proxy) Stop(ctx context.Context) {
	ended := make(chan struct{})
	go func() { p.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	p.mu.Lock()
	p.closing = true
	for conn := range p.open {
		conn.Close()
	}
	p.mu.Unlock()
	<-ended
}

func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return false
	}
	if p.open == nil {
		p.open = map[net.Conn]struct{}{}
	}
	p.open[conn] = struct{}{}
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	p.mu.Lock()
	delete(p.open, conn)
	p.mu.Unlock()
	conn.Close()
}

// forward serves one connection. An old filter that is not there looks to the MTA as it
// would without us: its connection ends.
func (p *Proxy) forward(mta net.Conn) {
	defer p.drop(mta)
	if !p.keep(mta) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	old, err := p.Dial(ctx)
	cancel()
	if err != nil {
		p.log(err)
		return
	}
	defer p.drop(old)
	if !p.keep(old) {
		return
	}
	t := p.Taps.start()
	defer t.close()
	var both sync.WaitGroup
	both.Go(func() { pass(old, mta, t, fromMTA) })
	both.Go(func() { pass(mta, old, t, fromFilter) })
	both.Wait()
}

// pass copies one direction until its sender ends it, and passes that on. The tap gets
// what passes first, so that it sees a command before its answer.
func pass(to, from net.Conn, t *tap, d direction) {
	buffer := make([]byte, copyBytes)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			t.add(d, buffer[:n])
			if _, werr := to.Write(buffer[:n]); werr != nil {
				from.Close()
				break
			}
		}
		if err != nil {
			break
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && d == fromMTA {
		return // the filter's last answers still pass
	}
	to.Close() // a filter that ends a connection ends it whole
	if d == fromFilter {
		from.Close()
	}
}
