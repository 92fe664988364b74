package problem

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// Strerror is the reason of a system call's failure in the words of strerror(3), which
// is how OpenDKIM prints it; another error's own text.
func Strerror(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
	case errors.Is(err, fs.ErrNotExist):
		errno = syscall.ENOENT
	case errors.Is(err, fs.ErrPermission):
		errno = syscall.EACCES
	default:
		return err.Error()
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// Reason is an error's text for users: Go's "open PATH:" as OpenDKIM's "PATH: ".
func Reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return path.Path + ": " + Strerror(errno)
		}
	}
	return err.Error()
}
