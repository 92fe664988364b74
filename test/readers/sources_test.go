package readers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// aptConfiguration has folders of its own, so that the machine's stay as they are. The
// packages' keys are the machine's.
const aptConfiguration = `Dir::Etc::SourceList "%[1]s/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "%[1]s/lists";
Dir::Cache "%[1]s/cache";
APT::Sandbox::User "";
`

// source returns the folder of a Debian package's upstream source.
func source(t *testing.T, dir, name string) string {
	t.Helper()
	testutil.Need(t, "apt-get", "tar")
	into := filepath.Join(dir, name)
	if err := os.MkdirAll(into, 0o755); err != nil {
		t.Fatal(err)
	}
	// What is fetched besides the archive of upstream is not used, nor missed.
	said := run(dir, into, "apt-get", "source", "--download-only", name)
	archives, _ := filepath.Glob(filepath.Join(into, "*.orig.tar.*"))
	if len(archives) == 0 {
		unavailable(t, "the source of "+name+" cannot be fetched: "+said)
	}
	if said := run(dir, into, "tar", "-xf", archives[0], "--strip-components=1"); said != "" {
		t.Fatal(said)
	}
	return into
}

// apt prepares a folder for source.
func apt(t *testing.T) (dir string) {
	t.Helper()
	testutil.Need(t, "apt-get")
	dir = t.TempDir()
	release, err := os.ReadFile("/etc/os-release")
	_, codename, found := strings.Cut(string(release), "\nVERSION_CODENAME=")
	if err != nil || !found {
		unavailable(t, "this is no Debian")
	}
	codename, _, _ = strings.Cut(codename, "\n")
	list := "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian " + codename + " main\n"
	for name, text := range map[string]string{"sources.list": list, "apt.conf": fmt.Sprintf(aptConfiguration, dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(dir, dir, "apt-get", "update")
	return dir
}

// run returns what a program says that fails.
func run(aptDir, dir, program string, args ...string) string {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(aptDir, "apt.conf"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Sprintf("%v\n%s", err, out)
	}
	return ""
}

func unavailable(t *testing.T, why string) {
	t.Helper()
	if testutil.PeersRequired() {
		t.Fatal(why)
	}
	t.Skip(why)
}

// tokenizer compiles the reader of a program's source.
func tokenizer(t *testing.T, dir, name string) (path string) {
	t.Helper()
	here, err := filepath.Abs("testdata/tokenizer.c")
	if err != nil {
		t.Fatal(err)
	}
	upstream := filepath.Join(source(t, dir, name), name)
	include := filepath.Join(dir, "include")
	if err := os.MkdirAll(include, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, empty := range []string{"build-config.h", "dmarc.h"} { // tokenizer.c has what it needs of them
		if err := os.WriteFile(filepath.Join(include, empty), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, name+"-ar")
	compiler := testutil.Need(t, "gcc")
	if said := run(dir, dir, compiler, "-w", "-O1", "-I", include, "-I", upstream, "-o", path,
		fmt.Sprintf("-DAR_SOURCE=%q", filepath.Join(upstream, name+"-ar.c")), here); said != "" {
		t.Fatal(said)
	}
	return path
}
