package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"dojang/internal/atomicfile"
	"dojang/internal/build"
	"dojang/internal/exit"
)

// WriteSecret writes a file that only its owner may read.
func WriteSecret(path string, data []byte, o atomicfile.Options) error {
	return describeWrite(path, atomicfile.Write(path, data, o))
}

func describeWrite(path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return exit.Errorf(exit.CantCreate, "%s exists already; it is kept as it is", path)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return exit.Errorf(exit.CantCreate, "unable to write %s: %w", path, err)
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
func parseOwner(text string) (*atomicfile.Owner, error) {
	name, group, hasGroup := strings.Cut(text, ":")
	owner := &atomicfile.Owner{UID: -1, GID: -1}
	if name != "" {
		a, err := build.LookupAccount(name)
		if err != nil {
			return nil, exit.Errorf(exit.NoUser, "--owner: no user %q on this machine", name)
		}
		owner.UID = a.UID
		if hasGroup && group == "" {
			owner.GID = a.GID
		}
	}
	if group != "" {
		var err error
		if owner.GID, err = build.LookupGroup(group); err != nil {
			return nil, exit.Errorf(exit.NoUser, "--owner: no group %q on this machine", group)
		}
	}
	if owner.UID < 0 && owner.GID < 0 {
		return nil, exit.Errorf(exit.Usage, "--owner: write USER, USER:GROUP or :GROUP")
	}
	if os.Geteuid() != 0 && owner.UID >= 0 && owner.UID != os.Geteuid() {
		return nil, exit.Errorf(exit.NoPerm, "--owner: only root may give a file to another user: %s",
			fmt.Sprintf("run this as root, or leave --owner %s away", text))
	}
	return owner, nil
}
