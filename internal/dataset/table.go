package dataset

import (
	"context"
	"hash/maphash"
	"strings"
)

// table is a set read whole and looked up by exact key: csl and file.
type table struct {
	rows
	index    index
	fold     bool
	repeated int // rows whose key an earlier row has
}

func newTable(r *rows, foldCase bool) *table {
	t := &table{rows: *r, fold: foldCase, index: newIndex(r.Len())}
	for i := range int32(r.Len()) {
		key := r.key(i)
		hash := t.hash(key)
		slot, found := t.index.find(hash, func(row int32) bool { return t.same(r.key(row), key) })
		// Compat(opendkim 2.11): of two rows with one key the first counts.
		if found {
			t.repeated++
		} else {
			t.index.set(slot, hash, i)
		}
	}
	return t
}

func (t *table) hash(key string) uint64 {
	if t.fold {
		return t.index.hashFolded(key)
	}
	return maphash.String(t.index.seed, key)
}

func (t *table) same(a, b string) bool {
	return a == b || t.fold && equalFolded(a, b)
}

// find returns the row of a key, none when there is none.
func (t *table) find(key string) int32 {
	if t.Len() == 0 {
		return none
	}
	slot, found := t.index.find(t.hash(key), func(row int32) bool { return t.same(t.key(row), key) })
	if !found {
		return none
	}
	return t.index.rows[slot]
}

// eachHidden calls f with each row whose key an earlier row has, in order.
func (t *table) eachHidden(f func(row, by int32)) {
	if t.repeated == 0 {
		return
	}
	for i := range int32(t.Len()) {
		if by := t.find(t.key(i)); by != i {
			f(i, by)
		}
	}
}

// expect is find for whoever looks keys up in the order of the table, as far as
// they can tell: guess is the row that is looked at first.
func (t *table) expect(key string, guess int32) int32 {
	if int(guess) < t.Len() && t.key(guess) == key && t.repeated == 0 {
		return guess
	}
	return t.find(key)
}

// Pair is a key with its stored value, columns separated by colons.
type Pair struct{ Key, Value string }

// NewTable makes a set in memory of rows read elsewhere.
func NewTable(source string, pairs []Pair, foldCase bool) Set {
	return newTable(&rows{source: source, pairs: pairs}, foldCase)
}

func openFile(name string, o Options) (Set, error) {
	r, err := readRows(name, o)
	if err != nil {
		return nil, err
	}
	return newTable(r, o.FoldCase), nil
}

func readRows(name string, o Options) (*rows, error) {
	text, err := readText(name, o)
	if err != nil {
		return nil, err
	}
	return parseRows(name, text, o)
}

// openList reads "a,b,x=y". Blanks around elements are dropped, a value starts
// after the first equals sign.
func openList(list string, o Options) *table {
	r := &rows{}
	number := uint32(0)
	for element := range strings.SplitSeq(list, ",") {
		number++
		if element = strings.TrimFunc(element, isBlank); element == "" {
			continue
		}
		key, value, _ := strings.Cut(element, "=")
		r.lines = append(r.lines, number)
		r.pairs = append(r.pairs, Pair{strings.TrimFunc(key, isBlank), strings.TrimFunc(value, isBlank)})
	}
	return newTable(r, o.FoldCase)
}

func (t *table) Lookup(_ context.Context, key string, columns int) ([]string, error) {
	i := t.find(key)
	if i == none {
		return nil, ErrNotFound
	}
	if columns == 0 {
		return nil, nil
	}
	p, _ := t.Row(int(i))
	return Split(p.Value, columns), nil
}

// line is the line of the row that answers key, 0 when there is none.
func (t *table) line(key string) int {
	if i := t.find(key); i != none {
		return t.lineAt(i)
	}
	return 0
}
