package authres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Fields of RFC 8601 appendix B and others of its examples.
func TestParseRFC8601(t *testing.T) {
	cases := []struct {
		name, in string
		want     Results
	}{
		{"B.2 none", " example.org 1; none", Results{AuthservID: "example.org", Version: 1}},
		{"B.3", " example.com;\r\n         spf=pass smtp.mailfrom=example.net", Results{AuthservID: "example.com", Methods: []Method{
			{Name: "spf", Result: "pass", Props: []Property{{"smtp", "mailfrom", "example.net"}}}}}},
		{"B.4", " example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n          spf=pass smtp.mailfrom=example.net", Results{AuthservID: "example.com", Methods: []Method{
			{Name: "auth", Result: "pass", Comment: "cram-md5", Props: []Property{{"smtp", "auth", "sender@example.net"}}},
			{Name: "spf", Result: "pass", Props: []Property{{"smtp", "mailfrom", "example.net"}}}}}},
		{"B.5", " example.com;\r\n      dkim=pass (good signature) header.d=example.com", Results{AuthservID: "example.com", Methods: []Method{
			{Name: "dkim", Result: "pass", Comment: "good signature", Props: []Property{{"header", "d", "example.com"}}}}}},
		{"B.6", " example.com;\r\n      dkim=pass reason=\"good signature\"\r\n        header.i=@mail-router.example.net;\r\n      dkim=fail reason=\"bad signature\"\r\n        header.i=@newyork.example.com", Results{AuthservID: "example.com", Methods: []Method{
			{Name: "dkim", Result: "pass", Reason: "good signature", Props: []Property{{"header", "i", "@mail-router.example.net"}}},
			{Name: "dkim", Result: "fail", Reason: "bad signature", Props: []Property{{"header", "i", "@newyork.example.com"}}}}}},
		{"B.7 comments everywhere", " foo.example.net (foobar) 1 (baz);\r\n    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n      policy (A dot can go here) . (like that) expired\r\n      (this surprised me) = (as I wasn't expecting it) 1362471462", Results{AuthservID: "foo.example.net", Version: 1, Methods: []Method{
			{Name: "dkim", Version: 1, Result: "fail", Props: []Property{{"policy", "expired", "1362471462"}}}}}},
		{"quoted", ` "a b\"c" ; X-Foo=neutral reason="x\\y" policy.z="q;r"`, Results{AuthservID: `a b"c`, Methods: []Method{
			{Name: "x-foo", Result: "neutral", Reason: `x\y`, Props: []Property{{"policy", "z", "q;r"}}}}}},
		{"nested comment", " h; dkim=pass (a (b) \\) c)", Results{AuthservID: "h", Methods: []Method{{Name: "dkim", Result: "pass", Comment: "a (b) ) c"}}}},
		{"header.b", " h; dkim=pass header.b=ab/c+d=", Results{AuthservID: "h", Methods: []Method{{Name: "dkim", Result: "pass", Props: []Property{{"header", "b", "ab/c+d="}}}}}},
		{"quoted local part", ` h; dkim=pass header.i="a b"@example.com`, Results{AuthservID: "h", Methods: []Method{{Name: "dkim", Result: "pass", Props: []Property{{"header", "i", `"a b"@example.com`}}}}}},
		{"EAI", " h; spf=pass smtp.mailfrom=пример@пример.example", Results{AuthservID: "h", Methods: []Method{{Name: "spf", Result: "pass", Props: []Property{{"smtp", "mailfrom", "пример@пример.example"}}}}}},
		{"semicolon at the end", " h; dkim=pass;", Results{AuthservID: "h", Methods: []Method{{Name: "dkim", Result: "pass"}}}},
		{"capitals", " H; DKIM=Pass HEADER.d=X", Results{AuthservID: "H", Methods: []Method{{Name: "dkim", Result: "pass", Props: []Property{{"header", "d", "X"}}}}}},
	}
	for _, tc := range cases {
		got, err := Parse([]byte(tc.in))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, in := range []string{
		"", " ", ";", "; none", " h", " h;", " h dkim=pass", " h; dkim", " h; dkim=", " h; =pass", " h; dkim=pass header", " h; dkim=pass header.d",
		" h; dkim=pass header.d=", " h; dkim=pass (", " h; (", ` "h; none`, ` h; dkim=pass reason="x`, " h; dkim=pass; !!!", " h; none; dkim=pass",
		" h 0; none", " h 99999999999999999999; none", " h; dkim/0=pass", " h; dkim=pass(x)header", " h; dkim=pass header.d=x\"", ` h; dkim=pass header.d=x\`, "=; none", " h; ; none",
		` "h"1; none`, ` h; dkim=pass reason="x"header.d=y`, ` h; dkim=pass header.d="x"header.s=y`, ` h; dkim=pass reason="x"; spf"`, ` h; dkim=pass reason="x\`,
	} {
		if r, err := Parse([]byte(in)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q gave %+v, %v", in, r, err)
		}
	}
}

func TestFormatQuotes(t *testing.T) {
	r := Results{AuthservID: "mx.example.com", Methods: []Method{{Name: "dkim", Result: "fail", Reason: `a "b" \c` + "\r\nd", Comment: "x) (y\\",
		Props: []Property{
			{"header", "d", "example.com"}, {"header", "i", "a;b@example.com"}, {"header", "i", `"a b"@example.com`}, {"header", "i", "a b@example.com"},
			{"header", "i", "пример@пример.example"}, {"header", "i", "@sub.example.com"}, {"header", "b", "ab/c+d"}, {"policy", "x", "a;b"}, {"policy", "y", ""},
			{"smtp", "mailfrom", "a\r\nX: y"},
		}}}}
	want := "mx.example.com;\r\n\tdkim=fail reason=\"a ?b? ?c??d\" (x? ?y?) header.d=example.com" +
		" header.i=\"a b\"@example.com header.i=\"a b\"@example.com header.i=\"пример@пример.example\" " +
		"header.i=@sub.example.com header.b=ab/c+d" +
		" policy.y=\"\""
	if got := r.Format(); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	if got := (Results{AuthservID: "h i", Version: 1}).Format(); got != `"h i" 1; none` {
		t.Error(got)
	}
	r = Results{AuthservID: "h", Methods: []Method{{Name: "dkim", Result: "fail", Reason: "@x", Props: []Property{{"header", "i", `"a b"@c`}}}}}
	if got := r.Format(); got != `h; dkim=fail reason="@x"` {
		t.Error(got)
	}
}

// TestColumns: a line is filled to its 73rd column, a tab at its beginning being eight.
func TestColumns(t *testing.T) {
	for n, want := range map[int]string{37: " ", 38: "\r\n\t"} { // 8 + 20 + 1 + 7 + n
		r := Results{AuthservID: strings.Repeat("h", 60), Methods: []Method{
			{Name: "first", Result: strings.Repeat("a", 13)}, {Name: "second", Result: strings.Repeat("b", n)}}}
		first := r.AuthservID + ";\r\n\tfirst=" + r.Methods[0].Result + ";"
		if got := r.Format(); got != first+want+"second="+r.Methods[1].Result {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// TestNamesOfServers are quoted where a reader may find an end in them, and hold nothing
// that cannot be seen.
func TestNamesOfServers(t *testing.T) {
	for name, want := range map[string]string{"mx.example": "mx.example", "почта.example": "почта.example", "host/job": "host/job",
		"a\u0080b": `"a?b"`, "a b": `"a b"`, "host/(job)": `"host/(job)"`, "a..b": `"a..b"`} {
		if got := (Results{AuthservID: name, Methods: []Method{{Name: "dkim", Result: "none"}}}).Format(); got != want+"; dkim=none" {
			t.Errorf("%q: %s", name, got)
		}
	}
}

// TestValues: what no reader divides, ends or joins with another. Which readers do so
// with what else, test/readers shows.
func TestValues(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"d", "example.com", "example.com"},
		{"d", "example.com.", `"example.com."`}, // OpenDMARC joins the next property
		{"d", ".example.com", `".example.com"`},
		{"d", "a..example.com", `"a..example.com"`},
		{"d", "a\u00a0b.example", ""},
		{"d", "a\u200bb.example", ""},
		{"d", "\xff.example", ""},
		{"d", strings.Repeat("a", 250) + ".test", strings.Repeat("a", 250) + ".test"},
		{"d", strings.Repeat("a", 251) + ".test", ""},
		{"d", "bücher.example", `"bücher.example"`},
		{"d", "a=b", `"a=b"`},
		{"d", "a/b", `"a/b"`},
		{"d", `a"b`, ""},
		{"d", "a(b)", ""},
		{"b", "ab/c+d12", "ab/c+d12"},
		{"b", "/+/+/+/+", "/+/+/+/+"},
		{"b", "=header.d=x", `"=header.d=x"`},
		{"i", "@example.com", "@example.com"},
		{"i", "joe.doe+x@example.com", "joe.doe+x@example.com"},
		{"i", "!#$%&'*+-^_`{|}~@example.com", "!#$%&'*+-^_`{|}~@example.com"},
		{"i", "=header.d=aaa.bank.example.x@evil.example", `"=header.d=aaa.bank.example.x"@evil.example`},
		{"i", "a=b@example.com", `"a=b"@example.com`},
		{"i", "a/b@example.com", `"a/b"@example.com`},
		{"i", "a..b@example.com", `"a..b"@example.com`},
		{"i", ".a@example.com", `".a"@example.com`},
		{"i", "a.@example.com", `"a."@example.com`},
		{"i", `"a b"@example.com`, `"a b"@example.com`},
		{"i", `"a\"; dkim=pass header.d=bank.example x=\""@evil.example`, ""},
		{"i", "a;dkim=pass@evil.example", ""},
		{"i", `"@example.com`, ""},
		{"i", `"a@example.com`, ""},
		{"i", `a"@example.com`, ""},
		{"i", "=?utf-8?q?=22=3B_dkim=3Dpass?=@evil.example", ""},
		{"i", "(a@evil.example", ""},
		{"i", "a@b@evil.example", `"a@b"@evil.example`},
		{"i", "пример@пример.example", `"пример@пример.example"`},
		{"i", "a\u00a0b@evil.example", ""},
	} {
		m := Method{Name: "dkim", Result: "pass", Props: []Property{{"header", c.name, c.value}, {"header", "s", "sel"}}}
		want := "mx.example;\r\n\tdkim=pass"
		if c.want != "" {
			want += " header." + c.name + "=" + c.want
		}
		got := Results{AuthservID: "mx.example", Methods: []Method{m}}.Format()
		if strings.ReplaceAll(got, "; dkim", ";\r\n\tdkim") != want+" header.s=sel" {
			t.Errorf("%s %q: %q", c.name, c.value, got)
		}
	}
}

// TestLongLinesAreFolded: an MTA breaks what is longer than 998 octets, wherever.
func TestLongLinesAreFolded(t *testing.T) {
	m := Method{Name: "dkim", Result: "pass"}
	for range 20 {
		m.Props = append(m.Props, Property{"policy", "x", strings.Repeat("a", 255)})
	}
	got := Results{AuthservID: "mx.example", Methods: []Method{m, m}}.Format()
	for line := range strings.SplitSeq(got, "\r\n\t") {
		if len(line) > maxLineBytes {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	if again, err := Parse([]byte(got)); err != nil || len(again.Methods) != 2 || len(again.Methods[1].Props) != 20 {
		t.Error(err)
	}
}

func TestDivide(t *testing.T) {
	method := func(result, domain string) Method {
		return Method{Name: "dkim", Result: result, Comment: "2048-bit key", Props: []Property{{"header", "d", domain}}}
	}
	var methods []Method
	for range 10_000 {
		methods = append(methods, method("fail", "a.b.c.d.example"))
	}
	methods = append(methods, method("pass", strings.Repeat("a.", 120)+"example"), method("pass", "good.example"))
	divided := Divide(methods, 3)
	if len(divided) != 3 {
		t.Fatalf("%d fields", len(divided))
	}
	written := 0
	for _, field := range divided {
		written += len(field)
		if n := len(field); n == 0 || n > maxFieldMethods {
			t.Errorf("%d results in a field", n)
		}
		if text := (Results{AuthservID: "mx.example", Methods: field}).Format(); len(text) > 1024 {
			t.Errorf("a field of %d octets", len(text))
		}
	}
	if d := divided[0][1].Props[0].Value; d != "good.example" {
		t.Errorf("the second result is of %s", d)
	}
	last := divided[2][len(divided[2])-1]
	if want := fmt.Sprintf("2048-bit key; and %d more", len(methods)-written); last.Comment != want {
		t.Errorf("%q, want %q", last.Comment, want)
	}
	large := method("pass", "good.example")
	large.Comment = strings.Repeat("x", maxFieldBytes) // which goes into no field, and must go somewhere
	if alone := Divide([]Method{large, large}, 3); len(alone) != 2 || len(alone[0]) != 1 || len(alone[1]) != 1 {
		t.Errorf("results that are larger than a field: %d", len(alone))
	}
	short := slices.Repeat([]Method{{Name: "dkim", Result: "none"}}, 16)
	if more := Divide(short, 3); len(more) != 2 || len(more[0]) != 15 {
		t.Errorf("16 results: %v", more)
	}
	if few := Divide(methods[:3], 3); len(few) != 1 || len(few[0]) != 3 || few[0][2].Comment != "2048-bit key" {
		t.Errorf("%v", few)
	}
}
