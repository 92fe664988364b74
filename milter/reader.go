package milter

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"syscall"
)

const (
	readBufferBytes = 64 << 10
	// maxStashBytes is how much of an unfinished frame is copied out of the read
	// buffer so that the buffer can be given back while the peer is waited for.
	maxStashBytes = 4 << 10
	// keptStashBytes is how much memory for that stays with the connection.
	keptStashBytes = 256
)

type readBuffer [readBufferBytes]byte

// bufferPool lends read buffers; one per server, shared by its connections.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *readBuffer {
	if b, ok := p.pool.Get().(*readBuffer); ok {
		return b
	}
	return new(readBuffer)
}

func (p *bufferPool) put(b *readBuffer) { p.pool.Put(b) }

// reader reads frames. It holds a buffer only while it has something to read in
// it: a reader that waits has none, except for a long frame half received.
type reader struct {
	conn     net.Conn
	raw      syscall.RawConn // nil when the connection has none
	onReady  func(fd uintptr) bool
	pool     *bufferPool
	lent     *readBuffer // what buf is a slice of, nil when buf was made for one long frame
	buf      []byte
	from, to int // unread octets in buf
	stash    []byte
	head     [16]byte // first octets of what follows a wait, without raw
	maxFrame int
	n        int // result of onReady
	err      error
}

func newReader(conn net.Conn, pool *bufferPool, maxFrame int) *reader {
	r := &reader{conn: conn, pool: pool, maxFrame: maxFrame}
	if canReadRaw {
		if sc, ok := conn.(syscall.Conn); ok {
			r.raw, _ = sc.SyscallConn()
			r.onReady = r.readReady
		}
	}
	return r
}

// buffered is the number of unread octets at hand.
func (r *reader) buffered() int {
	if r.buf == nil {
		return len(r.stash)
	}
	return r.to - r.from
}

// acquire makes sure that buf has room for at least one more octet, and for need
// unread octets as far as they are already near: memory for a long frame grows
// with what arrived, never with what was announced.
func (r *reader) acquire(need int) {
	if r.buf == nil {
		r.lent = r.pool.get()
		r.buf = r.lent[:]
		r.from, r.to = 0, copy(r.buf, r.stash)
		r.stash = r.stash[:0]
		if cap(r.stash) > keptStashBytes {
			r.stash = nil
		}
		return
	}
	if r.from == r.to {
		r.from, r.to = 0, 0
	}
	if r.from > 0 && (r.to == len(r.buf) || need > len(r.buf)-r.from) {
		r.to = copy(r.buf, r.buf[r.from:r.to])
		r.from = 0
	}
	if r.to == len(r.buf) {
		longer := make([]byte, min(2*len(r.buf), r.maxFrame+frameHeadBytes))
		copy(longer, r.buf) // from 0 on: it has no room
		r.giveBack()
		r.buf = longer
	}
}

// giveBack gives the buffer back, and what is in it.
func (r *reader) giveBack() {
	if r.lent != nil {
		r.pool.put(r.lent)
		r.lent = nil
	}
	r.buf = nil
}

// release gives the buffer back before a wait.
func (r *reader) release() {
	if r.buf == nil {
		return
	}
	rest := r.buf[r.from:r.to]
	if len(rest) > maxStashBytes {
		return
	}
	r.stash = append(r.stash[:0], rest...)
	r.giveBack()
}

// readMore waits for octets until at least one more is buffered.
func (r *reader) readMore(need int) error {
	if r.raw != nil {
		r.n, r.err = need, nil
		if err := r.raw.Read(r.onReady); err != nil {
			return err
		}
		if r.err != nil {
			return r.err
		}
		r.to += r.n
		return nil
	}
	if r.buffered() == 0 {
		r.release()
		n, err := r.conn.Read(r.head[:])
		if n == 0 {
			return err
		}
		r.acquire(need)
		r.to += copy(r.buf[r.to:], r.head[:n])
		return nil
	}
	r.acquire(need)
	n, err := r.conn.Read(r.buf[r.to:])
	r.to += n
	if n == 0 {
		return err
	}
	return nil
}

// frameSize checks the length of the next frame, whose first four octets are
// buffered, and returns how many octets follow its command.
func (r *reader) frameSize() (int, error) {
	length := binary.BigEndian.Uint32(r.buf[r.from:r.to])
	if length == 0 {
		return 0, fmt.Errorf("%w: frame of length zero", ErrProtocol)
	}
	if uint64(length) > uint64(r.maxFrame) {
		return 0, fmt.Errorf("%w: %w: %d octets, the limit is %d", ErrProtocol, ErrFrameTooLong, length, r.maxFrame)
	}
	return int(length) - 1, nil
}

// command moves past a frame's head, which is buffered, and returns its command.
func (r *reader) command() byte {
	r.from += frameHeadBytes
	return r.buf[r.from-1]
}

// take returns up to n buffered octets and moves past them. The slice is valid
// until the next read.
func (r *reader) take(n int) []byte {
	n = min(n, r.to-r.from)
	b := r.buf[r.from : r.from+n : r.from+n]
	r.from += n
	return b
}
