package sqlset

import (
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// OpenDB opens the database of a DSN, for tools that fill tables, and names its
// back-end: mysql, pgsql or sqlite3.
func OpenDB(dsn string) (*sql.DB, string, error) {
	d, err := ParseDSN(dsn)
	if err != nil {
		return nil, "", err
	}
	s, err := New(dsn, Options{})
	if err != nil {
		return nil, "", err
	}
	return s.db, d.Backend, nil
}

// IsMissingTable reports whether a server refused a statement because there is no such
// table.
func IsMissingTable(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	return errors.As(err, &pg) && pg.Code == "42P01" || errors.As(err, &my) && my.Number == 1146
}
