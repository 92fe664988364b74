package ldapset

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/remote"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// schema has the attributes of Zimbra's and OpenDKIM's directories.
const schema = `
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'DKIMIdentity' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'DKIMSelector' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.3 NAME 'DKIMDomain' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.4 NAME 'DKIMKey' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'DKIM' SUP top AUXILIARY MAY ( DKIMIdentity $ DKIMSelector $ DKIMDomain $ DKIMKey ) )
`

const config = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include DIR/dkim.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
TLSCACertificateFile DIR/cert.pem
authz-regexp "gidNumber=.*\+uidNumber=.*,cn=peercred,cn=external,cn=auth" "cn=reader,dc=test"
authz-regexp "uid=([^,/]*)(,cn=[^,]*)?,cn=digest-md5,cn=auth" "cn=$1,dc=test"
password-hash {CLEARTEXT}
access to attrs=userPassword by * auth
access to attrs=DKIMIdentity by dn.exact="cn=clerk,dc=test" search by * break
access to * by dn.regex="^cn=(reader|clerk|few),dc=test$" read by dn.exact="cn=admin,dc=test" write by * auth
database mdb
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw secret
directory DIR/db
dbnosync
limits dn.exact="cn=few,dc=test" size=2
`

// directory is a slapd with the rows of the suite and Zimbra's entries.
type directory struct {
	*datasettest.Process
	dir, port, tlsPort string
}

func start(t testing.TB) directory {
	slapd, slapadd := testutil.Need(t, "slapd"), testutil.Need(t, "slapadd")
	openssl := testutil.Need(t, "openssl")
	d := directory{dir: datasettest.Folder(t, 0o700), port: proctest.FreePort(t), tlsPort: proctest.FreePort(t)}
	write := func(name, text string) {
		if err := os.WriteFile(d.dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("dkim.schema", schema)
	write("slapd.conf", strings.ReplaceAll(config, "DIR", d.dir))
	if err := os.Mkdir(d.dir+"/db", 0o700); err != nil {
		t.Fatal(err)
	}
	proctest.Run(t, "", openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
		d.dir+"/key.pem", "-out", d.dir+"/cert.pem", "-days", "2", "-subj", "/CN=localhost",
		"-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
	proctest.Run(t, entries(), slapadd, "-q", "-f", d.dir+"/slapd.conf")
	urls := "ldap://127.0.0.1:" + d.port + "/ ldaps://127.0.0.1:" + d.tlsPort + "/ ldapi://" + url.QueryEscape(d.dir+"/s") + "/"
	d.Process = datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+d.port), slapd, "-f", d.dir+"/slapd.conf", "-h", urls, "-d", "0")
	return d
}

func entries() string {
	var b strings.Builder
	b.WriteString("dn: dc=test\nobjectClass: domain\ndc: test\n\n")
	// A clerk may search by identities and not read them, another is sent few entries.
	for _, name := range []string{"reader", "clerk", "few"} {
		fmt.Fprintf(&b, "dn: cn=%s,dc=test\nobjectClass: person\ncn: %[1]s\nsn: %[1]s\nuserPassword: geheim\n\n", name)
	}
	for i, r := range datasettest.Rows() {
		fmt.Fprintf(&b, "dn: cn=row%d,dc=test\nobjectClass: applicationProcess\nobjectClass: DKIM\ncn: row%d\nDKIMIdentity: %s\n",
			i, i, r.Key)
		for j, v := range r.Values {
			fmt.Fprintf(&b, "%s: %s\n", []string{"DKIMDomain", "DKIMSelector", "DKIMKey"}[j], v)
		}
		b.WriteByte('\n')
	}
	// Zimbra's: the entry of a domain, found by its identity and by its selector.
	b.WriteString("dn: dc=zimbra.example,dc=test\nobjectClass: domain\nobjectClass: DKIM\ndc: " +
		"zimbra.example\nDKIMIdentity: zimbra.example\nDKIMSelector: 0E9F184A-9577\nDKIMDomain: zimbra.example\n" +
		"DKIMKey:: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFCi0tLS0tRU5EIFJTQSBQUklWQVRFIEtFWS0tLS0tCg==\n\n")
	b.WriteString("dn: dc=com,dc=test\nobjectClass: domain\ndc: com\n\ndn: dc=example,dc=com,dc=test\nobjectClass: " +
		"domain\nobjectClass: DKIM\ndc: example\nDKIMDomain: by base\n\n")
	return b.String()
}

const rowsQuery = "dc=test?DKIMDomain,DKIMSelector,DKIMKey?sub?(DKIMIdentity=$d)"

func openSet(t testing.TB, spec string, o Options, r remote.Options) (dataset.Set, error) {
	t.Helper()
	set, err := dataset.Open(context.Background(), spec, dataset.Options{Openers: map[string]dataset.Opener{"ldap": Opener(o, r)}})
	if err == nil {
		t.Cleanup(func() { set.Close() })
	}
	return set, err
}

// inBatches asks for many keys at once, and for each, of templates that allow the one and
// that do not.
func inBatches(t *testing.T, plain string, login Options) {
	keys := []string{"", "one", "\xff", "*", "one)(|(a=*", strings.Repeat("x", 2000), "ONE", "one "}
	for _, row := range datasettest.Rows() {
		keys = append(keys, row.Key, row.Key+"x", row.Key)
	}
	for i := range maxBatch {
		keys = append(keys, fmt.Sprintf("none%d", i))
	}
	for query, together := range map[string]bool{
		rowsQuery: true, "dc=test?DKIMDomain?sub?(&(objectClass=DKIM)(|(DKIMIdentity=$d)(DKIMDomain=$d)))": true, "dc=none?a?sub?(cn=$d)": true,
		"dc=test?DKIMDomain?sub?(|(DKIMIdentity=$d)(DKIMSelector=$d*))": false, "$D,dc=test?DKIMDomain?base": false,
	} {
		set, err := openSet(t, plain+query, login, remote.Options{TTL: -1, NegativeTTL: -1})
		if err != nil {
			t.Fatal(err)
		}
		backend, ok := set.(*remote.Set).Unwrap().(batchSet)
		if ok != together {
			t.Errorf("%s: %T", query, set.(*remote.Set).Unwrap())
		}
		if !ok {
			continue
		}
		for columns := range 2 {
			rows, err := backend.LookupBatch(t.Context(), keys, columns)
			if err != nil || len(rows) != len(keys) {
				t.Fatalf("%s: %d rows, %v", query, len(rows), err)
			}
			for i, key := range keys {
				want, err := backend.Lookup(t.Context(), key, columns)
				if errors.Is(err, dataset.ErrNotFound) != (rows[i] == nil) || !slices.Equal(want, rows[i]) {
					t.Errorf("%s: %q: %q, alone %q, %v", query, key, rows[i], want, err)
				}
			}
		}
	}
}

func TestLDAP(t *testing.T) {
	d := start(t)
	login := Options{BindUser: "cn=reader,dc=test", BindPassword: "geheim"}
	trust, err := TLSFromConf(writeConf(t, d.dir), unset)
	if err != nil {
		t.Fatal(err)
	}
	withTLS := login
	withTLS.TLS, withTLS.UseTLS = trust, true
	plain := "ldap://127.0.0.1:" + d.port + "/"
	uncached := remote.Options{TTL: -1, NegativeTTL: -1}
	for name, c := range map[string]struct {
		url string
		o   Options
	}{
		"plain":    {plain, login},
		"starttls": {plain, withTLS},
		"ldaps":    {"ldaps://localhost:" + d.tlsPort + "/", withTLS},
		"ldapi":    {"ldapi://" + url.QueryEscape(d.dir+"/s") + "/", Options{Mechanism: "EXTERNAL"}},
		"digest":   {plain, Options{Mechanism: "DIGEST-MD5", AuthName: "reader", BindPassword: "geheim"}},
		"several":  {"ldap://127.0.0.1:1/" + rowsQuery + " " + plain + " ldap://127.0.0.1:2/", login},
	} {
		t.Run(name, func(t *testing.T) {
			spec := c.url
			if !strings.Contains(spec, "?") {
				spec += rowsQuery
			}
			if name == "digest" {
				if found, _ := filepath.Glob("/usr/lib/*/sasl2/libdigestmd5.so*"); len(found) == 0 && !testutil.PeersRequired() {
					t.Skip("libsasl2-modules is not installed")
				}
			}
			set, err := openSet(t, spec, c.o, uncached)
			if err != nil {
				t.Fatal(err)
			}
			datasettest.Run(t, set, datasettest.Options{})
			listed := map[string][]string{} // besides the rows there are other entries
			err = dataset.Walk(t.Context(), set, func(e dataset.Entry) error { listed[e.Key] = e.Values; return nil })
			for _, row := range datasettest.Rows() {
				if err != nil || !slices.Equal(listed[row.Key], row.Values) {
					t.Errorf("%q is listed as %q, not %q: %v", row.Key, listed[row.Key], row.Values, err)
				}
			}
		})
	}
	for _, who := range []string{"reader", "clerk", "few"} {
		t.Run("batch of "+who, func(t *testing.T) {
			inBatches(t, plain, Options{BindUser: "cn=" + who + ",dc=test", BindPassword: "geheim"})
		})
	}
	t.Run("zimbra", func(t *testing.T) { zimbra(t, plain, login) })
	t.Run("base", func(t *testing.T) {
		set, err := openSet(t, plain+"$D,dc=test?DKIMDomain?base", login, uncached)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := set.Lookup(context.Background(), "example.com", 1); err != nil || got[0] != "by base" {
			t.Error(got, err)
		}
		for _, key := range []string{"example.org", "example,dc=com", "x", "", "a..b", "example.com,dc=test?", "+", "="} {
			if got, err := set.Lookup(context.Background(), key, 1); !errors.Is(err, dataset.ErrNotFound) {
				t.Errorf("%q: %v, %v", key, got, err)
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		for name, o := range map[string]Options{
			"password":  {BindUser: "cn=reader,dc=test", BindPassword: "falsch"},
			"authority": {BindUser: "cn=reader,dc=test", BindPassword: "geheim", UseTLS: true},
			"host":      {BindUser: "cn=reader,dc=test", BindPassword: "geheim", UseTLS: true, TLS: &tls.Config{RootCAs: trust.RootCAs, ServerName: "other.example"}},
		} {
			_, err := openSet(t, plain+rowsQuery, o, uncached)
			if err == nil || !dataset.IsTemporary(err) || strings.Contains(err.Error(), "falsch") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("outage", func(t *testing.T) {
		o := remote.Options{TTL: -1, NegativeTTL: -1, KeepStale: -1, MinBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond}
		set, err := openSet(t, plain+rowsQuery, login, o)
		if err != nil {
			t.Fatal(err)
		}
		datasettest.Outage(t, set, d.Kill, d.Start)
	})
	d.Stop()
	if _, err := openSet(t, plain+rowsQuery, login, uncached); !dataset.IsTemporary(err) {
		t.Errorf("server is away: %v", err)
	}
	if _, err := openSet(t, plain+rowsQuery, login, remote.Options{SoftStart: true}); err != nil {
		t.Errorf("SoftStart: %v", err)
	}
}

func unset(string) string { return "" }

func writeConf(t *testing.T, dir string) string {
	path := dir + "/ldap.conf"
	if err := os.WriteFile(path, []byte("# comment\nBASE dc=test\nTLS_CACERT "+dir+"/cert.pem\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// zimbra uses the strings that zmconfigd writes: an empty base, a comma behind the
// attributes, several servers.
func zimbra(t *testing.T, plain string, o Options) {
	ctx := context.Background()
	uncached := remote.Options{TTL: -1, NegativeTTL: -1}
	// An empty base finds nothing in a slapd with one suffix unless it is the
	// default; the query itself is what is tested.
	signing, err := openSet(t, plain+"dc=test?DKIMSelector?sub?(DKIMIdentity=$d) "+plain, o, uncached)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := openSet(t, plain+"dc=test?DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMSelector=$d) "+plain, o, uncached)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	err = dataset.SigningLookup(ctx, signing, "user", "zimbra.example", 2, false,
		func(e dataset.Entry) bool { name = e.Values[0]; return true })
	if err != nil || name != "0E9F184A-9577" {
		t.Fatal(name, err)
	}
	got, err := keys.Lookup(ctx, name, 4)
	want := []string{"zimbra.example", "0E9F184A-9577", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	empty, err := openSet(t, plain+"?DKIMSelector?sub?(DKIMIdentity=$d)", o, uncached)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Lookup(ctx, "zimbra.example", 1); err != nil && !errors.Is(err, dataset.ErrNotFound) {
		t.Error(err)
	}
}

func TestParseURLs(t *testing.T) {
	servers, tm, err := parseURLs("ldap://mail1.example:389/?DKIMDomain,DKIMSelector,DKIMKey,?sub?(DKIMSelector=$d) " +
		"ldap://mail2.example:1389 ldaps://[::1]/ ldapi://%2Fvar%2Frun%2Fldapi/ ldapi:///")
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, s := range servers {
		addresses = append(addresses, s.scheme+" "+s.address)
	}
	want := []string{"ldap mail1.example:389", "ldap mail2.example:1389", "ldaps [::1]:636",
		"ldapi /var/run/ldapi", "ldapi /var/run/slapd/ldapi"}
	if diff := cmp.Diff(want, addresses); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"DKIMDomain", "DKIMSelector", "DKIMKey"}, tm.attributes); diff != "" ||
		tm.base != "" || tm.scope != 2 || tm.filter != "(DKIMSelector=$d)" || tm.keyAttribute != "DKIMSelector" {
		t.Errorf("%+v %s", tm, diff)
	}
	_, tm, err = parseURLs("ldap://h/dc=a%20b,$D??one")
	if err != nil || tm.base != "dc=a b,$D" || tm.scope != 1 || tm.filter != "(objectClass=*)" || tm.keyAttribute != "" {
		t.Errorf("%+v %v", tm, err)
	}
	for s, want := range map[string]string{"": "no URL", "x": "not a URL", "http://h/": "unknown scheme",
		"ldap://h/?a?deep": "unknown scope", "ldap://h/?a?sub?(x=": "filter", "ldap://h/%zz": "escape",
		"ldap://user:swordfish@h/dc=x": "bears no user", "ldap://h/ swordfish@h/": "not a URL"} {
		if _, _, err := parseURLs(s); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := New("ldap://h/", Options{Mechanism: "GSSAPI"}); err == nil {
		t.Error("GSSAPI is taken")
	}
}

func TestExpand(t *testing.T) {

	for in, want := range map[string]string{"$d": "a.b", "$D": "dc=a,dc=b", "x$$d$": "x$a.b$", "$x$D,dc=t": "$xdc=a,dc=b,dc=t"} {
		if got := expand(in, "a.b", same); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := expand("($d)", "$D$d", same); got != "($D$d)" {
		t.Errorf("the key is expanded: %s", got)
	}
}

func FuzzURLs(f *testing.F) {
	f.Add("ldap://h/dc=$D?a,b?sub?(x=$d)", "key")
	f.Fuzz(func(t *testing.T, s, key string) {
		_, tm, err := parseURLs(s)
		if err != nil {
			return
		}
		_ = expand(tm.filter, key, same)
	})
}

func same(s string) string { return s }

func Benchmark(b *testing.B) {
	d := start(b)
	for name, r := range map[string]remote.Options{"cold": {TTL: -1, NegativeTTL: -1}, "warm": {TTL: time.Hour, NegativeTTL: time.Hour}} {
		set, err := openSet(b, "ldap://127.0.0.1:"+d.port+"/"+rowsQuery, Options{BindUser: "cn=reader,dc=test", BindPassword: "geheim"}, r)
		if err != nil {
			b.Fatal(err)
		}
		datasettest.Bench(b, name, set)
	}
}
