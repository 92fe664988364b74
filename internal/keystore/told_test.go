package keystore

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"dojang/dkim"
	"dojang/internal/testutil"
)

// TestLintTellsOfUnsafeKeys that are used all the same.
func TestLintTellsOfUnsafeKeys(t *testing.T) {
	for _, required := range []bool{false, true} {
		for mode, safe := range map[os.FileMode]bool{0o600: true, 0o644: false} {
			dir := testutil.HomeDir(t)
			path := filepath.Join(dir, "key")
			writeFile(t, path, string(read(t, "ed25519.pkcs8.pem")))
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, table := folder(t, "k example.com:s:"+path)
			var told []string
			for _, p := range New(table, Options{UID: os.Getuid(), RequireSafeKeys: required}).Lint(t.Context()) {
				told = append(told, p.String())
			}
			if len(told) == 0 != safe || !safe && (!strings.Contains(told[0], "can be read or written by other users") ||
				required != strings.Contains(told[0], "error loading")) &&
				!strings.Contains(told[0], "key data is not secure") {
				t.Errorf("RequireSafeKeys %v, mode %o: %q", required, mode, told)
			}
		}
	}
}

// TestLintTellsOfKeysOutOfReach: who checks may read what the filter's user may not.
func TestLintTellsOfKeysOutOfReach(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	for mode, reaches := range map[os.FileMode]bool{0o600: false, 0o644: true} {
		path := filepath.Join(dir, "key")
		writeFile(t, path, string(read(t, "ed25519.pkcs8.pem")))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		row := Row{Domain: "example.com", Selector: "s", Key: path}
		s := New(nil, Options{UID: os.Getuid() + 1})
		p := s.lintReach("k", 7, row)
		if reaches != (p == nil) || p != nil && (p.Line != 7 || p.Hint == "" || !strings.Contains(p.Text,
			"Permission denied (for the filter's user, uid ")) {
			t.Errorf("mode %o: %v", mode, p)
		}
		for name, s := range map[string]*Store{"the same user": New(nil, Options{UID: os.Getuid()}),
			"files of its own": New(nil, Options{UID: os.Getuid() + 1, ReadFile: os.ReadFile})} {
			if p := s.lintReach("k", 7, row); p != nil {
				t.Errorf("%s: %v", name, p)
			}
		}
		// The row of a table tells the same, where safety is no question.
		_, table := folder(t, "k example.com:s:"+path)
		told := ""
		for _, p := range New(table, Options{UID: os.Getuid() + 1}).Lint(t.Context()) {
			told += p.String()
		}
		if mode == 0o600 && os.Getuid() == 0 && !strings.Contains(told, "Permission denied (for the filter's user") ||
			mode == 0o644 && strings.Contains(told, "Permission denied") {
			t.Errorf("mode %o: %s", mode, told)
		}
	}
}

// TestHintsOfRows say what to write: the name without what makes it none.
func TestHintsOfRows(t *testing.T) {
	for row, want := range map[string]string{
		"*.example.com:s:/k":   "write example.com",
		"joe@example.com:s:/k": "write example.com",
		".example.com:s:/k":    "write example.com",
		"<example.com>:s:/k":   "write example.com",
		"a b:s:/k":             "write a domain such as example.com, or % for the sender's",
		"*:s:/k":               "write a domain such as example.com, or % for the sender's",
		"example.com:*.sel:/k": "write sel",
		"example.com:a b:/k":   "write a selector such as mail2026: letters, digits, hyphens and dots between",
	} {
		_, table := folder(t, "k "+row)
		list := New(table, Options{UID: os.Getuid()}).Lint(t.Context())
		if len(list) != 1 || list[0].Hint != want || !list.HasErrors() {
			t.Errorf("%s: %v", row, list)
		}
	}
}

