//go:build nosqlite

package sqlset

import (
	"database/sql"

	"dojang/internal/dataset"
)

const hasSQLite = false

func (d DSN) sqlite(o Options) (*sql.DB, error) { return d.sqliteMode("", o) }

func (d DSN) sqliteMode(string, Options) (*sql.DB, error) {
	return nil, dataset.LeftOut("dsn:sqlite3:", "nosqlite")
}
