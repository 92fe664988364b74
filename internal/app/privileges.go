package app

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// Account is whom the filter becomes once its files are open.
type Account struct {
	Name   string
	UID    int
	GID    int
	Groups []int // every group of the user, the primary one included
	Home   string
}

// LookupAccount resolves UserID's "user[:group]", names or numbers. The user
// keeps all its groups when a group is named: OpenDKIM loses them there, and
// with them the right to read a key folder.
func LookupAccount(spec string) (Account, error) {
	name, group, hasGroup := strings.Cut(spec, ":")
	u, err := user.Lookup(name)
	if err != nil {
		if _, numeric := strconv.Atoi(name); numeric == nil {
			u, err = user.LookupId(name)
		}
	}
	if err != nil {
		return Account{}, fmt.Errorf("no such user '%s'", name)
	}
	a := Account{Name: u.Username, Home: u.HomeDir}
	a.UID, _ = strconv.Atoi(u.Uid)
	a.GID, _ = strconv.Atoi(u.Gid)
	a.Groups = []int{a.GID}
	if ids, err := u.GroupIds(); err == nil {
		for _, id := range ids {
			if gid, err := strconv.Atoi(id); err == nil && gid != a.GID {
				a.Groups = append(a.Groups, gid)
			}
		}
	}
	if hasGroup && group != "" {
		gid, err := lookupGroup(group)
		if err != nil {
			return Account{}, err
		}
		if gid != a.GID {
			a.GID = gid
			a.Groups = append(a.Groups, gid)
		}
	}
	return a, nil
}

func lookupGroup(name string) (int, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(g.Gid)
	}
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	return 0, fmt.Errorf("no such group '%s'", name)
}

// become gives up root for the account, on every thread of the process. Asked
// to become who it already is, it does nothing.
func become(a Account) error {
	if os.Geteuid() == a.UID && os.Getegid() == a.GID {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("only root can become user %s", a.Name)
	}
	if err := syscall.Setgroups(a.Groups); err != nil {
		return fmt.Errorf("setgroups(): %w", err)
	}
	if err := syscall.Setgid(a.GID); err != nil {
		return fmt.Errorf("setgid(): %w", err)
	}
	if err := syscall.Setuid(a.UID); err != nil {
		return fmt.Errorf("setuid(): %w", err)
	}
	if a.UID != 0 && syscall.Setuid(0) == nil {
		return errors.New("root privileges could be taken back")
	}
	return nil
}
