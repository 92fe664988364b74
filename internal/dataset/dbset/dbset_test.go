package dbset

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/privilege"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func open1(t *testing.T, spec string, o Options, d dataset.Options) dataset.Set {
	t.Helper()
	set, err := try(spec, o, d)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func try(spec string, o Options, d dataset.Options) (dataset.Set, error) {
	d.Openers = map[string]dataset.Opener{"db": Opener(o), "mdb": Opener(o)}
	return dataset.Open(context.Background(), spec, d)
}

// lines are the rows as db_load -T and mdb_load -T read them.
func lines() string {
	var b strings.Builder
	for _, r := range datasettest.Rows() {
		for _, s := range []string{r.Key, r.Text()} {
			b.WriteString(strings.ReplaceAll(s, `\`, `\\`) + "\n")
		}
	}
	return b.String()
}

func TestBerkeleyDB(t *testing.T) {
	load := testutil.Need(t, "db_load", "db_dump")
	dir := datasettest.Folder(t, 0o700)
	for _, kind := range []string{"hash", "btree"} {
		path := dir + "/" + kind + ".db"
		proctest.Run(t, lines(), load, "-T", "-t", kind, path)
		for _, spec := range []string{"db:" + path, path, "db:" + strings.TrimSuffix(path, ".db")} {
			datasettest.Run(t, open1(t, spec, Options{}, dataset.Options{}), datasettest.Options{OneColumn: true, Local: true})
		}
		datasettest.Run(t, open1(t, path, Options{}, dataset.Options{FoldCase: true}),
			datasettest.Options{OneColumn: true, Local: true, FoldCase: true})
	}
}

// A name that looks like an option is a name.
func TestDashes(t *testing.T) {
	load, loadLMDB := testutil.Need(t, "db_load", "db_dump"), testutil.Need(t, "mdb_load", "mdb_dump")
	dir := datasettest.Folder(t, 0o700)
	t.Chdir(dir)
	proctest.Run(t, lines(), load, "-T", "-t", "hash", dir+"/-f.db")
	proctest.Run(t, lines(), loadLMDB, "-T", "-n", dir+"/-n")
	for _, spec := range []string{"db:-f.db", "db:-f", "mdb:-n"} {
		if v, err := open1(t, spec, Options{}, dataset.Options{}).Lookup(t.Context(), "one", 1); err != nil || v[0] != "v1" {
			t.Errorf("%s: %v, %v", spec, v, err)
		}
	}
}

// TestAgreesWithOpenDKIM asks the real program about the same file.
func TestAgreesWithOpenDKIM(t *testing.T) {
	opendkim, load := testutil.Need(t, "opendkim"), testutil.Need(t, "db_load")
	path := datasettest.Folder(t, 0o700) + "/t.db"
	proctest.Run(t, lines(), load, "-T", "-t", "hash", path)
	set := open1(t, path, Options{}, dataset.Options{})
	for _, r := range datasettest.Rows() {
		if strings.ContainsFunc(r.Key, func(c rune) bool { return c > 0x7f }) {
			continue // opendkim 2.11 loses keys outside ASCII
		}
		cmd := exec.Command(opendkim, "-Q")
		cmd.Stdin = strings.NewReader(path + "\n" + r.Key + "/1\n")
		out, _ := cmd.CombinedOutput()
		got, err := set.Lookup(context.Background(), r.Key, 1)
		if err != nil || "'"+got[0]+"'" != strings.TrimSpace(string(out)) {
			t.Errorf("%q: %v, %v, but opendkim says %s", r.Key, got, err, out)
		}
	}
}

func TestPostmap(t *testing.T) {
	postmap := testutil.Need(t, "postmap", "db_dump")
	dir := datasettest.Folder(t, 0o755)
	if err := os.MkdirAll(dir+"/conf", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"conf/main.cf": "compatibility_level = 3.6\n",
		"table": "user@example.com key1\nexample.org key2:identity\n"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	proctest.Run(t, "", postmap, "-c", dir+"/conf", "hash:"+dir+"/table")
	set := open1(t, "db:"+dir+"/table.db", Options{}, dataset.Options{})
	for key, want := range map[string][]string{"user@example.com": {"key1"}, "example.org": {"key2", "identity"}} {
		got, err := set.Lookup(context.Background(), key, 2)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
}

func TestLMDB(t *testing.T) {
	load := testutil.Need(t, "mdb_load", "mdb_dump")
	dir := datasettest.Folder(t, 0o700)
	if err := os.Mkdir(dir+"/m", 0o700); err != nil {
		t.Fatal(err)
	}
	proctest.Run(t, lines(), load, "-T", dir+"/m")
	proctest.Run(t, lines(), load, "-T", "-n", dir+"/file")
	for _, path := range []string{"/m", "/file"} {
		datasettest.Run(t, open1(t, "mdb:"+dir+path, Options{}, dataset.Options{}), datasettest.Options{OneColumn: true, Local: true})
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) tick()          { c.mu.Lock(); c.now = c.now.Add(2 * time.Second); c.mu.Unlock() }

func TestChangedFileIsReadAgain(t *testing.T) {
	load := testutil.Need(t, "db_load", "db_dump")
	dir := datasettest.Folder(t, 0o700)
	path := dir + "/t.db"
	proctest.Run(t, "k\nold\n", load, "-T", "-t", "hash", path)
	c := &clock{now: time.Unix(1e9, 0)}
	var errs []error
	set := open1(t, path, Options{Now: c.Now, OnReload: func(_ string, err error) { errs = append(errs, err) }}, dataset.Options{})
	value := func() string {
		v, err := set.Lookup(context.Background(), "k", 1)
		if err != nil {
			return err.Error()
		}
		return v[0]
	}
	proctest.Run(t, "k\nnew\n", load, "-T", "-t", "hash", path+"2")
	if err := os.Rename(path+"2", path); err != nil {
		t.Fatal(err)
	}
	if got := value(); got != "old" {
		t.Errorf("looked at the file at once: %s", got)
	}
	c.tick()
	if got := value(); got != "new" {
		t.Errorf("got %s", got)
	}
	if err := os.WriteFile(path, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.tick()
	if got := value(); got != "new" || len(errs) != 2 || errs[0] != nil || errs[1] == nil {
		t.Errorf("got %s, %v", got, errs)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.tick()
	if got := value(); got != "new" {
		t.Errorf("got %s", got)
	}
}

// A program that reads a pipe waits for its writer.
func TestPipesAreNoDatabases(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(syscall.Mkfifo(dir+"/x.db", 0o600), syscall.Mkfifo(dir+"/data.mdb", 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{dir + "/x.db", "db:" + dir + "/x", "db:" + dir, "db:/dev/zero", "mdb:" + dir + "/x.db", "mdb:" + dir} {
		if _, err := try(spec, Options{DBDump: "/bin/cat", MDBDump: "/bin/cat"}, dataset.Options{}); !errors.Is(err, privilege.ErrNotFile) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := datasettest.Folder(t, 0o700)
	if err := os.WriteFile(dir+"/x.db", []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, o := range map[string]Options{dir + "/none.db": {}, dir + "/x.db": {},
		"db:" + dir + "/x.db": {DBDump: "/nonexistent"}, "mdb:" + dir: {}} {
		if _, err := try(spec, o, dataset.Options{}); err == nil || errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	t.Setenv("PATH", dir)
	if _, err := try(dir+"/x.db", Options{}, dataset.Options{}); err == nil ||
		!strings.Contains(err.Error(), "install the package db-util") {
		t.Error(err)
	}
}

func TestParseDump(t *testing.T) {
	for text, want := range map[string][]dataset.Pair{
		"VERSION=3\nformat=print\nHEADER=END\n a\\5cb\n c\\\\d\nDATA=END\n": {{Key: `a\b`, Value: `c\d`}},
		"VERSION=3\nformat=bytevalue\nHEADER=END\n 6100\n 6200\nDATA=END\n": {{Key: "a", Value: "b"}},
		"HEADER=END\nDATA=END\n": nil,
	} {
		got, err := parseDump(strings.NewReader(text), dataset.Options{})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for _, text := range []string{"", "HEADER=END\n 61\n", "HEADER=END\n 61\nDATA=END\n",
		"HEADER=END\n 6\n 61\nDATA=END\n", "HEADER=END\nxx\n", "format=print\nHEADER=END\n a\\4\n b\nDATA=END\n"} {
		if _, err := parseDump(strings.NewReader(text), dataset.Options{}); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	two := "HEADER=END\n 61\n 61\n 62\n 62\nDATA=END\n"
	if _, err := parseDump(strings.NewReader(two), dataset.Options{MaxRows: 1}); err == nil ||
		!strings.Contains(err.Error(), "more than 1 rows") {
		t.Error(err)
	}
	if _, err := parseDump(strings.NewReader(two), dataset.Options{MaxFileBytes: 8}); err == nil {
		t.Error("a dump above the limit is read")
	}
}

func FuzzParseDump(f *testing.F) {
	f.Add("VERSION=3\nformat=print\nHEADER=END\n a\\5cb\n c\nDATA=END\n")
	f.Add("HEADER=END\n 6100\n 6200\nDATA=END\n")
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := parseDump(strings.NewReader(text), dataset.Options{MaxFileBytes: 1 << 20, MaxLineBytes: 1 << 10})
		if err == nil && len(pairs) > len(text) {
			t.Fatal("more rows than text")
		}
	})
}
