// Package exit holds the exit statuses of sysexits(3), which OpenDKIM's programs
// use too, and errors that carry the one that they end a program with.
package exit

import (
	"errors"
	"fmt"

	"dojang/internal/problem"
)

const (
	OK          = 0
	Usage       = 64 // wrong command line
	DataErr     = 65 // wrong input data
	NoInput     = 66 // input file missing or unreadable
	NoUser      = 67 // no such user
	Unavailable = 69 // what was asked for cannot be had: a key that fails
	Software    = 70 // our own mistake
	OSErr       = 71 // the operating system refused
	CantCreate  = 73 // output file cannot be made
	IOErr       = 74 // reading or writing failed
	TempFail    = 75 // try again later
	Protocol    = 76 // the other side does not speak as it must
	NoPerm      = 77 // not permitted
	Config      = 78 // wrong configuration
)

// Error is an error that names the exit status it ends a program with. A nil Err
// ends it silently: everything has been said.
type Error struct {
	Status int
	Err    error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a formatted text; %w wraps as usual.
func Errorf(status int, format string, args ...any) error {
	return &Error{status, fmt.Errorf(format, args...)}
}

// With returns err as one that ends a program with status.
func With(status int, err error) error { return &Error{status, err} }

// Silent returns an error that ends a program with status, when all has been said.
func Silent(status int) error { return &Error{Status: status} }

// Status returns the status that err ends a program with: 0 for nil, its Error's,
// or Software for an error without one.
func Status(err error) int {
	var e *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e):
		return e.Status
	}
	return Software
}

// Named reports whether err names its status.
func Named(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// Unspoken returns what is still to be printed of err, nil when all has been said.
func Unspoken(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Err == nil {
		return nil
	}
	return err
}

// Problems returns what the problems of a configuration end a tool with: the first
// that is an error.
func Problems(list problem.List) error {
	for _, p := range list {
		if p.Severity == problem.Error {
			return Errorf(Config, "%s", p)
		}
	}
	return Errorf(Config, "the configuration cannot be used")
}
