package app

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/build"
	"dojang/internal/config"
)

func TestMetricsSocketIsLocalOnly(t *testing.T) {
	for text, ok := range map[string]bool{"inet:9890@127.0.0.1": true, "inet:9890@localhost": true,
		"inet6:9890@[::1]": true, "local:/x": true, "inet:9890": false, "inet:9890@0.0.0.0": false, "inet:9890@192.0.2.1": false} {
		socket, err := config.ParseSocket(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := onlyLocal("MetricsSocket", socket) == nil; got != ok {
			t.Errorf("%s: taken %v, want %v", text, got, ok)
		}
	}
}

func TestListenRemovesStaleSocketsOnly(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = Listen(config.Socket{Network: "unix", Address: stale}, build.Account{Name: "opendkim"}); err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	defer l.Close()
	if _, err := Listen(config.Socket{Network: "unix", Address: stale}, build.Account{Name: "opendkim"}); err == nil ||
		!strings.Contains(err.Error(), "another process answers") {
		t.Errorf("a socket in use: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(config.Socket{Network: "unix", Address: file}, build.Account{Name: "opendkim"}); err == nil {
		t.Error("a plain file was taken for a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("a plain file was removed")
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	busy, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	folder := filepath.Join(t.TempDir(), "none")
	for _, test := range []struct {
		socket config.Socket
		want   string
	}{
		{config.Socket{Network: "tcp4", Address: busy.Addr().String()}, "address already in use; `ss -ltnp` names the process"},
		{config.Socket{Network: "tcp4", Address: "192.0.2.1:0"}, "no interface of this machine has that address"},
		{config.Socket{Network: "unix", Address: folder + "/s"}, "no such file or directory; make its folder: install -d -o milter " + folder},
	} {
		l, err := Listen(test.socket, build.Account{Name: "milter"})
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.socket.Address, err, test.want)
		}
	}
}
