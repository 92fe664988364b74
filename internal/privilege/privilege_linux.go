package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Lower gives the process the rights of a user until raise is called. It stays
// root by its real and saved user ID. Started by another than root, or for root,
// it does nothing.
func Lower(u User) (raise func() error, err error) {
	if os.Geteuid() != 0 || u.UID == 0 {
		return func() error { return nil }, nil
	}
	groups, err := os.Getgroups()
	if err != nil {
		return nil, err
	}
	gid := os.Getegid()
	raise = func() error {
		if err := syscall.Setresuid(-1, 0, -1); err != nil {
			return fmt.Errorf("setresuid(): %w", err)
		}
		if err := syscall.Setresgid(-1, gid, -1); err != nil {
			return fmt.Errorf("setresgid(): %w", err)
		}
		return syscall.Setgroups(groups)
	}
	if err := syscall.Setgroups(u.Groups); err != nil {
		return nil, fmt.Errorf("setgroups(): %w", err)
	}
	if err := syscall.Setresgid(-1, u.GID, -1); err != nil {
		return nil, errors.Join(fmt.Errorf("setresgid(): %w", err), raise())
	}
	if err := syscall.Setresuid(-1, u.UID, -1); err != nil {
		return nil, errors.Join(fmt.Errorf("setresuid(): %w", err), raise())
	}
	return raise, nil
}

// As calls f on a thread that makes, opens and removes files by the rights of a
// user; what it makes belongs to them and to group gid (-1: the user's). All else
// of f is as before. Only root can do so: for others it just calls f.
func As(u User, gid int, f func()) error {
	if os.Geteuid() != 0 {
		f()
		return nil
	}
	if gid < 0 {
		gid = u.GID
	}
	failed := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its rights with it.
		runtime.LockOSThread()
		err := setGroups(u.Groups)
		if err == nil && (setID(unix.SYS_SETFSGID, gid) != gid || setID(unix.SYS_SETFSUID, u.UID) != u.UID) {
			err = errors.New("setfsuid(): Operation not permitted")
		}
		if err == nil {
			f()
		}
		failed <- err
	}()
	return <-failed
}

// AsRoot calls f on a thread that opens files by the rights of root, if that is
// what the process was started as and Lower took from it; else it just calls f.
func AsRoot(f func()) {
	if os.Geteuid() == 0 || os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // as in As
		setID(unix.SYS_SETFSUID, 0)
		f()
	}()
	<-done
}

// NoNew reports whether programs that the process starts get no rights by their
// set-user-ID and set-group-ID bits (systemd.exec(5) NoNewPrivileges).
func NoNew() bool {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && set == 1
}

// setID sets an ID of this thread and returns what it then is.
func setID(call uintptr, id int) int {
	_, _, _ = unix.RawSyscall(call, uintptr(id), 0, 0)
	now, _, _ := unix.RawSyscall(call, ^uintptr(0), 0, 0)
	return int(now)
}

// setGroups sets the groups of this thread alone, unlike syscall.Setgroups.
func setGroups(groups []int) error {
	ids := make([]uint32, len(groups)+1) // one more, for the address of none
	for i, g := range groups {
		ids[i] = uint32(g)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&ids[0])), 0); errno != 0 {
		return fmt.Errorf("setgroups(): %w", errno)
	}
	return nil
}

// Open opens a file to read it. Where the rights that Lower left do not suffice it
// is opened as root, if root alone can change where the path leads; or if the file
// belongs to root, has no other name and stands, no link, in a folder of the
// user's own: a key that root put there.
func Open(path string) (*os.File, error) {
	f, err := OpenAsIs(path)
	if !errors.Is(err, fs.ErrPermission) || os.Geteuid() == 0 || os.Getuid() != 0 {
		return f, err
	}
	folder, folderErr := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if folderErr == nil {
		defer unix.Close(folder)
	}
	var byRoot *os.File
	AsRoot(func() {
		if RootsAlone(path) {
			byRoot, _ = OpenAsIs(path)
		} else if folderErr == nil {
			byRoot = openRoots(folder, path)
		}
	})
	if byRoot == nil {
		return nil, err
	}
	return byRoot, nil
}

// Reader is whom a program is to be run as that reads a file by its path: root
// under the conditions of Open but the last, since a program follows names anew;
// nil, as this process is.
func Reader(path string) *syscall.Credential {
	if os.Geteuid() == 0 || os.Getuid() != 0 {
		return nil
	}
	f, err := OpenAsIs(path)
	if err == nil {
		f.Close()
	}
	alone := false
	if errors.Is(err, fs.ErrPermission) {
		AsRoot(func() { alone = RootsAlone(path) })
	}
	if !alone {
		return nil
	}
	return &syscall.Credential{NoSetGroups: true} // user and group 0; the groups are not ours to set now
}

// openRoots opens a plain file of root's in an open folder of the user's, nil for
// any other.
func openRoots(folder int, path string) *os.File {
	var st unix.Stat_t
	if err := unix.Fstat(folder, &st); err != nil || int(st.Uid) != os.Geteuid() {
		return nil
	}
	fd, err := unix.Openat(folder, filepath.Base(path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 0 || st.Nlink != 1 {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), path)
}
