//go:build unix

package milter

import (
	"io"
	"syscall"
)

const canReadRaw = true

// readReady is called by the runtime's poller whenever the socket may have
// input. It borrows the buffer only for the system call, so that a connection
// without input waits without one.
func (r *reader) readReady(fd uintptr) bool {
	r.acquire(r.n)
	for {
		n, err := syscall.Read(int(fd), r.buf[r.to:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			r.release()
			return false
		case err != nil:
			r.err = err
		case n == 0:
			r.err = io.EOF
		}
		r.n = max(n, 0)
		return true
	}
}

// writeReady tries to write once; what the socket does not take, or an error,
// is left to an ordinary write with a deadline.
func (w *writer) writeReady(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), w.rest)
		if err == syscall.EINTR {
			continue
		}
		w.rest = w.rest[max(n, 0):]
		return true
	}
}
