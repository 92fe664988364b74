//go:build !nomysql

package sqlset

import (
	"database/sql"
	"errors"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
)

const hasMySQL = true

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
	c.Net, c.Addr = "tcp", net.JoinHostPort(host, port)
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

// mysqlNumber is the number of an error of the server, 0 where it is none.
func mysqlNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}
