// Package privilege keeps root from following names that others can swap.
//
// A filter that starts as root opens files in folders that belong to its own
// user, or to others. Whatever a name there leads to when it is opened, root must
// not read, make, remove or change something that the filter's user could not.
// So what the configuration names is opened by the rights of UserID (Lower), and
// by those of root only where root alone can write every folder on the way, or
// where no link is followed and the file can be no other than the one that root
// put there (Open).
//
// On systems other than Linux a thread has no rights of its own: there files are
// opened as the process is, and Lower and As do nothing.
package privilege

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// User is whose rights are taken. The zero value is root.
type User struct {
	UID, GID int
	Groups   []int // all of them
}

// maxLinks is how many symbolic links a path may lead over, as for Linux.
const maxLinks = 40

// RootsAlone reports whether nobody but root can change where a path leads: every
// folder on the way, those of symbolic links included, belongs to root and can be
// written by nobody else. What is at the end, if anything, does not matter. A
// POSIX ACL shows in the group's bits.
func RootsAlone(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil || !rootsFolder("/") {
		return false
	}
	rest, at, links := strings.Split(path[1:], "/"), "/", 0
	for i := 0; i < len(rest); i++ {
		next := filepath.Join(at, rest[i])
		info, err := os.Lstat(next)
		last := i == len(rest)-1
		switch {
		case err != nil:
			return last && errors.Is(err, fs.ErrNotExist)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(next)
			if links++; err != nil || links > maxLinks {
				return false
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest, i = append(strings.Split(filepath.Clean(strings.TrimPrefix(target, "/")), "/"), rest[i+1:]...), -1
			continue
		case last:
			return true
		case !rootsFolder(next):
			return false
		}
		at = next
	}
	return true
}

// ErrLink is the error of a link that is not followed, for another than root could lead
// root by it to a file of root's.
var ErrLink = errors.New("a link that others than root can change")

// Follows reports whether a link at the end of a path may be followed in order to change
// what it leads to: for others than root always, for root where nobody else can change
// where the path leads.
func Follows(path string) bool { return os.Geteuid() != 0 || RootsAlone(path) }

// OpenFile is os.OpenFile, but for a link at the end of the path that may not be followed
// (Follows): that is an error with ErrLink.
func OpenFile(path string, flags int, mode fs.FileMode) (*os.File, error) {
	if Follows(path) {
		return os.OpenFile(path, flags, mode)
	}
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW, mode)
	if info, _ := os.Lstat(path); err != nil && info != nil && info.Mode()&fs.ModeSymlink != 0 {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrLink}
	}
	return f, err
}

func rootsFolder(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0
}

// ErrNotFile is the error of what would make its reader wait, or never ends: a named
// pipe, a socket or a device.
var ErrNotFile = errors.New("not a regular file")

// OpenAsIs opens a file to read it, by the rights that the process has just now, and
// waits for nobody. Pipes that this process was given are files as well, and so is the
// device that is empty.
func OpenAsIs(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() && path != os.DevNull && !isGiven(path) {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotFile}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadAsIs reads a whole file that OpenAsIs opens.
func ReadAsIs(path string) ([]byte, error) {
	f, err := OpenAsIs(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// isGiven reports whether a path is of a file that this process has open already.
func isGiven(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

// maxFileBytes bounds what ReadFile reads.
const maxFileBytes = 16 << 20

// ReadFile reads a whole file that Open opens.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EFBIG}
	}
	return data, err
}

// Stat is os.Stat, by the rights of root where the process has them: it looks at
// a file and neither opens nor changes it.
func Stat(path string) (info fs.FileInfo, err error) {
	if info, err = os.Stat(path); errors.Is(err, fs.ErrPermission) {
		AsRoot(func() { info, err = os.Stat(path) })
	}
	return info, err
}
