package sqlset

import (
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // database/sql knows it as "sqlite"

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
	db.SetMaxOpenConns(o.MaxConnections)
	db.SetMaxIdleConns(o.MaxConnections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // a server that moved is found again
	return db, nil
}

// tlsConfig is nil for "disable", and tells whether plain text will do.
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

func (d DSN) mysql(o Options) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = d.User, d.Password, d.Database
	c.Timeout, c.ReadTimeout, c.WriteTimeout = o.Timeout, o.Timeout, o.Timeout
	c.Logger = silent{}
	host, port := d.Host, d.Port
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "3306"
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(strings.Trim(host, "[]"), port)
	if strings.HasPrefix(host, "/") {
		c.Net, c.Addr = "unix", host
	}
	if c.Net == "tcp" {
		config, plainToo, err := d.tlsConfig()
		if err != nil {
			return nil, err
		}
		c.TLS, c.AllowFallbackToPlaintext = config, plainToo && config != nil
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// silent keeps the driver from writing to standard error: its errors reach us.
type silent struct{}

func (silent) Print(...any) {}

func (d DSN) postgres(o Options) (*sql.DB, error) {
	u := url.URL{Scheme: "postgres", Path: "/" + d.Database}
	if d.User != "" {
		u.User = url.User(d.User)
		if d.Password != "" {
			u.User = url.UserPassword(d.User, d.Password)
		}
	}
	if _, _, err := d.tlsConfig(); err != nil {
		return nil, err // the driver's own would not be told, see below
	}
	q := url.Values{"sslmode": {map[string]string{"": "prefer", "verify": "verify-full"}[d.TLS]}}
	if q.Get("sslmode") == "" {
		q.Set("sslmode", d.TLS)
	}
	if d.CA != "" {
		q.Set("sslrootcert", d.CA)
	}
	if strings.HasPrefix(d.Host, "/") {
		q.Set("host", d.Host)
	} else {
		u.Host = d.Host
	}
	if d.Port != "" {
		q.Set("port", d.Port)
	}
	u.RawQuery = q.Encode()
	c, err := pgx.ParseConfig(u.String())
	if err != nil {
		// The driver's text would repeat the password.
		return nil, errors.New("dsn: host, port or database is not one that PostgreSQL takes")
	}
	c.ConnectTimeout = o.Timeout
	c.RuntimeParams["application_name"] = "dojang"
	// Statements without a name pass through PgBouncer.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	return stdlib.OpenDB(*c), nil
}

// sqlite opens the file read-only. OpenDBX takes the host for its folder.
func (d DSN) sqlite(o Options) (*sql.DB, error) { return d.sqliteMode("ro", o) }

// sqliteMode opens the file for reading (ro) or writing (rw); it makes none.
func (d DSN) sqliteMode(mode string, o Options) (*sql.DB, error) {
	path := d.Database
	if !filepath.IsAbs(path) && d.Host != "" && d.Host != "localhost" {
		path = filepath.Join(d.Host, path)
	}
	if !filepath.IsAbs(path) && o.BaseDir != "" {
		path = filepath.Join(o.BaseDir, path)
	}
	if path == ":memory:" {
		return nil, errors.New("dsn: a database in memory is empty")
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{"mode": {mode}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", o.Timeout.Milliseconds())}}.Encode()}
	return sql.Open("sqlite", u.String())
}
