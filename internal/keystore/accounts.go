package keystore

import (
	"bufio"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/privilege"
)

// Accounts is what /etc/passwd and /etc/group tell about who may read a file.
type Accounts struct {
	users  []account
	groups map[int][]string // members by gid
}

type account struct {
	name     string
	uid, gid int
}

// ReadAccounts reads the two files, "" for the system's. A missing file is an
// error; lines that cannot be read are passed over, as the C library does.
func ReadAccounts(passwd, groupFile string) (*Accounts, error) {
	if passwd == "" {
		passwd = "/etc/passwd"
	}
	if groupFile == "" {
		groupFile = "/etc/group"
	}
	a := &Accounts{groups: map[int][]string{}}
	err := eachRecord(passwd, 7, func(f []string) {
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 == nil && err2 == nil {
			a.users = append(a.users, account{f[0], uid, gid})
		}
	})
	if err != nil {
		return nil, err
	}
	return a, eachRecord(groupFile, 4, func(f []string) {
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			return
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m = strings.TrimSpace(m); m != "" {
				a.groups[gid] = append(a.groups[gid], m)
			}
		}
	})
}

func eachRecord(path string, fields int, f func([]string)) error {
	file, err := privilege.OpenAsIs(path)
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if parts := strings.Split(scanner.Text(), ":"); len(parts) >= fields {
			f(parts)
		}
	}
	return scanner.Err()
}

// userName is the name of a uid, "" when there is none.
func (a *Accounts) userName(uid int) string {
	for _, u := range a.users {
		if u.uid == uid {
			return u.name
		}
	}
	return ""
}

// lookup is the uid and primary gid of a user.
func (a *Accounts) lookup(name string) (uid, gid int, ok bool) {
	for _, u := range a.users {
		if u.name == name {
			return u.uid, u.gid, true
		}
	}
	return 0, 0, false
}

// others are the users of a group, by primary group and by membership, who are
// neither root nor the filter's user.
//
// Compat(opendkim 2.11): those whose primary group it is come first.
func (a *Accounts) others(gid, filterUID int) []string {
	var names []string
	seen := map[string]bool{}
	add := func(name string, uid int) {
		if uid != 0 && uid != filterUID && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, u := range a.users {
		if u.gid == gid {
			add(u.name, u.uid)
		}
	}
	for _, member := range a.groups[gid] {
		if uid, _, ok := a.lookup(member); ok {
			add(member, uid)
		}
	}
	return names
}

func (a *Accounts) memberOf(uid, gid int) bool {
	for _, u := range a.users {
		if u.uid != uid {
			continue
		}
		if u.gid == gid {
			return true
		}
		if slices.Contains(a.groups[gid], u.name) {
			return true
		}
	}
	return false
}
