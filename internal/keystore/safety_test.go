package keystore

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/problem"
)

// fakeInfo is a file as stat tells it.
type fakeInfo struct {
	uid, gid uint32
	mode     fs.FileMode
}

func (f fakeInfo) Name() string       { return "" }
func (f fakeInfo) Size() int64        { return 0 }
func (f fakeInfo) Mode() fs.FileMode  { return f.mode }
func (f fakeInfo) ModTime() time.Time { return time.Time{} }
func (f fakeInfo) IsDir() bool        { return f.mode.IsDir() }
func (f fakeInfo) Sys() any           { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

func testAccounts(t *testing.T) *Accounts {
	t.Helper()
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	writeFile(t, passwd, "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/x\npostfix:x:102:105::/:/x\nbroken "+
		"line\nopendkim:x:104:108::/:/x\n")
	writeFile(t, group, "root:x:0:\npostfix:x:105:\nopendkim:x:108:postfix\nshared:x:7001:postfix,opendkim\n"+
		"solo:x:7002:opendkim\nsoloroot:x:7003:root\nmixed:x:7004:root,opendkim\n"+
		"empty:x:7005:\nmail2:x:7006:nobody,postfix\n")
	a, err := ReadAccounts(passwd, group)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSafetyInOpenDKIMsWords(t *testing.T) {
	f, err := os.Open("testdata/safety.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	accounts := testAccounts(t)
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		parts := strings.SplitN(line, "|", 4)
		var uid int
		var dir, file fakeInfo
		var dirMode, fileMode uint32
		if _, err := fmt.Sscanf(parts[0]+" "+parts[1]+" "+parts[2], "%d %d %d %o %d %d %o", &uid,
			&dir.uid, &dir.gid, &dirMode, &file.uid, &file.gid, &fileMode); err != nil {
			t.Fatal(line, err)
		}
		dir.mode, file.mode = fs.ModeDir|fs.FileMode(dirMode&0o777), fs.FileMode(fileMode)
		c := &Checker{UID: uid, Accounts: accounts, stat: func(path string) (fs.FileInfo, error) {
			if path == "/keys" {
				return dir, nil
			}
			return fakeInfo{mode: fs.ModeDir | 0o755}, nil
		}}
		want := strings.NewReplacer("FILE", "/keys/k", "DIR", "/keys").Replace(parts[3])
		got := "-"
		unsafe, err := c.checkReal("/keys/k", file)
		if unsafe != nil {
			got = unsafe.Words
			if unsafe.Remedy == "" || !strings.Contains(want, unsafe.Path) {
				t.Errorf("%s: remedy %q for %q", line, unsafe.Remedy, unsafe.Path)
			}
		}
		if got != want || err != nil {
			t.Errorf("%s: got %s, %v", line, got, err)
		}
	}
	if lines < 30 {
		t.Fatalf("only %d cases", lines)
	}
}

func TestRemediesMend(t *testing.T) {
	c := &Checker{UID: 104, Accounts: testAccounts(t)}
	for _, tc := range []struct {
		info fakeInfo
		dir  bool
		want string
	}{
		{fakeInfo{104, 108, 0o644}, false, "chmod 600 /k/a"},
		{fakeInfo{0, 108, 0o640}, false, "chown opendkim /k/a && chmod 600 /k/a"},
		{fakeInfo{102, 7002, 0o640}, false, "chown opendkim /k/a && chmod 600 /k/a"},
		{fakeInfo{0, 7001, 0o775}, true, "chmod g-w /k/a"},
		{fakeInfo{0, 0, 0o757}, true, "chmod o-w /k/a"},
		{fakeInfo{102, 0, 0o755}, true, "chown opendkim /k/a"},
	} {
		var u *Unsafe
		if tc.dir {
			u = c.checkDir("/k/a", tc.info)
		} else {
			u = c.checkFile("/k/a", tc.info)
		}
		if u == nil || u.Remedy != tc.want {
			t.Errorf("%+v: got %+v, want %s", tc.info, u, tc.want)
		}
	}
	for uid, want := range map[int]string{104: "chown opendkim /k/a", 4711: "chown 4711 /k/a"} {
		if got := (&Checker{UID: uid, Accounts: c.Accounts}).chown("/k/a"); got != want {
			t.Error(got)
		}
	}
	unknown := &Checker{UID: 104} // who is in which group is not known
	if u := unknown.checkFile("/k/a", fakeInfo{102, 7001, 0o660}); u == nil || u.Remedy != "chown 104 /k/a && chmod 600 /k/a" {
		t.Errorf("%+v", u)
	}
	if u := unknown.checkFile("/k/a", fakeInfo{104, 7001, 0o660}); u != nil {
		t.Errorf("nobody is known to share the group: %+v", u)
	}
	if got := quotePath("/a b/it's"); got != `'/a b/it'\''s'` {
		t.Error(got)
	}
}

func TestCheckFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/open", 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/open/k", "x")
	if err := os.Symlink(dir+"/open/k", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	me := os.Getuid()
	c := &Checker{UID: me, stat: func(path string) (fs.FileInfo, error) {
		mode := fs.FileMode(0o755)
		if strings.HasSuffix(path, "/open") {
			mode = 0o777
		}
		return fakeInfo{uint32(me), 0, mode}, nil
	}}
	u, err := c.Check(dir + "/link")
	if err != nil || u == nil || !strings.HasSuffix(u.Path, "/open") {
		t.Errorf("got %+v, %v", u, err)
	}
	if _, err := c.Check(dir + "/none"); err == nil || problem.Strerror(err) != "No such file or directory" {
		t.Error(err)
	}
}

func TestReachHint(t *testing.T) {
	c := &Checker{UID: 104, Accounts: testAccounts(t), stat: func(path string) (fs.FileInfo, error) {
		switch path {
		case "/keys":
			return fakeInfo{0, 105, fs.ModeDir | 0o750}, nil
		case "/own":
			return fakeInfo{0, 7002, fs.ModeDir | 0o750}, nil
		case "/own/k":
			return fakeInfo{0, 0, 0o600}, nil
		}
		return fakeInfo{0, 0, fs.ModeDir | 0o755}, nil
	}}
	if got := c.reachHint("/keys/k"); !strings.Contains(got, "chmod a+x /keys") {
		t.Error(got)
	}
	if got := new(Checker).reachHint(filepath.Join(t.TempDir(), "none", "k")); got != "" {
		t.Errorf("of a file that is not there: %q", got)
	}
	if got := c.reachHint("/own/k"); got != "chown opendkim /own/k && chmod 600 /own/k" {
		t.Error(got)
	}
}

// TestWhoMay has the class of permissions that holds for the filter's user, alone: the
// owner's, else the group's, else that of all others (POSIX.1-2017 §4.5).
func TestWhoMay(t *testing.T) {
	accounts := testAccounts(t) // of opendkim, 104: 108 by passwd, 7001 and 7002 by group
	for _, c := range []struct {
		uid  int
		info fakeInfo
		may  string // of read, write and search
	}{
		{104, fakeInfo{104, 108, 0o700}, "rwx"}, {104, fakeInfo{104, 108, 0o077}, ""}, {104, fakeInfo{104, 0, 0o400}, "r"},
		{104, fakeInfo{0, 108, 0o750}, "rx"}, {104, fakeInfo{0, 108, 0o707}, ""}, {104, fakeInfo{0, 7001, 0o720}, "w"},
		{104, fakeInfo{0, 0, 0o771}, "x"}, {104, fakeInfo{0, 105, 0o774}, "r"}, {104, fakeInfo{0, 0, 0o770}, ""},
		{0, fakeInfo{104, 108, 0}, "rwx"}, {4711, fakeInfo{0, 108, 0o774}, "r"},
	} {
		for i, accounts := range []*Accounts{accounts, nil} {
			got := ""
			for _, right := range []struct {
				bit  fs.FileMode
				name string
			}{{4, "r"}, {2, "w"}, {1, "x"}} {
				if (&Checker{UID: c.uid, Accounts: accounts}).may(c.info, right.bit) {
					got += right.name
				}
			}
			if ofGroup := c.uid == 104 && c.info.uid == 0 && c.info.gid != 0 && c.info.gid != 105; i == 1 && ofGroup {
				continue // by a group that is not known to be one's own
			}
			if got != c.may {
				t.Errorf("uid %d, %+v: %q, want %q", c.uid, c.info, got, c.may)
			}
		}
	}
}

// TestUnreadableLines of passwd and group are passed over, as by the C library, and those
// of one gid are one group under its first name.
func TestUnreadableLines(t *testing.T) {
	dir := t.TempDir()
	passwd, groups := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	writeFile(t, passwd, "a:x:1:10::/:\nb:x:2:10::/\nc:x:no:10::/:/x\nd:x:4:no::/:/x\ne:x:5:11::/:/x\n")
	writeFile(t, groups, "one:x:10:e\nno:x:ten:a\nshort:x:12\nother:x:10: a ,,nobody\n")
	a, err := ReadAccounts(passwd, groups)
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for name := range strings.SplitSeq("abcde", "") {
		if uid, _, ok := a.lookup(name); ok {
			known = append(known, fmt.Sprintf("%s=%d", name, uid))
		}
	}
	if got := strings.Join(known, " "); got != "a=1 e=5" || a.userName(5) != "e" || a.userName(2) != "" {
		t.Errorf("users: %s", got)
	}
	for filter, want := range map[int]string{0: "a e", 1: "e", 5: "a"} {
		if got := strings.Join(a.others(10, filter), " "); got != want {
			t.Errorf("but for %d: %s", filter, got)
		}
	}
	for uid, want := range map[int]bool{1: true, 5: true, 2: false, 4: false} {
		if got := a.memberOf(uid, 10); got != want {
			t.Errorf("%d is a member: %v", uid, got)
		}
	}
	if _, err := ReadAccounts(passwd, groups+"none"); !os.IsNotExist(err) {
		t.Errorf("no group file: %v", err)
	}
}

// A folder such as /tmp is writable by everybody, but its sticky bit keeps them
// from putting another folder in the place of ours.
func TestStickyFoldersAreSafe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tmp")
	key := filepath.Join(dir, "mine", "key")
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Checker{UID: os.Getuid()}
	for mode, safe := range map[os.FileMode]bool{0o777 | os.ModeSticky: true, 0o777: false} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		unsafe, err := c.Check(key)
		if err != nil {
			t.Fatal(err)
		}
		if (unsafe == nil) != safe {
			t.Errorf("mode %v: %+v, want safe %v", mode, unsafe, safe)
		}
	}
}
