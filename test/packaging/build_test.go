package packaging

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// sources is a clone of the commit, made in the folder under the umask.
func sources(t *testing.T, folder, umask string) string {
	t.Helper()
	if _, err := os.Stat("../../.git"); err != nil {
		t.Skip("no commit: these sources are a tarball's")
	}
	testutil.Need(t, "git", "make")
	top, err := filepath.Abs("../..")
	must(t, err)
	shell(t, ".", fmt.Sprintf("umask %s; git clone -q %s %s", umask, top, folder))
	return folder
}

// shell runs the script in the folder and returns what it says.
func shell(t *testing.T, folder, script string, env ...string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// TestPackagesAreEqual makes the packages of one commit twice, in other folders,
// under another umask and in another zone, and without SOURCE_DATE_EPOCH.
func TestPackagesAreEqual(t *testing.T) {
	dir := t.TempDir()
	arches := runtime.GOARCH
	if testutil.Long() {
		arches = "amd64 arm64"
	}
	var first string
	for i, other := range []struct{ folder, umask, zone string }{{"a", "022", "UTC"}, {"b/c", "077", "Asia/Seoul"}} {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(other.folder)), 0o755))
		folder := sources(t, filepath.Join(dir, other.folder), other.umask)
		shell(t, folder, fmt.Sprintf("unset SOURCE_DATE_EPOCH; umask %s; make -s package 'ARCHES=%s'", other.umask, arches),
			"TZ="+other.zone, "HOSTNAME="+other.folder)
		sums, err := os.ReadFile(filepath.Join(folder, "dist", "SHA256SUMS"))
		must(t, err)
		if i == 0 {
			first = string(sums)
			if n := 3 * len(strings.Fields(arches)); strings.Count(first, "\n") != n {
				t.Errorf("%d sums are wanted:\n%s", n, first)
			}
			isWhole(t, folder)
		} else if string(sums) != first {
			t.Errorf("made twice:\n%s\n%s", first, sums)
		}
		shell(t, filepath.Join(folder, "dist"), "sha256sum --check --quiet SHA256SUMS")
		open(t, folder)
	}
}

// isWhole looks for what belongs in the packages that were made in the folder.
func isWhole(t *testing.T, folder string) {
	testutil.Need(t, "lintian", "rpmlint", "cpio", "dpkg-deb")
	for _, kind := range []string{"deb", "rpm"} {
		cmd := exec.Command("sh", "-c", "packaging/lint dist/*."+kind)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", cmd, err, out)
		}
	}
	deb := strings.Fields(shell(t, folder, "dpkg-deb --fsys-tarfile dist/*_"+runtime.GOARCH+".deb | tar -t"))
	rpm := strings.Fields(shell(t, folder, "rpm -qpl dist/*.$(uname -m).rpm", "HOME="+t.TempDir()))
	for _, want := range []string{"walkthrough.md", "walkthrough.ko.md", "publishing.md", "publishing.ko.md",
		"options.md", "differences.md", "scaling.md"} {
		name := "/usr/share/doc/dojang/docs/" + want
		if !slices.Contains(deb, "."+name) || !slices.Contains(rpm, name) {
			t.Errorf("%s is not in both packages", name)
		}
	}
	hasBill(t, folder)
	isInstalledToo(t, folder)
}

// hasBill compares the list of modules in CycloneDX's form with what the Go linker
// has noted in the program.
func hasBill(t *testing.T, folder string) {
	var bill struct {
		BOMFormat  string
		Components []struct {
			Name, Version string
			Licenses      []any
		}
	}
	text := shell(t, folder, "cat dist/dojang-*-"+runtime.GOARCH+".cdx.json")
	if err := json.Unmarshal([]byte(text), &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Fatalf("%q: %v", bill.BOMFormat, err)
	}
	licensed := map[string]bool{}
	for _, c := range bill.Components {
		licensed[c.Name+" "+c.Version] = len(c.Licenses) > 0
	}
	modules := 0
	for line := range strings.Lines(shell(t, folder, "go version -m dist/"+runtime.GOARCH+"/dojang")) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" {
			modules++
			if known, there := licensed[f[1]+" "+f[2]]; !there || !known {
				t.Errorf("%s %s: in the list %v, with a licence %v", f[1], f[2], there, known)
			}
		}
	}
	if modules < 10 {
		t.Errorf("the program names %d modules", modules)
	}
}

