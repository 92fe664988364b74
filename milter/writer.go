package milter

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// writer sends with a time limit. Most writes fit the socket's buffer, so the
// first attempt is made without setting a deadline.
type writer struct {
	conn    net.Conn
	raw     syscall.RawConn
	onReady func(fd uintptr) bool
	rest    []byte
}

func (w *writer) init(conn net.Conn, raw syscall.RawConn) {
	w.conn, w.raw = conn, raw
	if raw != nil {
		w.onReady = w.writeReady
	}
}

func (w *writer) write(b []byte, timeout time.Duration) error {
	if w.raw != nil {
		w.rest = b
		err := w.raw.Write(w.onReady)
		b, w.rest = w.rest, nil
		if err != nil || len(b) == 0 {
			return err
		}
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := w.conn.Write(b); err != nil {
		return err
	}
	return w.conn.SetWriteDeadline(time.Time{})
}

const (
	outBytes     = 4 << 10
	keptOutBytes = 64 << 10
)

// outPool lends buffers for the edits at end of message.
type outPool struct{ pool sync.Pool }

func (p *outPool) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, outBytes)
	return &b
}

func (p *outPool) put(b *[]byte) {
	if cap(*b) <= keptOutBytes {
		p.pool.Put(b)
	}
}
