package reputation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/kept"
)

// again is a new Counter with what a file holds, and what was said of it.
func again(path string, now time.Time) (counted, error) {
	c := new(Counter)
	f := counted{File(path, c, now), c}
	return f, f.Read()
}

type counted struct {
	*kept.File
	Counter *Counter
}

func TestCountsOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	f, err := again(path, noon)
	if err != nil {
		t.Fatal(err)
	}
	rule := rule{Limit: 2, Ratio: -1}
	count := func(f counted, after time.Duration, n int) string {
		tally, over := f.Counter.count(noon.Add(after), time.Hour, "example.com", body(n), n == 1, rule)
		return fmt.Sprintf("%d %d %v", tally.Messages, tally.Spam, over)
	}
	for n, want := range []string{"1 0 false", "2 1 false", "3 1 true"} {
		if got := count(f, time.Duration(n)*10*time.Minute, n); got != want {
			t.Fatalf("message %d: %s, want %s", n, got, want)
		}
	}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if f, err = again(path, noon.Add(21*time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		minute, n int
		want      string
	}{
		{22, 2, "3 1 true"}, // refused before: not counted again
		{61, 2, "2 1 false"},
		{71, 3, "2 0 false"}, // without the second, which was spam
	} {
		if got := count(f, time.Duration(c.minute)*time.Minute, c.n); got != c.want {
			t.Errorf("minute %d: %s, want %s", c.minute, got, c.want)
		}
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Errorf("beside the file: %v, %v", names, err)
	}
}

// What was used for the longest time ago goes first, before a restart and after.
func TestOrderOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	f, _ := again(path, noon)
	for _, domain := range []string{"b", "c", "a", "b"} {
		f.Counter.count(noon, time.Hour, domain, body(0), false, rule{Limit: -1, Ratio: -1})
	}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	f, err := again(path, noon)
	var order []string
	for domain := range f.Counter.domains.OldestFirst() {
		order = append(order, domain)
	}
	if got := strings.Join(order, " "); got != "c a b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWriteOnlyWhatChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	f, _ := again(path, noon)
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("written without a count")
	}
	for range 2 {
		f.Counter.count(noon, time.Hour, "d", body(0), false, rule{Limit: -1, Ratio: -1})
		if err := f.Write(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("written once more without a new count")
	}
}

// Whatever is wrong with a file is told, what stands before it counts, and only
// files of counts are replaced.
func TestDamagedFile(t *testing.T) {
	good := fmt.Sprintf(`{"domain":"d","period":%d,"parts":[[%d,7,1]]}`+"\n", time.Hour, noon.UnixNano()/int64(5*time.Minute))
	for _, c := range []struct {
		name, text string
		told       string // "" for nothing
		count      int64
		kept       bool // the file is left as it is
	}{
		{"good", "dojang counts 1\n" + good, "", 8, false},
		{"empty", "", "", 1, false},
		{"first line alone", "dojang counts 1\n", "", 1, false},
		{"cut off", "dojang counts 1\n" + good + good[:20], "line without end", 8, false},
		{"no JSON", "dojang counts 1\n" + good + "\x00\x00\n", "invalid character", 8, false},
		{"endless line", "dojang counts 1\n" + good + strings.Repeat("x", 16<<10) + "\n", "line without end", 8, false},
		{"negative part", "dojang counts 1\n" + good + `{"domain":"e","period":1,"parts":[[-5,1,0]]}` + "\n", "says nothing", 8, false},
		{"too many", "dojang counts 1\n" + good + `{"domain":"e","period":1,"parts":[[5,4294967296,0]]}` + "\n", "says nothing", 8, false},
		{"more spam than mail", "dojang counts 1\n" + good + `{"domain":"e","period":1,"parts":[[5,1,2]]}` + "\n", "says nothing", 8, false},
		{"short hash", "dojang counts 1\n" + good + `{"domain":"e","body":"AAAA"}` + "\n", "says nothing", 8, false},
		{"from the future", "dojang counts 1\n" + `{"domain":"d","period":3600000000000,"parts":[[9223372036854775807,7,1]]}` + "\n", "", 1, false},
		{"refused in the future", "dojang counts 1\n" + `{"domain":"d","body":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","since":"2099-01-01T00:00:00Z"}` + "\n", "", 1, false},
		{"another format", "dojang counts 2\n" + good, "left as it is", 1, true},
		{"another file", "KeyTable refile:/etc/opendkim/KeyTable\n", "left as it is", 1, true},
		{"short", "x", "left as it is", 1, true},
	} {
		path := filepath.Join(t.TempDir(), "counts")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := again(path, noon)
		if c.told == "" && err != nil || c.told != "" &&
			(err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), c.told)) {
			t.Errorf("%s: told %v, want %q", c.name, err, c.told)
		}
		if tally, _ := f.Counter.count(noon, time.Hour, "d", body(0), false, rule{Limit: -1, Ratio: -1}); tally.Messages != c.count {
			t.Errorf("%s: %d messages, want %d", c.name, tally.Messages, c.count)
		}
		if err := f.Write(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if text, _ := os.ReadFile(path); (string(text) == c.text) != c.kept {
			t.Errorf("%s: the file is now %.80q", c.name, text)
		}
	}
}

