package readers

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dojang/internal/testutil"
)

// mutator writes fields by a grammar and spoils them, by the rate more or less.
type mutator struct {
	*rand.Rand
	rate float64
}

// campaign calls a round with one mutator until FUZZTIME has passed; when that is not
// set, for seconds, or a minute under SCALE=long.
func campaign(t *testing.T, round func(m mutator)) {
	t.Helper()
	limit := 4 * time.Second
	if testutil.Long() {
		limit = time.Minute
	}
	if text := os.Getenv("FUZZTIME"); text != "" {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(1)
	if text := os.Getenv("FUZZSEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	m := mutator{Rand: rand.New(rand.NewPCG(seed, 0))}
	for end := time.Now().Add(limit); time.Now().Before(end) && !t.Failed(); {
		round(m)
	}
}

func (m mutator) one(of ...string) string { return of[m.IntN(len(of))] }

// spoils reports whether the next thing is not as usual.
func (m mutator) spoils() bool { return m.Float64() < m.rate }

// or is the usual thing, or else one of the others.
func (m mutator) or(usual string, others ...string) string {
	if m.spoils() {
		return m.one(others...)
	}
	return usual
}

// nasty is what some reader takes for something else than another does.
var nasty = []string{
	`\`, `"`, "(", ")", "()", "(x)", `\(`, `\)`, `\"`, `""`, `"("`, `"(x"`, `")"`, `"\`, `(\)`, `(\()`, `("`, `(")"`, "(a;b)", `\\`, `\;`, `";"`, `"="`, `"."`, `\.`, ` . `, ". ", " .", "..",
	" ", "\t", "\r\n ", "\r\n\t", "\n ", "\r", "\x00", "\x01", "\x7f", "\v", "\f", "\x1b", "\xa0", "\x85", "\xff", "\u00a0", "\u0085", "\u200b", "\u00ad", "\u3000", "\u2028", "\ufeff", "。", "．",
	";", "=", "==", "=3D", "/", "/1", " 1", " 1 ", "1", ",", ":", "@", "<", ">", "[", "]", "?", "'", "none", "; none", "reason=", " x=y", "=?utf-8?q?", "?=", "=?utf-8?q??=", "Authentication-Results:",
	"\u212a", "ſ", "ı", "İ", "ü", "Ⅿ", "ｍ", "xn--", "-", "_", "+", "%", "\\x", "dkim", "mx", "example",
}

// junk is some of them, mostly none.
func (m mutator) junk() string {
	s := ""
	for m.spoils() {
		s += nasty[m.IntN(len(nasty))]
	}
	return s
}

// cfws is what may stand between words.
func (m mutator) cfws() string {
	return m.or("", " ", "\r\n\t", "\t", "(x)", " (a (b) c) ", `(a\)b)`, `(a\(b)`, "(", ")", "(;)", "(=)", `(")`, "(dkim=pass)", " (\u00fc)", "("+host+")", m.junk())
}

// spelled writes a word in one of the ways that some reader takes for it.
func (m mutator) spelled(word string) string {
	if !m.spoils() {
		return word
	}
	switch m.IntN(8) {
	case 0:
		return `"` + word + `"`
	case 1:
		return strings.ToUpper(word)
	case 2:
		i := m.IntN(len(word) + 1)
		return word[:i] + nasty[m.IntN(len(nasty))] + word[i:]
	case 3:
		i := m.IntN(len(word))
		return word[:i] + `\` + word[i:]
	case 4:
		i, j := m.IntN(len(word)+1), m.IntN(len(word)+1)
		i, j = min(i, j), max(i, j)
		return word[:i] + `"` + word[i:j] + `"` + word[j:]
	case 5:
		return m.encoded(word)
	case 6:
		return m.wide(word)
	case 7:
		return `"` + m.junk() + word + m.junk() + `"`
	}
	return word
}

func (m mutator) encoded(s string) string {
	if m.IntN(2) == 0 {
		return "=?" + m.one("utf-8", "us-ascii", "iso-8859-1", "x") + "?" + m.one("b", "B") + "?" +
			base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if m.IntN(3) == 0 || c == '=' || c == '?' || c == '_' || c <= ' ' {
			fmt.Fprintf(&b, "=%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return "=?utf-8?" + m.one("q", "Q") + "?" + b.String() + "?="
}

// wide writes a letter in a form that maps to it.
func (m mutator) wide(s string) string {
	i := m.IntN(len(s))
	switch c := s[i]; {
	case c == 'k' && m.IntN(2) == 0:
		return s[:i] + "\u212a" + s[i+1:]
	case c == 's' && m.IntN(2) == 0:
		return s[:i] + "ſ" + s[i+1:]
	case c > ' ' && c < utf8.RuneSelf:
		return s[:i] + string(rune(c)+0xfee0) + s[i+1:]
	}
	return s
}

// name writes a host name.
func (m mutator) name(name string) string {
	var b strings.Builder
	for i, label := range strings.Split(name, ".") {
		if i > 0 {
			b.WriteString(m.cfws() + m.or(".", `\.`, `"."`, "。", "..", " . ") + m.cfws())
		}
		b.WriteString(m.spelled(label))
	}
	return m.or("", `\(x `, `"(" `, "(x) ", ".", "Authentication-Results:", "\ufeff") + b.String() + m.or("", ".", "/job", " 1", "(x)", " (x) 1 ", " x=y")
}

// field is a value in one of several names, with results.
func (m mutator) field(names ...string) []byte {
	m.rate = []float64{0.01, 0.03, 0.06, 0.12, 0.25}[m.IntN(5)]
	s := m.one("", " ", "\r\n ") + m.junk() + m.cfws() + m.name(m.one(names...))
	for range 1 + m.IntN(3) {
		s += m.cfws() + m.or(";", `";"`, `\;`, " ") + m.cfws() + m.one("", " ")
		s += m.spelled(m.one("dkim", "dkim", "dkim", "dkim-atps", "vbr", "spf", "none", "auth"))
		s += m.or("", m.cfws()+"/"+m.cfws()+"1") + m.cfws() + m.or("=", `\=`, `"="`) + m.cfws() + m.spelled(m.one("pass", "pass", "fail", "none"))
		for range m.IntN(3) {
			s += " " + m.cfws() + m.one("header.d", "header.i", "smtp.mailfrom") + "=" +
				m.spelled(m.or("bank.example", "@bank.example", "x", "; dkim=pass header.d=bank.example"))
		}
		s += m.cfws()
	}
	if m.spoils() {
		s = m.encoded(s)
	}
	for m.Float64() < 2*m.rate { // anywhere
		i := m.IntN(len(s) + 1)
		switch m.IntN(3) {
		case 0:
			s = s[:i] + nasty[m.IntN(len(nasty))] + s[i:]
		case 1:
			j := min(len(s), i+1+m.IntN(4))
			s = s[:i] + s[j:]
		case 2:
			j := min(len(s), i+1+m.IntN(10))
			s = s[:j] + s[i:]
		}
	}
	return []byte(s)
}
