package dojang

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// CONTRIBUTING.md has a row for each package, and none for one that is gone.
func TestEveryPackageIsDescribed(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{} // whether the package is there
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z0-9/]+`(?:, `[a-z0-9/]+`)*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			rows[name[1]] = false
		}
	}
	out, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(out)) {
		name := strings.TrimPrefix(strings.TrimSpace(path), "dojang/")
		if name == "dojang" || strings.HasSuffix(name, "/gen") || strings.HasSuffix(name, "/asm") {
			continue
		}
		// one row for all below them
		for _, room := range []string{"test", "internal/dataset", "internal/testutil", "internal/rotate", "internal/doctor"} {
			if strings.HasPrefix(name, room+"/") {
				name = room
			}
		}
		if _, described := rows[name]; !described {
			t.Errorf("CONTRIBUTING.md has no row for %s", name)
		}
		rows[name] = true
	}
	for name, seen := range rows {
		if _, err := os.Stat(name); !seen && err != nil {
			t.Errorf("CONTRIBUTING.md has a row for %s, which is not there", name)
		}
	}
}
