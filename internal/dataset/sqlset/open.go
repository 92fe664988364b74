package sqlset

import "database/sql"

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
