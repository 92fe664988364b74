package build

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"dojang/internal/config"
	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// Account is whom the filter becomes once its files are open.
type Account struct {
	Name   string
	UID    int
	GID    int
	Groups []int // every group of the user, the primary one included
	Home   string
}

// Rights are what files are opened by for the account.
func (a Account) Rights() privilege.User {
	return privilege.User{UID: a.UID, GID: a.GID, Groups: a.Groups}
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
		gid, err := LookupGroup(group)
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

// LookupGroup returns the number of a group by its name or its number.
func LookupGroup(name string) (int, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(g.Gid)
	}
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	return 0, fmt.Errorf("no such group '%s'", name)
}

// AccountOf is whom the filter would run as: UserID, or who starts it.
func AccountOf(c *config.Config) (Account, problem.List) {
	spec := c.UserID.Value
	if spec == "" {
		return CurrentAccount(), nil
	}
	account, err := LookupAccount(spec)
	if err != nil {
		return CurrentAccount(), problem.List{noAccount(c, err)}
	}
	return account, nil
}

func noAccount(c *config.Config, err error) problem.Problem {
	v := c.UserID.Source()
	return problem.Problem{File: v.File, Line: v.Line, Option: "UserID", Text: err.Error(), Severity: problem.Error,
		Hint: "make it: adduser --system --group --no-create-home opendkim"}
}

// CurrentAccount is who the process runs as.
func CurrentAccount() Account {
	groups, _ := os.Getgroups()
	return Account{Name: strconv.Itoa(os.Geteuid()), UID: os.Geteuid(), GID: os.Getegid(), Groups: groups}
}
