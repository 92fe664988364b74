package sqlset

import (
	"crypto/tls"
	"database/sql"
	"time"

	"dojang/internal/dataset/remote"
)

// connect makes the pool; nothing is asked yet.
func (d DSN) connect(o Options) (*sql.DB, error) {
	var db *sql.DB
	var err error
	switch d.Backend {
	case "mysql":
		db, err = d.mysql(o)
	case "pgsql":
		db, err = d.postgres(o)
	default:
		db, err = d.sqlite(o)
	}
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(remote.MaxConnections)
	db.SetMaxIdleConns(remote.MaxConnections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // a server that moved is found again
	return db, nil
}

// tlsConfig returns nil for "disable"; plainToo reports whether plain text will do.
func (d DSN) tlsConfig() (c *tls.Config, plainToo bool, err error) {
	c = &tls.Config{ServerName: d.Host, MinVersion: tls.VersionTLS12}
	switch d.TLS {
	case "disable":
		return nil, true, nil
	case "verify":
		c.RootCAs, err = remote.Authorities(d.CA)
		return c, false, err
	case "require":
		c.InsecureSkipVerify = true
		return c, false, nil
	}
	c.InsecureSkipVerify = true
	return c, true, nil
}
