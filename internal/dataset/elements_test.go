package dataset

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestElementsThatNeverMatch: for each kind of list, elements that match something and
// are not told of, and those that nothing can match.
func TestElementsThatNeverMatch(t *testing.T) {
	for _, c := range []struct {
		of          Elements
		fine, never string // elements with blanks between them
	}{
		{DomainElements, "example.com Example.COM xn--a.example com", ".example.com example.com. @example.com *.example.com a@example.com * <example.com> % exa%mple.com example/com .a:b"},
		{SignedDomains, "example.com *", ".example.com *.example.com example.com. @example.com"},
		{BelowDomains, "example.com .example.com", "..example.com *.example.com @example.com *"},
		{DomainPairs, "example.com a.example:b.example .a.example:b.example", "a.example:*.b.example *.a.example .example.com"},
		{Addresses, "joe@example.com -", "example.com .example.com joe@ @example.com joe@.example.com *@example.com joe@* joe@example.com."},
		{AddressForms, "joe@example.com example.com .example.com joe@* *", "joe@ *@example.com j*@* <joe@example.com> @example.com joe@.example.com *.example.com joe@<example.com>"},
		{IPAddresses, "192.0.2.1 2001:db8::1", "192.0.2.0/24 [192.0.2.1] host.example 192.0.2"},
		{FieldNames, "From X-My_Field !#$%&'+-^`{|}~ From-", "From* F@x <From> [x] a\\b (x)"},
		{FieldChanges, "From List-*", "From<x> (x) subject+ Sub?ect ^Subject$"},
		{OversignedNames, "From", "List-* F@x"},
		{Macros, "auth_type daemon_name=smtpd a=b|c j", "=x auth* *=x"},
		{Words, "anything <x>", "at*all *"},
	} {
		for text := range strings.FieldsSeq(c.fine) {
			if strings.ContainsAny(text, "{}|") && c.of == FieldNames {
				continue // told as separators, which people write
			}
			if list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "csl:"+text, Options{}), c.of); len(list) != 0 {
				t.Errorf("%d %q: %q", c.of, text, list[0].Text)
			}
		}
		for text := range strings.FieldsSeq(c.never) {
			list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "file:"+writeTable(t, text), Options{}), c.of)
			if len(list) != 1 || list[0].Line != 1 || list[0].Hint == "" ||
				!strings.Contains(list[0].Text, "never matches") && !strings.Contains(list[0].Text, "names no ") {
				t.Errorf("%d %q: %v", c.of, text, list)
			}
		}
	}
	// Patterns match where a list is looked up in, and only in a refile: set.
	for of, matches := range map[Elements]bool{DomainElements: true, SignedDomains: true, DomainPairs: true, Addresses: true,
		AddressForms: true,
		Words:        true, BelowDomains: false, FieldNames: false, Macros: false} {
		list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "refile:"+writeTable(t, "*.example"), Options{}), of)
		if len(list) == 0 != matches {
			t.Errorf("%d: *.example in a refile: set: %v", of, list)
		}
	}
	for _, of := range []Elements{AnyElements, DomainElements} {
		if list := (Lint{}).Elements(t.Context(), unlistable{}, of); list != nil {
			t.Errorf("a set that cannot be listed: %v", list)
		}
	}
	// The place is an element's number in a list, a line's in a file.
	for text, want := range map[string]string{"csl:a.example,.b.example": "element 2: ", "csl:a.example,,.b.example": "element 3: "} {
		list := (Lint{Option: "O"}).Elements(t.Context(), open(t, text, Options{}), DomainElements)
		if len(list) != 1 || list[0].Line != 0 || !strings.HasPrefix(list[0].Text, want) {
			t.Errorf("%s: %v", text, list)
		}
	}
}

