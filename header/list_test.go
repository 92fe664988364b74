package header

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

func TestAdd(t *testing.T) {
	for _, c := range []struct {
		name, value string
		kept        bool
		want        string
	}{
		{"Subject", " x", true, "Subject: x"},
		{"Subject", "x", false, "Subject: x"},
		{"Subject", "", false, "Subject: "},
		{"Subject", " x", false, "Subject:  x"},
		// Where the blank is cut, Sendmail 8.17 and Postfix 3.7 leave these as they are.
		{"Subject", "\tx", false, "Subject:\tx"},
		{"Subject", "\n x", false, "Subject:\r\n x"},
		{"Subject", "\r\n x", false, "Subject:\r\n x"},
		{"Subject", " a\n b\n\tc", true, "Subject: a\r\n b\r\n\tc"},
		{"Subject", " a\r\n b", true, "Subject: a\r\n b"},
		{"Subject", " a\n", true, "Subject: a"},
		{"Subject", " a\r\n", true, "Subject: a"},
		{"Subject", " a\rb", true, "Subject: a\rb"},
		{"Subject", " \n", true, "Subject: "},
		{"Subject", "\n\n a", true, "Subject:\r\n\r\n a"},
		{"Subject  ", " a", true, "Subject  : a"},
		{"X\xff", "\x00", true, "X\xff:\x00"},
		{"a:b", " c", true, "a:b: c"},
	} {
		var l List
		l.Add([]byte(c.name), []byte(c.value), c.kept)
		f := l.At(0)
		if string(f.Raw) != c.want || l.Len() != 1 || l.Size() != len(c.want) {
			t.Errorf("%q %q: %q, want %q", c.name, c.value, f.Raw, c.want)
		}
		var raw List
		raw.AddRaw([]byte(c.want))
		if g := raw.At(0); string(g.Raw) != c.want || string(g.Name()) != string(f.Name()) || string(g.Value()) != string(f.Value()) {
			t.Errorf("AddRaw(%q): %q, name %q", c.want, g.Raw, g.Name())
		}
	}
}

// TestNamesInAnyCase (RFC 5322 §1.2.2): letters alone are the same in two forms.
func TestNamesInAnyCase(t *testing.T) {
	for c := range 256 {
		for d := range 256 {
			if c == ':' || d == ':' {
				continue // which no name has
			}
			a, b := []byte{'x', byte(c)}, []byte{'X', byte(d)}
			letters := c|0x20 >= 'a' && c|0x20 <= 'z' && c|0x20 == d|0x20 && c < 0x80 && d < 0x80
			var l List
			l.Add(a, []byte("1"), false)
			if got := l.At(0).Is(string(b)); got != (c == d || letters) {
				t.Errorf("%q is %q: %v", a, b, got)
			}
		}
	}
}

// TestFieldsOfLineEndsAlone are empty.
func TestFieldsOfLineEndsAlone(t *testing.T) {
	for _, raw := range []string{"", "\n", "\r\n"} {
		var l List
		l.AddRaw([]byte(raw))
		if f := l.At(0); len(f.Raw) != 0 || len(f.Name()) != 0 {
			t.Errorf("%q: %q", raw, f.Raw)
		}
	}
}

func TestField(t *testing.T) {
	field := func(raw string) Field {
		var l List
		l.AddRaw([]byte(raw))
		return l.At(0)
	}
	f := field("Date \t: x: y")
	if string(f.Name()) != "Date" || string(f.Value()) != " x: y" || !f.Is("dATE") || f.Is("Dat") || f.Is("Dates") || f.ValueOffset() != 7 {
		t.Errorf("%q %q", f.Name(), f.Value())
	}
	f = field("no colon")
	if string(f.Name()) != "no colon" || f.Value() != nil || f.ValueOffset() != 8 {
		t.Errorf("%q %q", f.Name(), f.Value())
	}
	if f = field(""); len(f.Name()) != 0 || f.Value() != nil {
		t.Error("empty field")
	}
}

func TestListQueries(t *testing.T) {
	var l List
	for _, raw := range []string{"To: 1", "From: a", "TO: 2", "to : 3"} {
		l.AddRaw([]byte(raw))
	}
	if l.Count("to") != 3 || l.Count("cc") != 0 {
		t.Error("Count")
	}
	if f, i, ok := l.First("To"); !ok || i != 0 || string(f.Value()) != " 1" {
		t.Error("First")
	}
	if f, i, ok := l.Last("To"); !ok || i != 3 || string(f.Value()) != " 3" {
		t.Error("Last")
	}
	if _, i, ok := l.First("Cc"); ok || i != -1 {
		t.Error("First of none")
	}
	if _, i, ok := l.Last("Cc"); ok || i != -1 {
		t.Error("Last of none")
	}
}

