package authres

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryTokenIsNeeded takes each token out of a field that has all that the grammar of
// RFC 8601 §2.2 allows, and puts a comment without end before each.
func TestEveryTokenIsNeeded(t *testing.T) {
	tokens := []string{"mx.example", "1", ";", "dkim", "/", "1", "=", "pass", "reason", "=", `"r"`, "header", ".", "d", "=", "x",
		"policy", ".", "y", "=", "z", ";", "spf", "=", "fail"}
	want := Results{AuthservID: "mx.example", Version: 1, Methods: []Method{
		{Name: "dkim", Version: 1, Result: "pass", Reason: "r", Props: []Property{{"header", "d", "x"}, {"policy", "y", "z"}}},
		{Name: "spf", Result: "fail"}}}
	for _, between := range []string{" ", "\r\n\t", " (c) ", " ((c)\\)) (d)"} {
		got, err := Parse([]byte(between + strings.Join(tokens, between)))
		for i := range got.Methods {
			got.Methods[i].Comment = ""
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q between: %v\n%s", between, err, diff)
		}
	}
	for i := range tokens {
		open := strings.Join(slices.Insert(slices.Clone(tokens), i, "(open"), " ")
		if r, err := Parse([]byte(open)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %+v, %v", open, r, err)
		}
		if i < 2 {
			continue // the version may be missing, and be a name
		}
		without := strings.Join(slices.Delete(slices.Clone(tokens), i, i+1), " ")
		if r, err := Parse([]byte(without)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %+v, %v", without, r, err)
		}
	}
}

// TestKeywords are letters, digits and hyphens (RFC 8601 §2.2, RFC 5321 §4.1.2), and
// underscores, which are in the wild.
func TestKeywords(t *testing.T) {
	const bytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	for c := range 256 {
		word := "a" + string([]byte{byte(c)}) + "b"
		want := strings.IndexByte(bytes, byte(c)) >= 0
		for _, field := range []string{"h; WORD=pass", "h; dkim=pass WORD.d=x", "h; dkim=pass header.WORD=x"} {
			if c == '=' && strings.HasSuffix(field, "=x") {
				continue // of which values may have more
			}
			if _, err := Parse([]byte(strings.Replace(field, "WORD", word, 1))); err == nil != want {
				t.Errorf("%s with %q: %v", field, word, err)
			}
		}
	}
}

func TestBase64Bytes(t *testing.T) {
	for c := range 256 {
		_, err := base64.RawStdEncoding.DecodeString(string([]byte{byte(c), 'A'}))
		if want := err == nil && c != '\r' && c != '\n'; isBase64Byte(byte(c)) != want {
			t.Errorf("%q: %v", byte(c), !want)
		}
	}
}