// No link, FIFO or folder is read or replaced.
func TestNoPlainFile(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("dojang counts 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(string) error{
		"link":   func(path string) error { return os.Symlink(target, path) },
		"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Lstat(path)
		f, err := again(path, noon)
		if err == nil {
			t.Errorf("%s: read", name)
		}
		f.Counter.count(noon, time.Hour, "d", body(0), false, rule{Limit: -1, Ratio: -1})
		if err := f.Write(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: now %v, %v", name, after, err)
		}
	}
}

// A file that cannot be written is told, and nothing is left beside it.
func TestWriteFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent")
	f, err := again(filepath.Join(dir, "counts"), noon)
	if err != nil {
		t.Fatal(err)
	}
	f.Counter.count(noon, time.Hour, "d", body(0), false, rule{Limit: -1, Ratio: -1})
	if err := f.Write(); err == nil {
		t.Error("written into a folder that is not there")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Write(); err != nil {
		t.Errorf("once the folder is there: %v", err)
	}
}

// TestLinesThatWereNeverCounted are refused: less than nothing, more spam than mail, more mail
// than a count holds.
func TestLinesThatWereNeverCounted(t *testing.T) {
	for part, want := range map[string]bool{"[100,7,1]": true, "[0,0,0]": true, "[100,7,7]": true, "[100,4294967295,0]": true,
		"[-1,7,1]": false, "[100,7,8]": false, "[100,7,-1]": false, "[100,4294967296,0]": false} {
		var c Counter
		err := keeper{&c, noon}.Take([]byte(`{"domain":"d","period":3600000000000,"parts":[` + part + `]}`))
		if (err == nil) != want || (c.domains.Len() == 1) != want {
			t.Errorf("%s: %v, %d domains", part, err, c.domains.Len())
		}
	}
}

func FuzzReadCounts(f *testing.F) {
	f.Add(`{"domain":"d","period":3600000000000,"parts":[[100,7,1]]}` + "\n")
	f.Add(`{"domain":"d","body":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","since":"2026-01-01T00:00:00Z"}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		var c Counter
		for line := range strings.Lines(text) {
			_ = keeper{&c, noon}.Take([]byte(line)) // whatever it says, it must not panic
		}
		for domain, w := range c.domains.OldestFirst() {
			if tally := w.tally(noon); tally.Messages < 0 || tally.Spam > tally.Messages {
				t.Errorf("%q: %+v", domain, tally)
			}
		}
		c.count(noon, time.Hour, "d", body(1), true, rule{})
	})
}

// TestLinesMayBeLeft before the last of them: a disk may be full.
func TestLinesMayBeLeft(t *testing.T) {
	c := new(Counter)
	for i := range 3 {
		c.count(noon, time.Hour, string(rune('a'+i)), body(i), false, rule{Limit: -1, Ratio: -1})
	}
	lines, _ := keeper{c, noon}.Lines(0)
	n := 0
	for range lines {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d lines", n)
	}
}
