package rsaengine

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKernelsAreGenerated: what is reviewed is the generator, so the assembly
// in the tree must be what it writes.
func TestKernelsAreGenerated(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for kernels, name := range map[string]string{"ifma": "kernel_amd64", "adx": "kernel_adx_amd64"} {
		out, err := exec.Command(tool, "run", "./asm", "-kernels", kernels, "-out", filepath.Join(dir, name+".s"),
			"-stubs", filepath.Join(dir, name+".go"), "-pkg", "rsaengine").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, name := range []string{name + ".s", name + ".go"} {
			want, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// The first line has the command's arguments.
			_, want, _ = bytes.Cut(want, []byte("\n"))
			_, got, _ = bytes.Cut(got, []byte("\n"))
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what the generator writes: run go generate ./internal/rsaengine", name)
			}
		}
	}
}
