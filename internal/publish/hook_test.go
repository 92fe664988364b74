package publish

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A hook that hangs is ended with all that it has started.
func TestHookThatHangs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hook")
	const text = "#!/bin/sh\ncd " + `"$(dirname "$0")"` + "\ncat > request\ntrap '' TERM\nsleep 3600 & echo $! > pid; wait\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	h := &hook{program: path, timeout: 2 * time.Second, asked: true}
	began := time.Now()
	results, err := h.Apply(t.Context(), Batch{Zone: "example.com", Changes: []Change{Present(testName, long, time.Hour)}})
	if took := time.Since(began); err == nil || len(results) != 0 || took < h.timeout || took > 10*time.Second {
		t.Errorf("%+v, %v after %v", results, err, took)
	}
	data, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	// A killed process takes a moment to go, and nobody may be there to collect it.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d lives: %s", pid, stat)
		}
	}
}
