package migrate

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
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

// Text is the statement with its values in it, quoted, for a file. A backslash
// must not be in them: it means something to MySQL alone.
func (s Statement) Text() string {
	quoted := make([]string, len(s.Values))
	for i, v := range s.Values {
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
		if slices.ContainsFunc(r.Values, func(v string) bool { return strings.Contains(v, `\`) }) {
			return fmt.Errorf("row %.256q of %s has a backslash, which MySQL reads otherwise than others: write into the database itself (--to dsn:...) instead", r.Values[0], r.Table)
		}
		if _, err := fmt.Fprintln(w, r.Text()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "COMMIT;")
	return err
}

// WriteLDIF writes entries below base, which must be there, with the attributes of
// OpenDKIM's schema (README.LDAP): a key each below ou=keys, a sender each below
// ou=signing, where DKIMSelector holds the names of keys and DKIMIdentity i=.
func (t Tables) WriteLDIF(w io.Writer, base string) error {
	for _, ou := range []string{"keys", "signing"} {
		if _, err := fmt.Fprintf(w, "dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n", ou, base, ou); err != nil {
			return err
		}
	}
	for _, k := range t.Keys {
		rows := [][2]string{{"cn", k.Name}, {"DKIMDomain", k.Domain}, {"DKIMSelector", k.Selector}, {"DKIMKey", k.location()}, {"description", k.Algorithm}}
		if err := writeEntry(w, k.Name, "ou=keys,"+base, "DKIM", rows); err != nil {
			return err
		}
	}
	for _, s := range t.Signing {
		// The schema's own class would ask for a key.
		rows := [][2]string{{"cn", s.Author}, {"DKIMSelector", s.Key}, {"DKIMIdentity", s.Identity}}
		if err := writeEntry(w, s.Author, "ou=signing,"+base, "extensibleObject", rows); err != nil {
			return err
		}
	}
	return nil
}

func writeEntry(w io.Writer, name, parent, class string, rows [][2]string) error {
	var b strings.Builder
	attribute(&b, "dn", "cn="+escapeDN(name)+","+parent)
	b.WriteString("objectClass: applicationProcess\nobjectClass: " + class + "\n")
	for _, r := range rows {
		if r[1] != "" {
			attribute(&b, r[0], r[1])
		}
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// LDAPOptions are the lines for opendkim.conf, for the URL of what WriteLDIF was
// given, such as "ldap://host/ou=dkim,dc=example,dc=com".
func LDAPOptions(url string) []string {
	at := strings.LastIndexByte(url, '/') + 1
	server, base := url[:at], strings.NewReplacer("%", "%25", "?", "%3F", " ", "%20").Replace(url[at:])
	return []string{
		"KeyTable      " + server + "ou=keys," + base + "?DKIMDomain,DKIMSelector,DKIMKey,description?one?(cn=$d)",
		"SigningTable  " + server + "ou=signing," + base + "?DKIMSelector,DKIMIdentity?one?(cn=$d)",
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

// escapeDN escapes an attribute's value for a DN (RFC 4514 §2.4).
func escapeDN(s string) string {
	s = strings.NewReplacer(",", `\,`, "+", `\+`, `"`, `\"`, `\`, `\\`, "<", `\<`, ">", `\>`, ";", `\;`, "=", `\=`).Replace(s)
	if strings.HasPrefix(s, "#") || strings.HasPrefix(s, " ") {
		s = `\` + s
	}
	if strings.HasSuffix(s, " ") {
		s = s[:len(s)-1] + `\ `
	}
	return s
}
