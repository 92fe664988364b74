package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
)

// listen opens one Socket line. A UNIX socket left behind by a filter that is
// gone is removed; one that somebody answers on, or a file that is no socket,
// is not touched. It is made as user.
func listen(s config.Socket, user string) (net.Listener, error) {
	if s.Network != "unix" {
		l, err := net.Listen(s.Network, s.Address)
		if err != nil {
			return nil, bindError(s, user, err)
		}
		return l, nil
	}
	if err := removeStale(s.Address); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", s.Address)
	if err != nil {
		return nil, bindError(s, user, err)
	}
	if err := setSocketAccess(s); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// bindError says what to do about a socket that user cannot make.
func bindError(s config.Socket, user string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; `ss -ltnp` names the process that has it: stop that one, or choose another address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; no interface of this machine has that address, see `ip address`"
	case errors.Is(err, fs.ErrNotExist):
		hint = "; make its folder: install -d -o " + user + " " + filepath.Dir(s.Address)
	case errors.Is(err, fs.ErrPermission) && s.Network == "unix":
		hint = "; its folder must be the filter's: chown " + user + " " + filepath.Dir(s.Address)
	case errors.Is(err, fs.ErrPermission):
		hint = "; ports below 1024 are root's: choose another"
	}
	return fmt.Errorf("socket %s: %w%s", s.Address, errors.Unwrap(err), hint)
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket %s: %w", path, err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("socket %s: the path is there and is no socket; move it away or choose another path", path)
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("socket %s: another process answers there; stop it first", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("socket %s: left over from an earlier run and not removable: %w", path, err)
	}
	return nil
}

// setSocketAccess obeys mode=, owner= and group= of a Socket line, so that
// nobody has to put the MTA's user into the group that may read the keys.
func setSocketAccess(s config.Socket) error {
	uid, gid := -1, -1
	if s.Owner != "" {
		a, err := build.LookupAccount(s.Owner)
		if err != nil {
			return fmt.Errorf("socket %s: owner=: %w", s.Address, err)
		}
		uid = a.UID
	}
	if s.Group != "" {
		id, err := build.LookupGroup(s.Group)
		if err != nil {
			return fmt.Errorf("socket %s: group=: %w", s.Address, err)
		}
		gid = id
	}
	if uid >= 0 || gid >= 0 {
		if err := os.Chown(s.Address, uid, gid); err != nil {
			return fmt.Errorf("socket %s: %w", s.Address, err)
		}
	}
	if s.HasMode {
		if err := os.Chmod(s.Address, s.Mode); err != nil {
			return fmt.Errorf("socket %s: %w", s.Address, err)
		}
	}
	return nil
}

// activated returns the sockets that systemd holds for us (sd_listen_fds(3)).
// A FileDescriptorName of sign or verify narrows what is done with mail from
// that socket, as the word behind a Socket does.
func activated() ([]listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 1 {
		return nil, nil
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	var listeners []listener
	for i := range n {
		fd := 3 + i // SD_LISTEN_FDS_START
		f := os.NewFile(uintptr(fd), "LISTEN_FD_"+strconv.Itoa(fd))
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("socket %d handed over by systemd: %w", fd, err)
		}
		role := config.RoleMode
		if i < len(names) {
			role = roleNamed(names[i])
		}
		listeners = append(listeners, listener{l, role})
	}
	return listeners, nil
}

func roleNamed(name string) config.Role {
	switch name {
	case "sign":
		return config.RoleSign
	case "verify":
		return config.RoleVerify
	}
	return config.RoleMode
}
