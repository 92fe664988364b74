//go:build !unix

package milter

const canReadRaw = false

func (r *reader) readReady(uintptr) bool { return true }

func (w *writer) writeReady(uintptr) bool { return true }
