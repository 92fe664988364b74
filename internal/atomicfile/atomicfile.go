// Package atomicfile writes files that appear under their name complete or not at
// all, whatever happens meanwhile.
package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dojang/internal/privilege"
)

// Options say how a file is written. The zero value writes one that only its
// owner may read, from its first byte on, and replaces what is there.
type Options struct {
	Mode fs.FileMode // 0 means 0600
	// Owner is who the file belongs to; nil leaves that to the system.
	Owner *Owner
	// New makes a file that exists already an error, which is fs.ErrExist.
	New bool
	// KeepOld keeps what is replaced as PATH.old.
	KeepOld bool
}

// Owner is who a file belongs to; -1 leaves one as it is.
type Owner struct{ UID, GID int }

// Write writes data to a file. Errors name path, and are *fs.PathError.
func Write(path string, data []byte, o Options) error {
	return WriteTo(path, o, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
}

// WriteTo writes what write writes. An error of write is returned as it is,
// unless it is one of the file's; nothing has changed then.
func WriteTo(path string, o Options, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // O_EXCL, 0600
	if err != nil {
		return named(path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := write(f); err != nil {
		return named(path, err)
	}
	if err := finish(f, o); err != nil {
		return named(path, err)
	}
	return named(path, o.place(f.Name(), path))
}

// Sweep takes away what writers of a file that were killed left beside it: what nobody has
// touched for so long.
func Sweep(path string, untouched time.Duration) {
	name := filepath.Base(path)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), "."+name+".")
		if !ok || !Temporary(e.Name()) || strings.Contains(strings.TrimSuffix(number, ".tmp"), ".") {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) >= untouched {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

// Temporary reports whether a name is one that Write gives to what is not whole yet.
func Temporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp")
}

// finish gives the file its owner and mode, and leaves it on the disk.
func finish(f *os.File, o Options) error {
	if o.Owner != nil {
		if err := f.Chown(o.Owner.UID, o.Owner.GID); err != nil {
			return err
		}
	}
	mode := o.Mode
	if mode == 0 {
		mode = 0o600
	}
	if err := f.Chmod(mode); err != nil { // whatever the umask
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// place gives the whole file its name, and leaves that on the disk, too: what is written
// next, maybe on another disk, counts on it.
func (o Options) place(from, path string) (err error) {
	switch {
	case o.New:
		err = os.Link(from, path) // fails, unlike a rename, when the name is taken
	case o.KeepOld:
		err = keepOld(path)
	}
	if err == nil && !o.New {
		err = os.Rename(from, path)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder leaves the names of a folder on the disk. File systems that cannot do that
// by itself say EINVAL or ENOTSUP; a folder that may be written and not read cannot be
// opened.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// keepOld leaves the file at path in its place too: until the new one is
// renamed over it, it is never missing.
func keepOld(path string) error {
	old := path + ".old"
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(path, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// named makes an error of the file one that names path and not the temporary name.
func named(path string, err error) error {
	var of *fs.PathError
	var two *os.LinkError
	switch {
	case errors.As(err, &of):
		return &fs.PathError{Op: "write", Path: path, Err: of.Err}
	case errors.As(err, &two):
		return &fs.PathError{Op: "write", Path: path, Err: two.Err}
	}
	return err
}

// abandoned is after what time Replace takes a half-written file for one of a writer that
// was killed.
const abandoned = time.Hour

// tries is how often Replace begins anew when somebody else writes the file too.
const tries = 10

// errChanged says that the file was written meanwhile.
var errChanged = errors.New("the file is being changed by somebody else")

// Replace changes a file in place of an editor: edit gets its content and returns
// the new one, anew when somebody else wrote it meanwhile. A symbolic link is followed,
// so that it stays, but by root only where nobody else can change where it leads
// (privilege.ErrLink); mode, extended attributes (ACLs, labels) and, where
// that is allowed, owner stay those of the file. A file that is not there is made
// with o's. What is not changed by edit is not written.
func Replace(path string, o Options, edit func(old []byte) ([]byte, error)) error {
	switch info, err := os.Lstat(path); {
	case err != nil || info.Mode()&fs.ModeSymlink == 0:
	case !privilege.Follows(path):
		return &fs.PathError{Op: "write", Path: path, Err: privilege.ErrLink}
	default:
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	Sweep(path, abandoned)
	for range tries {
		if err := replaceOnce(path, o, edit); !errors.Is(err, errChanged) {
			return err
		}
	}
	return &fs.PathError{Op: "write", Path: path, Err: errChanged}
}

func replaceOnce(path string, o Options, edit func(old []byte) ([]byte, error)) error {
	old, err := privilege.ReadAsIs(path)
	is := err == nil
	switch {
	case is:
		if o.Mode, o.Owner, err = attributes(path); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	data, err := edit(old)
	if err != nil || is && bytes.Equal(data, old) {
		return err
	}
	var attrs extended
	if is {
		attrs = readExtended(path)
	}
	return WriteTo(path, o, func(w io.Writer) error {
		if _, err := w.Write(data); err != nil {
			return err
		}
		if f, ok := w.(*os.File); ok {
			attrs.write(f)
		}
		now, err := privilege.ReadAsIs(path)
		switch {
		case err == nil && is && bytes.Equal(now, old), errors.Is(err, fs.ErrNotExist) && !is:
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		return errChanged
	})
}
