package testutil

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var built struct {
	sync.Once
	byMain bool
	dir    string
	err    error
}

// tools are the names that the program goes by, beside its own.
var tools = []string{"opendkim", "opendkim-genkey", "opendkim-testkey", "opendkim-testmsg", "opendkim-genzone"}

// Build compiles the program as a release is, once per test process, and
// returns a folder with it under all of its names. Main takes the folder away.
func Build(t testing.TB) string {
	t.Helper()
	if !built.byMain {
		t.Fatal("what is built would be left behind: this package needs a TestMain with testutil.Main")
	}
	built.Do(func() { built.dir, built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

func build() (string, error) {
	dir, err := TempDir("", "dojang-bin-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "nopgxregisterdefaulttypes nethttpomithttp2", "-o",
		filepath.Join(dir, "dojang"), "dojang/cmd/dojang")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	for _, name := range tools {
		if err := os.Symlink("dojang", filepath.Join(dir, name)); err != nil {
			return dir, err
		}
	}
	return dir, os.Chmod(dir, 0o755) // the filter starts itself anew as another user
}

// Main is the body of a TestMain: it runs the tests, removes what Build made, and does
// what more there is to do after them.
func Main(m *testing.M, after ...func()) {
	built.byMain = true
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	for _, f := range after {
		f()
	}
	os.Exit(code)
}

// TempDir makes a folder in parent, "" for the system's temporary one, whose name begins
// with prefix. The caller removes it; one whose process was killed before it could is
// removed by the next that makes one of the kind.
func TempDir(parent, prefix string) (string, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	left, err := filepath.Glob(filepath.Join(parent, prefix+"[0-9]*-*"))
	if err != nil {
		return "", err
	}
	for _, path := range left {
		maker, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), "-")
		if pid, err := strconv.Atoi(maker); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.RemoveAll(path)
		}
	}
	return os.MkdirTemp(parent, prefix+strconv.Itoa(os.Getpid())+"-")
}

// SecureDir is a folder for private keys: unlike /tmp, where t.TempDir is, no
// directory above it may be written by others. Every user may enter it. It is
// gone when the test ends. It needs root.
func SecureDir(t testing.TB) string {
	t.Helper()
	NeedRoot(t)
	dir := folder(t, "/var/lib")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// HomeDir is SecureDir for a test that does without root: below the home directory,
// where only this user may enter it.
func HomeDir(t testing.TB) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return folder(t, home)
}

func folder(t testing.TB, parent string) string {
	t.Helper()
	dir, err := TempDir(parent, "dojang-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// NeedRoot skips the test unless root runs it, or fails it when peers are
// required.
func NeedRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case PeersRequired():
		t.Fatal("this test needs root")
	default:
		t.Skip("this test needs root")
	}
}
