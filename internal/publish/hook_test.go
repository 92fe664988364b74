package publish

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// A hook that hangs is ended with all that it has started.
func TestHookThatHangs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hook")
	const text = "#!/bin/sh\ncd " + `"$(dirname "$0")"` + "\ncat > request\ntrap '' TERM\nsleep 3600 & echo $! > new; mv new pid; wait\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	b := Batch{Zone: "example.com", Changes: []Change{Present(testName, long, time.Hour)}}
	go func() {
		_, err := (&hook{program: path, timeout: time.Hour, asked: true}).Apply(ctx, b)
		ended <- err
	}()
	var pid int
	proctest.Until(t, time.Minute, "the hook's own process", func() bool {
		data, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		}
		return err == nil
	})
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	// A killed process takes a moment to go, and nobody may be there to collect it.
	proctest.Until(t, time.Minute, "the end of the hook's own process", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	// The hook's time is as good an end.
	results, err := (&hook{program: path, timeout: 50 * time.Millisecond, asked: true}).Apply(t.Context(), b)
	if err == nil || len(results) > 0 || !strings.Contains(err.Error(), "ended after 50ms: no answer") {
		t.Errorf("%+v, %v", results, err)
	}
}
