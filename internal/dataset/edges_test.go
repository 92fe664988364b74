package dataset

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestHiddenRows compares what an earlier row hides with a map, for tables and for
// patterns of all shapes: of patterns the case and runs of asterisks do not count.
func TestHiddenRows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	stars := regexp.MustCompile(`\*+`)
	for range 400 {
		var lines []string
		for range 1 + r.IntN(8) {
			var key strings.Builder
			for range 1 + r.IntN(4) {
				key.WriteByte("aA*@.*"[r.IntN(6)])
			}
			lines = append(lines, key.String()+" v")
		}
		text := strings.Join(lines, "\n")
		for kind, form := range map[string]func(string) string{
			"file:":   func(key string) string { return key },
			"refile:": func(key string) string { return stars.ReplaceAllString(strings.ToLower(key), "*") },
		} {
			var got, want []string
			first := map[string]int{}
			for i, line := range lines {
				key := form(strings.TrimSuffix(line, " v"))
				if by, ok := first[key]; ok {
					want = append(want, fmt.Sprint(i, " by ", by))
				} else {
					first[key] = i
				}
			}
			set := setOf(t, kind, text, false).(interface{ eachHidden(func(row, by int32)) })
			set.eachHidden(func(row, by int32) { got = append(got, fmt.Sprint(row, " by ", by)) })
			if !slices.Equal(got, want) {
				t.Fatalf("%s%q: %q, want %q", kind, lines, got, want)
			}
		}
	}
}

// TestAllMatchesHideNothing: with MultipleSignatures two rows with one pattern sign both.
func TestAllMatchesHideNothing(t *testing.T) {
	set := open(t, "refile:"+writeTable(t, "*@a.example k1", "*@a.example k2"), Options{})
	for all, want := range map[bool]int{true: 0, false: 1} {
		if list := (Lint{Option: "SigningTable", AllMatches: all}).SigningTable(t.Context(), set); len(list) != want {
			t.Errorf("all matches %v: %v", all, list)
		}
	}
}

// TestSigningLookupTellsFailure of a table that cannot be asked, and calls for no row.
func TestSigningLookupTellsFailure(t *testing.T) {
	err := SigningLookup(t.Context(), broken{}, "joe", "example.com", 1, true, func(Entry) bool { t.Error("a row"); return true })
	if !IsTemporary(err) {
		t.Errorf("%v", err)
	}
}

// TestSeparatorsOfElements has what people write between elements, in a list and in a file.
func TestSeparatorsOfElements(t *testing.T) {
	for _, c := range []struct {
		of         Elements
		line, text string // "" where nothing is told
		hint       string
	}{
		{Macros, "a=b|c", "", ""},
		{Macros, "a|b", `"a|b" never matches`, "write each in a line of its own: a and b"},
		{Macros, "a=b;c", `"a=b;c" never matches`, "write each in a line of its own: a=b and c"},
		{Macros, "{auth_type}", "", ""},
		{FieldNames, "{From}", `"{From}" never matches`, "write From"},
		{FieldNames, "From:To", `"From:To" never matches`, "write each in a line of its own: From and To"},
		{FieldNames, "From To", `"From To" counts for "From" alone`, "write each in a line of its own"},
		{DomainElements, "a.example;", `"a.example;" never matches`, "write a.example"},
		{DomainElements, "a.example b.example", `"a.example b.example" counts for "a.example" alone`, "write each in a line of its own"},
		{DomainElements, "a.example comment", "", ""},
		{IPAddresses, "192.0.2.1 192.0.2.2", `"192.0.2.1 192.0.2.2" counts for "192.0.2.1" alone`, "write each in a line of its own"},
		{IPAddresses, "192.0.2.1 mx", "", ""},
		{Addresses, "a@b.example c@d.example", `"a@b.example c@d.example" counts for "a@b.example" alone`, "write each in a line of its own"},
		{Words, "one two", "", ""},
		{Words, "one,two", `"one,two" never matches`, "write each in a line of its own: one and two"},
	} {
		list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "file:"+writeTable(t, c.line), Options{}), c.of)
		switch {
		case c.text == "" && len(list) == 0:
		case len(list) != 1 || list[0].Line != 1 || list[0].Text != c.text || list[0].Hint != c.hint:
			t.Errorf("%d %q: %+v", c.of, c.line, list)
		}
	}
	list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "csl:a.example;b.example", Options{}), DomainElements)
	if len(list) != 1 || list[0].Hint != "separate the elements by commas: a.example,b.example" {
		t.Errorf("%+v", list)
	}
}

// TestNamesOfFields: RFC 5322 §3.6.8 has printable ASCII but the colon. Signs and
// asterisks stand for something where a list changes a default.
func TestNamesOfFields(t *testing.T) {
	for _, c := range []struct {
		name string
		of   Elements
		fine bool
	}{
		{"A~", FieldNames, true}, {"A\x7f", FieldNames, false}, {"A\u0080", FieldNames, false}, {"!", FieldNames, true},
		{"A\x01", FieldNames, false}, {"A B", FieldNames, false}, {"", FieldNames, false}, {"*", FieldNames, false}, {"List-*", FieldNames, false},
		{"*", FieldChanges, true}, {"+List-*", FieldChanges, true}, {"-X", FieldChanges, true}, {"+", FieldChanges, false},
		{"*", OversignedNames, true}, {"+List-*", OversignedNames, false}, {"+X", OversignedNames, true}, {"-", OversignedNames, false},
		{"-", FieldNames, true}, {"+X", FieldNames, true}, {"'From'", FieldNames, false}, {"''", FieldNames, true}, {"'From", FieldNames, true},
	} {
		l := &linter{counts: map[string]int{}}
		if l.fieldName(Entry{Key: c.name}, c.of); (len(l.list) == 0) != c.fine {
			t.Errorf("%d %q: %v", c.of, c.name, l.list)
		}
	}
}

// TestCommasInKeyNames: one name where one match is used, several where all are.
func TestCommasInKeyNames(t *testing.T) {
	keys := open(t, "csl:k1=a,k2=b", Options{})
	set := open(t, "refile:"+writeTable(t, "*@a.example k1,k2"), Options{})
	for all, want := range map[bool]int{true: 0, false: 1} {
		list := (Lint{Option: "SigningTable", Keys: keys, AllMatches: all}).SigningTable(t.Context(), set)
		if len(list) != want || want == 1 && !strings.Contains(list[0].Text, `"k1,k2" is not in the KeyTable`) {
			t.Errorf("all matches %v: %v", all, list)
		}
	}
}

// TestLinesOfSenders: a match tells where its row stands, in files and lists.
func TestLinesOfSenders(t *testing.T) {
	file := writeTable(t, "# x", "a.example k", "joe@a.example k")
	for spec, line := range map[string]int{"file:" + file: 3, "csl:a.example=k,joe@a.example=k": 2} {
		got := 0
		first := func(e Entry) bool { got = e.Line; return true }
		err := SigningLookup(t.Context(), open(t, spec, Options{}), "joe", "a.example", 1, false, first)
		if got != line || err != nil {
			t.Errorf("%s: line %d, %v", spec, got, err)
		}
	}
}
