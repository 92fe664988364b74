package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// row is one line of a table, a view into the text the file was read into.
type row struct {
	key, value string
	line       int32
}

func (r row) entry(columns int) Entry {
	return Entry{Key: r.key, Values: split(r.value, columns), Line: int(r.line)}
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
	if info.IsDir() {
		return "", &Error{Set: path, Err: errors.New("is a directory")}
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

// eachLine calls f with each line of text, without its line end.
func eachLine(path, text string, o Options, f func(line string, number int32) error) error {
	text = strings.TrimPrefix(text, "\ufeff")
	for number := int32(1); text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if len(line) > o.MaxLineBytes {
			return &Error{Set: fmt.Sprintf("%s:%d", path, number), Err: fmt.Errorf("line is longer than %d bytes", o.MaxLineBytes)}
		}
		if i := strings.IndexByte(line, 0); i >= 0 {
			return &Error{Set: fmt.Sprintf("%s:%d", path, number), Err: fmt.Errorf("line contains a NUL byte: %s", problem.Quote(line))}
		}
		if err := f(line, number); err != nil {
			return err
		}
	}
	return nil
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

// parseRows reads a table of "key value" lines.
func parseRows(path, text string, o Options) ([]row, error) {
	rows := make([]row, 0, strings.Count(text, "\n")+1)
	err := eachLine(path, text, o, func(line string, number int32) error {
		key, value, ok := parseRow(line)
		if !ok {
			return nil
		}
		if len(rows) == o.MaxRows {
			return &Error{Set: path, Err: fmt.Errorf("more than %d rows", o.MaxRows)}
		}
		rows = append(rows, row{key, value, number})
		return nil
	})
	return rows, err
}

// fold returns s with ASCII capitals made small, s itself if it has none.
func fold(s string) string {
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

func walkRows(ctx context.Context, rows []row, f func(Entry) error) error {
	for i, r := range rows {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f(r.entry(-1)); err != nil {
			return err
		}
	}
	return nil
}
