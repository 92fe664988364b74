package web

import (
	"net"
	"net/netip"
	"sync"
)

// bounded is a listener with at most so many connections at once, and so many from one
// neighbourhood of another machine: nobody keeps others out by holding them all.
type bounded struct {
	net.Listener
	room   chan struct{}
	each   int
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	from map[string]int
}

func boundListener(l net.Listener, most, each int) net.Listener {
	return &bounded{Listener: l, room: make(chan struct{}, most), each: each, closed: make(chan struct{}), from: map[string]int{}}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		select {
		case b.room <- struct{}{}:
		case <-b.closed:
			return nil, net.ErrClosed
		}
		c, err := b.Listener.Accept()
		if err != nil {
			<-b.room
			return nil, err
		}
		who := ""
		if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil && !a.Addr().Unmap().IsLoopback() {
			who = neighbourhood(a.Addr())
		}
		if b.enter(who) {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { b.leave(who) })}, nil
		}
		<-b.room
		c.Close()
	}
}

func (b *bounded) enter(who string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if who != "" && b.from[who] >= b.each {
		return false
	}
	b.from[who]++
	return true
}

func (b *bounded) leave(who string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.from[who]--; b.from[who] == 0 {
		delete(b.from, who)
	}
	<-b.room
}

func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
