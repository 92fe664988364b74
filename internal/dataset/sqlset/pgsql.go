//go:build !nopgsql

package sqlset

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const hasPostgreSQL = true

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
	} else if u.Host = d.Host; strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
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

// pgsqlCode is the SQLSTATE of an error of the server, "" where it is none.
func pgsqlCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
