package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset"
	"dojang/internal/dataset/redisset"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/migrate"
	"dojang/internal/problem"
)

// importBatch is how many rows are asked for at once.
const importBatch = 200

// rowsOf says how much is imported.
func rowsOf(t migrate.Tables) string {
	return fmt.Sprintf("%d keys and %d rows of the SigningTable", len(t.Keys), len(t.Signing))
}

// tally is what became of the rows, or would.
type tally struct {
	added, changed, unchanged int
	differ                    []string // the first of those changed
}

// maxTold bounds the rows that are told by name.
const maxTold = 20

// change counts a row that is there with other values.
func (n *tally) change(format string, args ...any) {
	if n.changed++; n.changed <= maxTold {
		n.differ = append(n.differ, "  "+fmt.Sprintf(format, args...))
	}
}

// told are the rows that are there with other values, a line each.
func (n *tally) told() string {
	if n.changed == 0 {
		return ""
	}
	text := "\n" + strings.Join(n.differ, "\n")
	if more := n.changed - len(n.differ); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}

func (n *tally) String() string {
	return fmt.Sprintf("%d new, %d changed, %d unchanged", n.added, n.changed, n.unchanged)
}

// stays reports whether nothing is to be written, and tells why.
func (o *importOptions) stays(s Streams, t migrate.Tables, n *tally) (bool, error) {
	refused := n.changed > 0 && !o.replace
	switch {
	case o.dryRun:
		fmt.Fprintf(s.Out, "%s would go to %s: %s%s\n", rowsOf(t), withoutPassword(o.to), n, n.told())
		if refused {
			fmt.Fprintln(s.Out, "because of the changed ones nothing is written without --replace")
		}
		return true, nil
	case refused:
		return true, exitf(exDataErr, "nothing was written: %d of the rows are there with other values, which --replace writes over:%s", n.changed, n.told())
	}
	return false, nil
}

// intoSQL fills the tables of a database, all rows or none.
func (o *importOptions) intoSQL(ctx context.Context, s Streams, t migrate.Tables) error {
	keyTable, _ := migrate.DSNs(o.to)
	db, backend, err := sqlset.OpenDB(strings.TrimPrefix(keyTable, "dsn:"))
	if err != nil {
		return exitf(exUsage, "--to: %s", err)
	}
	defer db.Close()
	if backend == "sqlite3" {
		return exitf(exUsage, "SQLite files are filled by their own client: dojang import --to sql | sqlite3 FILE")
	}
	create, rows := t.Statements()
	into := sqlImport{o: o, numbered: backend == "pgsql", missing: map[string]bool{}}
	if err := into.tables(ctx, db, create, rows); err != nil {
		return exitf(exUnavailable, "%s", withHint(sqlset.Failure("", err)))
	}
	if into.tx, err = db.BeginTx(ctx, nil); err != nil {
		return exitf(exUnavailable, "%s", err)
	}
	defer func() { _ = into.tx.Rollback() }() // does nothing once the rows are there
	progress := o.progress(s, "writing", len(rows))
	for from, to := 0, 0; from < len(rows); from = to {
		for to < len(rows) && to-from < importBatch && rows[to].Table == rows[from].Table {
			to++
		}
		if err := into.rows(ctx, rows[from:to]); err != nil {
			return err
		}
		progress(to)
	}
	if stays, err := o.stays(s, t, &into.tally); stays {
		return err
	}
	if err := into.tx.Commit(); err != nil {
		return exitf(exUnavailable, "nothing was written: %s", err)
	}
	fmt.Fprintf(s.Err, "%s written: %s\n", rowsOf(t), &into.tally)
	o.say(s, migrate.SQLOptions(o.to))
	return nil
}

// sqlImport is an import into a database at work.
type sqlImport struct {
	tally
	o        *importOptions
	tx       *sql.Tx
	numbered bool            // placeholders
	missing  map[string]bool // tables, in a dry run
}

// tables makes the tables, or in a dry run finds which there are.
func (i *sqlImport) tables(ctx context.Context, db *sql.DB, create []string, rows []migrate.Row) error {
	if !i.o.dryRun {
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
func (i *sqlImport) rows(ctx context.Context, rows []migrate.Row) error {
	there, err := i.stored(ctx, rows)
	if err != nil {
		return exitf(exUnavailable, "nothing was written: %s", err)
	}
	for _, r := range rows {
		statement, args := "", values(r.Values)
		if old := there.row(r.Values[0]); old == nil {
			i.added++
			statement = r.Insert(i.numbered)
		} else if columns := r.Differences(old); len(columns) > 0 {
			i.change("%s %s: %s", r.Table, problem.Quote(r.Values[0]), strings.Join(columns, ", "))
			if i.o.replace {
				statement, args = r.Update(i.numbered), append(args, old[0])
			}
		} else {
			i.unchanged++
		}
		if statement == "" || i.o.dryRun {
			continue
		}
		if _, err := i.tx.ExecContext(ctx, statement, args...); err != nil {
			return exitf(exDataErr, "nothing was written: row %q of %s: %s", r.Values[0], r.Table, err)
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

func (i *sqlImport) stored(ctx context.Context, rows []migrate.Row) (storedRows, error) {
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

// intoRedis fills two hashes, or a cluster's keys.
func (o *importOptions) intoRedis(ctx context.Context, s Streams, t migrate.Tables) error {
	client, err := redisset.OpenClient(o.to)
	if err != nil {
		return exitf(exUsage, "--to: %s", err)
	}
	defer client.Close()
	var n tally
	write, err := o.compareRedis(ctx, client, t.Pairs(), &n)
	if err != nil {
		return exitf(exUnavailable, "nothing was written: %s", withHint(redisset.Failure("", err)))
	}
	if stays, err := o.stays(s, t, &n); stays {
		return err
	}
	_, cluster := client.(*redis.ClusterClient)
	progress, done := o.progress(s, "writing", len(write)), 0
	for batch := range slices.Chunk(write, importBatch) {
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, p := range batch {
				if cluster {
					pipe.Set(ctx, p.Key(), p.Value, 0)
				} else {
					pipe.HSet(ctx, p.Hash, p.Field, p.Value)
				}
			}
			return nil
		})
		if err != nil {
			return exitf(exUnavailable, "after %d of %d rows; import again for the rest: %s", done, len(write), err)
		}
		done += len(batch)
		progress(done)
	}
	fmt.Fprintf(s.Err, "%s written: %s\n", rowsOf(t), &n)
	o.say(s, migrate.RedisOptions(o.to))
	return nil
}

// compareRedis returns the rows that are not there as they are to be.
func (o *importOptions) compareRedis(ctx context.Context, client redis.UniversalClient, pairs []migrate.Pair, n *tally) (write []migrate.Pair, err error) {
	_, cluster := client.(*redis.ClusterClient)
	for batch := range slices.Chunk(pairs, importBatch) {
		pipe := client.Pipeline()
		stored := make([]*redis.StringCmd, len(batch))
		for i, p := range batch {
			if cluster {
				stored[i] = pipe.Get(ctx, p.Key())
			} else {
				stored[i] = pipe.HGet(ctx, p.Hash, p.Field)
			}
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		for i, p := range batch {
			switch text, err := stored[i].Result(); {
			case errors.Is(err, redis.Nil):
				n.added++
			case err != nil:
				return nil, err
			case text == p.Value:
				n.unchanged++
				continue
			default:
				n.change("%s %s", p.Hash, problem.Quote(p.Field))
			}
			write = append(write, p)
		}
	}
	return write, nil
}
