package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/problem"
)

// batchRows is how many rows are asked for at once.
const batchRows = 200

// Target is a database that tables go into.
type Target struct {
	URL     string // dsn:... or redis:...
	DryRun  bool   // tell what would be, and write nothing
	Replace bool   // write over rows that are there with other values
	// Progress is told how many rows are written; nil for nobody.
	Progress func(done, all int)
}

// Kind is what failed of an import.
type Kind uint8

// The kinds of failures.
const (
	Unavailable Kind = iota // the database could not be asked, or ended it
	BadTarget               // no such target, or none that can be written
	BadRow                  // the database refused a row
)

// Failure is why nothing, or not all, was written.
type Failure struct {
	Kind Kind
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

func failf(kind Kind, format string, args ...any) error {
	return &Failure{kind, fmt.Errorf(format, args...)}
}

// Write writes the tables into the target's database. Where a row is there with
// other values, nothing is written without Replace: Tally.Stays tells.
func (t Tables) Write(ctx context.Context, to Target) (*Tally, error) {
	if to.Progress == nil {
		to.Progress = func(int, int) {}
	}
	n := &Tally{dryRun: to.DryRun, replace: to.Replace}
	if strings.HasPrefix(to.URL, "dsn:") {
		return n, t.intoSQL(ctx, to, n)
	}
	return n, t.intoRedis(ctx, to, n)
}

// Tally is what became of the rows, or would.
type Tally struct {
	added, changed, unchanged int
	differ                    []string // the first of those changed
	dryRun, replace           bool
}

// maxTold bounds the rows that are told by name.
const maxTold = 20

// change counts a row that is there with other values.
func (n *Tally) change(format string, args ...any) {
	if n.changed++; n.changed <= maxTold {
		n.differ = append(n.differ, "  "+fmt.Sprintf(format, args...))
	}
}

// Told are the rows that are there with other values, a line each.
func (n *Tally) Told() string {
	if n.changed == 0 {
		return ""
	}
	text := "\n" + strings.Join(n.differ, "\n")
	if more := n.changed - len(n.differ); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}

func (n *Tally) String() string {
	return fmt.Sprintf("%d new, %d changed, %d unchanged", n.added, n.changed, n.unchanged)
}

// Changed is how many rows are there with other values.
func (n *Tally) Changed() int { return n.changed }

// Refused reports whether nothing is written because of the rows that are there
// with other values.
func (n *Tally) Refused() bool { return n.changed > 0 && !n.replace }

// stays reports whether nothing is written at all.
func (n *Tally) stays() bool { return n.dryRun || n.Refused() }

// intoSQL fills the tables of a database, all rows or none.
func (t Tables) intoSQL(ctx context.Context, to Target, n *Tally) error {
	keyTable, _ := DSNs(to.URL)
	db, backend, err := sqlset.OpenDB(strings.TrimPrefix(keyTable, "dsn:"))
	if err != nil {
		return failf(BadTarget, "%w", err)
	}
	defer db.Close()
	if backend == "sqlite3" {
		return failf(BadTarget, "SQLite files are filled by their own client: dojang import --to sql | sqlite3 FILE")
	}
	create, rows := t.statements()
	into := sqlImport{Tally: n, numbered: backend == "pgsql", missing: map[string]bool{}}
	if err := into.tables(ctx, db, create, rows); err != nil {
		return failf(Unavailable, "%w", sqlset.Failure("", err))
	}
	if into.tx, err = db.BeginTx(ctx, nil); err != nil {
		return failf(Unavailable, "%s", err)
	}
	defer func() { _ = into.tx.Rollback() }() // does nothing once the rows are there
	for from, end := 0, 0; from < len(rows); from = end {
		for end < len(rows) && end-from < batchRows && rows[end].Table == rows[from].Table {
			end++
		}
		if err := into.rows(ctx, rows[from:end]); err != nil {
			return err
		}
		to.Progress(end, len(rows))
	}
	if n.stays() {
		return nil
	}
	if err := into.tx.Commit(); err != nil {
		return failf(Unavailable, "nothing was written: %s", err)
	}
	return nil
}

// sqlImport is an import into a database at work.
type sqlImport struct {
	*Tally
	tx       *sql.Tx
	numbered bool            // placeholders
	missing  map[string]bool // tables, in a dry run
}

// tables makes the tables, or in a dry run finds which there are.
func (i *sqlImport) tables(ctx context.Context, db *sql.DB, create []string, rows []row) error {
	if !i.dryRun {
		for _, statement := range create {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range rows {
		if _, known := i.missing[r.Table]; known {
			continue
		}
		_, err := db.ExecContext(ctx, "SELECT 1 FROM "+r.Table+" WHERE 1 = 0")
		if err != nil && !sqlset.IsMissingTable(err) {
			return err
		}
		i.missing[r.Table] = err != nil
	}
	return nil
}

// rows writes rows of one table where they are new, or changed and to be replaced.
func (i *sqlImport) rows(ctx context.Context, rows []row) error {
	there, err := i.stored(ctx, rows)
	if err != nil {
		return failf(Unavailable, "nothing was written: %s", err)
	}
	for _, r := range rows {
		statement, args := "", values(r.Values)
		if old := there.row(r.Values[0]); old == nil {
			i.added++
			statement = r.Insert(i.numbered)
		} else if columns := r.differences(old); len(columns) > 0 {
			i.change("%s %s: %s", r.Table, problem.Quote(r.Values[0]), strings.Join(columns, ", "))
			if i.replace {
				statement, args = r.Update(i.numbered), append(args, old[0])
			}
		} else {
			i.unchanged++
		}
		if statement == "" || i.dryRun {
			continue
		}
		if _, err := i.tx.ExecContext(ctx, statement, args...); err != nil {
			return failf(BadRow, "nothing was written: row %q of %s: %s", r.Values[0], r.Table, err)
		}
	}
	return nil
}

// storedRows are rows of a database: those with the very keys that were asked for,
// and those that the server takes for the same ones, by their keys in small letters.
type storedRows struct{ same, alike map[string][]string }

// row is the row of a key, nil when there is none.
func (s storedRows) row(key string) []string {
	if row := s.same[key]; row != nil {
		return row
	}
	return s.alike[dataset.Fold(key)]
}

func (i *sqlImport) stored(ctx context.Context, rows []row) (storedRows, error) {
	there := storedRows{map[string][]string{}, map[string][]string{}}
	if i.missing[rows[0].Table] {
		return there, nil
	}
	keys := make([]string, len(rows))
	for j, r := range rows {
		keys[j] = r.Values[0]
	}
	found, err := i.tx.QueryContext(ctx, rows[0].Select(len(keys), i.numbered), values(keys)...)
	if err != nil {
		return there, err
	}
	defer found.Close()
	texts := make([]sql.NullString, len(rows[0].Columns))
	into := make([]any, len(texts))
	for j := range texts {
		into[j] = &texts[j]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return there, err
		}
		row := make([]string, len(texts))
		for j, text := range texts {
			row[j] = text.String
		}
		if slices.Contains(keys, row[0]) {
			there.same[row[0]] = row
		} else {
			there.alike[dataset.Fold(row[0])] = row
		}
	}
	return there, found.Err()
}

func values(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}
