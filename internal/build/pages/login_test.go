package pages

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoginsAreAskedOfOneService: a fresh address for who may connect, one service at a
// socket, and what a killed one left behind is no obstacle.
func TestLoginsAreAskedOfOneService(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	path := filepath.Join(dir, loginSocket)
	if _, err := dialStarting(path, 0); err == nil {
		t.Error("nobody answers, and no error")
	}
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	stop, err := serveLogins(path, func() string { return "http://x/login?token=1" })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if got, err := AskLogin(); err != nil || string(got) != "http://x/login?token=1\n" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := serveLogins(path, nil); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("a second service: %v", err)
	}
}
