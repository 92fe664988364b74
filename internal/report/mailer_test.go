package report

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
	if err == nil || !strings.HasSuffix(err.Error(), ": \""+strings.Repeat(`y\n`, 255)+"y\"") { // 512 octets
		t.Errorf("%.2000v", err)
	}
}

// TestWithoutBcc: the field goes out of the header, wherever in it, and nothing of a body does.
func TestWithoutBcc(t *testing.T) {
	for message, want := range map[string]string{
		"From: a\nBcc: b\nTo: c\n\nx\n": "From: a\nTo: c\n\nx\n", "From: a\nTo: c\nBcc: b\n\nx\n": "From: a\nTo: c\n\nx\n",
		"From: a\n\nx\nBcc: b\n": "From: a\n\nx\nBcc: b\n", "From: a\n\nx\n": "From: a\n\nx\n",
	} {
		if got := string(withoutBcc([]byte(message))); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

// TestCommandStandsIn where SMTPServer refuses connections, and for nothing else.
func TestCommandStandsIn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := l.Addr().String()
	l.Close()
	for server, want := range map[string]bool{refusing: true, "no address": false} {
		for _, command := range []string{"true", ""} {
			err := Mailer{SMTPServer: server, Command: command}.Send(t.Context(), "a@example.com", nil, []byte("To: b@example.com\n\n"))
			if (err == nil) != (want && command != "") || want && command == "" && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s, %q: %v", server, command, err)
			}
		}
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
