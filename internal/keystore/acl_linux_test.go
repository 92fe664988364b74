package keystore

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// What setfacl(1) gives to others counts, whatever the mode's bits look like.
func TestSafetySeesACLs(t *testing.T) {
	testutil.NeedRoot(t)
	setfacl := testutil.Need(t, "setfacl")
	accounts := testAccounts(t) // uids: nobody 65534, postfix 102, opendkim 104
	for _, test := range []struct {
		acl  string // of the file, or of its folder
		dir  bool
		want string // "" is safe
	}{
		{"u:102:r", false, "can be read or written by uid 102 by its ACL"},
		{"u:102:w", false, "can be read or written by uid 102 by its ACL"},
		{"u:102:x", false, ""},
		{"u:102:rw,m::-", false, ""},
		{"u:104:r", false, ""},
		{"u:0:rw", false, ""},
		{"u:104:r,u:65534:r", false, "by uid 65534"},
		{"g:7001:r", false, `is in group 7001 which has multiple users (e.g., "postfix")`},
		{"g:7002:r", false, ""},
		{"g:7002:r,g:105:r", false, "is in group 105 which has multiple users"},
		{"g::r", false, `is in group 108 which has multiple users`},
		{"u:104:r,g::r", false, `is in group 108 which has multiple users`},
		{"u:102:w,m::r", false, ""},
		{"u:104:r,g::-", false, ""},     // the mask reads as a group's right, the group has none
		{"u:65534:rwx,m::-", false, ""}, // the mask takes all rights
		{"u:102:rwx", true, "by uid 102"},
		{"u:102:rx", true, ""},
		{"g:7001:rwx", true, "is in group 7001"},
		{"u:104:rwx,g::rx", true, ""},
	} {
		dir := filepath.Join(testutil.SecureDir(t), "keys")
		key := filepath.Join(dir, "key")
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 104, 108), os.WriteFile(key, nil, 0o600),
			os.Chown(key, 104, 108)); err != nil {
			t.Fatal(err)
		}
		path := key
		if test.dir {
			path = dir
		}
		if out, err := exec.Command(setfacl, "-m", test.acl, path).CombinedOutput(); err != nil {
			if strings.Contains(string(out), "not supported") {
				t.Skipf("no ACLs here: %s", out)
			}
			t.Fatalf("%s: %s", test.acl, out)
		}
		c := &Checker{UID: 104, Accounts: accounts}
		u, err := c.Check(key)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case u == nil && test.want != "":
			t.Errorf("%s (folder: %v): safe", test.acl, test.dir)
		case u != nil && (test.want == "" || !strings.Contains(u.Words, test.want)):
			t.Errorf("%s (folder: %v): %s", test.acl, test.dir, u.Words)
		case u != nil:
			// The remedy is a command that heals it.
			if out, err := exec.Command("sh", "-c",
				strings.ReplaceAll(u.Remedy, "chown opendkim", "chown 104")).CombinedOutput(); err != nil {
				t.Fatalf("%s: %s", u.Remedy, out)
			}
			if again, err := c.Check(key); err != nil || again != nil {
				t.Errorf("%s: after %q: %v, %v", test.acl, u.Remedy, again, err)
			}
		}
	}
}

// TestFilesThatCannotBeReadToTheEnd give no key.
func TestFilesThatCannotBeReadToTheEnd(t *testing.T) {
	const path = "/proc/self/mem" // nothing is at its beginning
	_, err := New(nil, Options{UID: os.Getuid()}).Load(t.Context(), "k", Row{Domain: "d", Selector: "s", Key: path})
	if err == nil || !strings.HasSuffix(err.Error(), ": Input/output error") {
		t.Errorf("%v", err)
	}
}

// TestAccountsOfTheSystem are those that nobody names others for.
func TestAccountsOfTheSystem(t *testing.T) {
	accounts := New(nil, Options{}).o.Accounts
	if user := accounts.userName(0); user != "root" {
		t.Errorf("uid 0 is %q", user)
	}
}
