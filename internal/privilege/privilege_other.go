//go:build !linux

package privilege

import (
	"os"
	"syscall"
)

// Lower does nothing: see the package.
func Lower(User) (raise func() error, err error) { return func() error { return nil }, nil }

// As calls f.
func As(_ User, _ int, f func()) error { f(); return nil }

// AsRoot calls f.
func AsRoot(f func()) { f() }

// Open opens a file to read it.
func Open(path string) (*os.File, error) { return OpenAsIs(path) }

// NoNew reports false: there is no such thing.
func NoNew() bool { return false }

// Reader is nil.
func Reader(string) *syscall.Credential { return nil }
