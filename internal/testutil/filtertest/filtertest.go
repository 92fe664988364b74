// Package filtertest runs filters with opendkim's command line, ours and OpenDKIM
// itself, and makes the messages they are given.
package filtertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// Filter is a filter that runs in a folder of its own.
type Filter struct {
	*proctest.Process
	Dir    string
	Socket string // of the milter protocol
}

// patience is how long a start may take on a machine with other work to do.
const patience = 20 * time.Second

// Ours is the path of our program by the name of opendkim.
func Ours(t testing.TB) string { return filepath.Join(testutil.Build(t), "opendkim") }

// Start runs a program on a configuration, in which DIR stands for the folder, beside
// files of the folder. The filter listens there and logs to nobody.
func Start(t testing.TB, program, dir, configuration string, files map[string]string) *Filter {
	t.Helper()
	f := Launch(t, program, dir, configuration, files)
	f.Listens(patience, "unix", f.Socket)
	return f
}

// Launch is Start that does not wait until the filter listens.
func Launch(t testing.TB, program, dir, configuration string, files map[string]string) *Filter {
	t.Helper()
	f := &Filter{Dir: dir, Socket: filepath.Join(dir, "s")}
	for name, text := range files {
		f.Write(t, name, text)
	}
	configuration += "\nSocket local:DIR/s\nBackground no\nSyslog no\n"
	f.Write(t, "conf", strings.ReplaceAll(configuration, "DIR", dir))
	cmd := exec.Command(program, "-f", "-x", filepath.Join(dir, "conf"))
	cmd.Dir = dir
	f.Process = proctest.Start(t, cmd)
	return f
}

// Write writes a file below the folder, which only this user may read, or run.
func (f *Filter) Write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(f.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// Dial connects to the filter until the test ends.
func (f *Filter) Dial(t testing.TB, o milter.ClientOptions) *milter.Client {
	t.Helper()
	c, err := milter.Dial("unix", f.Socket, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
