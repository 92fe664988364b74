// Package datasettest is the suite that every kind of data set passes.
package datasettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
)

// Row is what a set under test holds.
type Row struct {
	Key    string
	Values []string // up to three
}

// Text is the row's values as sets of one column hold them.
func (r Row) Text() string { return strings.Join(r.Values, ":") }

// Rows are what every set under test holds, and nothing else.
func Rows() []Row {
	rows := []Row{
		{"one", []string{"v1"}},
		{"three", []string{"example.com", "s1", "/etc/keys/s1.private"}},
		{"42", []string{"example.org", "s2", "/etc/keys/s2.private"}},
		{"Mixed.Case", []string{"m"}},
		{"lower.case", []string{"l"}},
		{"o'brien@quote.example", []string{"q1"}},
		{`double"quote`, []string{"q2"}},
		{`back\slash`, []string{"q3"}},
		{"per%cent", []string{"q4"}},
		{"under_score", []string{"q5"}},
		{"(paren)", []string{"q6"}},
		{"$d$D${key}{key}", []string{"q7"}},
		{"도장.example", []string{"q8"}},
	}
	for i, key := range signing {
		rows = append(rows, Row{key, []string{fmt.Sprint("k", i)}})
	}
	return rows
}

// signing are the keys that a SigningTable is asked for, in order.
var signing = []string{"user@foo.example.com", "foo.example.com", "user@.example.com", ".example.com", "user@.com", ".com", "user@*", "*"}

// Options say what the set under test is.
type Options struct {
	// FoldCase says that the set was opened to disregard case.
	FoldCase bool
	// OneColumn says that a row is one text, split at its colons.
	OneColumn bool
	// Local says that the set is in memory and needs no server.
	Local bool
}

// injections are keys that are in no set; each tries to break out of a query.
var injections = []string{
	"", "'", "' OR '1'='1", "one' --", `one" --`, "one'; DROP TABLE dkim; --", `\' OR 1=1 -- `, "one\x00", "one\n", "one\r\nget three", "one ", " one",
	"*)(uid=*", "one)(|(a=*", "on*", "o_e", "o%e", "${key}", "$d", "$D", "../one", "one/../three", "one?x=y", "one&x=y", "one#", "%6f%6e%65", "%%", "one%00", "EVAL", "{one}", "[one]",
	"ONE\xff", "\xff\xfe", "ｏｎｅ", "öne", strings.Repeat("x", 300), strings.Repeat("one ", 1000),
}

// Run tests a set that holds Rows.
func Run(t *testing.T, set dataset.Set, o Options) {
	t.Run("exact", func(t *testing.T) { exact(t, set) })
	t.Run("missing", func(t *testing.T) { missing(t, set) })
	t.Run("case", func(t *testing.T) { letters(t, set, o) })
	t.Run("columns", func(t *testing.T) { columns(t, set, o) })
	t.Run("signing", func(t *testing.T) { signingOrder(t, set) })
	t.Run("injection", func(t *testing.T) { injection(t, set) })
	t.Run("concurrent", func(t *testing.T) { concurrent(t, set) })
	if !o.Local {
		t.Run("deadline", func(t *testing.T) { deadline(t, set) })
	}
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

func exact(t *testing.T, set dataset.Set) {
	for _, r := range Rows() {
		got, err := set.Lookup(ctx(t), r.Key, len(r.Values))
		if diff := cmp.Diff(r.Values, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", r.Key, err, diff)
		}
		if got, err := set.Lookup(ctx(t), r.Key, 0); err != nil || len(got) != 0 {
			t.Errorf("%q: existence: %v, %v", r.Key, got, err)
		}
	}
}

func missing(t *testing.T, set dataset.Set) {
	for _, key := range []string{"two", "on", "onee", "foo.example.co", "ser@foo.example.com", "4", "042", "v1", "k1", "s1"} {
		if got, err := set.Lookup(ctx(t), key, 1); !errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("%q: %v, %v", key, got, err)
		}
	}
}

func letters(t *testing.T, set dataset.Set, o Options) {
	got, err := set.Lookup(ctx(t), "Lower.CASE", 1)
	switch {
	case o.FoldCase && (err != nil || got[0] != "l"):
		t.Errorf("capitals matter: %v, %v", got, err)
	case !o.FoldCase && !errors.Is(err, dataset.ErrNotFound):
		t.Logf("capitals do not matter: %v, %v", got, err) // a server's collation may say so
	}
}

