package rotate

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/privilege"
)

func TestTwoRunsAndBrokenFiles(t *testing.T) {
	w := newWorld(t, "Zone * p\n", twoDomains)
	w.adopt()
	store := must(OpenStore(w.set.State, false))
	if _, err := OpenStore(w.set.State, false); !errors.Is(err, ErrLocked) {
		t.Errorf("a second run: %v", err)
	}
	store.Close()
	if err := os.WriteFile(store.unitFile("p.example"), []byte(`{"name": "p.exa`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start("a.example")
	for range 60 {
		w.pass(17 * time.Second)
		out, err := w.run()
		if err != nil || len(out.Broken) != 1 || out.Blocked == 0 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	u := must(store.unit("a.example"))
	if u.signing().Keys[0].Selector != "20261129" {
		t.Error("the broken file stopped another unit")
	}
	// What is lost is rebuilt.
	if err := os.RemoveAll(w.set.State + "/units"); err != nil {
		t.Fatal(err)
	}
	w.adopt()
	w.expect("a.example: 20261129=signing; p.example: one=signing; ")
}

// Pipes in the place of files that we write make nobody wait.
func TestPipesInState(t *testing.T) {
	w := newWorld(t, "Zone * p\n", twoDomains)
	w.adopt()
	store := must(OpenStore(w.set.State, false))
	defer store.Close()
	for _, path := range []string{store.unitFile("p.example"), store.path("log.jsonl"), store.path(limitsFile)} {
		_ = os.Remove(path)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, broken, err := store.load(func(*Unit) bool { return true }); err != nil || len(broken) != 1 || broken[0].Name != "p.example" {
		t.Errorf("%v, %v", broken, err)
	}
	if err := store.ReadJournal(func(Entry) {}); !errors.Is(err, privilege.ErrNotFile) {
		t.Error(err)
	}
	if err := store.journal(Entry{}); err == nil {
		t.Error("a line went into a pipe that nobody reads")
	}
	new(limits).load(store)
}

// A unit file that no program of this version wrote stops its unit, and tells where it
// is and what to do.
func TestDamagedUnits(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example")
	store := must(OpenStore(w.set.State, true))
	path := store.unitFile("a.example")
	good := string(must(os.ReadFile(path)))
	for damage, text := range map[string]string{
		"cut": good[:len(good)/2], "empty": "", "another's": strings.Replace(good, "a.example", "b.example", 1),
		"no domains": strings.Replace(good, `"domains"`, `"others"`, 1), "a list": "[]", "nothing": "null",
		"no keys":                    strings.ReplaceAll(good, `"keys"`, `"others"`),
		"a state of another version": strings.Replace(good, `"asked"`, `"wondering"`, 1),
		"a state that is only shown": strings.Replace(good, `"asked"`, `"blocked"`, 1),
		"a key of nothing":           strings.Replace(good, `"keys": [`, `"keys": [{},`, 1),
		"a key that is none":         strings.Replace(good, `"keys": [`, `"keys": [null,`, 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := w.run()
		if err != nil || len(out.Broken) != 1 || out.Blocked != 1 || out.Broken[0].Name != "a.example" {
			t.Fatalf("%s: %+v, %v", damage, out, err)
		}
		said := out.Broken[0].Err.Error()
		if !strings.HasPrefix(said, path+": ") || !strings.HasSuffix(said, "dojang keys adopt") {
			t.Errorf("%s: %s", damage, said)
		}
		_, err = w.do(func(r *Rotator) (Outcome, error) { return r.Start(t.Context(), "a.example") })
		if err == nil || err.Error() != said {
			t.Errorf("%s: start says %v", damage, err)
		}
		if string(must(os.ReadFile(path))) != text {
			t.Errorf("%s: the file was written", damage)
		}
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	w.reach(60, "20261129=signing")
	w.finish()
}

// TestJournalOfADomain however it is written: in U-labels or A-labels, with capitals, with
// the final dot.
func TestJournalOfADomain(t *testing.T) {
	store := must(OpenStore(t.TempDir(), false))
	defer store.Close()
	for _, e := range []Entry{{Unit: "xn--3e0b707e.example"}, {Unit: "b.example"}, {Unit: "xn--3e0b707e.example"},
		{Unit: "shared", Keys: []string{"s._domainkey.b.example", "s._domainkey.left.example"}}, {Unit: "shared"},
		{Unit: "d.example", Keys: []string{"/keys/d.example.s.private"}}} {
		if err := store.journal(e); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"한국.example": 2, "xn--3e0b707e.example": 2, "B.Example.": 2, "c.example": 0, "shared": 2,
		"LEFT.example": 1, "d.example": 1, "example": 0} {
		n := 0
		if err := store.ReadJournal(func(Entry) { n++ }, name); err != nil || n != want {
			t.Errorf("%q: %d lines, want %d: %v", name, n, want, err)
		}
	}
	for want, names := range map[int][]string{6: nil, 3: {"b.example", "shared"}} {
		n := 0
		if err := store.ReadJournal(func(Entry) { n++ }, names...); err != nil || n != want {
			t.Errorf("%q: %d lines, want %d: %v", names, n, want, err)
		}
	}
}
