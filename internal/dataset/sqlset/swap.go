package sqlset

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/problem"
)

// Swap implements dataset.Swapper: one transaction, in which each statement names the
// values that the row is expected to have and must touch exactly one row.
func (s *Set) Swap(ctx context.Context, changes []dataset.Change) error {
	db, err := s.writable()
	if err != nil {
		return s.failure(err)
	}
	if db != s.db {
		defer db.Close()
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, c := range changes {
		if err := s.swap(ctx, tx, c); err != nil {
			return err
		}
	}
	return s.failure(tx.Commit())
}

// writable is the database for writing, which SQLite's is not as it is looked into.
func (s *Set) writable() (*sql.DB, error) {
	if s.dsn.Backend != "sqlite3" {
		return s.db, nil
	}
	return s.dsn.sqliteMode("rw", s.options)
}

func (s *Set) swap(ctx context.Context, tx *sql.Tx, c dataset.Change) error {
	was, err := s.columns(c.Old)
	if err != nil {
		return err
	}
	with, err := s.columns(c.New)
	if err != nil {
		return err
	}
	b := &statement{dsn: s.dsn}
	switch {
	case c.Old == nil:
		return s.insert(ctx, tx, c.Key, with)
	case c.New == nil:
		b.text.WriteString("DELETE FROM " + s.dsn.Table)
	default:
		b.text.WriteString("UPDATE " + s.dsn.Table + " SET ")
		for i, column := range s.dsn.Columns {
			if with[i] == nil {
				continue // it has no value, and gets none
			}
			if i > 0 {
				b.text.WriteString(", ")
			}
			b.equals(column, with[i])
		}
	}
	b.text.WriteString(" WHERE ")
	b.equals(s.dsn.KeyColumn, c.Key)
	for i, column := range s.dsn.Columns {
		b.text.WriteString(" AND ")
		b.equals(column, was[i])
	}
	if s.dsn.Filter != "" {
		b.text.WriteString(" AND " + s.dsn.filter())
	}
	return s.one(ctx, tx, c.Key, b)
}

// insert adds a row where there is none of that key.
func (s *Set) insert(ctx context.Context, tx *sql.Tx, key string, values []any) error {
	var n int
	err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+s.dsn.Table+" WHERE "+s.dsn.KeyColumn+" = "+s.dsn.placeholder(1), key).Scan(&n)
	if err != nil {
		return s.failure(err)
	}
	if n > 0 {
		return fmt.Errorf("%s: %s: %w", s.dsn, problem.Quote(key), dataset.ErrChanged)
	}
	b := &statement{dsn: s.dsn}
	b.text.WriteString("INSERT INTO " + s.dsn.Table + " (" + s.dsn.KeyColumn + ", " + strings.Join(s.dsn.Columns, ", ") + ") VALUES (")
	b.value(key)
	for _, v := range values {
		b.text.WriteString(", ")
		b.value(v)
	}
	b.text.WriteString(")")
	return s.one(ctx, tx, key, b)
}

// one executes a statement that must touch one row.
func (s *Set) one(ctx context.Context, tx *sql.Tx, key string, b *statement) error {
	result, err := tx.ExecContext(ctx, b.text.String(), b.args...)
	if err != nil {
		return s.failure(err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(s.failure(err), fmt.Errorf("%s: %s: %w", s.dsn, problem.Quote(key), dataset.ErrChanged))
	}
	return nil
}

// columns are values as the table has them: one for each column, or all in one.
func (s *Set) columns(values []string) ([]any, error) {
	if values == nil {
		return nil, nil
	}
	n := len(s.dsn.Columns)
	if n == 1 {
		return []any{strings.Join(values, ":")}, nil
	}
	if len(values) > n {
		return nil, fmt.Errorf("%s: the table has %d columns and the row %d values", s.dsn, n, len(values))
	}
	columns := make([]any, n) // NULL where the row has no value
	for i, v := range values {
		columns[i] = v
	}
	return columns, nil
}

// statement is SQL in the making; values are bound, never written into it.
type statement struct {
	dsn  DSN
	text strings.Builder
	args []any
}

func (b *statement) value(v any) {
	b.args = append(b.args, v)
	b.text.WriteString(b.dsn.placeholder(len(b.args)))
}

// equals compares or sets a column; a NULL counts as "" where it is compared.
func (b *statement) equals(column string, v any) {
	if v == nil {
		b.text.WriteString("(" + column + " IS NULL OR " + column + " = '')")
		return
	}
	b.text.WriteString(column + " = ")
	b.value(v)
}
