package keystore

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/dataset"
)

// folder is a directory with keys that only the running user may read, and the
// KeyTable written into it.
func folder(t *testing.T, rows ...string) (dir string, table dataset.Set) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"rsa2048.pkcs1.pem", "ed25519.pkcs8.pem", "rsa512.pem", "ec.pkcs8.pem"} {
		writeFile(t, filepath.Join(dir, name), string(read(t, name)))
	}
	text := strings.ReplaceAll(strings.Join(rows, "\n"), "DIR", dir)
	writeFile(t, filepath.Join(dir, "KeyTable"), text)
	table, err := dataset.Open(context.Background(), "file:"+filepath.Join(dir, "KeyTable"), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return dir, table
}

func TestKeyRows(t *testing.T) {
	inline := string(read(t, "rsa2048.base64"))
	dir, table := folder(t,
		"a example.com:s1:DIR/rsa2048.pkcs1.pem",
		"b %:s2:DIR/%/key",
		"c example.com:s3:"+inline,
		"d example.com:s4:"+string(read(t, "rsa2048.joined.pem")),
		"e example.com:s5:DIR/ed25519.pkcs8.pem:ed25519-sha256",
		"f example.com:s6:DIR/rsa2048.pkcs1.pem:RSA-SHA1",
		"g example.com:s7:DIR/with:colon",
		"h example.com : s8 : ./rsa2048.pkcs1.pem",
		"i example.com:s9:cred",
		"j example.com:s10:"+inline+":rsa-sha256",
	)
	for path, name := range map[string]string{"example.org/key": "ed25519.pkcs8.pem",
		"with:colon": "rsa2048.pkcs1.pem", "creds/cred": "ed25519.pkcs8.pem"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, path), string(read(t, name)))
	}
	s := New(table, Options{UID: os.Getuid(), BaseDir: dir, CredentialsDirectory: dir + "/creds"})
	type facts struct {
		domain, selector, source string
		algorithm                dkim.Algorithm
		bits                     int
	}
	for name, want := range map[string]facts{
		"a": {"example.com", "s1", dir + "/rsa2048.pkcs1.pem", dkim.RSASHA256, 2048},
		"b": {"example.org", "s2", dir + "/example.org/key", dkim.Ed25519SHA256, 256},
		"c": {"example.com", "s3", "inline", dkim.RSASHA256, 2048},
		"d": {"example.com", "s4", "inline", dkim.RSASHA256, 2048},
		"e": {"example.com", "s5", dir + "/ed25519.pkcs8.pem", dkim.Ed25519SHA256, 256},
		"f": {"example.com", "s6", dir + "/rsa2048.pkcs1.pem", dkim.RSASHA1, 2048},
		"g": {"example.com", "s7", dir + "/with:colon", dkim.RSASHA256, 2048},
		"h": {"example.com", "s8", dir + "/rsa2048.pkcs1.pem", dkim.RSASHA256, 2048},
		"i": {"example.com", "s9", dir + "/creds/cred", dkim.Ed25519SHA256, 256},
		"j": {"example.com", "s10", "inline", dkim.RSASHA256, 2048},
	} {
		key, err := s.Key(context.Background(), name, "example.org")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := facts{key.Domain, key.Selector, key.Source, key.Algorithm, key.Bits}
		if got != want || key.Name != name || key.Signer == nil {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestKeyErrorsInOpenDKIMsWords(t *testing.T) {
	dir, table := folder(t,
		"missing example.com:s:DIR/none",
		"nodir example.com:s:DIR/rsa512.pem/x",
		"isdir example.com:s:DIR/",
		"two example.com:s",
		"nokey example.com:s:",
		"small example.com:s:DIR/rsa512.pem",
		"ec example.com:s:DIR/ec.pkcs8.pem",
		"garbage example.com:s:garbage!",
		"mismatch example.com:s:DIR/rsa2048.pkcs1.pem:ed25519-sha256",
		"escape %:s:DIR/%/key",
	)
	s := New(table, Options{UID: os.Getuid()})
	for name, want := range map[string]string{
		"missing":  "can't load key from " + dir + "/none: No such file or directory",
		"nodir":    "can't load key from " + dir + "/rsa512.pem/x: Not a directory",
		"isdir":    "can't load key from " + dir + "/: Not a regular file",
		"two":      "KeyTable entry for 'two' corrupt",
		"nokey":    "KeyTable entry for 'nokey' corrupt",
		"escape":   "KeyTable entry for 'escape' corrupt",
		"small":    "can't load key from " + dir + "/rsa512.pem: private key too small (512 bits, need at least 1024)",
		"ec":       "can't load key from " + dir + "/ec.pkcs8.pem: is a *ecdsa.PrivateKey, DKIM uses RSA and Ed25519 keys",
		"garbage":  `can't load key "garbage" from its KeyTable row: not a private key: neither PEM nor base64`,
		"mismatch": `key "mismatch": the row says ed25519-sha256 but the key is of type rsa`,
		"absent":   "signing table references unknown key 'absent'",
	} {
		_, err := s.Key(context.Background(), name, "../../etc")
		var e *Error
		if !errors.As(err, &e) || e.Text != want || e.Class != Configuration || e.Name != name || e.NotFound != (name == "absent") {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

type brokenTable struct{ err error }

func (b brokenTable) Lookup(context.Context, string, int) ([]string, error) { return nil, b.err }
func (b brokenTable) Close() error                                          { return nil }

func TestTableFailureIsTemporary(t *testing.T) {
	for _, err := range []error{context.DeadlineExceeded, &dataset.Error{Err: errors.New("away"), Temp: true}} {
		_, got := New(brokenTable{err}, Options{}).Key(context.Background(), "k", "")
		var e *Error
		if !errors.As(got, &e) || e.Class != Temporary || e.NotFound {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

func TestUnsafeKeys(t *testing.T) {
	dir, table := folder(t, "a example.com:s:DIR/rsa2048.pkcs1.pem")
	if err := os.Chmod(dir+"/rsa2048.pkcs1.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	s := New(table, Options{UID: os.Getuid(), RequireSafeKeys: true})
	_, err := s.Key(context.Background(), "a", "")
	var e *Error
	if !errors.As(err, &e) || e.Unsafe == nil || !strings.HasPrefix(e.Text, "a: key data is not secure: /") ||
		!strings.Contains(e.Text, "can be read or written by other users") || e.Hint == "" {
		t.Errorf("got %+v", err)
	}
	var warned []string
	s = New(table, Options{UID: os.Getuid(), Warn: func(name string, u *Unsafe) { warned = append(warned, name+": "+u.Words) }})
	for range 3 {
		if _, err := s.Key(context.Background(), "a", ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(warned) != 1 {
		t.Errorf("warned %v", warned)
	}
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time      { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func TestChangedKeyFileIsReadAgain(t *testing.T) {
	dir, table := folder(t, "a example.com:s:DIR/k")
	c := &clock{now: time.Unix(1e9, 0)}
	s := New(table, Options{UID: os.Getuid(), Now: c.Now})
	ctx := context.Background()
	if _, err := s.Key(ctx, "a", ""); err == nil {
		t.Fatal("a missing key is found")
	}
	writeFile(t, dir+"/k", string(read(t, "ed25519.pkcs8.pem")))
	if _, err := s.Key(ctx, "a", ""); err == nil {
		t.Error("the failure was not remembered")
	}
	c.add(2 * time.Second)
	first, err := s.Key(ctx, "a", "")
	if err != nil {
		t.Fatal(err)
	}
	c.add(2 * time.Second)
	if again, _ := s.Key(ctx, "a", ""); again == nil || !again.Signer.Public().(ed25519.PublicKey).Equal(first.Signer.Public()) ||
		s.Stats().Loads != 2 {
		t.Error("an unchanged key was read again")
	}
	writeFile(t, dir+"/k", string(read(t, "rsa2048.pkcs1.pem")))
	c.add(2 * time.Second)
	if again, err := s.Key(ctx, "a", ""); err != nil || again.Bits != 2048 {
		t.Errorf("got %v, %v", again, err)
	}
}

func TestLint(t *testing.T) {
	dir, table := folder(t,
		"a example.com:s1:DIR/rsa2048.pkcs1.pem",
		"two example.com:s",
		"a example.com:s2:DIR/ed25519.pkcs8.pem",
		"missing example.com:s:DIR/none",
		"mismatch example.com:s:DIR/rsa2048.pkcs1.pem:ed25519-sha256",
		"relative example.com:s:keys/rsa.private",
		"percent %:s:DIR/%/key",
		"small example.com:s:DIR/rsa512.pem",
		"alg example.com:s:"+string(read(t, "ed25519.base64"))+":rsa-sha999",
		"unsafe example.com:s:DIR/unsafe",
	)
	writeFile(t, dir+"/unsafe", string(read(t, "ed25519.pkcs8.pem")))
	if err := os.Chmod(dir+"/unsafe", 0o606); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`KeyTable:2: KeyTable: "two" has 2 of 3 fields`,
		`KeyTable:3: KeyTable: "a" is listed before, at line 1, and this row is never used`,
		`KeyTable:4: KeyTable: can't load key from DIR/none: No such file or directory`,
		`KeyTable:5: KeyTable: key "mismatch": the row says ed25519-sha256 but the key is of type rsa`,
		`KeyTable:6: KeyTable: key "keys/rsa.private" is neither a path nor key data`,
		`KeyTable:8: KeyTable: can't load key from DIR/rsa512.pem: private key too small (512 bits, need at least 1024)`,
		`KeyTable:9: KeyTable: "alg": unknown signature algorithm "rsa-sha999"`,
	}
	var got []string
	s := New(table, Options{UID: os.Getuid()})
	for _, p := range s.Lint(context.Background()) {
		text := strings.ReplaceAll(strings.ReplaceAll(p.String(), dir+"/KeyTable:", "KeyTable:"), dir, "DIR")
		if p.Line == 1 || strings.Contains(text, "is not secure") {
			continue // the temporary folder itself is open to all
		}
		got = append(got, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for rows, want := range map[int]string{alwaysLoaded: "", alwaysLoaded + 3: "3 of 259 keys were not checked: there was no time left"} {
		_, many := folder(t, slices.Repeat([]string{"k example.com:s:/none"}, rows)...)
		told := ""
		for _, p := range New(many, Options{UID: os.Getuid()}).Lint(ctx) {
			if strings.Contains(p.Text, "not checked") {
				told += p.Text
			}
		}
		if told != want {
			t.Errorf("%d rows: %q, want %q", rows, told, want)
		}
	}
	if list := New(brokenTable{}, Options{}).Lint(context.Background()); list != nil {
		t.Errorf("walked a network table: %v", list)
	}
}

// TestKeysInWrongColumnsAreNotShown: a row with its columns mixed up is an error that
// does not tell the key.
func TestKeysInWrongColumnsAreNotShown(t *testing.T) {
	secret := strings.TrimSpace(string(read(t, "ed25519.base64")))
	seed := "/" + strings.TrimSpace(string(read(t, "ed25519.seed")))[1:]
	for _, row := range []string{"ed25519:" + secret, "x:age:" + secret, secret + "!", secret + ":" + secret,
		"age:x:" + secret, seed, secret[:40] + "/" + secret[40:] + "."} {
		_, table := folder(t, "k example.com:s:"+row)
		s := New(table, Options{UID: os.Getuid()})
		var told []string
		for _, p := range s.Lint(t.Context()) {
			told = append(told, p.String())
		}
		if _, err := s.Key(t.Context(), "k", "example.com"); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			told = append(told, e.Text, e.Hint)
		}
		for _, text := range told {
			if strings.Contains(text, secret[20:36]) || strings.Contains(text, secret[44:60]) || strings.Contains(text, seed[1:]) {
				t.Errorf("%s", text)
			}
		}
	}
}

func FuzzParseRow(f *testing.F) {
	f.Add("example.com:s1:/path", "example.org")
	f.Add("%:s:/k/%/x:rsa-sha256", "../..")
	f.Add("::", "")
	f.Fuzz(func(t *testing.T, text, sender string) {
		row, err := ParseRow([]string{text})
		if err != nil {
			return
		}
		if row.Domain == "" || row.Selector == "" || row.Key == "" {
			t.Fatalf("%+v", row)
		}
		full, err := row.ForSender(sender)
		if err == nil && strings.Contains(row.Key, "%") && isPath(row.Key) && filepath.IsAbs(row.Key) {
			if dots := strings.Count(filepath.Clean(full.Key), "/"); dots > strings.Count(row.Key, "/") {
				t.Fatalf("%q from %q", full.Key, row.Key)
			}
		}
	})
}

func BenchmarkKey(b *testing.B) {
	table, err := dataset.Open(context.Background(), "csl:a=example.com:s:"+string(read(b, "ed25519.base64")), dataset.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := New(table, Options{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Key(ctx, "a", "example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