// open requires that anybody may read what the package made in the folder installs.
func open(t *testing.T, folder string) {
	t.Helper()
	for line := range strings.Lines(shell(t, folder, "dpkg-deb -c dist/*_"+runtime.GOARCH+".deb")) {
		mode, name := line[:10], strings.Fields(line)[5]
		if mode[0] == '-' && mode[7] != 'r' || mode[0] == 'd' && mode != "drwxr-xr-x" {
			t.Errorf("%s %s", mode, name)
		}
	}
}

// TestTarball builds, installs and tests what `make dist` makes, without a network
// and without the modules that lie elsewhere on this machine.
func TestTarball(t *testing.T) {
	testutil.NeedRoot(t)
	unshare := testutil.Need(t, "unshare")
	dir := t.TempDir()
	folder := sources(t, filepath.Join(dir, "a"), "022")
	version := strings.TrimSpace(shell(t, folder, "make -s dist >/dev/null; packaging/version version"))
	shell(t, dir, "tar -xf a/dist/dojang-"+version+".tar.gz")
	alone := func(script string) string {
		return shell(t, filepath.Join(dir, "dojang-"+version), unshare+" --net sh -ec '"+script+"'",
			"GOPROXY=off", "GOFLAGS=-trimpath", "GOMODCACHE="+filepath.Join(dir, "none"))
	}
	alone("make -s build docs; make -s install DESTDIR=../root PREFIX=/opt/dojang")
	root := filepath.Join(dir, "root", "opt", "dojang")
	if got := shell(t, root, "bin/dojang --version; sbin/opendkim -V 2>&1"); strings.Count(got, version) != 2 {
		t.Errorf("it says it is\n%s\nwant %s", got, version)
	}
	unit, err := os.ReadFile(filepath.Join(root, "lib/systemd/system/opendkim.service"))
	must(t, err)
	if !strings.Contains(string(unit), "ExecStart=/opt/dojang/sbin/opendkim\n") {
		t.Errorf("the unit starts another program:\n%s", unit)
	}
	tested := "./taglist ./header ./authres"
	if testutil.Long() {
		tested = "$(go list ./... | grep -v /test/)"
	}
	alone("go list -deps ./... >/dev/null; go test -short " + tested)
}

// isInstalledToo holds the package of this machine to what `make install` installs.
func isInstalledToo(t *testing.T, folder string) {
	const names = " | grep -v /$ | sed 's,^\\./,,' | LC_ALL=C sort"
	packaged := strings.Fields(shell(t, folder, "dpkg-deb --fsys-tarfile dist/*_"+runtime.GOARCH+".deb | tar -t"+names))
	installed := strings.Fields(shell(t, folder, "make -s install DESTDIR=$PWD/root PREFIX=/usr; cd root; find . ! -type d"+names))
	ours := map[string]string{ // where Debian wants it, or what only its packages have
		"usr/share/zsh/vendor-completions/_dojang": "usr/share/zsh/site-functions/_dojang", "usr/share/lintian/overrides/dojang": "",
		"usr/share/dojang/opendkim.service": "", "usr/share/doc/dojang/changelog.Debian.gz": "", "usr/share/doc/dojang/copyright": "",
		"usr/share/doc/dojang/licences.txt.gz": "", "usr/share/doc/dojang/sbom.cdx.json": "",
	}
	for _, name := range packaged {
		if place, known := ours[name]; known {
			name = place
		}
		if name != "" && !slices.Contains(installed, name) {
			t.Errorf("%s is packaged and not installed", name)
		}
		installed = slices.DeleteFunc(installed, func(s string) bool { return s == name })
	}
	if len(installed) > 0 {
		t.Errorf("installed and not packaged: %v", installed)
	}
}