// TestPlainCFWS: comments are balanced, of printable octets, without backslashes.
func TestPlainCFWS(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", " \t\r\n a": "a", "(b) a": "a", "(b(c)d)(e)a": "a", "( ~)a": "a",
		")(a": "no", ")a": "no", "(b))(a": "no", "(b": "no", "(b(c)": "no", `(b\)a`: "no", "(\x1f)a": "no", "(\x7f)a": "no", "(\x80)a": "a",
	} {
		l := lexer{in: []byte(text)}
		got := "no"
		if l.plainCFWS() {
			got = string(l.in[l.pos:])
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestSimpleRunes: what is taken for simple, IDNA maps to its lower case.
func TestSimpleRunes(t *testing.T) {
	simple := 0
	for r := range rune(0x500) {
		s := string([]rune{'a', r, 'b'})
		if !isSimple([]byte(s)) || !isWordRune(r) {
			continue
		}
		simple++
		if mapped, _ := names.ToUnicode(s); mapped != strings.ToLower(s) {
			t.Errorf("%U becomes %q", r, mapped)
		}
	}
	if simple < 200 {
		t.Errorf("%d are simple", simple)
	}
}

// TestPatternIsOfWords: bytes of no word are dropped from it, and one too long is never
// found.
func TestPatternIsOfWords(t *testing.T) {
	for word, want := range map[string]bool{"mx.example": true, "(mx)\".ex ample\"": true, strings.Repeat("a", maxWord) +
		"mx.example": false} {
		p := newPattern(word, false)
		if got := p.length == len("mx.example"); got != want {
			t.Errorf("%.20q has %d bytes", word, p.length)
		}
	}
	for n, want := range map[int]int{maxPattern: maxPattern, maxPattern + 1: maxPattern, maxWord: maxPattern, maxWord + 1: 0,
		maxWord + 2: 0, 2 * maxWord: 0} {
		if p := newPattern(strings.Repeat("a", n), false); p.length != want {
			t.Errorf("a word of %d bytes: %d", n, p.length)
		}
	}
	p := newPattern("dkim", false)
	for text, want := range map[string]bool{
		"dkim=pass": true, "a dkim =pass": true, "dkim/1=pass": true, "dkim (c) / 1 (c) = pass": true, "DKIM=pass": true,
		"xdkim=pass": false, "dkimx=pass": false, "spf=dkim": false, "spf/1=pass": false, "t=1 2=3": false, "1=dkim": false,
		"dkim 1=pass": false, "dkim/a=pass": false, "": false, "dkim": false,
	} {
		if p.assigned([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	for between := range 1 << 4 { // a comment wherever RFC 8601 §2.2 lets one stand
		cfws := func(i int) string { return map[bool]string{true: " (c) ", false: ""}[between>>i&1 != 0] }
		text := "dkim" + cfws(0) + "/" + cfws(1) + "1" + cfws(2) + "=" + cfws(3) + "pass"
		if !p.assigned([]byte(text)) {
			t.Errorf("%q is not found", text)
		}
	}
}

// TestWordBytes: what domains are made of, and whatever is not ASCII.
func TestWordBytes(t *testing.T) {
	for c := range 256 {
		want := c > 127 || strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", byte(c)) >= 0
		if isWordByte[c] != want {
			t.Errorf("%q: %v", byte(c), !want)
		}
		// RFC 2045 §5.1: no controls, blanks and tspecials.
		if want := c > ' ' && c != 127 && strings.IndexByte("()<>@,;:\\\"/[]?=", byte(c)) < 0; isTokenByte(byte(c)) != want {
			t.Errorf("%q is of a token: %v", byte(c), !want)
		}
	}
}

// TestVersions are numbers from 1 on (RFC 8601 §2.2).
func TestVersions(t *testing.T) {
	for text, want := range map[string]int{"h 1; none": 1, "h 9; none": 9, "h 10; none": 10, "h 2009; none": 2009, "h; none": 0,
		"h 01; none": 1, "h 0; none": -1, "h 00; none": -1, "h 1a; none": -1} {
		r, err := Parse([]byte(text))
		if (err != nil) != (want < 0) || err == nil && r.Version != want {
			t.Errorf("%s: %d, %v", text, r.Version, err)
		}
	}
	for text, want := range map[string]string{" mx.example; x": "mx.example", "mx.example 1; x": "mx.example",
		" mx.example (c) 12 (d) ; x": "mx.example",
		`"mx.example" 1;x`:           "mx.example", "mx.example": "mx.example", "mx.example 1": "mx.example",
		"mx.example 0; x": "mx.example", "mx.example 9; x": "mx.example", "mx.example\t20(c);": "mx.example", `"mx.example";`: "mx.example",
		"mx\x80.example; x": "no", "mx.example (; x": "no", "mx.example 1 (; x": "no", `"mx.example"1; x`: "no", `"mx.example; x`: "no",
		"\"mx\x7f\"; x":   "no",
		"mx.example /; x": "no", "mx.example :; x": "no", "mx\u00e9.example; x": "no", "mx.example 1 2; x": "no",
		"mx.example1 x; x": "no", "mx.example x; x": "no", "mx..example; x": "no", "mx.example.; x": "no",
		"(\\) mx.example; x": "no", "; x": "no"} {
		got, ok := plainID([]byte(text))
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestEncodedWords (RFC 2047 §2), wherever they stand; what looks like one and is none stays.
func TestEncodedWords(t *testing.T) {
	for text, want := range map[string]string{
		"=?utf-8?q?a=40b?=":           "a@b",
		"x =?utf-8?B?YUBi?= y":        "x a@b y",
		"=?a?x?b?= =?utf-8?q?c?= d":   "=?a?x?b?= c d",
		"=?a?b =?utf-8?Q?c_d?=":       "=?a?b c d",
		"=?utf-8?q?a?==?utf-8?q?b?=c": "abc",
		"=??q?a?=":                    "a",
		"x=?utf-8?q??=y":              "xy",
		"=?utf-8?q?a=4":               "a=4",
		"=?utf-8?q?a=4?=":             "a=4",
		"=?utf-8?q?a=?=":              "a=",
		"=?utf-8?q?=41=5a=61=7A?=":    "AZaz",
		"=?utf-8?q?a":                 "a",
		"=?utf-8?q?":                  "",
		"=?utf-8":                     "no",
		"=?":                          "no",
		"plain":                       "no",
	} {
		got, ok := decodeWords(slices.Clip([]byte(text)))
		if !ok {
			got = []byte("no")
		}
		if string(got) != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestLowered: small letters and half width, and what some readers take for i.
func TestLowered(t *testing.T) {
	for r := rune('!'); r <= '~'; r++ {
		want := r
		if 'A' <= r && r <= 'Z' {
			want += 'a' - 'A'
		}
		for _, form := range []rune{r, r - '!' + '！'} {
			if got := lowered(form); got != want {
				t.Errorf("%c is %c, want %c", form, got, want)
			}
		}
	}
	for r, want := range map[rune]rune{'ı': 'i', 'İ': 'i', '。': '.', '｡': '.', 'É': 'é', 'Ж': 'ж', '～' + 1: '～' + 1} {
		if got := lowered(r); got != want {
			t.Errorf("%c is %c, want %c", r, got, want)
		}
	}
	for text, want := range map[string]bool{"": true, "a\x7f": true, "a\x80": false, "\xff": false} {
		if isASCII([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// TestPatternsOfLetters are found in capitals too, and no other octets for them.
func TestPatternsOfLetters(t *testing.T) {
	for _, c := range []struct {
		word, text string
		want       bool
	}{
		{"az", "AZ=x", true}, {"az", "aZ=x", true}, {"\xe9x", "\xe9X=1", true}, {"\xe9x", "\xc9x=1", false}, {"", "=x", false}, {"", "a=x", false},
		{"dkim", "dkim(=)=x", true}, {"dkim", "dkim/(1)2=x", true}, {"dkim", "(dkim/1)=x", true}, {"dkim", "dkim (a)/1 x=y", false},
	} {
		if got := newPattern(c.word, false).assigned([]byte(c.text)); got != c.want {
			t.Errorf("%q in %q: %v", c.word, c.text, got)
		}
	}
	for _, text := range []string{"", "a"} {
		if ok, _ := newPattern("", false).begins([]byte(text)); ok {
			t.Errorf("nothing begins %q", text)
		}
	}
}

// TestReasonsStandOnce, before all properties (RFC 8601 §2.2).
func TestReasonsStandOnce(t *testing.T) {
	for text, want := range map[string]bool{
		"h; dkim=pass reason=a header.d=x": true, "h; dkim=pass reason=a reason=b": false, "h; dkim=pass header.d=x reason=a": false,
		"h; dkim=pass reason=;": false, "h; dkim=pass reason= ": false, "h; dkim=pass reasons.d=x": true, "h; dkim=pass reason.d=x": true,
		`h; dkim=pass header.d="x`: false, `h; dkim=pass header.d="x"y`: false} {
		if r, err := Parse([]byte(text)); (err == nil) != want {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
}