// TestHintsForDomains say how to write what was meant.
func TestHintsForDomains(t *testing.T) {
	for _, c := range []struct {
		of        Elements
		key, want string
	}{
		{DomainElements, "example.com.", "write example.com"}, {DomainElements, "a@example.com", "write example.com"},
		{DomainElements, ".example.com", "write example.com; for all domains below it the pattern *.example.com in a refile: set"},
		{DomainElements, "*.example.com", "write example.com; for all domains below it the pattern *.example.com in a refile: set"},
		{DomainElements, "@.example.com", "write example.com; for all domains below it the pattern *.example.com in a refile: set"},
		{SignedDomains, ".example.com", "write example.com, with SubDomains yes for those below it"},
		{BelowDomains, "*.example.com", "write .example.com"}, {BelowDomains, "*", "write domains; RemoveARAll is for all of them"},
		{DomainElements, "*", "write domains"},
	} {
		list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "file:"+writeTable(t, c.key), Options{}), c.of)
		if len(list) != 1 || list[0].Hint != c.want {
			t.Errorf("%d %s: %v", c.of, c.key, list)
		}
	}
}

// TestFieldsOfRows: a row with fewer than are needed is told of.
func TestFieldsOfRows(t *testing.T) {
	set := open(t, "file:"+writeTable(t, "none", "one a", "two a:b", "three a:b:c", "four a:b:c:d"), Options{})
	for fewest, want := range [][]int{0: nil, 1: {1}, 2: {1, 2}, 3: {1, 2, 3}, 4: {1, 2, 3, 4}} {
		var got []int
		for _, p := range (Lint{Option: "T"}).Table(t.Context(), set, fewest) {
			if strings.Contains(p.Text, "fields") {
				got = append(got, p.Line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d fields (-want +got)\n%s", fewest, diff)
		}
	}
}

// unlistable is a set that can only be asked, and has what is below its own name.
type unlistable struct{}

func (unlistable) Lookup(_ context.Context, key string, _ int) ([]string, error) {
	if strings.HasPrefix(key, "u@") || key == "example.com" {
		return []string{key}, nil
	}
	return nil, ErrNotFound
}
func (unlistable) Close() error { return nil }

type around struct{ Set }

func (a around) Unwrap() Set { return a.Set }

// TestWalkFindsWhatIsWrapped, and says so where nothing can be listed.
func TestWalkFindsWhatIsWrapped(t *testing.T) {
	table := open(t, "csl:a=1,b=2", Options{})
	for name, set := range map[string]Set{"bare": table, "wrapped": around{table}, "twice": around{around{table}}} {
		var got []string
		err := Walk(t.Context(), set, func(e Entry) error { got = append(got, e.Key); return nil })
		if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
	stop := errors.New("stop")
	if err := Walk(t.Context(), around{table}, func(Entry) error { return stop }); err != stop {
		t.Errorf("the walk goes on: %v", err)
	}
	for _, set := range []Set{unlistable{}, around{unlistable{}}} {
		if err := Walk(t.Context(), set, func(Entry) error { return nil }); err != ErrNoWalk {
			t.Errorf("%v", err)
		}
	}
}

// TestSendersAreBounded: a user longer than MaxUserBytes matches rows for domains alone, a
// host of too many octets or labels nothing.
func TestSendersAreBounded(t *testing.T) {
	for _, c := range []struct {
		user, host string
		want       string
	}{
		{strings.Repeat("u", 256), "example.com", strings.Repeat("u", 256) + "@example.com"},
		{strings.Repeat("u", 257), "example.com", "example.com"},
		{"u", strings.Repeat("h", 4*253), "u@" + strings.Repeat("h", 4*253)},
		{"u", strings.Repeat("h", 4*253+1), ""},
		{"u", strings.Repeat("a.", 126) + "a", "u@" + strings.Repeat("a.", 126) + "a"},
		{"u", strings.Repeat("a.", 127) + "a", ""},
	} {
		got := ""
		err := SigningLookup(t.Context(), anyUser{}, c.user, c.host, 1, false, func(e Entry) bool { got = e.Key; return true })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%.20q at %d octets: %.40q, %v, want %.40q", c.user, len(c.host), got, err, c.want)
		}
	}
}

// anyUser has every address and example.com.
type anyUser struct{ unlistable }

func (anyUser) Lookup(_ context.Context, key string, _ int) ([]string, error) {
	if user, _, ok := strings.Cut(key, "@"); ok && user != "" || key == "example.com" {
		return []string{key}, nil
	}
	return nil, ErrNotFound
}

// TestRowsAsTheFileHasThem, each value split, without blanks.
func TestRowsAsTheFileHasThem(t *testing.T) {
	table := TextTable{Path: writeTable(t, "a 1 : 2:3:4", "b x", "A  5:6 ", "a y")}
	rows, err := table.All(3)
	want := map[string][][]string{"a": {{"1", "2", "3:4"}, {"y"}}, "b": {{"x"}}, "A": {{"5", "6"}}}
	if diff := cmp.Diff(want, rows); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// several is a set that is asked several keys at once.
type several map[string]string

func (s several) Lookup(context.Context, string, int) ([]string, error) { panic("one by one") }
func (s several) Close() error                                          { return nil }
func (s several) LookupBatch(_ context.Context, keys []string, _ int) (rows [][]string, err error) {
	for _, k := range keys {
		v, ok := s[k]
		switch {
		case v == "fails":
			return nil, &Error{Err: errors.New("away"), Temp: true}
		case ok:
			rows = append(rows, []string{v})
		default:
			rows = append(rows, nil)
		}
	}
	return rows, nil
}

// TestSendersAreAskedForAtOnce where a set can: the same rows in the same order.
func TestSendersAreAskedForAtOnce(t *testing.T) {
	set := several{"example.com": "1", ".com": "2", "*": "3", "other": "4"}
	for all, want := range map[bool][]string{true: {"1", "2", "3"}, false: {"1"}} {
		if diff := cmp.Diff(want, signingKeys(t, set, "joe", "example.com", all)); diff != "" {
			t.Errorf("all %v (-want +got)\n%s", all, diff)
		}
	}
	if got := signingKeys(t, several{"x": "1"}, "joe", "example.com", true); len(got) != 0 {
		t.Errorf("%q", got)
	}
	n := 0
	if err := SigningLookup(t.Context(), set, "joe", "example.com", 1, true, func(Entry) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("%d rows when two were wanted: %v", n, err)
	}
	if err := SigningLookup(t.Context(), several{"*": "fails"}, "joe", "example.com", 1, true, nil); !IsTemporary(err) {
		t.Errorf("%v", err)
	}
}

// TestFilesAreBounded, those too that tell no size.
func TestFilesAreBounded(t *testing.T) {
	path := writeTable(t, "0123456789")
	for most, want := range map[int64]bool{9: false, 10: true, 11: true} {
		if _, err := Open(t.Context(), "file:"+path, Options{MaxFileBytes: most}); (err == nil) != want {
			t.Errorf("10 bytes where %d are allowed: %v", most, err)
		}
	}
	const endless = "/proc/self/status"
	if info, err := os.Stat(endless); err == nil && info.Size() == 0 {
		if _, err := Open(t.Context(), "file:"+endless, Options{MaxFileBytes: 10}); err == nil {
			t.Error("a file without size is read beyond the bound")
		}
	}
}

// TestHostsThatNeverMatch are told of, and what they were meant to be.
func TestHostsThatNeverMatch(t *testing.T) {
	for _, text := range []string{"192.0.2.1", "192.0.2.0/24", "!192.0.2.1", "[2001:db8::1]", "2001:db8::/32",
		"host.example", ".example", "-", "localhost"} {
		if list := (Lint{Option: "O"}).hosts(t.Context(), open(t, "csl:"+text, Options{})); len(list) != 0 {
			t.Errorf("%s: %v", text, list)
		}
	}
	for _, text := range []string{"192.0.2.1/33", "192.0.2.300", "192.0.2.1;192.0.2.2", "*.example", "192.0.2.*"} {
		if list := (Lint{Option: "O"}).hosts(t.Context(), open(t, "csl:"+text, Options{})); len(list) != 1 || list[0].Hint == "" {
			t.Errorf("%s: %v", text, list)
		}
	}
	// A name that is out is out whatever its address, where a network is in.
	for text, want := range map[string]int{"!host.example,192.0.2.0/24": 1, "!host.example,other.example": 0,
		"!host.example,!192.0.2.0/24": 0} {
		if list := (Lint{Option: "O"}).hosts(t.Context(), open(t, "csl:"+text, Options{})); len(list) != want {
			t.Errorf("%s: %v", text, list)
		}
	}
}
