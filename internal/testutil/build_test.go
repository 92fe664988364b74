package testutil

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What a killed process left is removed by the next that makes one of the kind; what a
// living one made stays, and so does what others named otherwise.
func TestTempDirRemovesWhatWasLeft(t *testing.T) {
	parent := t.TempDir()
	if out, err := exec.Command("sh", "-c", `mkdir "$0/of-$$-1" "$0/other-$$-1" "$0/of-1" "$0/of-$$"`, parent).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	before, err := filepath.Glob(filepath.Join(parent, "of-*-1"))
	if err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	mine, err := TempDir(parent, "of-")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TempDir(parent, "of-"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("of a living process:", err)
	}
	if _, err := os.Stat(before[0]); err == nil {
		t.Error("of a dead process: it is left")
	}
	if left, _ := os.ReadDir(parent); len(left) != 5 {
		t.Errorf("%v", left)
	}
}
