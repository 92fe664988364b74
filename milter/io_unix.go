//go:build unix

package milter

import (
	"io"
	"net"
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
	n, _ := syscall.Write(int(fd), w.rest)
	w.rest = w.rest[max(n, 0):]
	return true
}

// pending reports whether input has arrived that nobody has read.
func pending(nc net.Conn) bool {
	raw, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = control.Control(func(fd uintptr) {
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && n > 0
}
