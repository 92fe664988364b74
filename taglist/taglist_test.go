package taglist

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // name=[trimmed value]raw value|...
		err  error
	}{
		{"", "", nil},
		{" \r\n\t", "", nil},
		{"a=b", "a=[b]b", nil},
		{"a=b;", "a=[b]b", nil},
		{"a=b; \r\n ", "a=[b]b", nil},
		{" a = b c ;\r\n\td=", "a=[b c] b c |d=[]", nil},
		{"a=;b=;", "a=[]|b=[]", nil},
		{"a=b=c==", "a=[b=c==]b=c==", nil},
		{"A=1;a=2", "A=[1]1|a=[2]2", nil},
		{"x_1=a\r\n b", "x_1=[a\r\n b]a\r\n b", nil},
		{"d=bücher.example", "d=[bücher.example]bücher.example", nil},
		{"a=1;a=2", "", ErrDuplicate},
		{"a=1;;b=2", "", ErrSyntax},
		{";", "", ErrSyntax},
		{"a", "", ErrSyntax},
		{"a b=c", "", ErrSyntax},
		{"=c", "", ErrSyntax},
		{"1a=c", "1a=[c]c", nil}, // names as opendkim has them
		{"a-b=c", "a-b=[c]c", nil},
		{"a:/\\\"=c", "a:/\\\"=[c]c", nil},
		{"a\x01=c", "", ErrSyntax},
		{"aä=c", "", ErrSyntax},
		{"_a=c", "", ErrSyntax},
		{"-a=c", "", ErrSyntax},
		{"a=\x00", "", ErrSyntax},
		{"a=\x7f", "", ErrSyntax},
		{"a=\v", "", ErrSyntax},
		{"a=\xff", "", ErrSyntax},
		{"ä=1", "", ErrSyntax},
		{strings.Repeat("a=1;", 2), "", ErrDuplicate},
	} {
		l, err := Parse([]byte(c.in))
		if !errors.Is(err, c.err) {
			t.Errorf("%q: %v, want %v", c.in, err, c.err)
		}
		if err != nil {
			continue
		}
		var got []string
		for _, tag := range l.Tags() {
			got = append(got, tag.Name+"=["+string(tag.Value)+"]"+c.in[tag.Start:tag.End])
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%q: %q, want %q", c.in, strings.Join(got, "|"), c.want)
		}
	}
}

