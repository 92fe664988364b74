// Package sqlset looks keys up in MySQL (or MariaDB), PostgreSQL and SQLite by
// OpenDKIM's dsn: names. Keys are bound, never pasted into a query; only the
// DSN's own table, columns and filter are, as opendkim(8) documents.
package sqlset

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// DSN is a parsed data store name:
//
//	backend://[user[:pwd]@][port+]host/dbase[/key=value[?...]]
type DSN struct {
	Backend  string // mysql, pgsql or sqlite3
	User     string
	Password string
	Port     string // "" is the back-end's
	Host     string // name, address, or a folder with the server's socket
	Database string

	Table     string
	KeyColumn string
	Columns   []string
	Filter    string // raw SQL
	// TLS is ours: "", "disable", "prefer" (the default), "require" or "verify".
	TLS string
	// CA is ours: a file with certificates for TLS verify, which it implies.
	CA string
}

// backends are the names OpenDBX and others use.
var backends = map[string]string{
	"mysql": "mysql", "mariadb": "mysql",
	"pgsql": "pgsql", "postgresql": "pgsql", "postgres": "pgsql",
	"sqlite3": "sqlite3", "sqlite": "sqlite3",
}

// ParseDSN reads a DSN without its "dsn:". Each part is decoded from
// quoted-printable after it was cut out, so that =3A and the like never delimit.
func ParseDSN(s string) (DSN, error) {
	var d DSN
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || strings.ContainsAny(scheme, "=@ ") { // they may be a password's
		return d, errors.New("dsn: write backend://[user[:password]@][port+]host/database/table=T?keycol=K?datacol=V")
	}
	scheme = strings.TrimSuffix(scheme, ":") // the man page's example has a colon too many
	if d.Backend = backends[strings.ToLower(scheme)]; d.Backend == "" {
		return d, fmt.Errorf("dsn: unknown backend %.64q: use mysql, pgsql or sqlite3", scheme)
	}
	if d.Backend == "sqlite3" {
		rest = sqlitePath(rest)
	}
	server, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return d, errors.New("dsn: no database after the host")
	}
	if err := d.server(server); err != nil {
		return d, err
	}
	database, params, _ := strings.Cut(rest, "/")
	var err error
	if d.Database, err = decode(database); err != nil {
		return d, err
	}
	if err := d.params(params); err != nil {
		return d, err
	}
	switch {
	case d.Database == "":
		return d, errors.New("dsn: no database after the host")
	case d.Table == "":
		return d, errors.New("dsn: no table=")
	case d.KeyColumn == "":
		return d, errors.New("dsn: no keycol=")
	case len(d.Columns) == 0:
		return d, errors.New("dsn: no datacol=")
	}
	return d, nil
}

// sqlitePath hides the slashes of a file's path, which stands where others have host and
// database: sqlite3:///var/lib/keys.db/table=T, or behind localhost.
func sqlitePath(s string) string {
	path, params := s, ""
	if i := strings.Index(strings.ToLower(s), "/table="); i >= 0 {
		path, params = s[:i], s[i:]
	}
	host, file, found := strings.Cut(path, "/")
	if !found && host != "" && host != "localhost" && params != "" {
		return "./" + s // a file of the working folder
	}
	if !strings.Contains(file, "/") && host != "" {
		return s // a folder and a file
	}
	if host == "" || host == "localhost" {
		file = "/" + strings.TrimLeft(file, "/")
	}
	return host + "/" + strings.ReplaceAll(file, "/", "=2F") + params
}

// server reads "[user[:pwd]@][port+]host".
func (d *DSN) server(s string) error {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		user, password, _ := strings.Cut(s[:at], ":")
		s = s[at+1:]
		var err1, err2 error
		d.User, err1 = decode(user)
		d.Password, err2 = decode(password)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
	}
	if port, host, ok := strings.Cut(s, "+"); ok {
		s = host
		if !remote.IsPort(port) {
			return errors.New("dsn: the port before the host is not a number from 1 to 65535")
		}
		d.Port = port
	}
	var err error
	if d.Host, err = decode(s); err != nil || d.Host == "" || d.Backend == "sqlite3" || strings.HasPrefix(d.Host, "/") {
		return err // no host, or a folder
	}
	var port string
	if d.Host, port, err = remote.HostPort(d.Host, ""); err != nil || port != "" { // not shown: it may be a password with a slash in it
		return errors.New("dsn: write the port before the host, port+host, and / in a password as =2F")
	}
	return nil
}

