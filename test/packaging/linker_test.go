package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where a method may be called by a name that is made at run time, as templates
// do, the linker must keep every exported method of every type: a third of the
// program. Nothing that the program reaches does so.
func TestNoMethodIsCalledByName(t *testing.T) {
	build := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "dojang"), "dojang/cmd/dojang")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out strings.Builder
	build.Stdout, build.Stderr = &out, &out
	if err := build.Run(); err != nil {
		t.Fatalf("go build: %v\n%.2000s", err, &out)
	}
	reached := 0
	for line := range strings.Lines(out.String()) {
		reached++
		if user, _, found := strings.Cut(line, " <ReflectMethod>"); found && !strings.Contains(user, " ") {
			t.Errorf("%s calls methods by name", user)
		}
	}
	if reached < 10000 {
		t.Fatalf("the linker told of %d edges only", reached)
	}
}
