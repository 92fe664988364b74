package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// nobody is the filter's user here.
var nobody = User{UID: 65534, GID: 65534, Groups: []int{65534}}

// folders makes a folder of root's, in a path that root alone can change, and
// below it one of nobody's.
func folders(t *testing.T) (roots, theirs string) {
	t.Helper()
	testutil.NeedRoot(t)
	roots = testutil.SecureDir(t)
	if !RootsAlone(roots) {
		t.Skipf("others than root can change %s", roots)
	}
	theirs = filepath.Join(roots, "theirs")
	if err := errors.Join(os.Mkdir(theirs, 0o755), os.Chown(theirs, nobody.UID, nobody.GID)); err != nil {
		t.Fatal(err)
	}
	return roots, theirs
}

func write(t *testing.T, path, text string, uid int, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode), os.Chown(path, uid, uid)); err != nil {
		t.Fatal(err)
	}
}

func lower(t *testing.T) {
	t.Helper()
	raise, err := Lower(nobody)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raise(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRootsAlone(t *testing.T) {
	roots, theirs := folders(t)
	link := func(name, to string) {
		if err := os.Symlink(to, filepath.Join(roots, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, roots+"/file", "", 0, 0o600)
	write(t, theirs+"/file", "", 0, 0o600)
	link("good", "file")
	link("through", "theirs/file")
	link("loop", "loop")
	link("back", "./../"+filepath.Base(roots)+"/file")
	for _, mode := range []fs.FileMode{0o775, 0o757, 0o777 | fs.ModeSticky} {
		if err := errors.Join(os.Mkdir(roots+"/"+mode.String(), mode), os.Chmod(roots+"/"+mode.String(), mode)); err != nil {
			t.Fatal(err)
		}
		if RootsAlone(roots + "/" + mode.String() + "/x") {
			t.Errorf("a folder of mode %s is taken for root's alone", mode)
		}
	}
	for path, want := range map[string]bool{
		"file": true, "none": true, "good": true, "back": true, "theirs": true,
		"theirs/file": false, "theirs/none": false, "through": false, "loop": false, "none/none": false, "file/x": false,
	} {
		if got := RootsAlone(filepath.Join(roots, path)); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if RootsAlone("/tmp/x") {
		t.Error("/tmp/x is taken for root's alone")
	}
}

// What is read after Lower is what the user may read, and of root's own what
// nobody can have put in its place.
func TestOpen(t *testing.T) {
	roots, theirs := folders(t)
	private := filepath.Join(roots, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, private+"/key", "root's key", 0, 0o600)
	write(t, private+"/secret", "secret", 0, 0o600)
	write(t, theirs+"/own", "own", nobody.UID, 0o600)
	write(t, theirs+"/put", "put there by root", 0, 0o600)
	if err := errors.Join(
		os.Symlink(private+"/secret", theirs+"/symlink"), os.Link(private+"/secret", theirs+"/hardlink"),
		os.Symlink(private, theirs+"/folder"), os.Symlink(private+"/key", roots+"/alias"),
	); err != nil {
		t.Fatal(err)
	}
	lower(t)
	for path, want := range map[string]string{
		private + "/key": "root's key", roots + "/alias": "root's key", theirs + "/own": "own", theirs + "/put": "put there by root",
		theirs + "/symlink": "", theirs + "/hardlink": "", theirs + "/folder/key": "", theirs + "/folder/../private/key": "",
	} {
		text, err := ReadFile(path)
		if string(text) != want || want == "" && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v, want %q", strings.TrimPrefix(path, roots), text, err, want)
		}
	}
	if _, err := os.ReadFile(private + "/key"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Lower left root's rights: %v", err)
	}
	for path, want := range map[string]string{private + "/key": "root's key", theirs + "/own": "own",
		theirs + "/symlink": "", theirs + "/put": "", theirs + "/folder/key": ""} {
		cmd := exec.Command("cat", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: Reader(path)}
		if text, _ := cmd.Output(); string(text) != want {
			t.Errorf("a program that reads %s: %q, want %q", path, text, want)
		}
	}
	if info, err := Stat(private + "/key"); err != nil || info.Size() == 0 {
		t.Errorf("Stat: %v", err)
	}
}

// Whoever may name a file to be read must not make the reader wait, or read without end.
func TestOpenWaitsForNobody(t *testing.T) {
	dir := t.TempDir()
	pipe, link, socket := dir+"/pipe", dir+"/link", dir+"/socket"
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, path := range []string{pipe, link, "/dev/zero", "/dev/full"} {
		if _, err := ReadFile(path); !errors.Is(err, ErrNotFile) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{socket, dir} {
		if _, err := ReadFile(path); err == nil {
			t.Errorf("%s is read", path)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("given"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for path, want := range map[string]string{os.DevNull: "", fmt.Sprintf("/dev/fd/%d", r.Fd()): "given"} {
		if text, err := ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	large := dir + "/large"
	if err := errors.Join(os.WriteFile(large, nil, 0o600), os.Truncate(large, maxFileBytes+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(large); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("a file without end: %v", err)
	}
}

// The user swaps a file, a link and a folder for one another as fast as they can
// while root opens: it never gets the secret.
func TestOpenWhileNamesAreSwapped(t *testing.T) {
	roots, theirs := folders(t)
	write(t, roots+"/secret", "secret", 0, 0o600)
	path := filepath.Join(theirs, "d", "table")
	stop := make(chan struct{})
	swapped := make(chan error, 1)
	go func() {
		swapped <- As(nobody, -1, func() {
			_ = os.Mkdir(theirs+"/d", 0o755)
			_ = os.Symlink(roots, theirs+"/l")
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = os.WriteFile(path, []byte("own"), 0o600)
				_ = os.Symlink("/proc/self/nothing", theirs+"/d/new")
				_ = os.Remove(theirs + "/d/new")
				_ = os.Symlink(roots+"/secret", theirs+"/d/new")
				_ = os.Rename(theirs+"/d/new", path)
				_ = os.Remove(path)
				_ = os.Link(roots+"/secret", path)
				_ = os.Remove(path)
			}
		})
	}()
	raise, err := Lower(nobody)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for i, end := 0, time.Now().Add(20*time.Second); i < 2000 || read == 0 && time.Now().Before(end); i++ {
		text, err := ReadFile(path)
		if string(text) == "secret" {
			t.Error("root read the secret")
			break
		}
		if err == nil {
			read++
		}
	}
	if err := raise(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-swapped; err != nil {
		t.Fatal(err)
	}
	if read == 0 {
		t.Error("nothing was ever read: the test shows nothing")
	}
}
