package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"dojang/internal/build"
	"dojang/internal/event"
	"dojang/internal/privilege"
)

// pidFile tells others our process ID. It is opened while we are root, and
// written when the sockets listen: until then it may hold the ID of a filter
// that serves, whom a second start must not disturb.
type pidFile struct {
	path, name string
	folder     int // open folder; -1 when it must not be kept
	file       *os.File
	created    bool // it was not there before
	log        *slog.Logger
}

// pidFileOptions say which file it is.
type pidFileOptions struct {
	Path    string        // "" is none
	Account build.Account // whom the filter becomes
	// Leaves says that the process changes its root directory: a folder kept open
	// would be the way out of it, so the file is emptied at the end, not removed.
	Leaves bool
}

// openPidFile opens the file. A failure is told, and no more: mail matters more. A
// pidFile that is nil does nothing.
func openPidFile(o pidFileOptions, log *slog.Logger) *pidFile {
	if o.Path == "" {
		return nil
	}
	p := &pidFile{path: o.Path, name: filepath.Base(o.Path), folder: -1, log: log}
	if err := p.openFor(o.Account); err != nil {
		p.failed(err)
		p.close()
		return nil
	}
	if o.Leaves {
		p.closeFolder()
	}
	return p
}

// openFor opens the file as root where root alone can say which folder that is,
// else by the rights of the filter's user. In a folder of theirs they could make
// root write somewhere else by a link: open follows none.
func (p *pidFile) openFor(a build.Account) (err error) {
	if privilege.RootsAlone(filepath.Dir(p.path)) {
		return p.open()
	}
	if asErr := privilege.As(a.Rights(), -1, func() { err = p.open() }); asErr != nil {
		return asErr
	}
	return err
}

func (p *pidFile) failed(err error) {
	event.PidFileFailed(p.path, err).Write(p.log, "")
}

func (p *pidFile) open() (err error) {
	if p.folder, err = unix.Open(filepath.Dir(p.path), folderFlags|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	const flags = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(p.folder, p.name, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		p.created = true
		fd, err = unix.Openat(p.folder, p.name, flags|unix.O_CREAT|unix.O_EXCL, 0o644)
	}
	if err != nil {
		return err
	}
	p.file = os.NewFile(uintptr(fd), p.path)
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is there and no plain file")
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink != 1 {
		return fmt.Errorf("the file has %d names: one of them may be a link to it that somebody made; remove it", st.Nlink)
	}
	return nil
}

// Write writes this process's ID, for everybody to read whatever UMask says.
func (p *pidFile) Write() {
	if p == nil {
		return
	}
	text := strconv.Itoa(os.Getpid()) + "\n"
	_ = p.file.Chmod(0o644) // not ours to change when an earlier filter's user owns it
	_, err := p.file.WriteAt([]byte(text), 0)
	if err = errors.Join(err, p.file.Truncate(int64(len(text)))); err != nil {
		p.failed(err)
		return
	}
	p.created = true
}

// Remove takes the file away, if it is ours; where the folder does not let us,
// it is emptied, so that nobody signals a stranger.
func (p *pidFile) Remove() {
	if p == nil {
		return
	}
	if p.created {
		if p.folder < 0 || unix.Unlinkat(p.folder, p.name, 0) != nil {
			_ = p.file.Truncate(0)
		}
	}
	p.close()
}

func (p *pidFile) close() {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
	p.closeFolder()
}

func (p *pidFile) closeFolder() {
	if p.folder >= 0 {
		unix.Close(p.folder)
		p.folder = -1
	}
}
