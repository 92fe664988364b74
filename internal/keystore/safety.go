package keystore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"dojang/internal/privilege"
)

// Checker reports whether others than the filter may read or change a key, as
// OpenDKIM's RequireSafeKeys does.
type Checker struct {
	UID      int       // whom the filter runs as
	Accounts *Accounts // nil: groups count as shared by nobody
	// stat is os.Stat but for tests.
	stat func(string) (fs.FileInfo, error)
}

func (c *Checker) look(path string) (fs.FileInfo, error) {
	if c.stat != nil {
		return c.stat(path)
	}
	return os.Stat(path)
}

// Unsafe is one reason why a key file is not secure.
type Unsafe struct {
	Path   string // the component that is at fault: the file or a directory above
	Words  string // OpenDKIM's
	Remedy string // what to type
}

// Check looks at each directory above a file, from the root down, and at the file
// itself. It returns nil, nil for a safe file.
//
// It looks by the rights of root where the process has them: what the filter may
// read may stand in folders that it may not.
func (c *Checker) Check(path string) (u *Unsafe, err error) {
	privilege.AsRoot(func() { u, err = c.check(path) })
	return u, err
}

func (c *Checker) check(path string) (*Unsafe, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, err
	}
	info, err := c.look(real)
	if err != nil {
		return nil, err
	}
	return c.checkReal(real, info)
}

// checkReal is Check of an absolute path without symbolic links.
func (c *Checker) checkReal(real string, info fs.FileInfo) (*Unsafe, error) {
	for _, dir := range Parents(real) {
		info, err := c.look(dir)
		if err != nil {
			return nil, err
		}
		if u := c.checkDir(dir, info); u != nil {
			return u, nil
		}
	}
	return c.checkFile(real, info), nil
}

const (
	groupReadWrite = 0o060
	otherReadWrite = 0o006
	groupWrite     = 0o020
	otherWrite     = 0o002
	ownerWrite     = 0o200
)

func (c *Checker) checkFile(path string, info fs.FileInfo) *Unsafe {
	uid, gid := ownerOf(info)
	mode := info.Mode().Perm()
	switch {
	case mode&otherReadWrite != 0:
		return &Unsafe{path, path + " can be read or written by other users", c.private(path, uid)}
	case mode&groupReadWrite != 0:
		if u := c.shared(path, gid, 0o6, c.private(path, uid)); u != nil {
			return u
		}
	}
	if uid != c.UID && uid != 0 {
		words := fmt.Sprintf("%s is not owned by the executing uid (%d)", path, c.UID)
		if c.UID != 0 {
			words += " or the superuser"
		}
		return &Unsafe{path, words, c.chown(path) + " && chmod 600 " + quotePath(path)}
	}
	return nil
}

func (c *Checker) checkDir(path string, info fs.FileInfo) *Unsafe {
	uid, gid := ownerOf(info)
	mode := info.Mode().Perm()
	switch {
	case mode&ownerWrite != 0 && uid != 0 && uid != c.UID:
		words := fmt.Sprintf("%s is writeable and owned by uid %d which is not the executing uid (%d)", path, uid, c.UID)
		if c.UID != 0 {
			words += " or the superuser"
		}
		return &Unsafe{path, words, c.chown(path)}
	case info.Mode()&fs.ModeSticky != 0:
		// As /tmp: only its owner and that of the entry below, both looked at, can
		// put something else in the entry's place. OpenDKIM does not know this bit.
		return nil
	case mode&otherWrite != 0:
		return &Unsafe{path, path + " can be read or written by other users", "chmod o-w " + quotePath(path)}
	case mode&groupWrite != 0:
		return c.shared(path, gid, 0o2, "chmod g-w "+quotePath(path))
	}
	return nil
}

// shared looks at who has one of the rights to a file by its group's bits: the
// members of its group or, where it has a POSIX ACL, whom the ACL names. Taking the
// bits away takes it from all of them.
func (c *Checker) shared(path string, gid int, rights fs.FileMode, remedy string) *Unsafe {
	list, hasACL := grants(path, gid)
	if !hasACL {
		list = []grant{{group: true, id: gid, right: rights}}
	}
	for _, g := range list {
		switch {
		case g.right&rights == 0:
		case g.group:
			if other := c.firstOther(g.id); other != "" {
				return &Unsafe{path, sharedWords(path, g.id, other), remedy}
			}
		case g.id != 0 && g.id != c.UID:
			return &Unsafe{path, fmt.Sprintf("%s can be read or written by uid %d by its ACL (getfacl)", path, g.id), remedy}
		}
	}
	return nil
}

func sharedWords(path string, gid int, other string) string {
	return fmt.Sprintf("%s is in group %d which has multiple users (e.g., %q)", path, gid, other)
}

func (c *Checker) firstOther(gid int) string {
	if c.Accounts == nil {
		return ""
	}
	if names := c.Accounts.others(gid, c.UID); len(names) > 0 {
		return names[0]
	}
	return ""
}

// private is the command that lets the filter alone read a file.
func (c *Checker) private(path string, uid int) string {
	chmod := "chmod 600 " + quotePath(path)
	if uid != c.UID {
		return c.chown(path) + " && " + chmod
	}
	return chmod
}

func (c *Checker) chown(path string) string {
	name := ""
	if c.Accounts != nil {
		name = c.Accounts.userName(c.UID)
	}
	if name == "" {
		name = fmt.Sprint(c.UID)
	}
	return "chown " + name + " " + quotePath(path)
}

// quotePath makes a path fit for a shell.
func quotePath(path string) string {
	for _, r := range path {
		if r > 0x7e || r < '+' || r == ';' || r == '<' || r == '>' || r == '?' || r == '[' || r == ']' ||
			r == '\\' || r == '`' || r == '{' || r == '|' || r == '}' {
			return "'" + filepath.ToSlash(escapeQuotes(path)) + "'"
		}
	}
	return path
}

func escapeQuotes(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			out = append(out, `'\''`...)
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return 0, 0
}

// reachHint tells which directory keeps the filter's user from a file, and what
// to type.
func (c *Checker) reachHint(path string) string {
	for _, dir := range Parents(path) {
		info, err := c.look(dir)
		if err != nil {
			return ""
		}
		if !c.may(info, 0o1) {
			return "let the filter's user into the directory: chmod a+x " + quotePath(dir) + ", or give it to that user: " + c.chown(dir)
		}
	}
	if info, err := c.look(path); err == nil && !c.may(info, 0o4) {
		return c.private(path, -1)
	}
	return ""
}

// may reports whether the filter's user has a right (4 read, 2 write, 1 search).
func (c *Checker) may(info fs.FileInfo, right fs.FileMode) bool {
	uid, gid := ownerOf(info)
	mode := info.Mode().Perm()
	switch {
	case c.UID == 0:
		return true
	case uid == c.UID:
		return mode&(right<<6) != 0
	case c.Accounts != nil && c.Accounts.memberOf(c.UID, gid):
		return mode&(right<<3) != 0
	}
	return mode&right != 0
}

// Parents are the directories above a path from the root down.
func Parents(path string) []string {
	var dirs []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
		if dir == filepath.Dir(dir) {
			return dirs
		}
	}
}
