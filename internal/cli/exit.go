package cli

import (
	"errors"
	"fmt"
)

// Exit statuses of sysexits(3), which OpenDKIM's programs use too.
const (
	exOK          = 0
	exUsage       = 64 // wrong command line
	exDataErr     = 65 // wrong input data
	exNoInput     = 66 // input file missing or unreadable
	exNoUser      = 67 // no such user
	exNoHost      = 68 // no such host
	exUnavailable = 69 // what was asked for cannot be had: a key that fails
	exSoftware    = 70 // our own mistake
	exOSErr       = 71 // the operating system refused
	exOSFile      = 72 // a system file is missing
	exCantCreate  = 73 // output file cannot be made
	exIOErr       = 74 // reading or writing failed
	exTempFail    = 75 // try again later
	exProtocol    = 76 // the other side does not speak as it must
	exNoPerm      = 77 // not permitted
	exConfig      = 78 // wrong configuration
)

// exitError is an error that names the exit status it ends the program with.
// A nil err ends it silently: everything has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitf returns an exitError with a formatted text; %w wraps as usual.
func exitf(code int, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...)}
}

// exitCode is the status err ends the program with: its exitError's, or
// exSoftware for an error without one.
func exitCode(err error) int {
	if err == nil {
		return exOK
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exSoftware
}

// isExit reports whether err names its exit status.
func isExit(err error) bool {
	var e *exitError
	return errors.As(err, &e)
}

// unspoken returns what is still to be printed of err, nil when all has been
// said.
func unspoken(err error) error {
	var e *exitError
	if errors.As(err, &e) && e.err == nil {
		return nil
	}
	return err
}
