package rotation

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/zonetest"
)

// ahead is the source of a part of package time: all clocks of a program are so many seconds
// ahead as the file CLOCK_AHEAD holds, which changes while it runs.
const ahead = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var ahead = func() *int64 {
	path, set := syscall.Getenv("CLOCK_AHEAD")
	if !set {
		return new(int64)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic(path + ": " + err.Error())
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(path + ": " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}()

func aheadSeconds() int64 { return atomic.LoadInt64(ahead) }
`

// buildAhead builds the program with such clocks, and returns its path.
func buildAhead(t *testing.T) string {
	t.Helper()
	dir := testutil.SecureDir(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(source), now) {
		t.Fatalf("%s reads no clock as it did", folder)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(folder, "time.go"):  write("time.go", strings.Replace(string(source), now, now+"\tsec += aheadSeconds()\n", 1)),
		filepath.Join(folder, "ahead.go"): write("ahead.go", ahead)}})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "dojang")
	cmd := exec.Command("go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", program, "dojang/cmd/dojang")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// A clock of the machine that jumps, for the filter and for each run, ends no wait, and stops
// nobody from signing.
func TestClockOfTheMachine(t *testing.T) {
	if !testutil.Long() {
		t.Skip("builds everything anew: SCALE=long")
	}
	l := &life{site: newSiteOf(t, "bind", byBIND+"Interval 180d\nKeepOld 1h\nMargin 1h\nProofs 1\nProofInterval 1s\nState DIR/state\n",
		zonetest.Zone{Name: "example.com", Minimum: 2})}
	l.program = buildAhead(t)
	file := l.write("ahead", "\x00\x00\x00\x00\x00\x00\x00\x00", 0o644)
	t.Setenv("CLOCK_AHEAD", file)
	set := func(d time.Duration) {
		seconds := binary.NativeEndian.AppendUint64(nil, uint64(int64(d/time.Second)))
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(seconds, 0)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path, _ := l.key("example.com", "old")
	l.write("KeyTable", "k example.com:old:"+path+"\n", 0o644)
	l.write("SigningTable", "*@example.com k\n", 0o644)
	conf := "KeyTable " + l.dir + "/KeyTable\nSigningTable refile:" + l.dir + "/SigningTable\nSocket local:" + l.dir +
		"/s\nMetricsSocket local:" + l.dir + "/metrics\nStatusSocket local:" + l.dir + "/status\nStatusFile " + l.dir +
		"/status.kept\nMode s\n"
	l.write("opendkim.conf", conf, 0o644)
	l.publish(0)
	opendkim := filepath.Join(filepath.Dir(l.program), "opendkim")
	if err := os.Link(l.program, opendkim); err != nil {
		t.Fatal(err)
	}
	l.filter = filtertest.Start(t, opendkim, l.dir, conf, nil)
	for _, args := range [][]string{{"keys", "adopt", "--all"}, {"rotate", "start", "example.com"}} {
		if out, code := l.run(args...); code != 0 && code != 75 {
			t.Fatalf("%q: %d\n%s", args, code, out)
		}
	}
	selector := l.keys()[1].Selector
	l.until(func() bool { return l.state(selector) == "proven" })
	jumps := func(state string) {
		t.Helper()
		for _, d := range []time.Duration{365 * 24 * time.Hour, 0, -24 * time.Hour, 30 * 24 * time.Hour, 0} {
			set(d)
			for range 2 {
				if out, code := l.run("rotate", "run"); code != 0 && code != 75 {
					t.Errorf("%s ahead: %d\n%s", d, code, out)
				}
			}
			if got := l.state(selector); got != state {
				t.Fatalf("%s ahead: %s, want %s", d, got, state)
			}
			if got := l.signer("a@example.com"); len(got) != 1 || (got[0] == selector) != (state == "signing") {
				t.Errorf("%s ahead: signed by %q", d, got)
			}
		}
	}
	jumps("proven") // an hour is to be waited for, a few seconds of which have passed
	if out, code := l.run("rotate", "emergency", "example.com", "--yes", "--keep-old", "1h"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	selector = fmt.Sprint(l.signer("a@example.com")[0])
	jumps("signing")
	if got := l.state("old"); got != "resting" {
		t.Errorf("the old key is %s before its hour is over", got)
	}
	if got := l.Server.Text(t, "old._domainkey.example.com"); !strings.HasPrefix(got, "v=DKIM1; h=") {
		t.Errorf("its record is %q", got)
	}
}