func (d *DSN) params(s string) error {
	for p := range strings.SplitSeq(s, "?") {
		if p == "" {
			continue
		}
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return errors.New("dsn: a parameter is not name=value; write / in a password as =2F")
		}
		if strings.EqualFold(name, "datacol") {
			for c := range strings.SplitSeq(value, ",") {
				c, err := decode(c)
				if err != nil {
					return err
				}
				if c = strings.TrimSpace(c); c != "" {
					d.Columns = append(d.Columns, c)
				}
			}
			continue
		}
		value, err := decode(value)
		if err != nil {
			return err
		}
		to, ok := map[string]*string{"table": &d.Table, "keycol": &d.KeyColumn, "filter": &d.Filter,
			"tls": &d.TLS, "ca": &d.CA}[strings.ToLower(name)]
		if !ok {
			return fmt.Errorf("dsn: unknown parameter %.64q: known are table, keycol, datacol, filter, tls and ca", name)
		}
		*to = value
	}
	switch d.TLS {
	case "", "disable", "prefer", "require", "verify":
		if d.CA == "" {
			return nil
		}
		if d.TLS == "" {
			d.TLS = "verify"
		}
		if d.TLS != "verify" {
			return fmt.Errorf("dsn: ca= is for tls=verify, and tls=%s checks no certificate: write tls=verify, or leave ca= out", d.TLS)
		}
		return nil
	}
	return fmt.Errorf("dsn: tls=%.64s: write disable, prefer, require or verify", d.TLS)
}

// decode reads quoted-printable: =XX is a byte. An equals sign that no two
// hexadecimal digits follow stands for itself.
func decode(s string) (string, error) {
	if !strings.Contains(s, "=") {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(c))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	if strings.IndexByte(string(out), 0) >= 0 {
		return "", errors.New("dsn: NUL byte")
	}
	return string(out), nil
}

// query is the statement that asks for n keys. The key column comes first, so
// that an answer can be compared with what was asked.
func (d DSN) query(n int, existence bool) string {
	var b strings.Builder
	b.WriteString("SELECT " + d.KeyColumn)
	if !existence {
		b.WriteString("," + strings.Join(d.Columns, ","))
	}
	b.WriteString(" FROM " + d.Table + " WHERE " + d.KeyColumn)
	if n == 1 {
		b.WriteString(" = " + d.placeholder(1))
	} else {
		b.WriteString(" IN (")
		for i := 1; i <= n; i++ {
			if i > 1 {
				b.WriteByte(',')
			}
			b.WriteString(d.placeholder(i))
		}
		b.WriteByte(')')
	}
	if d.Filter != "" {
		b.WriteString(" AND " + d.filter())
	}
	return b.String()
}

// filter is put in parentheses, so that an OR in it stays in it, but for one that
// goes on behind the condition.
func (d DSN) filter() string {
	upper := " " + strings.ToUpper(d.Filter) + " "
	for _, word := range []string{" ORDER BY ", " LIMIT ", " GROUP BY ", " UNION ", "--", ";"} {
		if strings.Contains(upper, word) {
			return d.Filter
		}
	}
	return "(" + d.Filter + ")"
}

func (d DSN) placeholder(i int) string {
	if d.Backend == "pgsql" {
		return fmt.Sprintf("$%d", i)
	}
	return "?"
}

// String is the DSN without its password.
func (d DSN) String() string {
	user, host := d.User, d.Host
	if user != "" {
		user += "@"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return dataset.Spec{Type: dataset.TypeDSN,
		Args: fmt.Sprintf("%s://%s%s/%s/table=%s", d.Backend, user, host, strings.TrimPrefix(d.Database, "/"), d.Table)}.String()
}
