package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGenerated: docs/events.md is what the package's functions and comments make it.
func TestGenerated(t *testing.T) {
	committed, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	made, err := page("..")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), string(made)); diff != "" {
		t.Errorf("docs/events.md is out of date: run go generate ./internal/event\n%s", diff)
	}
}
