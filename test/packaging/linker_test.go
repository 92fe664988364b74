package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxProgramBytes is what the program of `make build` may have on amd64.
const maxProgramBytes = 29_000_000

// TestProgramIsSmall links the program as `make build` does. Where a method may be
// called by a name that is made at run time, as templates do, the linker must keep
// every exported method of every type: a third of the program. Nothing that the
// program reaches does so.
func TestProgramIsSmall(t *testing.T) {
	const folder = "../.."
	said, err := exec.Command("make", "-C", folder, "-n", "--no-print-directory", "build", "VERSION=0.0.0", "TAGS=").Output()
	if err != nil {
		t.Fatalf("make -n build: %v", err)
	}
	command, _, _ := strings.Cut(string(said), "\n")
	program := filepath.Join(t.TempDir(), "dojang")
	for _, change := range [][2]string{{" -o bin/dojang ", " -o " + program + " "}, {" -ldflags '", " -ldflags '-dumpdep "}} {
		if strings.Count(command, change[0]) != 1 {
			t.Fatalf("make build runs %q, without %q", command, change[0])
		}
		command = strings.Replace(command, change[0], change[1], 1)
	}
	build := exec.Command("sh", "-c", command)
	build.Dir, build.Env = folder, append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
	var out strings.Builder
	build.Stdout, build.Stderr = &out, &out
	if err := build.Run(); err != nil {
		t.Fatalf("%s: %v\n%.2000s", command, err, &out)
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
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d bytes", info.Size()); info.Size() > maxProgramBytes {
		t.Errorf("the program has %d bytes, more than %d", info.Size(), maxProgramBytes)
	}
}
