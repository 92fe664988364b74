package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"

	"dojang/internal/problem"
	"dojang/internal/publish"
)

// User is who publishes: it sees credentials and no key.
const User = "dojang-dns"

// AddUser is the command that makes User, where the package has not.
const AddUser = "useradd --system --home-dir /var/lib/dojang/dns --create-home --shell /usr/sbin/nologin " + User

// CheckFiles finds what is wrong with the files that publishers need and with the user
// that reads them, for a program that may look at them: root.
func (s *Settings) CheckFiles() problem.List {
	var problems problem.List
	needsUser := false
	for _, p := range s.Publishers {
		add := func(hint, format string, args ...any) {
			problems.Addf(problem.Error, p.At.File, p.At.Line, "Publisher", hint, format, args...)
		}
		needsUser = needsUser || p.Spec.Type != publish.TypeManual
		if p.Spec.Type == publish.TypeExec {
			if info, err := os.Stat(p.Spec.Args[0]); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
				add("check the path and its permissions (chmod 0755)", "%s is no program", problem.Quote(p.Spec.Args[0]))
			}
		}
		path := p.Spec.Credential()
		if path == "" {
			continue
		}
		owner := fmt.Sprintf("chown %s %s; chmod 0400 %s", User, path, path)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			add("make it: tsig-keygen NAME, or the key of the API; then "+owner, "%s does not exist", path)
		case err != nil:
			add(owner, "%s", err)
		case info.Mode().Perm()&0o007 != 0:
			add(owner, "%s can be read or written by everybody", path)
		}
	}
	if _, err := user.Lookup(User); err != nil && needsUser {
		problems.Addf(problem.Error, s.Path, 0, "", AddUser, "there is no user %s to publish as", User)
	}
	return problems
}
