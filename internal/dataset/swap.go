package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dojang/internal/atomicfile"
	"dojang/internal/problem"
)

// ErrChanged says that a row does not read any more as it was expected to.
var ErrChanged = errors.New("the row was changed meanwhile")

// A Change is what is to become of one row. A row is changed only while it has the
// values that it is expected to have.
type Change struct {
	Key string
	Old []string // the values there are; nil: no row of that key
	New []string // the values there shall be, as many as Old; nil: no row
}

// A Swapper can change its rows in place. All changes are made, or none; an error
// that is ErrChanged says that a row is another one by now and nothing was done.
// After any other error they may have been made or not.
type Swapper interface {
	Swap(ctx context.Context, changes []Change) error
}

// SwapperOf returns what changes the rows of a set that was opened from a name, nil
// for one that cannot be changed from here.
func SwapperOf(spec string, set Set) Swapper {
	if t, ok := TextTableOf(spec); ok {
		return t
	}
	for {
		if s, ok := set.(Swapper); ok {
			return s
		}
		u, ok := set.(interface{ Unwrap() Set })
		if !ok {
			return nil
		}
		set = u.Unwrap()
	}
}

// Swap implements Swapper. Nothing but the values that differ changes in the file:
// names, blanks, comments, line ends, other rows and their order stay, as do links,
// owner and mode. A row that stands twice alike is changed in both places. New rows
// come last. What somebody else writes meanwhile is kept.
func (t TextTable) Swap(_ context.Context, changes []Change) error {
	return atomicfile.Replace(t.Path, atomicfile.Options{Mode: 0o644, KeepOld: true}, func(old []byte) ([]byte, error) {
		text, err := t.swap(string(old), changes)
		return []byte(text), err
	})
}

func (t TextTable) swap(text string, changes []Change) (string, error) {
	if len(text) > int(Options{}.withDefaults().MaxFileBytes) {
		return "", tooBig(t.Path, Options{}.withDefaults())
	}
	for _, c := range changes {
		next, err := t.swapOne(text, c)
		if err != nil {
			return "", fmt.Errorf("%s: %s: %w", t.Path, problem.Quote(c.Key), err)
		}
		text = next
	}
	return text, nil
}

// swapOne makes one change in a table's text.
func (t TextTable) swapOne(text string, c Change) (string, error) {
	var out strings.Builder
	out.Grow(len(text) + 64)
	found := 0
	for rest := text; rest != ""; {
		line := rest
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		start := 0
		if out.Len() == 0 {
			start = len(line) - len(strings.TrimPrefix(line, "\ufeff"))
		}
		key, value, ok := parseRow(strings.TrimSuffix(line[start:], "\n"))
		if !ok || key != c.Key {
			out.WriteString(line)
			continue
		}
		if found++; c.New == nil {
			if !hasFields(value, c.Old) {
				return "", ErrChanged
			}
			out.WriteString(line[:start])
			continue
		}
		at := start + strings.Index(line[start:], key) + len(key)
		at += strings.Index(line[at:], value)
		changed, ok := replaceFields(value, c.Old, c.New)
		if !ok {
			return "", ErrChanged
		}
		out.WriteString(line[:at] + changed + line[at+len(value):])
	}
	switch {
	case c.Old != nil && found == 0:
		return "", ErrChanged
	case c.Old == nil:
		out.WriteString(lineEnd(text) + c.Key + " " + strings.Join(c.New, ":") + "\n")
	}
	return out.String(), nil
}

func hasFields(value string, fields []string) bool {
	_, ok := replaceFields(value, fields, fields)
	return ok
}

// replaceFields replaces the fields of a value where old and with differ. It reports
// false for a value that has other fields than old. Blanks around fields stay.
func replaceFields(value string, old, with []string) (string, bool) {
	if len(old) != len(with) {
		return "", false
	}
	var out strings.Builder
	for i, field := range old {
		trimmed := strings.TrimLeftFunc(value, isBlank)
		if !strings.HasPrefix(trimmed, field) {
			return "", false
		}
		out.WriteString(value[:len(value)-len(trimmed)])
		out.WriteString(with[i])
		value = trimmed[len(field):]
		trimmed = strings.TrimLeftFunc(value, isBlank)
		out.WriteString(value[:len(value)-len(trimmed)])
		if i == len(old)-1 {
			return out.String(), trimmed == ""
		}
		if value = trimmed; !strings.HasPrefix(value, ":") {
			return "", false
		}
		out.WriteByte(':')
		value = value[1:]
	}
	return out.String(), value == ""
}

// Rows returns the values of the rows of a key, each split at most columns times, as
// the file has them now.
func (t TextTable) Rows(key string, columns int) (rows [][]string, err error) {
	values, _, err := t.Find(key)
	for _, v := range values {
		fields := split(v, columns)
		for i := range fields {
			fields[i] = strings.TrimFunc(fields[i], isBlank)
		}
		rows = append(rows, slices.Clip(fields))
	}
	return rows, err
}
