package keystore

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
)

// wrapper is a set around another, as those that ask servers are.
type wrapper struct{ dataset.Set }

func (w wrapper) Unwrap() dataset.Set { return w.Set }

// unlisted is a set that can only be asked.
type unlisted struct{}

func (unlisted) Lookup(context.Context, string, int) ([]string, error) {
	return []string{"example.com", "s", "/k"}, nil
}
func (unlisted) Close() error { return nil }

func TestRowsOfEveryTable(t *testing.T) {
	_, table := folder(t, "# names", "a example.com:s1:/k:rsa-sha256", "b example.com:s2", "c %:s3:/k/%:more:of:it")
	list, err := dataset.Open(t.Context(), "csl:a=example.com:s1:./k", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := table.(dataset.Local).Source()
	for name, test := range map[string]struct {
		set  dataset.Set
		want []string
	}{
		"file":    {table, []string{file + ":2 a example.com s1 /k", file + ":3 b row has 2 of the fields domain:selector:key", file + ":4 c % s3 /k/%:more:of:it"}},
		"list":    {list, []string{"the table a example.com s1 ./k"}},
		"wrapped": {wrapper{wrapper{list}}, []string{"the table a example.com s1 ./k"}},
	} {
		var got []string
		err := Rows(t.Context(), test.set, "the table", func(r TableRow) error {
			words := []string{r.Place, r.Name, r.Domain, r.Selector, r.Key}
			if r.Err != nil {
				words = []string{r.Place, r.Name, r.Err.Error()}
			}
			got = append(got, strings.Join(words, " "))
			return nil
		})
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	stop := errors.New("stop")
	if err := Rows(t.Context(), table, "", func(TableRow) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if err := Rows(t.Context(), unlisted{}, "", func(TableRow) error { return nil }); !errors.Is(err, dataset.ErrNoWalk) {
		t.Errorf("%v", err)
	}
	if row, err := New(unlisted{}, Options{}).Row(t.Context(), "a"); err != nil || row.Key != "/k" {
		t.Errorf("%+v, %v", row, err)
	}
}

// TestLocate has every way to name a key, with all first characters that base64
// knows: one seed in 64 begins with a slash.
func TestLocate(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "credentials"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "credentials", "mail.key"), "x")
	o := Options{BaseDir: dir, CredentialsDirectory: filepath.Join(dir, "credentials")}
	credential := Location{filepath.Join(dir, "credentials", "mail.key"), true}
	for key, want := range map[string]Location{
		"/etc/k":                  {"/etc/k", false},
		"./k":                     {filepath.Join(dir, "k"), false},
		"../k":                    {filepath.Join(filepath.Dir(dir), "k"), false},
		"mail.key":                credential,
		"./mail.key":              credential,
		credential.Path:           credential,
		"other.key":               {},
		"k":                       {},
		"age:YWJj":                {},
		"-----BEGIN PRI":          {},
		strings.Repeat("a/", 200): {},
	} {
		if got := o.Locate(key); got != want {
			t.Errorf("%.40q: %+v, want %+v", key, got, want)
		}
	}
	seeds := 0
	for i := range 256 {
		seed := make([]byte, 32)
		seed[0], seed[1], seed[31] = byte(i), 30, byte(i) // one begins as a SEQUENCE of its own length does
		key := base64.StdEncoding.EncodeToString(seed)
		if at := o.Locate(key); at != (Location{}) {
			t.Errorf("the seed that begins with %q is taken for %+v", key[:1], at)
		}
		if key[0] == '/' {
			seeds++
		}
		if signer, err := LoadPrivateKey([]byte(key)); err != nil || signer == nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	if seeds == 0 {
		t.Error("no seed begins with a slash")
	}
	for path, want := range map[string]string{"/k": "/k", "k/l": "./k/l", "../k": "./../k",
		"/" + strings.Repeat("A", 42) + "=": "/./" + strings.Repeat("A", 42) + "="} {
		if row := FileRow("d", "s", path); row.Key != want || (Options{}).Locate(row.Key).Path == "" {
			t.Errorf("%q: %+v", path, row)
		}
	}
}

// TestToolsReadWhatTheFilterReads loads one key from every source with the options
// that tools have, and prints none where it cannot be read.
func TestToolsReadWhatTheFilterReads(t *testing.T) {
	dir := t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identities := filepath.Join(dir, "identities")
	writeFile(t, identities, identity.String()+"\n")
	pem := string(read(t, "ed25519.pkcs8.pem"))
	wrapped, err := Wrap([]byte(pem), identity.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "plain"), pem)
	writeFile(t, filepath.Join(dir, "wrapped"), wrapped)
	writeFile(t, filepath.Join(credentials, "name"), pem)
	writeFile(t, filepath.Join(credentials, "sealed"), wrapped)
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	open, err := ToolOptions(identities)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := ToolOptions("")
	if err != nil {
		t.Fatal(err)
	}
	open.UID, closed.UID = os.Getuid(), os.Getuid()
	for key, isWrapped := range map[string]bool{
		filepath.Join(dir, "plain"): false, filepath.Join(dir, "wrapped"): true,
		"name": false, "sealed": true, Column([]byte(pem)): false, wrapped: true, strings.TrimSpace(string(read(t, "ed25519.base64"))): false,
	} {
		row := Row{Domain: "example.com", Selector: "s", Key: key}
		if got, err := New(nil, open).Load(t.Context(), "k", row); err != nil || got.Bits != 256 {
			t.Errorf("%.40q: %v", key, err)
		}
		_, err := New(nil, closed).Load(t.Context(), "k", row)
		if (err != nil) != isWrapped || err != nil && !strings.Contains(err.Error(), "KeyIdentities") {
			t.Errorf("%.40q without identities: %v", key, err)
		}
	}
	if _, err := ToolOptions(filepath.Join(dir, "none")); err == nil {
		t.Error("no error for identities that are not there")
	}
	if got := credentialsDirectory("", credentials); got != credentials {
		t.Errorf("the filter's credentials are not found: %q", got)
	}
	for _, none := range []string{filepath.Join(dir, "none"), identities} {
		if got := credentialsDirectory("", none); got != "" {
			t.Errorf("%q", got)
		}
	}
}

// TestColumn writes every form of one key into a column, and reads it back.
func TestColumn(t *testing.T) {
	for _, name := range []string{"rsa2048.pkcs1.pem", "rsa2048.pkcs8.pem", "rsa2048.joined.pem",
		"rsa2048.escaped.pem", "rsa2048.der", "rsa2048.base64",
		"ed25519.pkcs8.pem", "ed25519.seed", "ed25519.base64"} {
		data := read(t, name)
		want, err := LoadPrivateKey(data)
		if name == "ed25519.seed" && err != nil {
			continue // raw bytes are no form of a key
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := Column(data)
		if strings.ContainsAny(text, ": \n\t") {
			t.Errorf("%s: %q does not fit into a column", name, text)
		}
		row, err := ParseRow([]string{"example.com:s:" + text})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := LoadPrivateKey([]byte(row.Key)); err != nil ||
			!got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(want.Public()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSelectorsAlone, as Selector names them: one that cannot be is unusable, one that no
// verifier finds is not.
func TestSelectorsAlone(t *testing.T) {
	for selector, want := range map[string]struct {
		text, hint string
		unusable   bool
	}{
		"mail": {}, "mail.2026": {},
		"a b":             {`selector "a b" is not a domain name`, "write a selector such as mail2026: letters, digits, hyphens and dots between", true},
		"mail._domainkey": {`selector "mail._domainkey": verifiers put ._domainkey behind it once more`, "write mail", false},
	} {
		if text, hint, unusable := JudgeSelector(selector); text != want.text || hint != want.hint || unusable != want.unusable {
			t.Errorf("%q: %q, %q, %v", selector, text, hint, unusable)
		}
	}
}

// TestKeysThatDoNotUnwrap: the error names the key and the reason.
func TestKeysThatDoNotUnwrap(t *testing.T) {
	store := New(nil, Options{Unwrap: func([]byte) ([]byte, bool, error) { return nil, true, errors.New("no identity matches") }})
	_, err := store.Read("k1", Row{Domain: "example.com", Selector: "s", Key: "age:AAAA"})
	if err == nil || !strings.Contains(err.Error(), `key "k1" cannot be unwrapped: no identity matches`) {
		t.Error(err)
	}
}

// TestDotAtTheEnd: the one that ends an absolute name goes, no other.
func TestDotAtTheEnd(t *testing.T) {
	for domain, want := range map[string]string{
		"example.com.": "example.com", "example.com": "example.com", ".example.com": ".example.com", "example.com..": "example.com.", ".": ".", "": "", "..": ".",
	} {
		if got, cut := withoutDot(domain); got != want || cut != (got != domain) {
			t.Errorf("%q: %q, %v", domain, got, cut)
		}
	}
	if _, err := ParseRow([]string{".:s:/k"}); err == nil || !strings.Contains(err.Error(), `"."`) {
		t.Errorf("a dot as domain: %v", err)
	}
	if r, err := ParseRow([]string{"example.com", "s", "age"}); err != nil || r.Key != "age" { // no wrapped key
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ParseRow([]string{"example.com.:s:/k"}); err != nil || r.Domain != "example.com" {
		t.Errorf("%+v, %v", r, err)
	}
}
