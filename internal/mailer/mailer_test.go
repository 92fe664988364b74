package mailer

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A program that floods is told of in few words.
func TestCommandThatFloods(t *testing.T) {
	command := filepath.Join(t.TempDir(), "sendmail")
	if err := os.WriteFile(command, []byte("#!/bin/sh\nyes | head -c 1000000\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := Mailer{Command: command}.Send(t.Context(), "a@example.com", nil, []byte("To: b@example.com\n\n"))
	if err == nil || len(err.Error()) > 3*512 {
		t.Errorf("%.2000v", err)
	}
}

// A program that hangs is ended with all that it started.
func TestCommandThatHangs(t *testing.T) {
	dir := t.TempDir()
	command, child := filepath.Join(dir, "sendmail"), filepath.Join(dir, "child")
	if err := os.WriteFile(command, []byte("#!/bin/sh\nsleep 1000 & echo $! > "+child+"\nwait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var pid int
	go func() {
		for pid == 0 {
			time.Sleep(5 * time.Millisecond)
			text, _ := os.ReadFile(child)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		cancel()
	}()
	if err := (Mailer{Command: command}).Send(ctx, "a@example.com", nil, []byte("To: b@example.com\n\n")); err == nil {
		t.Error("a command that hangs has sent the message")
	}
	for range 400 {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("process %d, which it started, goes on", pid)
}
