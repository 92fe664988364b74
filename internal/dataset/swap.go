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
	for len(changes) > 0 { // each time those whose keys differ
		byKey := map[string]*swapped{}
		n := 0
		for ; n < len(changes) && byKey[changes[n].Key] == nil; n++ {
			byKey[changes[n].Key] = &swapped{Change: changes[n]}
		}
		text = swapRows(text, byKey)
		for _, c := range changes[:n] {
			switch made := byKey[c.Key]; {
			case made.unlike, c.Old != nil && made.found == 0:
				return "", fmt.Errorf("%s: %s: %w", t.Path, problem.Quote(c.Key), ErrChanged)
			case c.Old == nil:
				text += lineEnd(text) + c.Key + " " + strings.Join(c.New, ":") + "\n"
			}
		}
		changes = changes[n:]
	}
	return text, nil
}

// swapped is a Change and what came of it.
type swapped struct {
	Change
	found  int  // rows of its key
	unlike bool // one of them has other values than Old
}

// swapRows changes the rows of a table's text that are there.
func swapRows(text string, changes map[string]*swapped) string {
	var out strings.Builder
	out.Grow(len(text) + 64)
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
		c := changes[key]
		if !ok || c == nil {
			out.WriteString(line)
			continue
		}
		with := c.New
		if c.found++; with == nil {
			with = c.Old
		}
		changed, ok := replaceFields(value, c.Old, with)
		c.unlike = c.unlike || !ok
		if c.New == nil {
			out.WriteString(line[:start])
			continue
		}
		at := start + strings.Index(line[start:], key) + len(key)
		at += strings.Index(line[at:], value)
		out.WriteString(line[:at] + changed + line[at+len(value):])
	}
	return out.String()
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

// All returns the values of the rows of each key, split at most columns times, as the file
// has them now.
func (t TextTable) All(columns int) (map[string][][]string, error) {
	text, err := t.read()
	if err != nil {
		return nil, err
	}
	r, err := parseRows(t.Path, text, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	all := make(map[string][][]string, r.Len())
	for i := range r.Len() {
		p, _ := r.Row(i)
		fields := Split(p.Value, columns)
		for i := range fields {
			fields[i] = strings.TrimFunc(fields[i], isBlank)
		}
		all[p.Key] = append(all[p.Key], slices.Clip(fields))
	}
	return all, nil
}
