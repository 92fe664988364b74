package migrate

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
)

func TestPatternsBecomeKeys(t *testing.T) {
	for pattern, want := range map[string]string{
		"*": "*", "*@*": "*", "joe@Example.com": "joe@example.com", "*@example.com": "example.com", "*@*.example.com": ".example.com",
		"joe@*": "joe@*", "example.com": "example.com", "j*@example.com": "", "*@ex*.com": "", "*example.com": "",
	} {
		got, err := exactKey(pattern)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", pattern, got, err, want)
		}
	}
}

func TestFromSets(t *testing.T) {
	open := func(spec string) dataset.Set {
		set, err := dataset.Open(t.Context(), spec, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	tables, problems, err := FromSets(t.Context(), open("csl:k1=example.com:s:/keys/a,bad=x,k2=example.org:s:AAAA:ed25519-sha256"), open("csl:*@example.com=k1:joe@example.com,*@example.com=k1,*@example.com=k2,x*@example.com=k2"))
	if err != nil {
		t.Fatal(err)
	}
	want := Tables{
		Keys:    []Key{{Name: "k1", Domain: "example.com", Selector: "s", Path: "/keys/a"}, {Name: "k2", Domain: "example.org", Selector: "s", Data: "AAAA", Algorithm: "ed25519-sha256"}},
		Signing: []Signing{{Author: "example.com", Key: "k1,k2", Identity: "joe@example.com"}},
	}
	if diff := cmp.Diff(want, tables); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(problems) != 2 || !problems.HasErrors() {
		t.Errorf("want a problem for the short row and one for the pattern, got %v", problems)
	}
}

// The text is what amavisd 2.12 prints for two dkim_key() lines.
func TestFromAmavis(t *testing.T) {
	tables, err := FromAmavis(strings.NewReader(`; key#1 2048 bits, s=dkim, d=example.com, /var/db/dkim/example.pem
dkim._domainkey.example.com.	3600 TXT (
  "v=DKIM1; p="
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A")

; key#2, s=mail, d=Example.org, /var/db/dkim/org.pem
; key#3 2048 bits, s=mail, d=*.example.net, /var/db/dkim/net.pem
; CANNOT DECLARE A WILDCARDED LABEL IN DNS, AVOID OR EDIT MANUALLY!
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Key{{Name: "dkim._domainkey.example.com", Domain: "example.com", Selector: "dkim", Path: "/var/db/dkim/example.pem"},
		{Name: "mail._domainkey.example.org", Domain: "example.org", Selector: "mail", Path: "/var/db/dkim/org.pem"},
		{Name: "mail._domainkey.example.net", Domain: "%", Selector: "mail", Path: "/var/db/dkim/net.pem"}}
	if diff := cmp.Diff(want, tables.Keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := tables.Signing[len(tables.Signing)-1].Author; got != ".example.net" {
		t.Errorf("*.example.net became %q", got)
	}
	for _, text := range []string{"nonsense", "; key#1 2048 bits, s=mail, d=.example.org, /k.pem", "; key#1 2048 bits, s=mail, d=*, /k.pem\n; key#2 2048 bits, s=mail, d=a.*.example, /k.pem"} {
		if tables, err := FromAmavis(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken: %v", text, tables)
		}
	}
}

func TestFromDkimpy(t *testing.T) {
	tables, err := FromDkimpy(strings.NewReader("# comment\nDomain example.com,example.org\nSelector rsa\nKeyFile /etc/rsa.key\nSelectorEd25519 ed\nKeyFileEd25519 /etc/ed.key # the new one\n"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, k := range tables.Keys {
		rows = append(rows, k.Domain+" "+k.Selector+" "+k.Path)
	}
	if diff := cmp.Diff([]string{"example.com rsa /etc/rsa.key", "example.com ed /etc/ed.key", "example.org rsa /etc/rsa.key", "example.org ed /etc/ed.key"}, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFromRspamd(t *testing.T) {
	rows := func(text string, files ...string) []string {
		tables, err := FromRspamd(strings.NewReader(text), func(string) ([]string, error) { return files, nil })
		if err != nil {
			return []string{err.Error()}
		}
		var rows []string
		for _, k := range tables.Keys {
			rows = append(rows, k.Domain+" "+k.Selector+" "+k.Path)
		}
		return rows
	}
	for name, c := range map[string]struct {
		text  string
		files []string
		want  []string
	}{
		"domain blocks": {`# local.d/dkim_signing.conf
path = "/var/lib/rspamd/dkim/$domain.$selector.key";
selector = "dkim";
allow_username_mismatch = true;
domain {
  example.com {
    path = "/etc/dkim/example.key"; selector = "ds";
  }
  example.org { selector = "x" }
}`, nil, []string{"example.com ds /etc/dkim/example.key", "example.org x /var/lib/rspamd/dkim/example.org.x.key"}},
		"several selectors": {`domain { example.com { selectors [ { path: "/a.key"; selector: "rsa"; }, { path: "/b.key"; selector: "ed"; } ] } }`, nil,
			[]string{"example.com rsa /a.key", "example.com ed /b.key"}},
		"pattern of paths": {`path = "/var/lib/rspamd/dkim/$domain.$selector.key"; selector = "2026";`,
			[]string{"/var/lib/rspamd/dkim/a.example.2026.key", "/var/lib/rspamd/dkim/b.example.2026.key"},
			[]string{"a.example 2026 /var/lib/rspamd/dkim/a.example.2026.key", "b.example 2026 /var/lib/rspamd/dkim/b.example.2026.key"}},
		"everybody":          {`domain { "*" { path = "/keys/$domain.key"; selector = "s"; } }`, nil, []string{"% s /keys/%.key"}},
		"inside its section": {`dkim_signing { domain { example.com { path = "/k"; selector = "s"; } } }`, nil, []string{"example.com s /k"}},
		"unclosed":           {`domain { example.com {`, nil, []string{"a block is not closed"}},
	} {
		if diff := cmp.Diff(c.want, rows(c.text, c.files...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWriters(t *testing.T) {
	tables := Tables{
		Keys:    []Key{{Name: "k'1", Domain: "example.com", Selector: "s", Data: "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n"}},
		Signing: []Signing{{Author: "example.com", Key: "k'1,k2", Identity: "@example.com"}},
	}
	var flat, signing, sql, ldif, redis bytes.Buffer
	for _, err := range []error{tables.WriteFlat(&flat, &signing), tables.WriteSQL(&sql, false), tables.WriteLDIF(&ldif, "dc=example", false), tables.WriteRedis(&redis, false)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if flat.String() != "k'1 example.com:s:AAAABBBB\n" || signing.String() != "example.com k'1,k2:@example.com\n" {
		t.Errorf("flat: %q %q", flat.String(), signing.String())
	}
	if !strings.Contains(sql.String(), "INSERT INTO dkim_keys (name, domain, selector, private_key, algorithm) VALUES ('k''1', 'example.com', 's', 'AAAABBBB', '');") {
		t.Errorf("SQL does not quote: %s", sql.String())
	}
	for _, want := range []string{"dn: cn=k'1,ou=keys,dc=example\n", "DKIMKey:: LS0tLS1CRUdJTi", "dn: cn=example.com,ou=signing,dc=example\n", "DKIMSelector: k'1,k2\nDKIMIdentity: @example.com\n"} {
		if !strings.Contains(ldif.String(), want) {
			t.Errorf("LDIF has no %q: %s", want, ldif.String())
		}
	}
	if want := "HSETNX dkim:keys \"k'1\" \"example.com:s:AAAABBBB\"\nHSETNX dkim:signing \"example.com\" \"k'1,k2:@example.com\"\n"; redis.String() != want {
		t.Errorf("Redis: got %q, want %q", redis.String(), want)
	}
}

func TestLoadKeysTellsWhatIsMissing(t *testing.T) {
	tables := Tables{Keys: []Key{{Name: "k", Path: filepath.Join(t.TempDir(), "gone")}}}
	if problems := tables.LoadKeys(nil); !problems.HasErrors() {
		t.Error("a missing key is no problem")
	}
}

func FuzzUCL(f *testing.F) {
	f.Add(`domain { example.com { path = "/k"; selector = 's'; } } /* c */ # d`)
	f.Add(`a [ { b: c }, { d: e } ]`)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parseUCL(text) // must end, and not crash
	})
}

func TestQuoting(t *testing.T) {
	if got, want := quoteRedis("a\"b\\c\n도"), `"a\"b\\c\x0a\xeb\x8f\x84"`; got != want {
		t.Errorf("Redis: %s, want %s", got, want)
	}
	for in, want := range map[string]string{"a,b": `a\,b`, "#a": `\#a`, " a ": `\ a\ `, "*": "*"} {
		if got := escapeDN(in); got != want {
			t.Errorf("DN: %s, want %s", got, want)
		}
	}
	if err := (Tables{Signing: []Signing{{Author: `\' OR 1=1 --`}}}).WriteSQL(new(bytes.Buffer), false); err == nil {
		t.Error("SQL: a backslash is written for any server")
	}
	if diff := cmp.Diff([]string{"KeyTable      ldap://h/ou=keys,ou=a%20b,dc=x?DKIMDomain,DKIMSelector,DKIMKey,description?one?(cn=$d)", "SigningTable  ldap://h/ou=signing,ou=a%20b,dc=x?DKIMSelector,DKIMIdentity?one?(cn=$d)"}, LDAPOptions("ldap://h/ou=a b,dc=x")); diff != "" {
		t.Error(diff)
	}
}

// What follows the database or the "?" is about the connection and is kept.
func TestOptionsKeepParameters(t *testing.T) {
	for to, want := range map[string][]string{
		"dsn:pgsql://h/mail/":               SQLOptions("dsn:pgsql://h/mail"),
		"dsn:pgsql://u:p@1+h/mail?ca=/a/b":  {"KeyTable      dsn:pgsql://u:p@1+h/mail/table=dkim_keys?keycol=name?datacol=domain,selector,private_key,algorithm?ca=/a/b", "SigningTable  dsn:pgsql://u:p@1+h/mail/table=dkim_signing?keycol=author?datacol=key_name,identity?ca=/a/b"},
		"dsn:pgsql://u:p@1+h/mail/ca=/a/b/": SQLOptions("dsn:pgsql://u:p@1+h/mail?ca=/a/b"),
	} {
		if diff := cmp.Diff(want, SQLOptions(to)); diff != "" {
			t.Errorf("%s: %s", to, diff)
		}
	}
	want := []string{"KeyTable      rediss://h/0?hash=dkim:keys&ca=/a&tls=verify", "SigningTable  rediss://h/0?hash=dkim:signing&ca=/a&tls=verify"}
	if diff := cmp.Diff(want, RedisOptions("rediss://h/0?ca=/a&hash=x&tls=verify")); diff != "" {
		t.Error(diff)
	}
}

// docs/scaling.md shows what we write.
func TestDocumentedTables(t *testing.T) {
	text, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	create, _ := Tables{}.Statements()
	want := append(create, SQLOptions("dsn:pgsql://dkim:secret@db.example.com/mail")...)
	want = append(want, RedisOptions("redis://:secret@db.example.com:6379/0")...)
	want = append(want, RedisOptions("redis+cluster://db1.example.com:6379,db2.example.com:6379")...)
	want = append(want, LDAPOptions("ldap://db.example.com/ou=dkim,dc=example,dc=com")...)
	for _, line := range want {
		line = strings.NewReplacer("IF NOT EXISTS ", "", " (name", " ( name", " (author VARCHAR", " ( author VARCHAR").Replace(line)
		if line = strings.Join(strings.Fields(line), " "); !strings.Contains(words, line) {
			t.Errorf("docs/scaling.md has no %s", line)
		}
	}
}
