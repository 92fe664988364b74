package authres

import (
	"errors"
	"strings"
	"testing"
	"time"

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
	} {
		if r, err := Parse([]byte(in)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q gave %+v, %v", in, r, err)
		}
	}
}

// TestTrap16WhoseResults: our name in all the forms a forger may give it.
func TestTrap16WhoseResults(t *testing.T) {
	const ours = "mx.example.com"
	long := strings.Repeat("x", 400_000)
	for name, value := range map[string]string{
		"plain":                         " mx.example.com; dkim=pass",
		"no blank":                      "mx.example.com; dkim=pass",
		"folded":                        "\r\n\tmx.example.com;\r\n\tdkim=pass",
		"capitals":                      " MX.Example.COM; dkim=pass",
		"quoted":                        ` "mx.example.com"; dkim=pass`,
		"quoted with escapes":           ` "m\x.\example.co\m"; dkim=pass`,
		"quoted with blanks":            ` " mx.example.com "; dkim=pass`,
		"quoted with folds around":      " \"\r\n mx.example.com\r\n \"; dkim=pass",
		"quoted without end":            ` "mx.example.com`,
		"trailing dot":                  " mx.example.com.; dkim=pass",
		"quoted trailing dot":           ` "mx.example.com."; dkim=pass`,
		"version":                       " mx.example.com 1; dkim=pass",
		"version nobody knows":          " mx.example.com 999999999999; dkim=pass",
		"comment before":                " (x) mx.example.com; dkim=pass",
		"comments nested before":        " (a (b (c) \\) ) ) (d)mx.example.com; dkim=pass",
		"comment after":                 " mx.example.com(x); dkim=pass",
		"comment inside":                " mx(x).example.com; dkim=pass",
		"blanks inside":                 " mx . example\r\n .com; dkim=pass",
		"version after the dot":         " mx.example.com. 1; dkim=pass",
		"blank after a dot":             " mx. example. (x) com; dkim=pass",
		"dots and open comments":        " mx.example.com (; " + strings.Repeat(".(", 200_000),
		"comment without end":           " mx.example.com (; dkim=pass",
		"comment without end before":    " ( mx.example.com; dkim=pass",
		"end of comment too many":       " ) mx.example.com; dkim=pass",
		"no semicolon":                  " mx.example.com dkim=pass",
		"nothing but the name":          " mx.example.com",
		"no result":                     " mx.example.com;",
		"unreadable tail":               " mx.example.com; !!!",
		"unreadable tail of 8 bit":      " mx.example.com; \xff\xfe=\x00",
		"NUL after":                     " mx.example.com\x00; dkim=pass",
		"NUL before":                    " \x00mx.example.com; dkim=pass",
		"NUL inside":                    " mx.exa\x00mple.com; dkim=pass",
		"control characters":            "\x01\x02 mx.example.com\x7f; dkim=pass",
		"property nobody knows":         " mx.example.com; dkim=pass future.thing=1",
		"4 kB":                          " mx.example.com; dkim=pass (" + long[:4000] + ")",
		"400 kB":                        " mx.example.com; dkim=pass (" + long + ")",
		"400 kB of comment before":      " (" + long + ") mx.example.com; dkim=pass",
		"400 kB of nesting before":      " " + strings.Repeat("(", 200_000) + strings.Repeat(")", 200_000) + " mx.example.com; dkim=pass",
		"400 kB of open comments":       " " + strings.Repeat("(", 400_000) + " mx.example.com; dkim=pass",
		"400 kB of blanks before":       strings.Repeat(" ", 400_000) + "mx.example.com; dkim=pass",
		"400 kB of comments inside":     " mx" + strings.Repeat("(x)", 130_000) + ".example.com; dkim=pass",
		"400 kB of property":            " mx.example.com; dkim=pass header.x=" + long,
		"slash and version, as a token": " mx.example.com/1; dkim=pass",
		"comma":                         " mx.example.com, dkim=pass",
		"backslash":                     ` mx.\example.com; dkim=pass`,
		"backslash before":              ` \mx.example.com; dkim=pass`,
		"quotes inside":                 ` mx."example".com; dkim=pass`,
		"quotes inside a label":         ` mx.ex"ampl"e.com; dkim=pass`,
		"quotes before":                 ` "m"x.example.com; dkim=pass`,
		"quotes and blanks":             ` "mx" . "example".com; dkim=pass`,
		"quotes of nothing":             ` ""mx.example.com""; dkim=pass`,
		"a quote without end":           ` "mx.example.com; dkim=pass`,
		"a quote without end inside":    ` mx.exam"ple.com; dkim=pass`,
		"400 kB of quotes":              " mx.example" + strings.Repeat(`""`, 200_000) + ".com; dkim=pass",
		"400 kB of backslashes":         ` mx.example.com; "` + strings.Repeat(`\`, 400_000),
	} {
		id, ok := AuthservIDOf([]byte(value))
		if !ok || !SameAuthservID(id, ours) {
			t.Errorf("%s: %q, %v", name, id[:min(len(id), 60)], ok)
		}
	}
	// Each parenthesis must not be looked for its end again: that would take hours.
	begin := time.Now()
	AuthservIDOf([]byte(strings.Repeat("a.(", 1_000_000)))
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("3 MB of open comments take %v", d)
	}
	for name, value := range map[string]string{
		"longer":          " mx.example.com.example.org; dkim=pass",
		"prefix":          " xmx.example.com; dkim=pass",
		"other":           " example.com; dkim=pass header.d=mx.example.com",
		"in a comment":    " example.com (mx.example.com); dkim=pass",
		"first a comment": " (mx.example.com) example.com; dkim=pass",
		"in the tail":     " example.com; mx.example.com; dkim=pass",
		"very long":       " mx.example.com" + long + "; dkim=pass",
	} {
		id, ok := AuthservIDOf([]byte(value))
		if !ok || SameAuthservID(id, ours) {
			t.Errorf("%s: %q, %v", name, id[:min(len(id), 60)], ok)
		}
	}
	for _, value := range []string{"", " ", ";", "; dkim=pass", "(x)", `""`, "=", "((((", "\x00"} {
		if id, ok := AuthservIDOf([]byte(value)); ok {
			t.Errorf("%q has the name %q", value, id)
		}
	}
}

func TestSameAuthservID(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"a.example", "A.EXAMPLE", true},
		{"a.example", "a.example.", true},
		{"a.example", "b.example", false},
		{"", "", true},
		{"a", "", false},
		{"почта.example", "xn--80a1acny.example", true},
		{"ПОЧТА.example.", "XN--80A1ACNY.Example", true},
		{"почта.example", "почта.example", true},
		{"bücher.example", "BÜCHER.example", true},
		{"bücher.example", "bu\u0308cher.example", true}, // decomposed
		{"почта.example", "xn--80a1acn.example", false},
		{"ｍx.example", "mx.example", true}, // full width
		{"xn--.example", "xn--.example", true},
		{"a b", "a b", true},
		{"a.example/4XyZ", "A.example.", true},
		{"a.example/4XyZ", "b.example/4XyZ", false},
		{"mail_1.example", "MAIL_1.example", true},
	} {
		if got := SameAuthservID(tc.a, tc.b); got != tc.want {
			t.Errorf("%q, %q: %v", tc.a, tc.b, got)
		}
		if got := SameAuthservID(tc.b, tc.a); got != tc.want {
			t.Errorf("%q, %q: %v", tc.b, tc.a, got)
		}
	}
}

func TestFormatQuotes(t *testing.T) {
	r := Results{AuthservID: "mx.example.com", Methods: []Method{{Name: "dkim", Result: "fail", Reason: `a "b" \c` + "\r\nd", Comment: "x) (y\\",
		Props: []Property{
			{"header", "d", "example.com"}, {"header", "i", "a;b@example.com"}, {"header", "i", `"a b"@example.com`}, {"header", "i", "a b@example.com"},
			{"header", "i", "пример@пример.example"}, {"header", "i", "@sub.example.com"}, {"header", "b", "ab/c+d="}, {"policy", "x", "a;b"}, {"policy", "y", ""},
			{"smtp", "mailfrom", "a\r\nX: y"},
		}}}}
	want := "mx.example.com;\r\n\tdkim=fail reason=\"a \\\"b\\\" \\\\c??d\" (x\\) \\(y\\\\) header.d=example.com header.i=\"a;b\"@example.com" +
		" header.i=\"a b\"@example.com header.i=\"a b\"@example.com header.i=пример@пример.example header.i=@sub.example.com header.b=ab/c+d=" +
		" policy.x=\"a;b\" policy.y=\"\" smtp.mailfrom=\"a??X: y\""
	if got := r.Format(); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	if got := (Results{AuthservID: "h i", Version: 1}).Format(); got != `"h i" 1; none` {
		t.Error(got)
	}
}
