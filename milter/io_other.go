//go:build !unix

package milter

import "net"

const canReadRaw = false

func (r *reader) readReady(uintptr) bool { return true }

func (w *writer) writeReady(uintptr) bool { return true }

func pending(net.Conn) bool { return false }
