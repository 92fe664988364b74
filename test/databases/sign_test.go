package databases

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/internal/testutil/databasetest"
	"filippo.io/age"
	"github.com/bradfitz/gomemcache/memcache"

	"dojang/internal/keystore"
)

// The tables of every server here: two keys, one of them wrapped, and senders by
// address, domain, superdomain and everybody.
//
//	a    example.com a  Ed25519
//	r    example.com r  RSA, wrapped with age where wrapped is set
//	sub  example.com sub
type tables struct {
	records    records
	keys       [][4]string // name, domain, selector, key
	signing    [][3]string // author, names, identity
	identities string      // KeyIdentities
}

func newTables(t testing.TB) tables {
	t.Helper()
	a, r, sub := edKey(t), rsaKey(t), edKey(t)
	id, err := age.GenerateX25519Identity()
	must(t, err)
	identities := filepath.Join(t.TempDir(), "identities")
	must(t, os.WriteFile(identities, []byte(id.String()+"\n"), 0o600))
	wrapped, err := keystore.Wrap([]byte(r.pem), id.Recipient().String())
	must(t, err)
	tb := tables{
		records:    records{},
		identities: "KeyIdentities " + identities + "\n",
		keys: [][4]string{{"a", "example.com", "a", a.line}, {"r", "example.com", "r", wrapped},
			{"sub", "example.com", "sub", sub.line}, {"any", "%", "any", a.line}},
		signing: [][3]string{
			{"joe@example.com", "a,r", "joe@example.com"}, {"example.com", "a", ""}, {".example.com", "sub", ""}, {"one@*", "any", ""},
			{"o'brien@example.com", "sub", ""}, {"wrong@example.com", "nowhere", ""},
		},
	}
	tb.records.publish("a", "example.com", a)
	tb.records.publish("r", "example.com", r)
	tb.records.publish("sub", "example.com", sub)
	tb.records.publish("any", "elsewhere.example", a)
	return tb
}

// signs tests a filter over the tables.
func (tb tables) signs(t *testing.T, options string) {
	t.Helper()
	options += tb.identities
	t.Run("one", func(t *testing.T) {
		// Without MultipleSignatures "a,r" is a name, as to OpenDKIM, and there is no
		// such key.
		tb.records.expect(t, startFilter(t, options), map[string]string{
			"joe@example.com": "4", "jim@example.com": "example.com/a", "Jim <JIM@Example.COM>": "example.com/a", "x@deep.sub.example.com": "example.com/sub",
			"one@elsewhere.example": "elsewhere.example/any", "two@elsewhere.example": "", "o'brien@example.com": "example.com/sub", "wrong@example.com": "4",
		})
	})
	t.Run("several", func(t *testing.T) {
		s := startFilter(t, options+"MultipleSignatures yes\n")
		tb.records.expect(t, s, map[string]string{
			"joe@example.com": "example.com/a example.com/a/joe@example.com example.com/r/joe@example.com", "jim@example.com": "example.com/a",
			"x@sub.example.com": "example.com/sub", "one@elsewhere.example": "elsewhere.example/any",
		})
		t.Run("injection", func(t *testing.T) { tb.injection(t, s) })
	})
	t.Run("identity is away", func(t *testing.T) {
		s := startFilter(t, strings.Replace(options, tb.identities, "", 1)+"MultipleSignatures yes\n")
		tb.records.expect(t, s, map[string]string{"joe@example.com": "4", "jim@example.com": "example.com/a"})
	})
}

// injections are authors that try to break out of a query; none is in a table.
var injections = []string{
	`"' OR '1'='1"@elsewhere.example`, `x'--@elsewhere.example`, `"x'; DROP TABLE dkim_keys; --"@elsewhere.example`, `"\\' OR 1=1 -- "@elsewhere.example`,
	`*@elsewhere.example`, `"*)(cn=*"@elsewhere.example`, `"one)(|(cn=*"@elsewhere.example`, `"%"@elsewhere.example`, `"o_e"@elsewhere.example`, `${d}@elsewhere.example`, `$d$D@elsewhere.example`,
	`"x get a"@elsewhere.example`, `{x}@elsewhere.example`, `"one "@elsewhere.example`, `" one"@elsewhere.example`, `x@' OR '1'='1`, `x@a'b.example`, `x@*`, `x@%`, `x@a*)(cn=*`,
	"x@\xff\xfe.example", "\xff@elsewhere.example", "x@" + strings.Repeat("a.", 2000) + "example", strings.Repeat("o", 5000) + "@elsewhere.example", `x@../../etc.example`, `x@a/b.example`,
}

// injection: each is left unsigned or refused, and nobody else's signature
// changes by it.
func (tb tables) injection(t *testing.T, s *server) {
	c := s.dial(t)
	for _, from := range injections {
		if got, err := tb.records.send(c, message(from)); len(got) > 0 || err != nil && strings.Contains(err.Error(), "key") {
			t.Errorf("%.60q: signed by %v, %v", from, got, err)
		}
	}
	tb.records.expect(t, s, map[string]string{"jim@example.com": "example.com/a", "o'brien@example.com": "example.com/a example.com/sub"})
}

