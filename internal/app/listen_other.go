//go:build !linux

package app

import (
	"os"

	"golang.org/x/sys/unix"

	"dojang/internal/config"
	"dojang/internal/privilege"
)

// folderFlags open a folder to find files in it.
const folderFlags = unix.O_RDONLY

// setAccess obeys owner=, group= and mode= by name: there is no O_PATH. The
// socket's folder is to be writable by root alone where owner= or group= is used.
func setAccess(s config.Socket, who owners, _ privilege.User) error {
	if who.uid >= 0 || who.gid >= 0 {
		if err := os.Lchown(s.Address, who.uid, who.gid); err != nil {
			return err
		}
	}
	if s.HasMode {
		return unix.Fchmodat(unix.AT_FDCWD, s.Address, uint32(s.Mode.Perm()), unix.AT_SYMLINK_NOFOLLOW)
	}
	return nil
}
