//go:build !nosqlite

package sqlset

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // database/sql knows it as "sqlite"

	"dojang/internal/privilege"
)

const hasSQLite = true

// sqlite opens the file read-only. OpenDBX takes the host for its folder.
func (d DSN) sqlite(o Options) (*sql.DB, error) { return d.sqliteMode("ro", o) }

// sqliteMode opens the file for reading (ro) or writing (rw); it makes none.
func (d DSN) sqliteMode(mode string, o Options) (*sql.DB, error) {
	path := d.Database
	if !filepath.IsAbs(path) && d.Host != "" && d.Host != "localhost" {
		path = filepath.Join(d.Host, path)
	}
	if path == ":memory:" {
		return nil, errors.New("dsn: a database in memory is empty")
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // SQLite would wait for a pipe's writer
		return nil, &fs.PathError{Op: "open", Path: path, Err: privilege.ErrNotFile}
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: url.Values{"mode": {mode}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", o.Timeout.Milliseconds())}}.Encode()}
	return sql.Open("sqlite", u.String())
}
