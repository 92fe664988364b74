package dataset

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// TextTable is a data set that is a text file, to which rows can be appended.
type TextTable struct {
	Path     string
	Patterns bool // refile:
}

// TextTableOf returns the file behind a data set's name, and false for a name of
// another type of set, whose rows are added by its own means.
func TextTableOf(spec string) (TextTable, bool) {
	s, err := ParseSpec(spec)
	if err != nil || s.Type != TypeFile && s.Type != TypePatterns {
		return TextTable{}, false
	}
	return TextTable{Path: s.Args, Patterns: s.Type == TypePatterns}, true
}

// read is the table's text, "" for a file that is not there.
func (t TextTable) read() (string, error) {
	text, err := readText(t.Path, Options{}.withDefaults())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return text, err
}

// Find returns the values and lines of the rows of a key, in their order. Case
// counts for nothing: two keys that differ by it alone are a mistake.
func (t TextTable) Find(key string) (values []string, lines []int, err error) {
	text, err := t.read()
	if err != nil {
		return nil, nil, err
	}
	r, err := parseRows(t.Path, text, Options{}.withDefaults())
	if err != nil {
		return nil, nil, err
	}
	for i := range r.Len() {
		if p, line := r.Row(i); strings.EqualFold(p.Key, key) {
			values, lines = append(values, p.Value), append(lines, line)
		}
	}
	return values, lines, nil
}

// Preview returns what a lint finds wrong with a row if it were appended: that an
// earlier one hides it, say.
func (t TextTable) Preview(ctx context.Context, row Pair, o Options, lint func(context.Context, Set) problem.List) (problem.List, error) {
	o = o.withDefaults()
	text, err := t.read()
	if err != nil {
		return nil, err
	}
	text += lineEnd(text) + row.Key + " " + row.Value + "\n"
	r, err := parseRows(t.Path, text, o)
	if err != nil || r.Len() == 0 {
		return nil, err
	}
	var set Set = newTable(r, o.FoldCase)
	if t.Patterns {
		set = compile(r)
	}
	var found problem.List
	for _, p := range lint(ctx, set) {
		if p.Line == r.lineAt(int32(r.Len()-1)) {
			found = append(found, p)
		}
	}
	return found, nil
}

// lineEnd is what a text lacks for a row to begin on a line of its own.
func lineEnd(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return ""
	}
	return "\n"
}

// Append adds a row with one write, on a line of its own even where the file's
// last line lacks its end. A file that is not there is made. Root follows no link that
// somebody else can change (privilege.ErrLink). Other errors are those of the file.
func (t TextTable) Append(row Pair) error {
	f, err := privilege.OpenFile(t.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	text := row.Key + " " + row.Value + "\n"
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		text = lineEnd(string(last)) + text
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Close()
}
