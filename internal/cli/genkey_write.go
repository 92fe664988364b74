package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// writeOptions say how writeSecret treats what is there already and whose the
// file becomes.
type writeOptions struct {
	replace bool // take the place of an existing file; else it is an error
	keepOld bool // keep what was replaced as NAME.old
	owner   *fileOwner
}

// fileOwner is who a new file belongs to; -1 leaves one as it is.
type fileOwner struct{ uid, gid int }

// writeSecret writes a file that only its owner may read from its first byte
// on, and that appears under its name complete or not at all.
func writeSecret(path string, data []byte, o writeOptions) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // O_EXCL, 0600
	if err != nil {
		return describeWrite(path, err)
	}
	defer func() {
		f.Close()
		os.Remove(f.Name())
	}()
	if err := f.Chmod(0o600); err != nil { // an odd umask must not make it unreadable
		return describeWrite(path, err)
	}
	if o.owner != nil {
		if err := f.Chown(o.owner.uid, o.owner.gid); err != nil {
			return describeWrite(path, err)
		}
	}
	if _, err := f.Write(data); err != nil {
		return describeWrite(path, err)
	}
	if err := f.Sync(); err != nil {
		return describeWrite(path, err)
	}
	if !o.replace {
		// A hard link, unlike a rename, fails when the name is taken.
		return describeWrite(path, os.Link(f.Name(), path))
	}
	if o.keepOld {
		if err := keepOld(path); err != nil {
			return describeWrite(path, err)
		}
	}
	return describeWrite(path, os.Rename(f.Name(), path))
}

// keepOld leaves the file at path in its place too: until the new one is
// renamed over it, the key is never missing.
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

func describeWrite(path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return exitf(exCantCreate, "%s exists already; it is kept as it is", path)
	}
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	return exitf(exCantCreate, "unable to write %s: %w", path, err)
}

// syscallAccess reports why files cannot be made in dir by entering it.
func syscallAccess(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return unix.ENOTDIR
	}
	return unix.Access(dir, unix.X_OK)
}

// parseOwner reads USER, USER:GROUP, USER: (the user's own group) or :GROUP,
// each a name or a number.
func parseOwner(text string) (*fileOwner, error) {
	name, group, hasGroup := strings.Cut(text, ":")
	owner := &fileOwner{-1, -1}
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			u, err = user.LookupId(name)
		}
		if err != nil {
			return nil, exitf(exNoUser, "--owner: no user %q on this machine", name)
		}
		owner.uid, _ = strconv.Atoi(u.Uid)
		if hasGroup && group == "" {
			owner.gid, _ = strconv.Atoi(u.Gid)
		}
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			g, err = user.LookupGroupId(group)
		}
		if err != nil {
			return nil, exitf(exNoUser, "--owner: no group %q on this machine", group)
		}
		owner.gid, _ = strconv.Atoi(g.Gid)
	}
	if owner.uid < 0 && owner.gid < 0 {
		return nil, exitf(exUsage, "--owner: write USER, USER:GROUP or :GROUP")
	}
	if os.Geteuid() != 0 && owner.uid >= 0 && owner.uid != os.Geteuid() {
		return nil, exitf(exNoPerm, "--owner: only root may give a file to another user: %s", fmt.Sprintf("run this as root, or leave --owner %s away", text))
	}
	return owner, nil
}
