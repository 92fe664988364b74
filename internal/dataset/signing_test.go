package dataset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeTable(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// setOf is the set of a file: or refile: that has the text.
func setOf(t *testing.T, kind, text string, foldCase bool) Set {
	t.Helper()
	r, err := parseRows("t", text, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if kind == "refile:" {
		return compile(r)
	}
	return newTable(r, foldCase)
}

func open(t *testing.T, spec string, o Options) Set {
	t.Helper()
	set, err := Open(context.Background(), spec, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

func signingKeys(t *testing.T, set Set, user, host string, all bool) (keys []string) {
	t.Helper()
	err := SigningLookup(context.Background(), set, user, host, 2, all, func(e Entry) bool {
		keys = append(keys, e.Values[0])
		return true
	})
	if len(keys) == 0 != errors.Is(err, ErrNotFound) || err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatalf("%d keys with error %v", len(keys), err)
	}
	return keys
}

// The order was recorded from Debian's opendkim (2026-11-23): a SigningTable with
// these rows, MultipleSignatures, keys that are not secure, and the order in
// which it complains of them for a message From: user@foo.example.com.
func TestSigningTableOrder(t *testing.T) {
	path := writeTable(t,
		"User@Foo.Example.COM key0", "user@foo.example.com key1", "foo.example.com key2",
		"user@.foo.example.com key3", "user@.example.com key4",
		"user@.com key5", ".foo.example.com key6", ".example.com key7", ".com key8", "user@* key9", "* key10", "foo.example.com@ key11",
		"@foo.example.com key12", "user@example.com key13", "example.com key14", "*@foo.example.com key15", "user key16", "user@ key17")
	set := open(t, "file:"+path, Options{FoldCase: true})
	want := []string{"key0", "key2", "key4", "key7", "key5", "key8", "key9", "key10"}
	if diff := cmp.Diff(want, signingKeys(t, set, "user", "foo.example.com", true)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:1], signingKeys(t, set, "user", "foo.example.com", false)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"key10"}, signingKeys(t, set, "someone", "example.org", true)); diff != "" {
		t.Error(diff)
	}
}

func TestSigningPatternsInFileOrder(t *testing.T) {
	path := writeTable(t, "*@other.example a", "user@* b:%", "*@EXAMPLE.com c:x@example.com", "* d")
	set := open(t, "refile:"+path, Options{})
	if diff := cmp.Diff([]string{"b", "c", "d"}, signingKeys(t, set, "user", "example.com", true)); diff != "" {
		t.Error(diff)
	}
	var first Entry
	err := SigningLookup(context.Background(), set, "user", "example.com", 2, false, func(e Entry) bool { first = e; return true })
	if diff := cmp.Diff(Entry{Key: "user@*", Values: []string{"b", "%"}, Line: 2}, first); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestSigningLookupStopsWhenTold(t *testing.T) {
	for _, kind := range []string{"file:", "refile:"} {
		set := open(t, kind+writeTable(t, "a@b.c k1", "* k2"), Options{})
		n := 0
		_ = SigningLookup(context.Background(), set, "a", "b.c", 1, true, func(Entry) bool { n++; return false })
		if n != 1 {
			t.Errorf("%s called %d times", kind, n)
		}
	}
}

// TestAuthorsAreBounded: an author of any length costs a bounded number of questions.
func TestAuthorsAreBounded(t *testing.T) {
	long := strings.Repeat("a", 256)
	set := open(t, "csl:example.com=d,.example.com=s,joe@example.com=j,*=all,"+long+"@example.com=l,"+long+"a@example.com=never", Options{})
	for _, c := range []struct {
		user, host string
		want       []string
	}{
		{"joe", "example.com", []string{"j", "d", "all"}},
		{long, "example.com", []string{"l", "d", "all"}},
		{long + "a", "example.com", []string{"d", "all"}},
		{"x", strings.Repeat("a.", 120) + "example.com", []string{"s", "all"}},
		{"x", strings.Repeat("a.", 200) + "example.com", nil},
		{"x", strings.Repeat("a", MaxHostBytes) + ".example.com", nil},
	} {
		if diff := cmp.Diff(c.want, signingKeys(t, set, c.user, c.host, true)); diff != "" {
			t.Errorf("%.20s@%.20s: %s", c.user, c.host, diff)
		}
	}
	if n := len(SigningKeys("", "a.b.c")); n != 4 {
		t.Errorf("%d keys without a user", n)
	}
}

// batches counts the questions of a set that takes several keys in one.
type batches struct {
	Set
	asked int
}

func (b *batches) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	b.asked++
	rows := make([][]string, len(keys))
	for i, k := range keys {
		if values, err := b.Lookup(ctx, k, columns); err == nil {
			rows[i] = append([]string{}, values...)
		}
	}
	return rows, nil
}

func TestLookupFirst(t *testing.T) {
	set := &batches{Set: open(t, "csl:b=1,c=2", Options{})}
	for _, s := range []Set{set, set.Set} {
		if i, values, err := LookupFirst(t.Context(), s, []string{"a", "c", "b"}, 1); i != 1 ||
			err != nil || len(values) != 1 || values[0] != "2" {
			t.Errorf("%d %q %v", i, values, err)
		}
		for _, keys := range [][]string{nil, {"x", "y"}} {
			if _, _, err := LookupFirst(t.Context(), s, keys, 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", keys, err)
			}
		}
	}
	if set.asked != 2 {
		t.Errorf("%d questions", set.asked)
	}
}
