package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestNotices: a change is noticed where a test fails with it, again, and passes without.
// The tests are a script, which counts its runs in a file.
func TestNotices(t *testing.T) {
	const changed = `[ "$DOJANG_MUTANT" = 7 ]`
	for script, want := range map[string]bool{
		changed + " && exit 1": true,
		"exit 0":               false,
		"exit 1":               false, // whatever is changed
		"[ $runs = 1 ] && exit 1; [ $runs = 2 ] && exit 1": false, // now and then
		changed + " && [ $runs = 1 ] && exit 1":            false,
		changed + " && kill -9 $$":                         true,
		changed + ` && echo "--- FAIL: TestB (0.00s)" && case "$*" in *TestA*TestB*|*"^(TestB)"*) exit 1; esac`: true,
		changed + ` && case "$*" in *TestA*TestB*) echo "--- FAIL: TestB (0.00s)"; exit 1; esac`:                false, // not alone
	} {
		dir := t.TempDir()
		b := binary{path: filepath.Join(dir, "x.test"), folder: dir, temporary: dir}
		text := fmt.Sprintf("#!/bin/sh\necho >>%[1]s/runs\nruns=$(wc -l <%[1]s/runs)\n%[2]s\nexit 0\n", dir, script)
		if err := os.WriteFile(b.path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		tests := []reaching{{name: "TestA", took: time.Minute}, {name: "TestB", took: time.Minute}}
		if got, err := b.notices(t.Context(), "DOJANG_MUTANT=7", b, tests); got != want || err != nil {
			t.Errorf("%s: noticed %v, %v", script, got, err)
		}
	}
}

// TestFailed: the tests that fail, and those that run when the time is up, each by its name
// alone.
func TestFailed(t *testing.T) {
	tests := []reaching{{name: "TestA"}, {name: "TestB"}, {name: "FuzzC"}}
	for output, want := range map[string]string{
		"--- FAIL: TestB (0.00s)\n    --- FAIL: TestA/x (0.00s)\nFAIL\n":                       "TestB",
		"panic: test timed out after 3s\n\trunning tests:\n\t\tFuzzC (3s)\n\t\tTestA/x (1s)\n": "TestA|FuzzC",
		"panic: elsewhere": "TestA|TestB|FuzzC", "": "TestA|TestB|FuzzC",
	} {
		if got := names(failed(output, tests)); got != want {
			t.Errorf("%q: %s", output, got)
		}
	}
}
