package milter

import (
	"errors"
	"fmt"
	"strconv"
)

// Errors that errors.Is finds in what ErrorLog and the Client report.
var (
	ErrServerClosed       = errors.New("milter: server closed")
	ErrProtocol           = errors.New("milter protocol error")
	ErrFrameTooLong       = errors.New("frame too long")
	ErrTooManyConnections = errors.New("too many connections")
	ErrNotGranted         = errors.New("the MTA did not grant this change")
	ErrPanic              = errors.New("panic in the session")
)

// protocolError is a fault of the peer: the command it came with and what is wrong.
func protocolError(command byte, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrProtocol, CommandName(command), fmt.Errorf(format, args...))
}

// quote cuts text from the peer to 256 octets and quotes it.
func quote[T ~string | ~[]byte](text T) string {
	return strconv.Quote(string(text[:min(len(text), 256)]))
}
