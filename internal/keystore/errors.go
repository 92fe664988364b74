package keystore

import (
	"strings"

	"dojang/internal/problem"
)

// Class tells what an error means for the message in hand.
type Class uint8

// The classes of errors.
const (
	Configuration Class = iota // a row or a key file is wrong; an administrator has to mend it
	Temporary                  // a table could not be asked; later it may be
)

func (c Class) String() string {
	if c == Temporary {
		return "temporary"
	}
	return "configuration"
}

// Error is why a key cannot be used.
type Error struct {
	Name  string // the key's name in the KeyTable
	Text  string // in OpenDKIM's words where it has some
	Hint  string // what to type; may be ""
	Class Class
	Err   error // what caused it, or nil
	// Unsafe is set when the key is refused by RequireSafeKeys.
	Unsafe *Unsafe
	// Undecodable is set when there is key data that is no usable key.
	Undecodable bool
	// NotFound is set when the table has no such name.
	NotFound bool
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether asking again later may help.
func (e *Error) Temporary() bool { return e.Class == Temporary }

func cantLoad(name, path, why string, err error) *Error {
	return &Error{Name: name, Text: "can't load key from " + shown(path) + ": " + why, Err: err}
}

// shown is a name or path as OpenDKIM prints it, unless it is one that could
// harm a log.
func shown(s string) string {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return problem.Quote(s)
		}
	}
	if len(s) > 256 {
		return problem.Quote(s)
	}
	return s
}

// guarded is text out of a row for an error. What could be a key, or a part of
// one, that stands in the wrong place is not shown.
func guarded(s string) string {
	const longest = 15 // of the letters and digits in a row
	run := 0
	for i := range len(s) {
		c := s[i]
		if run++; c == '/' || !strings.Contains(base64Alphabet, string(c)) {
			run = 0
		}
		if run > longest {
			return "(not shown: it may be a key)"
		}
	}
	return problem.Quote(s)
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
