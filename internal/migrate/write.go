package migrate

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"dojang/internal/keystore"
)

// WriteFlat writes the rows of a KeyTable and of a SigningTable of type file:.
func (t Tables) WriteFlat(keyTable, signingTable io.Writer) error {
	for _, k := range t.Keys {
		row := fmt.Sprintf("%s %s:%s:%s", k.Name, k.Domain, k.Selector, k.column())
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

// The names of the SQL tables.
const (
	keysTable    = "dkim_keys"
	signingTable = "dkim_signing"
)

// statements are the SQL that makes the tables, and the rows that fill them. It is
// plain enough for PostgreSQL, MySQL and SQLite.
func (t Tables) statements() (create []string, rows []row) {
	create = []string{
		"CREATE TABLE IF NOT EXISTS " + keysTable + " (name VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, selector VARCHAR(255) NOT NULL, private_key TEXT NOT NULL, algorithm VARCHAR(32) NOT NULL)",
		"CREATE TABLE IF NOT EXISTS " + signingTable + " (author VARCHAR(255) NOT NULL, key_name VARCHAR(255) NOT NULL, identity VARCHAR(255) NOT NULL, PRIMARY KEY (author))",
	}
	for _, k := range t.Keys {
		rows = append(rows, row{keysTable, []string{"name", "domain", "selector", "private_key", "algorithm"},
			[]string{k.Name, k.Domain, k.Selector, k.column(), k.Algorithm}})
	}
	for _, s := range t.Signing {
		rows = append(rows, row{signingTable, []string{"author", "key_name", "identity"}, []string{s.Author, s.Key, s.Identity}})
	}
	return create, rows
}

// row is one row of an SQL table; its first column is the key.
type row struct {
	Table   string
	Columns []string
	Values  []string
}

// Text is the INSERT with the values in it, quoted, for a file. A backslash
// must not be in them: it means something to MySQL alone.
func (r row) Text() string {
	quoted := make([]string, len(r.Values))
	for i, v := range r.Values {
		quoted[i] = quoteSQL(v)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s);", r.Table, strings.Join(r.Columns, ", "), strings.Join(quoted, ", "))
}

// deleteText removes the row with this key, whatever it holds: what all servers
// understand in the place of an upsert.
func (r row) deleteText() string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s = %s;", r.Table, r.Columns[0], quoteSQL(r.Values[0]))
}

func quoteSQL(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Insert is the statement with a placeholder for each value: "$1" where numbered,
// else "?".
func (r row) Insert(numbered bool) string {
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", r.Table, strings.Join(r.Columns, ", "),
		strings.Join(placeholders(len(r.Values), numbered), ", "))
}

// Update sets every column of the row whose key is bound last.
func (r row) Update(numbered bool) string {
	marks := placeholders(len(r.Columns)+1, numbered)
	set := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		set[i] = c + " = " + marks[i]
	}
	return fmt.Sprintf("UPDATE %s SET %s WHERE %s = %s", r.Table, strings.Join(set, ", "), r.Columns[0], marks[len(set)])
}

// Select asks for the columns of the rows with n keys.
func (r row) Select(n int, numbered bool) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (%s)", strings.Join(r.Columns, ", "), r.Table,
		r.Columns[0], strings.Join(placeholders(n, numbered), ", "))
}

// differences names the columns in which a stored row has another value. A key is
// the same in PEM and in base64.
func (r row) differences(stored []string) (columns []string) {
	for i, v := range r.Values {
		if v != stored[i] && (r.Columns[i] != "private_key" || v != keystore.Column([]byte(stored[i]))) {
			columns = append(columns, r.Columns[i])
		}
	}
	return columns
}

