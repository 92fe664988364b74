package migrate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/problem"
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
	tables, problems, err := FromSets(t.Context(),
		open("csl:k1=example.com:s:/keys/a,bad=x,k2=example.org:s:AAAA:ed25519-sha256"),
		open("csl:*@example.com=k1:joe@example.com,*@example.com=k1,*@example.com=k2,x*@example.com=k2"), keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Tables{
		Keys: []Key{{Name: "k1", Domain: "example.com", Selector: "s", Path: "/keys/a"},
			{Name: "k2", Domain: "example.org", Selector: "s", Data: "AAAA", Algorithm: "ed25519-sha256"}},
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
	for _, text := range []string{"nonsense", "; key#1 2048 bits, s=mail, d=.example.org, /k.pem",
		"; key#1 2048 bits, s=mail, d=*, /k.pem\n; key#2 2048 bits, s=mail, d=a.*.example, /k.pem"} {
		if tables, err := FromAmavis(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken: %v", text, tables)
		}
	}
}

func TestFromDkimpy(t *testing.T) {
	tables, err := FromDkimpy(strings.NewReader("# comment\nDomain example.com,example.org\nSelector rsa\nKeyFile " +
		"/etc/rsa.key\nSelectorEd25519 ed\nKeyFileEd25519 /etc/ed.key # the new one\n"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, k := range tables.Keys {
		rows = append(rows, k.Domain+" "+k.Selector+" "+k.Path)
	}
	if diff := cmp.Diff([]string{"example.com rsa /etc/rsa.key", "example.com ed /etc/ed.key",
		"example.org rsa /etc/rsa.key", "example.org ed /etc/ed.key"}, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFromRspamd(t *testing.T) {
	rows := func(text string, files ...string) []string {
		tables, _, err := FromRspamd(strings.NewReader(text), Files{Glob: func(string) ([]string, error) { return files, nil }})
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

// TestWhoIsSigned asks the imported tables who is signed for, as the filter does:
// what rspamd 3.4 (lua_dkim_tools.lua) and dkimpy-milter 1.2.3 (get_identities_sign)
// choose for the same authors.
func TestWhoIsSigned(t *testing.T) {
	files := Files{
		Glob: func(pattern string) ([]string, error) {
			if pattern != "/d/*.dkim.key" {
				return nil, nil
			}
			return []string{"/d/glob.example.dkim.key", "/d/mapped.example.dkim.key"}, nil
		},
		Read: func(path string) ([]byte, error) {
			return []byte(map[string]string{
				"/m/selectors": "# comment\nmapped.example  s2026 # since May\n\nboth.example sb\n",
				"/m/paths":     "both.example /m/$domain-$selector.key\n",
				"/m/signing":   "*@table.example tk\nboss@table.example bk\n*@any.example %\n*@*.sub.example sk\n",
				"/m/keys":      "tk table.example:s:/k/t\nbk table.example:/k/b\nany.example %:s:/k/%\nsk sub.example:s:/k/s\n",
			}[path]), nil
		},
	}
	const pattern = "path = \"/d/$domain.$selector.key\"; selector = \"dkim\";\n"
	for name, c := range map[string]struct {
		from, text string
		want       map[string]string // author to "domain selector path", "" for unsigned
		warnings   int
	}{
		"use_esld is the default": {"rspamd", `domain { example.com { path = "/k"; selector = "s"; } }`,
			map[string]string{"a@example.com": "example.com s /k", "a@deep.sub.example.com": "example.com s /k", "a@notexample.com": "", "a@com": ""}, 0},
		"use_esld off": {"rspamd", `use_esld = false; domain { example.com { path = "/k"; selector = "s"; } sub.example.com { path = "/l"; selector = "t"; } }`,
			map[string]string{"a@example.com": "example.com s /k", "a@sub.example.com": "sub.example.com t /l", "a@deep.sub.example.com": ""}, 0},
		"use_esld never asks for a subdomain": {"rspamd", `domain { example.co.uk { path = "/k"; selector = "s"; } sub.example.co.uk { path = "/l"; selector = "t"; } }`,
			map[string]string{"a@sub.example.co.uk": "example.co.uk s /k", "a@co.uk": ""}, 1},
		"maps": {"rspamd", pattern + `selector_map = "/m/selectors"; path_map = "file:///m/paths"; domain { both.example { selector = "old"; } }`,
			map[string]string{"a@mapped.example": "mapped.example s2026 /d/mapped.example.s2026.key", "a@x.both.example": "both.example sb /m/both.example-sb.key", "a@glob.example": "glob.example dkim /d/glob.example.dkim.key", "a@none.example": ""}, 0},
		"maps in place": {"rspamd", `path = "/d/$domain"; selector_map = [ "a.example sa", "b.example sb" ];`,
			map[string]string{"u@a.example": "a.example sa /d/a.example", "u@x.b.example": "b.example sb /d/b.example", "u@c.example": ""}, 0},
		"no fallback": {"rspamd", pattern + `try_fallback = false; domain { a.example { selector = "s"; path = "/k"; } }`,
			map[string]string{"u@a.example": "a.example s /k", "u@glob.example": ""}, 0},
		"a map without a path": {"rspamd", `selector_map [ "a.example sa" ] domain { b.example { selector = s; path = "/k" } }`,
			map[string]string{"u@a.example": "", "u@b.example": "b.example s /k"}, 1},
		"tables": {"rspamd", `selector = "default"; signing_table = "/m/signing"; key_table = "glob;/m/keys";`,
			map[string]string{"u@table.example": "table.example s /k/t", "boss@table.example": "table.example default /k/b", "u@any.example": "any.example s /k/any.example", "u@x.sub.example": "sub.example s /k/s", "u@x.table.example": ""}, 0},
		"tables in place": {"rspamd", `signing_table = [ "*@a.example k" ]; key_table = [ "k a.example:s:/k/a" ];`,
			map[string]string{"u@a.example": "a.example s /k/a", "u@x.a.example": ""}, 0},
		"SubDomains": {"dkimpy", "Domain a.example,b.example\nSubDomains yes\nSelector s\nKeyFile /k\n",
			map[string]string{"u@a.example": "a.example s /k", "u@x.y.b.example": "b.example s /k", "u@xa.example": ""}, 0},
		"no SubDomains": {"dkimpy", "Domain a.example\nSubDomains no\nSelector s\nKeyFile /k\n",
			map[string]string{"u@a.example": "a.example s /k", "u@x.a.example": ""}, 0},
	} {
		var tables Tables
		var problems problem.List
		var err error
		if c.from == "rspamd" {
			tables, problems, err = FromRspamd(strings.NewReader(c.text), files)
		} else {
			tables, err = FromDkimpy(strings.NewReader(c.text))
		}
		if err != nil || len(problems) != c.warnings || problems.HasErrors() {
			t.Errorf("%s: %v, %v", name, err, problems)
			continue
		}
		for author, want := range c.want {
			if got := signedBy(t, tables, author); got != want {
				t.Errorf("%s: %s is signed by %q, want %q", name, author, got, want)
			}
		}
	}
}

// signedBy looks an author up in the tables as they are written to files.
func signedBy(t *testing.T, tables Tables, author string) string {
	t.Helper()
	var keyText, signingText strings.Builder
	if err := tables.WriteFlat(&keyText, &signingText); err != nil {
		t.Fatal(err)
	}
	open := func(text string) dataset.Set {
		path := filepath.Join(t.TempDir(), "table")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := dataset.Open(t.Context(), "file:"+path, dataset.Options{FoldCase: true})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	user, host, _ := strings.Cut(author, "@")
	name := ""
	err := dataset.SigningLookup(t.Context(), open(signingText.String()), user, host, 2, false,
		func(e dataset.Entry) bool { name = e.Values[0]; return true })
	if errors.Is(err, dataset.ErrNotFound) {
		return ""
	}
	if name == "%" {
		name = host
	}
	row, err := keystore.New(open(keyText.String()), keystore.Options{}).Row(t.Context(), name)
	if err == nil {
		row, err = row.ForSender(host)
	}
	if err != nil {
		t.Fatalf("%s: %v", author, err)
	}
	return row.Domain + " " + row.Selector + " " + row.Key
}

func TestWriters(t *testing.T) {
	tables := Tables{
		Keys: []Key{{Name: "k'1", Domain: "example.com", Selector: "s",
			Data: "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n"}},
		Signing: []Signing{{Author: "example.com", Key: "k'1,k2", Identity: "@example.com"}},
	}
	var flat, signing, sql, ldif, redis bytes.Buffer
	for _, err := range []error{tables.WriteFlat(&flat, &signing), tables.WriteSQL(&sql, false),
		tables.WriteLDIF(&ldif, "dc=example", false), tables.WriteRedis(&redis, false)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if flat.String() != "k'1 example.com:s:AAAABBBB\n" || signing.String() != "example.com k'1,k2:@example.com\n" {
		t.Errorf("flat: %q %q", flat.String(), signing.String())
	}
	if !strings.Contains(sql.String(), "INSERT INTO dkim_keys (name, domain, selector, private_key, algorithm) VALUES "+
		"('k''1', 'example.com', 's', 'AAAABBBB', '');") {
		t.Errorf("SQL does not quote: %s", sql.String())
	}
	for _, want := range []string{"dn: cn=k'1,ou=keys,dc=example\n", "DKIMKey:: LS0tLS1CRUdJTi",
		"dn: cn=example.com,ou=signing,dc=example\n", "DKIMSelector: k'1,k2\nDKIMIdentity: @example.com\n"} {
		if !strings.Contains(ldif.String(), want) {
			t.Errorf("LDIF has no %q: %s", want, ldif.String())
		}
	}
	if want := "HSETNX dkim:keys \"k'1\" \"example.com:s:AAAABBBB\"\nHSETNX dkim:signing \"example.com\" " +
		"\"k'1,k2:@example.com\"\n"; redis.String() != want {
		t.Errorf("Redis: got %q, want %q", redis.String(), want)
	}
}

func TestLoadKeysTellsWhatIsMissing(t *testing.T) {
	tables := Tables{Keys: []Key{{Name: "k", Path: filepath.Join(t.TempDir(), "gone")}}}
	if problems := tables.LoadKeys(keystore.Options{}, nil, nil); !problems.HasErrors() {
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
	if diff := cmp.Diff([]string{"KeyTable      " +
		"ldap://h/ou=keys,ou=a%20b,dc=x?DKIMDomain,DKIMSelector,DKIMKey,description?one?(cn=$d)", "SigningTable  ldap://h/ou=signing,ou=a%20b,dc=x?DKIMSelector,DKIMIdentity?one?(cn=$d)"}, LDAPOptions("ldap://h/ou=a b,dc=x")); diff != "" {
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
	want := []string{"KeyTable      rediss://h/0?hash=dkim:keys&ca=/a&tls=verify",
		"SigningTable  rediss://h/0?hash=dkim:signing&ca=/a&tls=verify"}
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
	create, _ := Tables{}.statements()
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
