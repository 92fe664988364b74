package policy

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestFromBase64 reads the whole alphabet of RFC 4648 §4, whatever stands between and
// lacks at the end.
func TestFromBase64(t *testing.T) {
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	for n := range all {
		encoded := base64.StdEncoding.EncodeToString(all[n:])
		for _, text := range []string{encoded, strings.TrimRight(encoded, "="), strings.Join(strings.Split(encoded, ""), "\r\n !"),
			strings.Join(strings.Split(encoded, ""), "@[`{:-_"), "=" + encoded} {
			if got := fromBase64(text); got != string(all[n:]) {
				t.Errorf("%q is %q", text, got)
			}
		}
	}
	for text, want := range map[string]string{"": "", "Y": "", "YWJjZ": "abc", "YW": "a", "YWI": "ab"} {
		if got := fromBase64(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestFromQ is RFC 2047 §4.2, with what is no escape as it stands.
func TestFromQ(t *testing.T) {
	for c := range 256 {
		for _, form := range []string{"=%02X", "=%02x", "a=%02X", "=%02Xb"} {
			text := fmt.Sprintf(form, c)
			want := strings.ReplaceAll(form, "=%02X", string([]byte{byte(c)}))
			want = strings.ReplaceAll(want, "=%02x", string([]byte{byte(c)}))
			if got := fromQ(text); got != want {
				t.Errorf("%q is %q, want %q", text, got, want)
			}
		}
	}
	for text, want := range map[string]string{"a_b": "a b", "=5F_": "_ ", "=": "=", "=4": "=4", "a=": "a=", "=G0": "=G0", "=0G": "=0G",
		"=/0": "=/0", "=:0": "=:0", "=@0": "=@0", "=`0": "=`0", "=0g": "=0g", "==40": "=@", "=4=40": "=4@"} {
		if got := fromQ(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestDecodeWords has the examples of RFC 2047 §8, and what stands beside such words.
func TestDecodeWords(t *testing.T) {
	for _, c := range []struct{ text, joined, apart string }{
		{"(=?ISO-8859-1?Q?a?=)", "(a)", "(a)"},
		{"(=?ISO-8859-1?Q?a?= b)", "(a b)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)", "(a  b)"},
		{"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)", "(a\r\n    b)"},
		{"(=?ISO-8859-1?Q?a_b?=)", "(a b)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)", "(a  b)"},
		{"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo", "If you can read this yo"},
		{" \t=?us-ascii?q?a?= b =?us-ascii?b?Yw==?= ", " \ta b c ", " \ta b c "},
		{"=?us-ascii*en?q?a?==?us-ascii?q?b?=", "ab", "ab"},
		{"no =?such?x?word?=", "no =?such?x?word?=", "no =?such?x?word?="},
		{"", "", ""},
	} {
		for joined, want := range map[bool]string{true: c.joined, false: c.apart} {
			if got, ok := decodeWords(c.text, outerWord, joined); got != want || !ok {
				t.Errorf("%q, joined %v: %q, %v, want %q", c.text, joined, got, ok, want)
			}
		}
	}
	for charset, want := range map[string]bool{"utf-8": true, "UTF8": true, " utf-8 ": true, "'utf-8'": true,
		"windows-1252": true, "gb18030": true,
		"utf-7": false, "utf-16": false, "UTF-16LE": false, "utf-32be": false, "hz-gb-2312": false, "ebcdic": false, "cp037": false, "utf-8x": false} {
		if _, ok := decodeWords("=?"+charset+"?q?a?=", outerWord, true); ok != want {
			t.Errorf("%s: %v", charset, ok)
		}
	}
}

// TestWithoutShifts leaves out what ISO-2022 shifts to (RFC 1468, RFC 1557, RFC 1922).
func TestWithoutShifts(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                            "plain",
		"a\x1b$B;3ED\x1b(Bb":               "ab",
		"a\x1b$@;3ED\x1b(Jb":               "ab",
		"a\x1b$(D;3ED\x1b(Bb":              "ab",
		"\x1b$)C\x0e;3ED\x0fa@b":           "a@b",
		"\x1b$)C\x0e;3ED\x0fa\x0e;3\x0f@b": "a@b",
		"a\x0e;3":                          "a",
		"a\x1b":                            "a\x1b",
		"\x1b(Ba@b":                        "a@b",
		"\x1b$Ba@b":                        "",
	} {
		if got := withoutShifts(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
