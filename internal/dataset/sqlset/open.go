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

// IsMissingTable reports whether a server refused a statement because there is no such
// table.
func IsMissingTable(err error) bool {
	return pgsqlCode(err) == "42P01" || mysqlNumber(err) == 1146
}

// LeftOut names the DSNs whose drivers this build does not have.
func LeftOut() (names []string) {
	for _, driver := range []struct {
		name string
		has  bool
	}{{"dsn:mysql:", hasMySQL}, {"dsn:pgsql:", hasPostgreSQL}, {"dsn:sqlite3:", hasSQLite}} {
		if !driver.has {
			names = append(names, driver.name)
		}
	}
	return names
}