func quoted(values ...string) string {
	for i, v := range values {
		values[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return strings.Join(values, ",")
}

// sql makes and fills tables as docs/scaling.md has them.
func (tb tables) sql() string {
	var b strings.Builder
	b.WriteString("CREATE TABLE dkim_keys (name VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, selector " +
		"VARCHAR(255) NOT NULL, private_key TEXT NOT NULL, algorithm VARCHAR(32) NOT NULL);\n" +
		"CREATE TABLE dkim_signing (author VARCHAR(255) PRIMARY KEY, key_name VARCHAR(255) NOT NULL, identity VARCHAR(255) NOT NULL);\n")
	for _, k := range tb.keys {
		fmt.Fprintf(&b, "INSERT INTO dkim_keys VALUES (%s,'');\n", quoted(k[0], k[1], k[2], k[3]))
	}
	for _, s := range tb.signing {
		fmt.Fprintf(&b, "INSERT INTO dkim_signing VALUES (%s);\n", quoted(s[0], s[1], s[2]))
	}
	return b.String()
}

func sqlOptions(dsn string) string {
	return "KeyTable " + dsn + "/table=dkim_keys?keycol=name?datacol=domain,selector,private_key,algorithm\nSigningTable " +
		dsn + "/table=dkim_signing?keycol=author?datacol=key_name,identity\n"
}

// pairs are the rows as one text each.
func (tb tables) pairs() (keys, signing map[string]string) {
	keys, signing = map[string]string{}, map[string]string{}
	for _, k := range tb.keys {
		keys[k[0]] = strings.Join(k[1:], ":")
	}
	for _, s := range tb.signing {
		signing[s[0]] = strings.TrimSuffix(s[1]+":"+s[2], ":")
	}
	return keys, signing
}

// ldif has the shape of README.LDAP, names of keys in the place of selectors.
func (tb tables) ldif() string {
	var b strings.Builder
	for i, k := range tb.keys {
		fmt.Fprintf(&b, "dn: cn=key%d,ou=dkim,dc=test\nobjectClass: applicationProcess\nobjectClass: "+
			"extensibleObject\ncn: key%d\nou: %s\nDKIMDomain: %s\nDKIMSelector: %s\nDKIMKey: %s\n\n", i, i, k[0], k[1], k[2], k[3])
	}
	for i, s := range tb.signing {
		fmt.Fprintf(&b, "dn: cn=author%d,ou=dkim,dc=test\nobjectClass: applicationProcess\nobjectClass: "+
			"extensibleObject\ncn: author%d\nDKIMIdentity: %s\ndescription: %s\n", i, i, s[0], s[1])
		if s[2] != "" {
			b.WriteString("l: " + s[2] + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func directoryOptions(d directory) string {
	return "KeyTable " + d.url + "ou=dkim,dc=test?DKIMDomain,DKIMSelector,DKIMKey?sub?(&(ou=$d)(DKIMKey=*))\nSigningTable " +
		d.url + "ou=dkim,dc=test?description,l?sub?(DKIMIdentity=$d)\n" + directoryLogin
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	p, tb := databasetest.StartPostgres(t), newTables(t)
	p.Run(t, tb.sql()+modoboaTables(t, tb.records))
	tb.signs(t, sqlOptions(p.DSN))
	t.Run("tools", func(t *testing.T) { tb.tools(t, sqlOptions(p.DSN)) })
	if got := strings.TrimSpace(p.Run(t, "SELECT count(*) FROM dkim_keys")); got != fmt.Sprint(len(tb.keys)) {
		t.Errorf("%s rows are left", got)
	}
	t.Run("modoboa", func(t *testing.T) { modoboa(t, tb.records, p.DSN) })
	t.Run("import", func(t *testing.T) { importSQL(t, p.DSN, func(text string) { p.Run(t, text) }) })
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	m, tb := databasetest.StartMariaDB(t), newTables(t)
	m.Run(t, tb.sql()+modoboaTables(t, tb.records))
	tb.signs(t, sqlOptions(m.DSN))
	t.Run("tools", func(t *testing.T) { tb.tools(t, sqlOptions(m.DSN)) })
	t.Run("modoboa", func(t *testing.T) { modoboa(t, tb.records, m.DSN) })
	t.Run("import", func(t *testing.T) { importSQL(t, m.DSN, func(text string) { m.Run(t, text) }) })
}

// modoboaTables are admin_domain, as far as the view reads it, and the view dkim
// that Modoboa's documentation makes of it.
func modoboaTables(t testing.TB, r records) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE admin_domain (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL, enable_dkim INT NOT NULL, " +
		"dkim_key_selector VARCHAR(30), dkim_private_key_path VARCHAR(254));\n")
	dir := t.TempDir()
	for i, domain := range []string{"modoboa.example", "other.example", "off.example"} {
		k := rsaKey(t)
		if i == 1 {
			k = edKey(t)
		}
		path := filepath.Join(dir, domain+".pem")
		must(t, os.WriteFile(path, []byte(k.pem), 0o600))
		r.publish("modoboa", domain, k)
		fmt.Fprintf(&b, "INSERT INTO admin_domain VALUES (%d,%s,%d,'modoboa',%s);\n", i+1, quoted(domain),
			map[bool]int{true: 1}[i < 2], quoted(path))
	}
	b.WriteString("CREATE VIEW dkim AS SELECT id, name AS domain_name, dkim_private_key_path AS private_key_path, " +
		"dkim_key_selector AS selector FROM admin_domain WHERE enable_dkim=1;\n")
	return b.String()
}

// modoboa uses the options of its documentation as they stand.
func modoboa(t *testing.T, r records, dsn string) {
	s := startFilter(t, "KeyTable "+dsn+"/table=dkim?keycol=id?datacol=domain_name,selector,private_key_path\nSigningTable "+
		dsn+"/table=dkim?keycol=domain_name?datacol=id\n")
	r.expect(t, s, map[string]string{"a@modoboa.example": "modoboa.example/modoboa",
		"A@OTHER.Example": "other.example/modoboa", "a@off.example": "", "a@sub.modoboa.example": ""})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	url, client := databasetest.StartRedis(t)
	tb := newTables(t)
	keys, signing := tb.pairs()
	ctx := context.Background()
	must(t, client.HSet(ctx, "keys", keys).Err())
	must(t, client.HSet(ctx, "signing", signing).Err())
	t.Run("hash", func(t *testing.T) { tb.signs(t, "KeyTable "+url+"?hash=keys\nSigningTable "+url+"?hash=signing\n") })
	t.Run("tools", func(t *testing.T) { tb.tools(t, "KeyTable "+url+"?hash=keys\nSigningTable "+url+"?hash=signing\n") })
	for name, rows := range map[string]map[string]string{"k:": keys, "s:": signing} {
		for key, value := range rows {
			must(t, client.Set(ctx, name+key, value, 0).Err())
		}
	}
	t.Run("keys", func(t *testing.T) { tb.signs(t, "KeyTable "+url+"/0?prefix=k:\nSigningTable "+url+"/0?prefix=s:\n") })
	t.Run("tools of keys", func(t *testing.T) { tb.tools(t, "KeyTable "+url+"/0?prefix=k:\nSigningTable "+url+"/0?prefix=s:\n") })
	must(t, client.FlushAll(ctx).Err())
	t.Run("import", func(t *testing.T) { importRedis(t, url) })
}

func TestMemcached(t *testing.T) {
	t.Parallel()
	address, tb := startMemcached(t), newTables(t)
	client := memcache.New(address)
	defer client.Close()
	keys, signing := tb.pairs()
	for prefix, rows := range map[string]map[string]string{"k:": keys, "s:": signing} {
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			must(t, client.Set(&memcache.Item{Key: prefix + key, Value: []byte(rows[key])}))
		}
	}
	tb.signs(t, "KeyTable memcache:"+address+"/k\nSigningTable memcache:"+address+"/s\n")
}

func TestLDAP(t *testing.T) {
	t.Parallel()
	tb := newTables(t)
	zimbraKey := rsaKey(t)
	d := startDirectory(t, tb.ldif()+zimbraEntry(zimbraKey))
	tb.signs(t, directoryOptions(d))
	t.Run("tools", func(t *testing.T) { tb.tools(t, directoryOptions(d)) })
	t.Run("zimbra", func(t *testing.T) {
		// What zmconfigd writes into opendkim.conf: several servers, an empty base, a
		// comma behind the attributes.
		away := "ldap://127.0.0.1:1/"
		s := startFilter(t, "KeyTable "+away+"?DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMSelector=$d) "+
			d.url+"\nSigningTable "+away+"?DKIMSelector?sub?(DKIMIdentity=$d) "+d.url+"\nLDAPUseTLS no\n"+directoryLogin)
		r := records{}
		r.publish("0E9F184A-9577-11E1", "zimbra.example", zimbraKey)
		r.expect(t, s, map[string]string{"a@zimbra.example": "zimbra.example/0E9F184A-9577-11E1",
			"a@sub.zimbra.example": "", "*)(DKIMIdentity=*@x.example": ""})
	})
	t.Run("import", func(t *testing.T) { importLDAP(t, d) })
}

// zimbraEntry is a domain's entry after zmdkimkeyutil -a.
func zimbraEntry(k key) string {
	return "dn: dc=example\nobjectClass: domain\ndc: example\n\ndn: dc=zimbra,dc=example\nobjectClass: " +
		"domain\nobjectClass: DKIM\ndc: zimbra\nDKIMIdentity: zimbra.example\nDKIMSelector: 0E9F184A-9577-11E1\n" +
		"DKIMDomain: zimbra.example\nDKIMKey:: " + base64Text(k.pem) + "\n\n"
}
