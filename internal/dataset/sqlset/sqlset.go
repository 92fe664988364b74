package sqlset

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// Options bound the use of a server. The zero value is usable.
type Options struct {
	Timeout time.Duration // of one connection or question; 0 means 5 s
}

// maxBatch bounds the keys of one statement.
const maxBatch = 64

// Set is a table on an SQL server. Use Opener, which puts package remote in front.
type Set struct {
	dsn     DSN
	options Options
	db      *sql.DB

	mu         sync.Mutex
	statements map[string]*sql.Stmt // by text; at most two for each size of a batch
}

// Opener opens dsn: sets behind the wrapper of package remote.
func Opener(o Options, r remote.Options) dataset.Opener {
	return remote.Opener(r, "", func(args string) (dataset.Set, error) { return New(args, o) })
}

// New makes a set of a DSN. It does not connect.
func New(dsn string, o Options) (*Set, error) {
	o.Timeout = cmp.Or(o.Timeout, remote.DefaultTimeout)
	d, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	db, err := d.connect(o)
	if err != nil {
		return nil, err
	}
	return &Set{dsn: d, options: o, db: db, statements: map[string]*sql.Stmt{}}, nil
}

// Ping asks the table for a key that is not there: the server, the login, the
// table and its columns are right when that is answered.
func (s *Set) Ping(ctx context.Context) error {
	_, err := s.LookupBatch(ctx, []string{"0"}, len(s.dsn.Columns))
	return err
}

// String is the set's name without its password.
func (s *Set) String() string { return s.dsn.String() }

// Close closes the connections.
func (s *Set) Close() error { return s.db.Close() }

// Lookup asks for one key.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	rows, err := s.LookupBatch(ctx, []string{key}, columns)
	if err != nil {
		return nil, err
	}
	if rows[0] == nil {
		return nil, dataset.ErrNotFound
	}
	return rows[0], nil
}

// LookupBatch asks for several keys with one statement.
func (s *Set) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	result := make([][]string, len(keys))
	for from := 0; from < len(keys); from += maxBatch {
		to := min(from+maxBatch, len(keys))
		if err := s.ask(ctx, keys[from:to], columns, result[from:to]); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (s *Set) ask(ctx context.Context, keys []string, columns int, result [][]string) error {
	args := make([]any, 0, len(keys))
	for _, k := range keys {
		if storable(k) {
			args = append(args, k)
		}
	}
	if len(args) == 0 {
		return nil
	}
	err := s.query(ctx, args, columns, func(key string, values []string) { place(keys, result, key, values) })
	if err == nil || !wrongType(err) {
		return s.failure(err)
	}
	// The key column is of numbers and one of the keys is not: no row has that
	// one. The others are asked for alone.
	if len(args) == 1 {
		return nil
	}
	for i := range keys {
		if err := s.ask(ctx, keys[i:i+1], columns, result[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// storable reports whether a server's text can be the key at all.
func storable(key string) bool {
	return utf8.ValidString(key) && strings.IndexByte(key, 0) < 0 && len(key) <= 4096
}

// place puts a row where its key was asked for. Servers may take keys for equal
// that differ in case, accents or blanks at the end: a row whose key differs by
// more than case was not asked for.
func place(keys []string, result [][]string, key string, values []string) {
	placed := false
	for i, k := range keys {
		if k == key && result[i] == nil {
			result[i], placed = values, true
		}
	}
	if placed {
		return
	}
	small := dataset.Fold(key)
	for i, k := range keys {
		if result[i] == nil && dataset.Fold(k) == small {
			result[i] = values
		}
	}
}

func (s *Set) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	st := s.statements[text]
	s.mu.Unlock()
	if st != nil {
		return st, nil
	}
	st, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.statements[text]; other != nil {
		st.Close()
		return other, nil
	}
	s.statements[text] = st
	return st, nil
}

// rows runs a statement. PostgreSQL's are described once by the driver and stay
// without a name, so that PgBouncer can pass them on; the others are prepared.
func (s *Set) rows(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if s.dsn.Backend == "pgsql" {
		return s.db.QueryContext(ctx, text, args...)
	}
	st, err := s.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *Set) query(ctx context.Context, args []any, columns int, f func(key string, values []string)) error {
	rows, err := s.rows(ctx, s.dsn.query(len(args), columns == 0), args)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 1
	if columns > 0 {
		n += len(s.dsn.Columns)
	}
	texts := make([]sql.NullString, n)
	into := make([]any, n)
	for i := range texts {
		into[i] = &texts[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		f(texts[0].String, valuesOf(texts[1:], columns))
	}
	return rows.Err()
}

// valuesOf leaves NULLs at the end out.
func valuesOf(texts []sql.NullString, columns int) []string {
	for len(texts) > 0 && !texts[len(texts)-1].Valid {
		texts = texts[:len(texts)-1]
	}
	values := make([]string, 0, min(columns, len(texts)))
	for i := 0; i < cap(values); i++ {
		values = append(values, texts[i].String)
	}
	return values
}

// wrongType reports whether a server refused a key because its column holds
// another type than text.
func wrongType(err error) bool {
	if code := pgsqlCode(err); code != "" {
		return code == "22P02" || code == "22003" // invalid_text_representation, numeric_value_out_of_range
	}
	if number := mysqlNumber(err); number != 0 {
		return number == 1267 // illegal mix of collations: text that the column's character set does not have
	}
	// The driver itself refuses text for a number's parameter.
	return strings.Contains(err.Error(), "unable to encode")
}

func (s *Set) failure(err error) error {
	if err == nil {
		return nil
	}
	return Failure(s.dsn.String(), err)
}

// Failure is an error of the server of a set: always temporary, because an
// administrator may mend it and a message must not go unsigned meanwhile.
func Failure(set string, err error) error {
	return &dataset.Error{Set: set, Err: err, Temp: true,
		Hint: remote.CertificateHint(err, "write ?ca=/path/authority.pem at the end of the DSN")}
}

// Walk implements dataset.Walker.
func (s *Set) Walk(ctx context.Context, f func(dataset.Entry) error) error {
	text := "SELECT " + s.dsn.KeyColumn + "," + strings.Join(s.dsn.Columns, ",") + " FROM " + s.dsn.Table
	if s.dsn.Filter != "" {
		text += " WHERE " + s.dsn.filter()
	}
	rows, err := s.db.QueryContext(ctx, text)
	if err != nil {
		return s.failure(err)
	}
	defer rows.Close()
	texts := make([]sql.NullString, 1+len(s.dsn.Columns))
	into := make([]any, len(texts))
	for i := range texts {
		into[i] = &texts[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return s.failure(err)
		}
		if err := f(dataset.Entry{Key: texts[0].String, Values: valuesOf(texts[1:], len(s.dsn.Columns))}); err != nil {
			return err
		}
	}
	return s.failure(rows.Err())
}
