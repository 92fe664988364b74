package problem

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// TestStrerror wants what glibc's strerror(3) says of the errors that files meet.
func TestStrerror(t *testing.T) {
	_, absent := os.Open("/nonexistent")
	for _, c := range []struct {
		err  error
		want string
	}{
		{absent, "No such file or directory"},
		{fs.ErrPermission, "Permission denied"},
		{syscall.EPERM, "Operation not permitted"},
		{syscall.ENOTDIR, "Not a directory"},
		{syscall.EISDIR, "Is a directory"},
		{syscall.ELOOP, "Too many levels of symbolic links"},
		{syscall.ENAMETOOLONG, "File name too long"},
		{syscall.EIO, "Input/output error"},
		{syscall.EMFILE, "Too many open files"},
		{syscall.ENFILE, "Too many open files in system"},
		{errors.New("another"), "another"},
	} {
		if got := Strerror(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