// TestOctetsOfTags: a name begins with a letter or digit, "!" before it or not, and goes on
// with what can be seen; a value may hold what can be seen, and white space (RFC 6376 §3.2).
func TestOctetsOfTags(t *testing.T) {
	for c := range 256 {
		octet := string([]byte{byte(c)})
		alnum := strings.Contains("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", octet)
		seen := c > ' ' && c < 0x7f && c != ';' && c != '='
		for text, want := range map[string]bool{
			octet + "x=1":       alnum || octet == "!" || strings.Contains(" \t\r\n", octet),
			"!" + octet + "=1":  alnum,
			"x" + octet + "y=1": seen || octet == "=",
			"x=1" + octet + "2": seen || octet == "=" || strings.Contains(" \t\r\n", octet),
		} {
			if _, err := Parse([]byte(text)); (err == nil) != want {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	for _, text := range []string{"!", "a=1;!", "!!a=1", "!=1"} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestValuesOfUTF8 (RFC 8616) may have each character, U+FFFD and both ends of each length too.
func TestValuesOfUTF8(t *testing.T) {
	for _, value := range []string{"\u0080", "\u07ff", "\u0800", "\ufffd", "\uffff", "\U00010000", "\U0010ffff"} {
		if l, err := Parse([]byte("a=x" + value + "y")); err != nil || string(l.Value("a")) != "x"+value+"y" {
			t.Errorf("%q: %q, %v", value, l.Value("a"), err)
		}
	}
	for _, value := range []string{"\x80", "\xc2", "\xef\xbf", "\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80"} {
		if _, err := Parse([]byte("a=x" + value + "y")); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// TestErrorsSayWhere the list is wrong, in a bounded text.
func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"a":           "syntax error in tag list at its end",
		"a=1; b ":     "syntax error in tag list at its end",
		"a=1; \x00=2": `syntax error in tag list at offset 5: '\x00'`,
		"a=1; b=\x00": `syntax error in tag list at offset 7: '\x00'`,
		"a=1;a=2":     `tag occurs more than once: "a"`,
		strings.Repeat(strings.Repeat("a", 256)+"=;", 2): `tag occurs more than once: "` + strings.Repeat("a", 256) + `"`,
		strings.Repeat(strings.Repeat("a", 257)+"=;", 2): `tag occurs more than once: "` + strings.Repeat("a", 256) + `"`,
	} {
		if _, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

func TestManyTags(t *testing.T) {
	var b strings.Builder
	for i := range 400 {
		b.WriteString(strings.Repeat("x", i+1) + "=1;")
		if _, err := Parse([]byte(b.String())); errors.Is(err, ErrTooManyTags) != (i >= 128) {
			t.Errorf("%d tags: %v", i+1, err)
		}
	}
}

func TestGet(t *testing.T) {
	l, err := Parse([]byte("a=1; b= ;c=3"))
	if err != nil {
		t.Fatal(err)
	}
	if v := l.Value("b"); v == nil || len(v) != 0 {
		t.Errorf("empty value: %q", v)
	}
	if l.Value("B") != nil || l.Has("x") || !l.Has("c") || l.Len() != 3 {
		t.Error("wrong tags found")
	}
	if tag, ok := l.Get("a"); !ok || string(tag.Value) != "1" {
		t.Errorf("the first: %+v", tag)
	}
	if tag, ok := l.Get("x"); ok {
		t.Errorf("none: %+v", tag)
	}
	if tag, ok := l.Get("c"); !ok || string(tag.Value) != "3" || tag.Start != 11 || tag.End != 12 {
		t.Errorf("%+v", tag)
	}
	if err := l.Reparse([]byte("z=1")); err != nil || l.Len() != 1 || !l.Has("z") {
		t.Error("Reparse keeps old tags")
	}
}

func TestWriterWithoutMargin(t *testing.T) {
	var w Writer
	w.Tag("a", "1", BreakNever)
	w.Tag("h", "x:y", BreakAtColon)
	w.Last("b", "", BreakAnywhere, 0)
	w.Append(strings.Repeat("z", 100))
	if want := "a=1; h=x:y; b=" + strings.Repeat("z", 100); w.String() != want || w.Len() != len(want) {
		t.Error(w.String())
	}
}

// The layout at a margin is proved by dkim's vectors.
func TestWriterFolds(t *testing.T) {
	w := Writer{Margin: 20, Column: 5}
	w.Tag("a", "1", BreakNever)
	w.Tag("h", "one:two:three:four", BreakAtColon)
	w.Tag("n", strings.Repeat("n", 30), BreakNever)
	w.Tag("z", strings.Repeat("z", 30), BreakAnywhere)
	for i, line := range strings.Split(w.String(), "\r\n") {
		if i > 0 && line[0] != '\t' {
			t.Errorf("line %d is no continuation: %q", i, line)
		}
		if strings.Contains(line, "nnn") {
			continue
		}
		if n := len(strings.ReplaceAll(line, "\t", "        ")); n > 20+1 {
			t.Errorf("line %d has %d columns: %q", i, n, line)
		}
	}
	unfolded := strings.NewReplacer("\r\n", "", "\t", "", " ", "").Replace(w.String())
	if want := "a=1;h=one:two:three:four;n=" + strings.Repeat("n", 30) + ";z=" + strings.Repeat("z", 30) + ";"; unfolded != want {
		t.Errorf("%q", unfolded)
	}
}

// TestLinesOfEveryLength: none is of white space alone, which RFC 5322 §3.2.2 forbids, none is
// longer than the margin but by the blank before a tag and the colon behind a name, which
// libopendkim does not count, and nothing is lost.
func TestLinesOfEveryLength(t *testing.T) {
	const margin = 20
	for n := range 70 {
		for _, how := range []Break{BreakAnywhere, BreakAtColon} {
			value := strings.Repeat("ab:", n)[:n]
			w := Writer{Margin: margin, Column: 5}
			w.Tag("a", "1", BreakNever)
			w.Tag("z", value, how)
			w.Last("b", "", BreakAnywhere, 0)
			w.Append(value)
			for line := range strings.SplitSeq("12345"+w.String(), "\r\n") {
				if columns := len(strings.ReplaceAll(line, "\t", "12345678")); columns > margin+2 || strings.TrimSpace(line) == "" {
					t.Errorf("%d octets, break %d: a line of %d columns: %q", n, how, columns, line)
				}
			}
			if got := strings.NewReplacer("\r\n", "", "\t", "", " ", "").Replace(w.String()); got != "a=1;z="+value+";b="+value {
				t.Errorf("%d octets, break %d: %q", n, how, got)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "v=1; a=rsa-sha256; b=abc\r\n\t def; bh=x=; h=From : To",
		"v=DKIM1; p=AAAA", "a=1;;", "a=\xff", "a = b ; c", ";"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			return
		}
		rebuilt := []byte{}
		seen := map[string]bool{}
		last := 0
		for _, tag := range l.Tags() {
			if seen[tag.Name] {
				t.Fatalf("%q twice in %q", tag.Name, b)
			}
			seen[tag.Name] = true
			if tag.Start < last || tag.End < tag.Start || tag.End > len(b) || b[tag.Start-1] != '=' ||
				tag.End < len(b) && b[tag.End] != ';' {
				t.Fatalf("offsets %d, %d in %q", tag.Start, tag.End, b)
			}
			last = tag.End
			if tag.Value == nil || !strings.Contains(string(b[tag.Start:tag.End]), string(tag.Value)) {
				t.Fatalf("value %q of %q", tag.Value, b)
			}
			rebuilt = append(append(append(append(rebuilt, tag.Name...), '='), tag.Value...), ';')
		}
		again, err := Parse(rebuilt)
		if err != nil || again.Len() != l.Len() {
			t.Fatalf("%q made of %q: %v", rebuilt, b, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	in := []byte("v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=sel;\r\n\tt=1172620939; " +
		"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\th=From:Date:Subject;\r\n\tb=" + strings.Repeat("A", 344))
	b.ReportAllocs()
	var l List
	for b.Loop() {
		if err := l.Reparse(in); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRoomForSignatures: libopendkim puts b= on a line of its own where the length of the
// line, of "b=" and of the signature reach the margin (dkim_getsighdr_d, dkim.c).
func TestRoomForSignatures(t *testing.T) {
	exact := Writer{Margin: 22, Column: 16}
	exact.Tag("a", "1", BreakNever)
	if exact.Last("b", "", BreakAnywhere, 0); exact.String() != "a=1; b=" { // "b=" reaches the margin, and nothing is to follow
		t.Errorf("%q", exact.String())
	}
	for reserve, folded := range map[int]bool{0: false, 1: false, 75 - 20 - 2 - 1: false, 75 - 20 - 2: true, 75 - 20 - 1: true, 344: true} {
		w := Writer{Margin: 75, Column: 16}
		w.Tag("a", "1", BreakNever) // to column 20
		w.Last("b", "", BreakAnywhere, reserve)
		want := "a=1; b="
		if folded {
			want = "a=1;\r\n\tb="
		}
		if got := w.String(); got != want {
			t.Errorf("%d octets: %q", reserve, got)
		}
	}
}
