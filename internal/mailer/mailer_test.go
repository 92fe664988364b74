package mailer

import (
	"os"
	"path/filepath"
	"testing"
)

// A program that floods is told of in few words.
func TestCommandThatFloods(t *testing.T) {
	command := filepath.Join(t.TempDir(), "sendmail")
	if err := os.WriteFile(command, []byte("#!/bin/sh\nyes | head -c 1000000\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := Mailer{Command: command}.Send(t.Context(), "a@example.com", nil, []byte("To: b@example.com\n\n"))
	if err == nil || len(err.Error()) > 3*maxSaidBytes {
		t.Errorf("%.2000v", err)
	}
}
