package milter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves the protocol on any number of listeners.
type Server struct {
	options    Options
	newSession func(*Conn) Session
	buffers    bufferPool
	outs       outPool
	ctx        context.Context
	cancel     context.CancelFunc
	draining   atomic.Bool

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*Conn]struct{}
	empty     chan struct{} // closed when the last connection goes, while someone waits
	refused   int           // connections beyond the limit since the last log line
	logged    time.Time     // of that line
}

// NewServer makes a server. newSession is called once a connection's negotiation
// begins, where it may change Conn.Options, and again after each QUIT_NC.
func NewServer(newSession func(*Conn) Session, o Options) *Server {
	s := &Server{
		options:    o.withDefaults(),
		newSession: newSession,
		listeners:  map[net.Listener]struct{}{},
		conns:      map[*Conn]struct{}{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Connections returns the number of connections now open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Serve accepts connections until the listener fails for good or the server is
// closed, when it returns ErrServerClosed. It closes the listener. Lack of
// descriptors or memory is waited out.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		l.Close()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		l.Close()
	}()
	return s.accept(l)
}

func (s *Server) accept(l net.Listener) error {
	const maxPause = time.Second
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		if s.draining.Load() {
			if err == nil {
				nc.Close()
			}
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			if pause == 0 {
				pause = 5 * time.Millisecond
				s.options.ErrorLog(fmt.Errorf("accepting connections: %w", err), l.Addr().String())
			}
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return ErrServerClosed
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = 0
		if c := s.add(nc); c != nil {
			go s.serve(c)
		}
	}
}

func (s *Server) serve(c *Conn) {
	defer s.remove(c)
	c.serve()
}

// add registers a connection; nil when there are too many or the server closes.
func (s *Server) add(nc net.Conn) *Conn {
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		nc.Close()
		return nil
	}
	if s.options.MaxConnections > 0 && len(s.conns) >= s.options.MaxConnections {
		s.refused++
		count, now := s.refused, time.Now()
		if now.Sub(s.logged) < time.Second {
			count = 0
		} else {
			s.refused, s.logged = 0, now
		}
		s.mu.Unlock()
		nc.Close()
		if count > 0 {
			s.options.ErrorLog(fmt.Errorf("%w: %d are open; refused %d", ErrTooManyConnections, s.options.MaxConnections, count), "")
		}
		return nil
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	return c
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// stop closes the listeners and returns the connections and a channel that is
// closed when they are gone.
func (s *Server) stop() (conns []*Conn, empty <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		conns = append(conns, c)
	}
	if len(conns) == 0 {
		done := make(chan struct{})
		close(done)
		return nil, done
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return conns, s.empty
}

// Shutdown stops accepting, closes idle connections at once and lets the others
// finish the message in hand. When ctx ends first, it closes them and returns
// ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	conns, empty := s.stop()
	for _, c := range conns {
		c.wake()
	}
	select {
	case <-empty:
		s.cancel()
		return nil
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// Close closes listeners and connections at once, and ends Conn.Context. It does
// not wait for sessions that are being called.
func (s *Server) Close() error {
	conns, _ := s.stop()
	s.cancel()
	for _, c := range conns {
		c.closed.Store(true)
		c.nc.Close()
	}
	return nil
}
