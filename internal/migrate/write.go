package migrate

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// WriteFlat writes the rows of a KeyTable and of a SigningTable of type file:.
func (t Tables) WriteFlat(keyTable, signingTable io.Writer) error {
	for _, k := range t.Keys {
		row := fmt.Sprintf("%s %s:%s:%s", k.Name, k.Domain, k.Selector, oneLineKey(k.location()))
		if k.Algorithm != "" {
			row += ":" + k.Algorithm
		}
		if _, err := fmt.Fprintln(keyTable, row); err != nil {
			return err
		}
	}
	for _, s := range t.Signing {
		row := s.Author + " " + s.Key
		if s.Identity != "" {
			row += ":" + s.Identity
		}
		if _, err := fmt.Fprintln(signingTable, row); err != nil {
			return err
		}
	}
	return nil
}

// oneLineKey turns PEM into the base64 that a row can hold.
func oneLineKey(key string) string {
	if !strings.Contains(key, "-----BEGIN") {
		return strings.TrimSpace(key)
	}
	var b strings.Builder
	for line := range strings.Lines(key) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// The names of the SQL tables.
const (
	keysTable    = "dkim_keys"
	signingTable = "dkim_signing"
)

// Statements are the SQL that makes and fills the tables: those that make them,
// and one INSERT with its values for each row. They are plain enough for
// PostgreSQL, MySQL and SQLite.
func (t Tables) Statements() (create []string, rows []Statement) {
	create = []string{
		"CREATE TABLE IF NOT EXISTS " + keysTable + " (name VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, selector VARCHAR(255) NOT NULL, private_key TEXT NOT NULL, algorithm VARCHAR(32) NOT NULL)",
		"CREATE TABLE IF NOT EXISTS " + signingTable + " (author VARCHAR(255) NOT NULL, key_name VARCHAR(255) NOT NULL, identity VARCHAR(255) NOT NULL, PRIMARY KEY (author))",
	}
	for _, k := range t.Keys {
		rows = append(rows, Statement{keysTable, []string{"name", "domain", "selector", "private_key", "algorithm"}, []string{k.Name, k.Domain, k.Selector, oneLineKey(k.location()), k.Algorithm}})
	}
	for _, s := range t.Signing {
		rows = append(rows, Statement{signingTable, []string{"author", "key_name", "identity"}, []string{s.Author, s.Key, s.Identity}})
	}
	return create, rows
}

// Statement is one INSERT.
type Statement struct {
	Table   string
	Columns []string
	Values  []string
}

// Text is the statement with its values in it, quoted, for a file.
func (s Statement) Text() string {
	quoted := make([]string, len(s.Values))
	for i, v := range s.Values {
		// Backslashes mean something to MySQL alone; no name, path or base64 has one.
		quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s);", s.Table, strings.Join(s.Columns, ", "), strings.Join(quoted, ", "))
}

// Bound is the statement with a placeholder for each value: "$1" where numbered,
// else "?".
func (s Statement) Bound(numbered bool) string {
	marks := make([]string, len(s.Values))
	for i := range marks {
		marks[i] = "?"
		if numbered {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", s.Table, strings.Join(s.Columns, ", "), strings.Join(marks, ", "))
}

// SQLOptions are the lines for opendkim.conf when the tables are in the database
// of a DSN such as "dsn:pgsql://user:pwd@5432+host/mail".
func SQLOptions(dsn string) []string {
	dsn = strings.TrimSuffix(dsn, "/")
	return []string{
		"KeyTable      " + dsn + "/table=" + keysTable + "?keycol=name?datacol=domain,selector,private_key,algorithm",
		"SigningTable  " + dsn + "/table=" + signingTable + "?keycol=author?datacol=key_name,identity",
	}
}

// WriteSQL writes a script for the database's own client.
func (t Tables) WriteSQL(w io.Writer) error {
	create, rows := t.Statements()
	for _, c := range create {
		if _, err := fmt.Fprintln(w, c+";"); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(w, "BEGIN;"); err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, r.Text()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "COMMIT;")
	return err
}

// WriteLDIF writes entries below base with the attributes of OpenDKIM's schema
// (README.LDAP): one a key, which carries the authors it signs for.
func (t Tables) WriteLDIF(w io.Writer, base string) error {
	authors := map[string][]string{}
	for _, s := range t.Signing {
		for _, name := range strings.Split(s.Key, ",") {
			authors[name] = append(authors[name], s.Author)
		}
	}
	for _, k := range t.Keys {
		var b strings.Builder
		attribute(&b, "dn", "cn="+escapeDN(k.Name)+","+base)
		b.WriteString("objectClass: applicationProcess\nobjectClass: DKIM\n")
		attribute(&b, "cn", k.Name)
		// README.LDAP finds a key by the name that the SigningTable's query gives.
		attribute(&b, "DKIMSelector", k.Selector)
		attribute(&b, "DKIMDomain", k.Domain)
		attribute(&b, "DKIMKey", k.location())
		for _, a := range authors[k.Name] {
			attribute(&b, "DKIMIdentity", a)
		}
		b.WriteString("\n")
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// LDAPOptions are the lines for opendkim.conf, for a URL such as
// "ldap://host/dc=example,dc=com".
func LDAPOptions(url string) []string {
	return []string{
		"SigningTable  " + url + "?cn?sub?(DKIMIdentity=$d)",
		"KeyTable      " + url + "?DKIMDomain,DKIMSelector,DKIMKey?sub?(cn=$d)",
	}
}

// attribute writes one LDIF line, in base64 where plain text may not stand (RFC
// 2849).
func attribute(b *strings.Builder, name, value string) {
	safe := value != "" && !strings.ContainsAny(value[:1], " :<") && !strings.HasSuffix(value, " ")
	for i := range len(value) {
		if c := value[i]; c == 0 || c == '\n' || c == '\r' || c > 126 {
			safe = false
		}
	}
	if safe {
		fmt.Fprintf(b, "%s: %s\n", name, value)
		return
	}
	fmt.Fprintf(b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
}

func escapeDN(s string) string {
	return strings.NewReplacer(",", `\,`, "+", `\+`, `"`, `\"`, `\`, `\\`, "<", `\<`, ">", `\>`, ";", `\;`, "=", `\=`).Replace(s)
}

// Pair is one row of Redis: a field of one of the two hashes.
type Pair struct{ Hash, Field, Value string }

// Pairs are the rows for Redis: hashes dkim:keys and dkim:signing.
func (t Tables) Pairs() []Pair {
	var pairs []Pair
	for _, k := range t.Keys {
		value := k.Domain + ":" + k.Selector + ":" + oneLineKey(k.location())
		if k.Algorithm != "" {
			value += ":" + k.Algorithm
		}
		pairs = append(pairs, Pair{"dkim:keys", k.Name, value})
	}
	for _, s := range t.Signing {
		value := s.Key
		if s.Identity != "" {
			value += ":" + s.Identity
		}
		pairs = append(pairs, Pair{"dkim:signing", s.Author, value})
	}
	return pairs
}

// WriteRedis writes commands for redis-cli.
func (t Tables) WriteRedis(w io.Writer) error {
	for _, p := range t.Pairs() {
		if _, err := fmt.Fprintf(w, "HSET %s %q %q\n", p.Hash, p.Field, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// RedisOptions are the lines for opendkim.conf, for a URL such as
// "redis://host:6379/0".
func RedisOptions(url string) []string {
	return []string{"KeyTable      " + url + "?hash=dkim:keys", "SigningTable  " + url + "?hash=dkim:signing"}
}