// TestMadeKeysSign, each with the key that it names.
func TestMadeKeysSign(t *testing.T) {
	for want, generate := range map[string]func() (Pair, error){
		"Ed25519": GenerateEd25519, "1024-bit RSA": func() (Pair, error) { return GenerateRSA(1024) },
	} {
		made, err := generate()
		if err != nil || made.Description != want {
			t.Fatalf("%s: %+v, %v", want, made.Description, err)
		}
		key, err := LoadPrivateKey(made.PEM)
		if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(made.Public) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestNamesWhereNobodyLooks: rows that sign, with names under which no verifier finds the key.
func TestNamesWhereNobodyLooks(t *testing.T) {
	for row, want := range map[string]string{
		"example.com:s:DIR/key": "", "example.com:a.b:DIR/key": "", "%:s:DIR/key": "", "localhost:s:DIR/key": "", "%:a.b:DIR/key": "", "example.com:s:DIR/key:rsa-sha256": "",
		"example.com.:s:DIR/key":                       "write example.com",
		"example.com:S._domainKey:DIR/key":             "write S",
		"example.com:s._domainkey.example.com:DIR/key": "write s",
		"s._domainkey.Example.com:s:DIR/key":           "write Example.com",
		"_domainkey.example.com:s:DIR/key":             "write example.com",
		"192.0.2.1:s:DIR/key":                          "write the domain of the authors",
		"s:example.com:DIR/key":                        "write example.com:s before the key",
		"example.com:s:DIR/key:rsa-sha1":               "leave the fourth column out: the key decides",
		"example.com:s:DIR/key:rsa":                    "write rsa-sha256 or ed25519-sha256 in the place of rsa, or nothing behind DIR/key",
		"example.com:s:DIR/none":                       "make the file, or correct the path: ls -l DIR/none",
		"example.com:s:DIR":                            "write the path of a file: ls -l DIR",
		"example.com:s:DIR/text":                       "look into it: head -n 1 DIR/text; it must be a private key, as `dojang genkey` makes one",
		"example.com:s:MIIabc=":                        "write the path of its file, or the key itself without a line break",
	} {
		dir, table := folder(t, "k "+row)
		writeFile(t, filepath.Join(dir, "key"), string(read(t, "rsa2048.pkcs1.pem")))
		writeFile(t, filepath.Join(dir, "text"), "example.com\n")
		var hints []string
		for _, p := range New(table, Options{UID: os.Getuid()}).Lint(t.Context()) {
			if p.Hint = strings.ReplaceAll(p.Hint, dir, "DIR"); !strings.HasPrefix(p.Hint, "chmod") {
				hints = append(hints, p.Hint)
			}
		}
		if strings.Join(hints, "|") != want {
			t.Errorf("%s: %q, want %q", row, hints, want)
		}
	}
}

// TestSmallKeysAreMade, which the standard library refuses to.
func TestSmallKeysAreMade(t *testing.T) {
	for bits, want := range map[int]bool{511: false, 512: true, 768: true, 1024: true, MaxRSABits + 1: false, 0: false} {
		made, err := GenerateRSA(bits)
		if (err == nil) != want {
			t.Errorf("%d bits: %v", bits, err)
		}
		if err != nil {
			continue
		}
		if key := made.Public.(*rsa.PublicKey); key.N.BitLen() != bits || key.E != 65537 ||
			!strings.Contains(string(made.PEM), "PRIVATE KEY") {
			t.Errorf("%d bits: %d bits, e=%d", bits, key.N.BitLen(), key.E)
		}
	}
}

// TestBase64OfKeys may be broken by white space anywhere, and by nothing else.
func TestBase64OfKeys(t *testing.T) {
	for c := range 256 {
		der, err := decodeBase64([]byte("QU" + string([]byte{byte(c)}) + "JD"))
		if want := strings.IndexByte(" \t\n\v\f\r", byte(c)) >= 0; want != (err == nil && string(der) == "ABC") {
			t.Errorf("%q: %q, %v", byte(c), der, err)
		}
	}
}

// TestSendersInPaths never lead elsewhere.
func TestSendersInPaths(t *testing.T) {
	row := Row{Domain: "%", Selector: "s", Key: "/keys/%/k"}
	for domain, want := range map[string]string{
		"example.com": "/keys/example.com/k", "a-b.c_d": "/keys/a-b.c_d/k", "example.com.": "/keys/example.com./k",
		"": "no", ".": "no", "..": "no", ".a": "no", "a..b": "no", "a/b": "no", "/a": "no", "a\x00b": "no", "../a": "no", "[192.0.2.1]": "no"} {
		got, err := row.ForSender(domain)
		if err != nil {
			got.Key = "no"
		}
		if got.Key != want {
			t.Errorf("%q: %s, want %s (%v)", domain, got.Key, want, err)
		}
		row := Row{Domain: "example.com", Selector: "s", Key: "/keys/%/k"} // whose own domain is a good one
		if _, err := row.ForSender(domain); (err != nil) != (want == "no" && domain[:min(1, len(domain))] != "[") {
			t.Errorf("%q for another domain: %v", domain, err)
		}
	}
	for _, fixed := range []Row{{Domain: "example.com", Selector: "s", Key: "/k"}} {
		if got, err := fixed.ForSender("a/b"); err != nil || got != fixed {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// TestCredentialsAreSafe: the service manager sees to it.
func TestCredentialsAreSafe(t *testing.T) {
	dir, table := folder(t, "k example.com:s:cred", "abs example.com:s:DIR/cred", "up example.com:s:../cred")
	long := strings.Repeat("c", 255) // the longest name of a file
	o := Options{CredentialsDirectory: dir}
	writeFile(t, filepath.Join(dir, long), "x")
	if at := (Options{}).Locate("lint.go"); at != (Location{}) { // which is a file here
		t.Errorf("without credentials: %+v", at)
	}
	if at := o.Locate(long); !at.Credential {
		t.Errorf("a name of 255 octets: %+v", at)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if at := o.Locate("folder"); at != (Location{}) {
		t.Errorf("a folder: %+v", at)
	}
	for _, name := range []string{"cred", "other"} {
		writeFile(t, filepath.Join(dir, name), string(read(t, "ed25519.pkcs8.pem")))
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := New(table, Options{UID: os.Getuid(), RequireSafeKeys: true, CredentialsDirectory: dir})
	for name, want := range map[string]bool{"k": true, "abs": true, "up": false} {
		if _, err := s.Key(t.Context(), name, ""); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	s = New(table, Options{UID: os.Getuid(), RequireSafeKeys: true})
	if _, err := s.Key(t.Context(), "abs", ""); err == nil {
		t.Error("the same file is safe without the service manager")
	}
}

// TestReadGivesWhatCanSign, and says what cannot.
func TestReadGivesWhatCanSign(t *testing.T) {
	s := New(nil, Options{UID: os.Getuid()})
	good := strings.TrimSpace(string(read(t, "ed25519.base64")))
	for key, want := range map[string]bool{good: true, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=": false, "!": false} {
		data, err := s.Read("k", Row{Domain: "example.com", Selector: "s", Key: key})
		if (err == nil) != want || want && string(data.Plain) == "" {
			t.Errorf("%.10s: %+v, %v", key, data, err)
		}
	}
	var failed *Error
	if _, err := s.Read("k", Row{Domain: "example.com", Selector: "s", Key: "/none"}); !errors.As(err, &failed) || failed.Undecodable {
		t.Errorf("of no file: %v", err)
	}
	if _, err := s.Read("k", Row{Domain: "example.com", Selector: "s", Key: good, Algorithm: dkim.RSASHA256}); err == nil {
		t.Error("an Ed25519 key is one of RSA")
	}
}

// TestRecipientsOfIdentities: those whom the file's identities open keys for.
func TestRecipientsOfIdentities(t *testing.T) {
	one, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "identities")
	two, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "# comment\n"+one.String()+"\n"+two.String()+"\n")
	list, err := Recipients(path)
	if err != nil || len(list) != 2 || list[0] != one.Recipient().String() || list[1] != two.Recipient().String() {
		t.Errorf("%q, %v", list, err)
	}
	for _, text := range []string{"", "nonsense\n"} {
		writeFile(t, path, text)
		if list, err := Recipients(path); err == nil {
			t.Errorf("of %q: %q", text, list)
		}
	}
	if list, err := Recipients(path + "none"); err == nil {
		t.Errorf("of no file: %q", list)
	}
}