func placeholders(n int, numbered bool) []string {
	marks := make([]string, n)
	for i := range marks {
		marks[i] = "?"
		if numbered {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
	}
	return marks
}

// DSNs are the names of the two tables in the database of a DSN such as
// "dsn:pgsql://user:pwd@5432+host/mail". Parameters behind the database, /ca=... or
// ?ca=..., are kept.
func DSNs(dsn string) (keys, signing string) {
	scheme, rest, _ := strings.Cut(dsn, "://")
	if strings.HasPrefix(strings.ToLower(scheme), "dsn:sqlite") { // a file's path
		return dsn + "/table=" + keysTable + keysColumns, dsn + "/table=" + signingTable + signingColumns
	}
	server, rest, _ := strings.Cut(rest, "/")
	database, params := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		database, params = rest[:i], strings.Trim(rest[i:], "/?")
	}
	if params != "" {
		params = "?" + params
	}
	base := scheme + "://" + server + "/" + database
	return base + "/table=" + keysTable + keysColumns + params, base + "/table=" + signingTable + signingColumns + params
}

// The columns of the two tables, as a DSN names them.
const (
	keysColumns    = "?keycol=name?datacol=domain,selector,private_key,algorithm"
	signingColumns = "?keycol=author?datacol=key_name,identity"
)

// SQLOptions are the lines for opendkim.conf when the tables are in the database
// of a DSN.
func SQLOptions(dsn string) []string {
	keys, signing := DSNs(dsn)
	return []string{"KeyTable      " + keys, "SigningTable  " + signing}
}

// WriteSQL writes a script for the database's own client. A row that is there
// already is an error of its, or with replace is written over.
func (t Tables) WriteSQL(w io.Writer, replace bool) error {
	create, rows := t.statements()
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
			return fmt.Errorf("row %.256q of %s has a backslash, which MySQL reads otherwise than others: write into "+
				"the database itself (--to dsn:...) instead", r.Values[0], r.Table)
		}
		text := r.Text()
		if replace {
			text = r.deleteText() + "\n" + text
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "COMMIT;")
	return err
}

// WriteLDIF writes entries below base, which must be there, with the attributes of
// OpenDKIM's schema (README.LDAP): a key each below ou=keys, a sender each below
// ou=signing, where DKIMSelector holds the names of keys and DKIMIdentity i=. LDIF
// has no word for "add or change": with replace all entries must be there, and are
// changed.
func (t Tables) WriteLDIF(w io.Writer, base string, replace bool) error {
	for _, ou := range []string{"keys", "signing"} {
		if replace {
			break
		}
		if _, err := fmt.Fprintf(w, "dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n", ou, base, ou); err != nil {
			return err
		}
	}
	for _, k := range t.Keys {
		rows := [][2]string{{"cn", k.Name}, {"DKIMDomain", k.Domain}, {"DKIMSelector", k.Selector},
			{"DKIMKey", k.location()}, {"description", k.Algorithm}}
		if err := writeEntry(w, k.Name, "ou=keys,"+base, "DKIM", rows, replace); err != nil {
			return err
		}
	}
	for _, s := range t.Signing {
		// The schema's own class would ask for a key.
		rows := [][2]string{{"cn", s.Author}, {"DKIMSelector", s.Key}, {"DKIMIdentity", s.Identity}}
		if err := writeEntry(w, s.Author, "ou=signing,"+base, "extensibleObject", rows, replace); err != nil {
			return err
		}
	}
	return nil
}

func writeEntry(w io.Writer, name, parent, class string, rows [][2]string, replace bool) error {
	var b strings.Builder
	attribute(&b, "dn", "cn="+escapeDN(name)+","+parent)
	if replace {
		writeChanges(&b, rows[1:]) // cn is in the name
	} else {
		b.WriteString("objectClass: applicationProcess\nobjectClass: " + class + "\n")
		for _, r := range rows {
			if r[1] != "" {
				attribute(&b, r[0], r[1])
			}
		}
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeChanges gives attributes their values, and removes those that have none
// (RFC 4511 §4.6: to replace by nothing is no error where nothing is).
func writeChanges(b *strings.Builder, rows [][2]string) {
	b.WriteString("changetype: modify\n")
	for _, r := range rows {
		b.WriteString("replace: " + r[0] + "\n")
		if r[1] != "" {
			attribute(b, r[0], r[1])
		}
		b.WriteString("-\n")
	}
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
