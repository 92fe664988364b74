package dataset

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// rows are those of a table that is read whole: one copy of its text, and where in
// it each row begins. They are not changed once they are read.
type rows struct {
	source string
	text   string   // of the file
	starts []uint32 // where each row's key begins
	lines  []uint32 // 1-based; nil where they are the rows' numbers
	pairs  []Pair   // of a list, which has no text
}

func (r *rows) all() *rows { return r }

// take adds row i of another table that has a text, the same one, without the first
// bytes of its key.
func (r *rows) take(from *rows, i int32, without int) {
	r.source, r.text = from.source, from.text
	r.lines = append(r.lines, uint32(from.lineAt(i)))
	r.starts = append(r.starts, from.starts[i]+uint32(without))
}

// Source implements Local.
func (r *rows) Source() string { return r.source }

// Len implements Local.
func (r *rows) Len() int { return max(len(r.starts), len(r.pairs)) }

// Close implements Set.
func (r *rows) Close() error { return nil }

// Row implements Local.
func (r *rows) Row(i int) (Pair, int) {
	if r.pairs != nil {
		return r.pairs[i], r.lineAt(int32(i))
	}
	line := r.text[r.starts[i]:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	key, value, _ := parseRow(line)
	return Pair{key, value}, int(r.lines[i])
}

// key is that of a row.
func (r *rows) key(i int32) string {
	if r.pairs != nil {
		return r.pairs[i].Key
	}
	text := r.text[r.starts[i]:]
	for end := range len(text) {
		if c := text[end]; c == '#' || isBlankByte(c) {
			return text[:end]
		}
	}
	return text
}

func (r *rows) lineAt(i int32) int {
	if r.lines == nil {
		return int(i) + 1
	}
	return int(r.lines[i])
}

func (r *rows) entry(i int32, columns int) Entry {
	p, line := r.Row(int(i))
	return Entry{Key: p.Key, Values: Split(p.Value, columns), Line: line}
}

// Walk implements Walker.
func (r *rows) Walk(ctx context.Context, f func(Entry) error) error {
	for i := range int32(r.Len()) {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f(r.entry(i, -1)); err != nil {
			return err
		}
	}
	return nil
}

// readText reads a whole file, bounded.
func readText(path string, o Options) (string, error) {
	f, err := privilege.Open(path)
	if err != nil {
		return "", &Error{Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", &Error{Err: err}
	}
	if info.Size() > o.MaxFileBytes {
		return "", tooBig(path, o)
	}
	var b strings.Builder
	b.Grow(int(info.Size()) + 1)
	n, err := io.Copy(&b, io.LimitReader(f, o.MaxFileBytes+1))
	if err != nil {
		return "", &Error{Err: err}
	}
	if n > o.MaxFileBytes {
		return "", tooBig(path, o)
	}
	return b.String(), nil
}

func tooBig(path string, o Options) error {
	return &Error{Set: path, Err: fmt.Errorf("file is larger than %d bytes", o.MaxFileBytes)}
}

// parseRow splits a line: a hash starts a comment anywhere, blanks around are
// dropped, the key ends at the first blank. ok is false for an empty line.
func parseRow(line string) (key, value string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimFunc(line, isBlank)
	if line == "" {
		return "", "", false
	}
	i := strings.IndexFunc(line, isBlank)
	if i < 0 {
		return line, "", true
	}
	return line[:i], strings.TrimLeftFunc(line[i:], isBlank), true
}

// isBlank is C's isspace.
func isBlank(r rune) bool {
	return r == ' ' || (r >= '\t' && r <= '\r')
}

func isBlankByte(c byte) bool { return c == ' ' || (c >= '\t' && c <= '\r') }

// parseRows reads a table of "key value" lines.
func parseRows(path, text string, o Options) (*rows, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	if int64(len(text)) > math.MaxUint32 {
		return nil, tooBig(path, o)
	}
	count := strings.Count(text, "\n") + 1
	r := &rows{source: path, text: text, starts: make([]uint32, 0, count), lines: make([]uint32, 0, count)}
	hasNUL := strings.IndexByte(text, 0) >= 0
	for at, number := 0, uint32(1); at < len(text); number++ {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at
		}
		line := text[at : at+end]
		if len(line) > o.MaxLineBytes {
			return nil, &Error{Set: fmt.Sprintf("%s:%d", path, number), Err: fmt.Errorf("line is longer than %d bytes", o.MaxLineBytes)}
		}
		if hasNUL && strings.IndexByte(line, 0) >= 0 {
			return nil, &Error{Set: fmt.Sprintf("%s:%d", path, number),
				Err:  fmt.Errorf("line contains a NUL byte: %s", problem.Quote(line)),
				Hint: "it is no text, or in UTF-16: iconv -f UTF-16 -t UTF-8 " + path}
		}
		start := 0
		for start < len(line) && isBlankByte(line[start]) {
			start++
		}
		if start < len(line) && line[start] != '#' {
			if len(r.starts) == o.MaxRows {
				return nil, &Error{Set: path, Err: fmt.Errorf("more than %d rows", o.MaxRows)}
			}
			r.starts, r.lines = append(r.starts, uint32(at+start)), append(r.lines, number)
		}
		at += end + 1
	}
	return r, nil
}

// Fold returns s with ASCII capitals made small, s itself if it has none.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
