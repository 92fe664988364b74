package dataset

import (
	"context"
	"strings"
)

// table is a set read whole and looked up by exact key: csl and file.
type table struct {
	source string
	rows   []row
	index  map[string]int32 // folded key → its first row
	fold   bool
}

func newTable(source string, rows []row, foldCase bool) *table {
	t := &table{source: source, rows: rows, fold: foldCase, index: make(map[string]int32, len(rows))}
	for i, r := range rows {
		key := r.key
		if foldCase {
			key = fold(key)
		}
		// Compat(opendkim 2.11): of two rows with one key the first counts.
		if _, ok := t.index[key]; !ok {
			t.index[key] = int32(i)
		}
	}
	return t
}

// Pair is a key with its stored value, columns separated by colons.
type Pair struct{ Key, Value string }

// NewTable makes a set in memory of rows read elsewhere.
func NewTable(source string, pairs []Pair, foldCase bool) Set {
	rows := make([]row, len(pairs))
	for i, p := range pairs {
		rows[i] = row{p.Key, p.Value, int32(i + 1)}
	}
	return newTable(source, rows, foldCase)
}

func openFile(name string, o Options) (Set, error) {
	path := o.path(name)
	text, err := readText(path, o)
	if err != nil {
		return nil, err
	}
	rows, err := parseRows(path, text, o)
	if err != nil {
		return nil, err
	}
	return newTable(path, rows, o.FoldCase), nil
}

// openList reads "a,b,x=y". Blanks around elements are dropped, a value starts
// after the first equals sign.
func openList(list string, o Options) *table {
	var rows []row
	for i, element := range strings.Split(list, ",") {
		element = strings.TrimFunc(element, isBlank)
		if element == "" {
			continue
		}
		key, value, _ := strings.Cut(element, "=")
		rows = append(rows, row{strings.TrimFunc(key, isBlank), strings.TrimFunc(value, isBlank), int32(i + 1)})
	}
	return newTable("", rows, o.FoldCase)
}

func (t *table) Lookup(_ context.Context, key string, columns int) ([]string, error) {
	if t.fold {
		key = fold(key)
	}
	i, ok := t.index[key]
	if !ok {
		return nil, ErrNotFound
	}
	return split(t.rows[i].value, columns), nil
}

func (t *table) Walk(ctx context.Context, f func(Entry) error) error {
	return walkRows(ctx, t.rows, f)
}

func (t *table) Close() error   { return nil }
func (t *table) Source() string { return t.source }
func (t *table) Len() int       { return len(t.rows) }

// line is the line of the row that answers key, 0 when there is none.
func (t *table) line(key string) int {
	if t.fold {
		key = fold(key)
	}
	if i, ok := t.index[key]; ok {
		return int(t.rows[i].line)
	}
	return 0
}
