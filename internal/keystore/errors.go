package keystore

import (
	"errors"
	"io/fs"
	"strings"

	"dojang/dkim"
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
	// words makes Text for another name; nil where it has no name in it.
	words func(name string) string
}

// named is the error about the same key under another name.
func (e *Error) named(name string) *Error {
	if e.Name == name {
		return e
	}
	other := *e
	other.Name = name
	if e.words != nil {
		other.Text = e.words(name)
	}
	return &other
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether asking again later may help.
func (e *Error) Temporary() bool { return e.Class == Temporary }

func cantLoad(name, path, why string, err error) *Error {
	e := &Error{Name: name, Text: "can't load key from " + shown(path) + ": " + why, Err: err}
	if errors.Is(err, fs.ErrNotExist) {
		e.Hint = problem.HintForFile(path)
	}
	return e
}

// noFile is about a path that leads to a folder, a pipe or the like.
func noFile(name, path string) *Error {
	e := cantLoad(name, path, "Not a regular file", nil)
	e.Hint = "write the path of a file: ls -l " + path
	return e
}

// undecodable is about key data that is no key to sign with.
func undecodable(name, source string, why error) *Error {
	e := cantLoad(name, source, why.Error(), why)
	e.Hint = "look into it: head -n 1 " + source + "; it must be a private key, as `dojang genkey` makes one"
	if source == inline {
		e.Hint = "write the path of its file, or the key itself without a line break"
		e.words = func(name string) string {
			return "can't load key " + problem.Quote(name) + " from its KeyTable row: " + why.Error()
		}
		e.Text = e.words(name)
	}
	e.Undecodable = true
	return e
}

func mismatch(name string, says, is dkim.Algorithm) *Error {
	text := "key " + problem.Quote(name) + ": the row says " + says.String() + " but the key is of type " + is.KeyType()
	return &Error{Name: name, Text: text, Err: errors.New(text), Hint: "write " + is.String() + " in the fourth column, or leave it out"}
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
