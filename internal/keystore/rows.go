package keystore

import (
	"context"
	"errors"
	"fmt"

	"dojang/internal/dataset"
)

// TableRow is a row of a KeyTable as the table lists it.
type TableRow struct {
	Name string // in the KeyTable
	Row         // zero where Err is set
	// Place is "FILE:LINE", or the table's name where rows have no lines.
	Place string
	Line  int
	// Err is why it is no row of a KeyTable. It shows nothing of a key.
	Err error
}

// Rows calls f with every row of a table of any type that can list its rows, in
// their order, until f returns an error, which it returns. Malformed rows are
// among them. place names the table where its rows have no lines. It returns
// dataset.ErrNoWalk for a table that cannot list its rows: such a one can be
// asked for names with Store.Row.
func Rows(ctx context.Context, table dataset.Set, place string, f func(TableRow) error) error {
	source := ""
	if local, ok := table.(dataset.Local); ok {
		source = local.Source()
	}
	return dataset.Walk(ctx, table, func(e dataset.Entry) error {
		row := TableRow{Name: e.Key, Place: place, Line: e.Line}
		if source != "" {
			row.Place = fmt.Sprintf("%s:%d", source, e.Line)
		}
		row.Row, row.Err = ParseRow(e.Values)
		return f(row)
	})
}

// Row returns the row of a KeyTable's name, as it stands there. Errors are *Error.
func (s *Store) Row(ctx context.Context, name string) (Row, error) {
	values, err := s.table.Lookup(ctx, name, columns)
	if errors.Is(err, dataset.ErrNotFound) {
		return Row{}, &Error{Name: name, Text: "signing table references unknown key '" + shown(name) + "'",
			Class: Configuration, Err: err, NotFound: true}
	}
	if err != nil {
		class := Configuration
		if dataset.IsTemporary(err) {
			class = Temporary
		}
		return Row{}, &Error{Name: name, Text: "KeyTable: " + err.Error(), Class: class, Err: err}
	}
	row, err := ParseRow(values)
	if err != nil {
		return Row{}, corrupt(name, err)
	}
	return row, nil
}

func corrupt(name string, err error) *Error {
	return &Error{Name: name, Text: "KeyTable entry for '" + shown(name) + "' corrupt", Hint: err.Error(), Class: Configuration, Err: err}
}
