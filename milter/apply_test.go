package milter

import (
	"strings"
	"testing"
)

// TestApplyToAnyText: fields end at a line end that no blank follows, the header at an
// empty line (RFC 5322 §2.1), and a text without either is all header. What is added has
// the line ends of the message.
func TestApplyToAnyText(t *testing.T) {
	add := []Edit{{Kind: ReplyAddHeader, Name: "X", Value: " y\n z"}}
	for raw, want := range map[string]string{
		"A: b\r\n\r\nc\r\n":         "A: b\r\nX: y\r\n z\r\n\r\nc\r\n",
		"A: b\n\nc\n":               "A: b\nX: y\n z\n\nc\n",
		"A: b\r\n\tc\r\n d\r\n\r\n": "A: b\r\n\tc\r\n d\r\nX: y\r\n z\r\n\r\n",
		"A: b\n":                    "A: b\nX: y\n z\n\n",
		"A: b":                      "A: b\nX: y\n z\n\n",
		"A: b\n c":                  "A: b\n c\nX: y\n z\n\n",
		"\r\nc\r\n":                 "X: y\r\n z\r\n\r\nc\r\n",
		"\nc\n":                     "X: y\n z\n\nc\n",
		"\n\nc":                     "X: y\n z\n\n\nc",
		"\n":                        "X: y\n z\n\n",
		"\r\n":                      "X: y\r\n z\r\n\r\n",
		"":                          "X: y\n z\n\n",
		"\rA: b\n\nc":               "X: y\n z\n\n\rA: b\n\nc", // what is no field is of the body
		"\r":                        "X: y\n z\n\n\r",
		"no: field\nhas blanks\n":   "no: field\nX: y\n z\n\nhas blanks\n",
		"From a b\nA: b\n\nc":       "A: b\nX: y\n z\n\nc",
		"A: b\n\r\nc":               "A: b\nX: y\n z\n\nc",
	} {
		if got := string(Apply([]byte(raw), add)); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// TestApplyAsPostfix: places and counts as Postfix 3.7 takes them (cleanup_milter.c):
// a field that it puts on top itself is the first, names are compared without case, and
// what is not there is added when it is changed.
func TestApplyAsPostfix(t *testing.T) {
	const fields = "A: 1|B: 2|a: 3"
	insert := func(i uint32) Edit { return Edit{Kind: ReplyInsertHeader, Index: i, Name: "X", Value: " y"} }
	change := func(i uint32, name, value string) Edit {
		return Edit{Kind: ReplyChangeHeader, Index: i, Name: name, Value: value}
	}
	body := func(text string) Edit { return Edit{Kind: ReplyReplaceBody, Value: text} }
	for _, c := range []struct {
		edits []Edit
		want  string
	}{
		{nil, fields + "||body"},
		{[]Edit{insert(0)}, "X: y|" + fields + "||body"},
		{[]Edit{insert(1)}, "X: y|" + fields + "||body"},
		{[]Edit{insert(2)}, "A: 1|X: y|B: 2|a: 3||body"},
		{[]Edit{insert(4)}, fields + "|X: y||body"},
		{[]Edit{insert(5)}, fields + "|X: y||body"},
		{[]Edit{insert(1 << 31)}, fields + "|X: y||body"},
		{[]Edit{insert(0), insert(2)}, "X: y|X: y|" + fields + "||body"},
		{[]Edit{change(0, "a", " 9")}, "a: 9|B: 2|a: 3||body"},
		{[]Edit{change(1, "A", " 9")}, "A: 9|B: 2|a: 3||body"},
		{[]Edit{change(2, "A", " 9")}, "A: 1|B: 2|A: 9||body"},
		{[]Edit{change(3, "A", " 9")}, fields + "|A: 9||body"},
		{[]Edit{change(1, "C", " 9")}, fields + "|C: 9||body"},
		{[]Edit{change(1, "A", "")}, "B: 2|a: 3||body"},
		{[]Edit{change(2, "A", "")}, "A: 1|B: 2||body"},
		{[]Edit{change(3, "A", "")}, fields + "||body"},
		{[]Edit{change(1, "A", ""), change(1, "A", "")}, "B: 2||body"},
		{[]Edit{change(1, "", "")}, fields + "||body"},
		{[]Edit{change(1, "", " 9")}, fields + "|: 9||body"},
		{[]Edit{body("one")}, fields + "||one"},
		{[]Edit{body("one"), insert(0), body(" two")}, "X: y|" + fields + "||one two"},
		{[]Edit{body("")}, fields + "||"},
		{[]Edit{{Kind: ReplyAddRcpt, Name: "X", Value: "a@b"}, {Kind: ReplyQuarantine, Value: "x"}}, fields + "||body"},
	} {
		raw := []byte(strings.ReplaceAll(fields+"||body", "|", "\r\n"))
		got := strings.ReplaceAll(string(Apply(raw, c.edits)), "\r\n", "|")
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.edits, got, c.want)
		}
	}
	if got := string(Apply([]byte("A : 1\nB\n\n"), []Edit{change(1, "a", " 9"), change(1, "B", "")})); got != "a: 9\n\nB\n\n" {
		t.Errorf("a blank before the colon, and no colon: %q", got)
	}
}
