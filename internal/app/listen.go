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
	"dojang/internal/privilege"
)

// Listen opens one Socket line for the filter of an account. A UNIX socket left
// behind by a filter that is gone is removed; one that somebody answers on, or a
// file that is no socket, is not touched.
func Listen(s config.Socket, a build.Account) (l net.Listener, err error) {
	if s.Network != "unix" {
		return bind(s, a)
	}
	who, err := ownersOf(s)
	if err != nil {
		return nil, err
	}
	made := a.Rights()
	attempt := func() { l, err = bindUnix(s, a) }
	if err := privilege.As(made, who.gid, attempt); err != nil {
		return nil, fmt.Errorf("socket %s: %w", s.Address, err)
	}
	// In a folder of a third user's, such as one of Postfix's, root makes it, where
	// nobody can put another folder in its place.
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() == 0 && privilege.RootsAlone(filepath.Dir(s.Address)) {
		made = privilege.User{}
		if err := privilege.As(made, who.gid, attempt); err != nil {
			return nil, fmt.Errorf("socket %s: %w", s.Address, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := setAccess(s, who, made); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket %s: %w", s.Address, err)
	}
	return l, nil
}

func bind(s config.Socket, a build.Account) (net.Listener, error) {
	network := s.Network
	if host, _, err := net.SplitHostPort(s.Address); err == nil && network == "tcp6" &&
		(host == "" || net.ParseIP(host).IsUnspecified()) && !ipv6Only() {
		network = "tcp"
		s.Address = "[::]" + s.Address[strings.LastIndexByte(s.Address, ':'):]
	}
	l, err := net.Listen(network, s.Address)
	if err != nil {
		return nil, bindError(s, a.Name, err)
	}
	return l, nil
}

// ipv6Only reports whether a socket for all IPv6 addresses hears no IPv4.
//
// Compat(opendkim 2.11): libmilter leaves it to the system, whose default is that
// it does; Go's "tcp6" asks for IPv6 alone.
func ipv6Only() bool {
	text, _ := os.ReadFile("/proc/sys/net/ipv6/bindv6only") // absent: as Linux's default
	return strings.TrimSpace(string(text)) == "1"
}

// bindUnix makes a UNIX socket that has its mode from its beginning.
func bindUnix(s config.Socket, a build.Account) (net.Listener, error) {
	if err := removeStale(s.Address); err != nil {
		return nil, err
	}
	if s.HasMode {
		// All threads share it: nothing else makes files while sockets are made.
		defer syscall.Umask(syscall.Umask(0o777 &^ int(s.Mode.Perm())))
	}
	return bind(s, a)
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
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() == 0 { // root can tell
		return fmt.Errorf("socket %s: it is another user's, remove it: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("socket %s: left over from an earlier run and not removable: %w", path, err)
	}
	return nil
}

// owners are whom a socket is for; -1 for who makes it.
type owners struct{ uid, gid int }

// ownersOf reads owner= and group= of a Socket line, by which nobody has to put
// the MTA's user into the group that may read the keys.
func ownersOf(s config.Socket) (owners, error) {
	who := owners{-1, -1}
	if s.Owner != "" {
		a, err := build.LookupAccount(s.Owner)
		if err != nil {
			return who, fmt.Errorf("socket %s: owner=: %w", s.Address, err)
		}
		who.uid = a.UID
	}
	if s.Group != "" {
		id, err := build.LookupGroup(s.Group)
		if err != nil {
			return who, fmt.Errorf("socket %s: group=: %w", s.Address, err)
		}
		who.gid = id
	}
	return who, nil
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