func TestAddAllocatesNothingOnceWarm(t *testing.T) {
	var l List
	name, value := []byte("X-Some-Field"), []byte(" some value\n\tfolded")
	fill := func() {
		l.Reset()
		for range 50 {
			l.Add(name, value, true)
		}
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n != 0 {
		t.Errorf("%v allocations", n)
	}
	l.Add(name, make([]byte, 1<<20), true)
	l.Reset()
	if cap(l.buf) != 0 {
		t.Error("a large buffer is kept")
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, fields, body string }{
		{"A: 1\r\nB: 2\r\n\r\nbody\r\n", "A: 1|B: 2", "body\r\n"},
		{"A: 1\nB: 2\n\nbody\n", "A: 1|B: 2", "body\n"},
		{"A: 1\r\n b\r\n\tc\r\nB:\r\n\r\n\r\n", "A: 1\r\n b\r\n\tc|B:", "\r\n"},
		{"A: 1\n b\n\nx", "A: 1\r\n b", "x"},
		{"A: 1", "A: 1", ""},
		{"A: 1\r\n", "A: 1", ""},
		{"A: 1\r\n\r\n", "A: 1", ""},
		{"From me Mon\nA: 1\n\nx", "A: 1", "x"},
		{"Date   : x\n\nb", "Date   : x", "b"},
		{"A: 1\nnot a field\nB: 2\n", "A: 1", "not a field\nB: 2\n"},
		{"A: \xff\x00\r b\n\nx", "A: \xff\x00\r b", "x"},
		{"A: 1\r\n \r\nB: 2\r\n\r\n", "A: 1\r\n |B: 2", ""},
	} {
		l, body, err := Parse([]byte(c.in))
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		var got []string
		for i := range l.Len() {
			got = append(got, string(l.At(i).Raw))
		}
		if strings.Join(got, "|") != c.fields || string(body) != c.body {
			t.Errorf("%q: %q, body %q", c.in, got, body)
		}
	}
	for _, in := range []string{"", "\r\nbody", "hello world", " A: 1\r\n", "\x00\x01", ": x\n"} {
		if _, _, err := Parse([]byte(in)); !errors.Is(err, ErrNoFields) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestPicker(t *testing.T) {
	var l List
	for _, raw := range []string{"To: 0", "From: 1", "tO: 2", "To : 3", "Subject: 4"} {
		l.AddRaw([]byte(raw))
	}
	var x Index
	x.Build(&l)
	p := new(Picker)
	p.Reset(&x)
	for _, c := range []struct {
		name string
		want int
	}{{"to", 3}, {"From", 1}, {"TO", 2}, {"Cc", -1}, {"to", 0}, {"to", -1}, {"to", -1}, {"from", -1}, {"", -1}} {
		if i, ok := p.Pick(c.name); i != c.want || ok != (c.want >= 0) {
			t.Errorf("%q: %d, want %d", c.name, i, c.want)
		}
	}
	p.Reset(&x)
	p.Exclude(3)
	for _, want := range []int{2, 0, -1} {
		if i, _ := p.Pick("To"); i != want {
			t.Errorf("without field 3: %d, want %d", i, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { x.Build(&l); p.Reset(&x); p.Pick("to") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	l.AddRaw([]byte("To: 5"))
	x.Build(&l)
	p.Reset(&x)
	if i, _ := p.Pick("to"); i != 5 {
		t.Errorf("picked %d of a list that has grown", i)
	}
	var empty List
	if _, ok := NewPicker(&empty).Pick("x"); ok {
		t.Error("picked from nothing")
	}
}

// TestPickerIsLinear gives it many names, many of one name, and names with the
// same beginning.
// TestIndexFollowsItsList: one index serves list after list, each changed while it does,
// and picks what is there.
func TestIndexFollowsItsList(t *testing.T) {
	var l List
	var x Index
	var p Picker
	lowest := map[string]int{}
	holds := func(what string) {
		t.Helper()
		x.Build(&l)
		p.Reset(&x)
		for _, name := range []string{"A", "b", "c", "n0", "n39", "n200"} {
			want, found := lowest[name]
			if !found {
				want = -1
			}
			if i, ok := p.Pick(name); i != want || ok != found {
				t.Fatalf("%s: %s is %d, %v, want %d", what, name, i, ok, want)
			}
		}
	}
	for _, n := range []int{40, 3, 300, 0, 40} {
		l.Reset()
		clear(lowest)
		holds("nothing")
		l.Add([]byte("a"), []byte("1"), true)
		lowest["A"] = 0
		holds("Add")
		l.AddRaw([]byte("B: 2"))
		lowest["b"] = 1
		holds("AddRaw")
		for i := range n {
			l.Add(fmt.Appendf(nil, "N%d", i), nil, true)
			lowest[fmt.Sprint("n", i)] = 2 + i
		}
		holds("many")
	}
}

// TestLargeHeadersAreForgotten: one header of unusual size does not take memory for ever,
// and a usual one is not asked for again.
func TestLargeHeadersAreForgotten(t *testing.T) {
	for fields, kept := range map[int]bool{20: true, 2000: false} {
		var l List
		var x Index
		var p Picker
		for range fields {
			l.AddRaw([]byte("A: " + strings.Repeat("a", 40)))
		}
		x.Build(&l)
		p.Reset(&x)
		l.Reset()
		x.Release()
		p.Release()
		for what, n := range map[string]int{"octets": cap(l.buf), "fields": cap(l.fields), "slots": cap(x.slots),
			"above": cap(x.above), "next": cap(p.next)} {
			if n > 0 != kept {
				t.Errorf("%d fields: room for %d %s is kept", fields, n, what)
			}
		}
		if x.list != nil || p.index != nil {
			t.Error("the list is held")
		}
	}
}

// A name ends at the first colon (RFC 5322 §2.2), wherever it came from.
func TestNameEndsAtColon(t *testing.T) {
	var l List
	l.Add([]byte(":a"), []byte("b"), false)
	l.AddRaw([]byte(":c"))
	l.AddRaw([]byte("D:e"))
	for i, want := range []string{"=a: b", "=c", "D=e"} {
		if got := string(l.At(i).Name()) + "=" + string(l.At(i).Value()); got != want {
			t.Errorf("field %d is %q, want %q", i, got, want)
		}
	}
	if _, i, ok := l.Last(""); i != 1 || !ok {
		t.Error("last without a name is", i, ok)
	}
	var one List
	one.AddRaw([]byte("A: b"))
	if f, i, ok := one.Last("a"); i != 0 || !ok || string(f.Value()) != " b" {
		t.Error("the only field is not the last:", i, ok)
	}
}

func TestPickerIsLinear(t *testing.T) {
	for what, name := range map[string]func(i int) string{
		"different": func(i int) string { return "x" + strconv.Itoa(i) },
		// As long as each other, with the first 64 octets the same.
		"the same beginning": func(i int) string { return strings.Repeat("x", 64) + strconv.Itoa(100000+i) },
		"the same":           func(int) string { return "x" },
	} {
		var l List
		for i := range 30000 {
			l.Add([]byte(name(i)), nil, true)
		}
		start := testutil.ProcessorTime(t)
		p := NewPicker(&l)
		for i := 29999; i >= 0; i-- {
			if got, ok := p.Pick(name(i)); !ok || got != i {
				t.Fatalf("%s: picked %d, %v, want %d", what, got, ok, i)
			}
			p.Pick("absent")
		}
		if d := testutil.ProcessorTime(t) - start; d > 2*time.Second {
			t.Errorf("%s: %v", what, d)
		}
	}
}

func FuzzList(f *testing.F) {
	for _, s := range []string{"A: 1\r\nB: 2\r\n x\r\n\r\nbody", "From me\nA: 1\n\n", "A: 1\nxx", "\r\n", "A:\r\r\n \n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		l, body, err := Parse(message)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(message, body) {
			t.Fatal("the body is no part of the message")
		}
		var again bytes.Buffer
		for i := range l.Len() {
			f := l.At(i)
			if n := bytes.Count(f.Raw, []byte("\n")); n != bytes.Count(f.Raw, []byte("\r\n")) || bytes.HasSuffix(f.Raw, []byte("\n")) {
				t.Fatalf("line ends of %q", f.Raw)
			}
			again.Write(f.Raw)
			again.WriteString("\r\n")
		}
		again.WriteString("\r\n")
		m, rest, err := Parse(again.Bytes())
		if err != nil || len(rest) != 0 || m.Len() != l.Len() {
			t.Fatalf("%q again: %v, %d fields of %d, rest %q", again.Bytes(), err, m.Len(), l.Len(), rest)
		}
		p := NewPicker(l)
		for i := l.Len() - 1; i >= 0; i-- {
			if got, ok := p.Pick(string(l.At(i).Name())); !ok || got != i {
				t.Fatalf("field %d picked as %d", i, got)
			}
		}
	})
}