func columns(t *testing.T, set dataset.Set, o Options) {
	for n, want := range map[int][]string{
		1: {"example.com"}, 2: {"example.com", "s1"}, 3: {"example.com", "s1", "/etc/keys/s1.private"}, 4: {"example.com", "s1", "/etc/keys/s1.private"},
	} {
		if o.OneColumn && n < 3 {
			// the last value takes the rest
			want = slices.Clone(want)
			want[n-1] = strings.Join([]string{"example.com", "s1", "/etc/keys/s1.private"}[n-1:], ":")
		}
		got, err := set.Lookup(ctx(t), "three", n)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%d columns: %v %s", n, err, diff)
		}
	}
}

func signingOrder(t *testing.T, set dataset.Set) {
	for _, all := range []bool{false, true} {
		want := []string{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"}
		if !all {
			want = want[:1]
		}
		var got []string
		err := dataset.SigningLookup(ctx(t), set, "user", "foo.example.com", 1, all, func(e dataset.Entry) bool {
			got = append(got, e.Values[0])
			return true
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("all %v: %v %s", all, err, diff)
		}
	}
	for from, want := range map[string]string{
		"other@foo.example.com": "k1", "other@sub.example.com": "k3", "user@sub.example.com": "k2", "user@x.com": "k4", "other@x.com": "k5", "user@example.org": "k6",
		"other@example.org": "k7",
	} {
		user, host, _ := strings.Cut(from, "@")
		got := ""
		err := dataset.SigningLookup(ctx(t), set, user, host, 1, false, func(e dataset.Entry) bool { got = e.Values[0]; return true })
		if got != want || err != nil {
			t.Errorf("%s: %s, %v", from, got, err)
		}
	}
}

func injection(t *testing.T, set dataset.Set) {
	for _, key := range injections {
		if got, err := set.Lookup(ctx(t), key, 1); !errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("%.40q: %v, %v", key, got, err)
		}
	}
	if b, ok := set.(dataset.BatchSet); ok {
		rows, err := b.LookupBatch(ctx(t), append(slices.Clone(injections), "one"), 1)
		if err != nil || len(rows) != len(injections)+1 {
			t.Fatalf("batch: %d rows, %v", len(rows), err)
		}
		for i, key := range injections {
			if rows[i] != nil {
				t.Errorf("batch: %.40q: %v", key, rows[i])
			}
		}
		if diff := cmp.Diff([]string{"v1"}, rows[len(injections)]); diff != "" {
			t.Error(diff)
		}
	}
	exact(t, set) // nothing was changed, and no answer is taken for another's
}

func concurrent(t *testing.T, set dataset.Set) {
	rows := Rows()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				r := rows[(i+j)%len(rows)]
				got, err := set.Lookup(ctx(t), r.Key, len(r.Values))
				if err != nil || !slices.Equal(got, r.Values) {
					t.Errorf("%q: %v, %v", r.Key, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// deadline: a question that may not take any time is not answered, or answered
// right, but never with "not found".
func deadline(t *testing.T, set dataset.Set) {
	c, cancel := context.WithCancel(context.Background())
	cancel()
	got, err := set.Lookup(c, "three", 3)
	if errors.Is(err, dataset.ErrNotFound) || err != nil && !dataset.IsTemporary(err) || err == nil && got[0] != "example.com" {
		t.Errorf("got %v, %v", got, err)
	}
}

// Outage tests a set whose server can be stopped and started. The set is asked
// through whatever wraps it; uncached tells a key's rows are asked anew each time.
func Outage(t *testing.T, set dataset.Set, stop, start func()) {
	exact(t, set)
	stop()
	for range 3 {
		if got, err := set.Lookup(ctx(t), "never-asked-before", 1); err == nil ||
			errors.Is(err, dataset.ErrNotFound) || !dataset.IsTemporary(err) {
			t.Errorf("server is away: %v, %v", got, err)
		}
	}
	start()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := set.Lookup(ctx(t), "never-asked-before", 1)
		if errors.Is(err, dataset.ErrNotFound) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("server is back: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	exact(t, set)
}
