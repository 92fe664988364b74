package app

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"dojang/internal/config"
	"dojang/internal/privilege"
)

// folderFlags open a folder to find files in it.
const folderFlags = unix.O_PATH

// setAccess gives a new socket what it could not be born with: another owner, or
// the mode and group that an ACL or the set-gid bit of its folder took from it.
//
// Whoever can write in the folder may have put something else in its place, so
// the file is opened once and looked at: a socket, of the user who made ours,
// under one name. Such a one is nothing of root's that could be lost.
func setAccess(s config.Socket, who owners, by privilege.User) error {
	uid := os.Geteuid()
	if uid == 0 {
		uid = by.UID
	}
	if who.uid < 0 {
		who.uid = uid
	}
	var fd int
	var err error
	open := func() { fd, err = unix.Open(s.Address, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0) }
	if asErr := privilege.As(by, -1, open); asErr != nil || err != nil {
		return errors.Join(asErr, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != uid || st.Nlink != 1 {
		return errors.New("somebody put another file in its place")
	}
	if who.gid < 0 {
		who.gid = int(st.Gid) // the folder's, where its set-gid bit says so
	}
	if int(st.Uid) != who.uid || int(st.Gid) != who.gid {
		if err := unix.Fchownat(fd, "", who.uid, who.gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if mode := uint32(s.Mode.Perm()); s.HasMode && st.Mode&0o777 != mode {
		return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode) // this very file, whatever its name leads to now
	}
	return nil
}
