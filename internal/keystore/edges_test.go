package keystore

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"dojang/internal/testutil"
)

// TestFoldedPEM: what stands between the lines of the wrapping is base64, or nothing.
func TestFoldedPEM(t *testing.T) {
	for text, want := range map[string]string{
		"-----BEGIN PRIVATE KEY-----QU JD-----END PRIVATE KEY-----":        "ABC",
		`-----BEGIN PRIVATE KEY-----\r\nQUJD\r\n-----END PRIVATE KEY-----`: "ABC",
		"-----BEGIN PRIVATE KEY-----QUJ-----END PRIVATE KEY-----":          "",
		"-----BEGIN PRIVATE KEY-----QUJD!-----END PRIVATE KEY-----":        "",
		"-----BEGIN PRIVATE KEY-----QUJD-----END PUBLIC KEY-----":          "",
		"-----BEGIN PRIVATE KEY-----QUJD":                                  "",
		"-----BEGIN PRIVATE KEY":                                           "",
	} {
		der, err := pemDER([]byte(text))
		if broken := err != nil && strings.Contains(err.Error(), "broken PEM wrapping"); string(der) != want || broken != (want == "") {
			t.Errorf("%s: %q, %v", text, der, err)
		}
	}
}

// TestKeysAreKnownByHash where their column is long, so that no key is held twice.
func TestKeysAreKnownByHash(t *testing.T) {
	for key, hashed := range map[string]bool{
		"/" + strings.Repeat("k", 254): false, "/" + strings.Repeat("k", 255): true, "./" + strings.Repeat("k", 100): false,
		strings.Repeat("k", 63): false, strings.Repeat("k", 64): true, strings.Repeat("k", 200): true,
	} {
		if id := idOf(key); id.hashed != hashed || hashed && len(id.text) != 32 || !hashed && id.text != key {
			t.Errorf("%d bytes: %+v", len(key), id)
		}
	}
}

// TestUnknownSenders have no path and no domain.
func TestUnknownSenders(t *testing.T) {
	for _, row := range []Row{{Domain: "example.com", Selector: "s", Key: "/keys/%/k"}, {Domain: "%", Selector: "s", Key: "/k"}} {
		if got, err := row.ForSender(""); err == nil || errors.Is(err, ErrSender) {
			t.Errorf("%+v: %+v, %v", row, got, err)
		}
	}
}

// TestErrorsNameTheRow that was asked for, though another's key was read.
func TestErrorsNameTheRow(t *testing.T) {
	s := New(nil, Options{UID: os.Getuid()})
	for _, name := range []string{"a", "b", "b", "a"} {
		_, err := s.Load(t.Context(), name, Row{Domain: "example.com", Selector: "s", Key: "garbage!"})
		var e *Error
		if !errors.As(err, &e) || e.Name != name || !strings.Contains(e.Text, `"`+name+`"`) || !e.Undecodable {
			t.Errorf("%s: %+v", name, err)
		}
	}
	if n := s.Stats().Loads; n != 1 {
		t.Errorf("read %d times", n)
	}
}

// TestMissingFilesAreNoKeyData: only what was read can be undecodable.
func TestMissingFilesAreNoKeyData(t *testing.T) {
	_, err := New(nil, Options{UID: os.Getuid()}).Load(t.Context(), "k", Row{Key: filepath.Join(t.TempDir(), "none")})
	var e *Error
	if !errors.As(err, &e) || e.Undecodable || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v", err)
	}
}

// TestWhatCouldBeAKeyIsNotShown from 16 letters of base64 in a row on.
func TestWhatCouldBeAKeyIsNotShown(t *testing.T) {
	for text, shows := range map[string]bool{
		strings.Repeat("a", 15): true, strings.Repeat("a", 16): false,
		"keys/" + strings.Repeat("a", 15): true, strings.Repeat("a", 15) + "-" + strings.Repeat("a", 15): true,
	} {
		if got := guarded(text); strings.Contains(got, text) != shows {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestWhoComesLateReadsNothing: a key that another read just before is taken as it is.
func TestWhoComesLateReadsNothing(t *testing.T) {
	s := New(nil, Options{UID: os.Getuid()})
	row := Row{Domain: "example.com", Selector: "s", Key: strings.TrimSpace(string(read(t, "rsa2048.base64")))}
	key, err := s.Load(t.Context(), "k", row)
	if err != nil {
		t.Fatal(err)
	}
	before := s.cache.peek(idOf(row.Key))
	m, err := s.load(t.Context(), idOf(row.Key), nil, time.Now(), "k", row)
	if err != nil || m != before || s.Stats().Loads != 1 {
		t.Errorf("%p for %p, %v, %+v", m, before, err, s.Stats())
	}
	if again, err := s.Load(t.Context(), "k", row); err != nil || again.Signer != key.Signer {
		t.Errorf("what signs is made again: %v", err)
	}
	if key, err := parsedKey(t, row.Key).PrivateKey(); err != nil || key.Precomputed.Dp == nil {
		t.Errorf("what every signature needs is not computed: %v", err)
	}
}

func parsedKey(t *testing.T, column string) RSAKey {
	t.Helper()
	der, err := keyDER([]byte(column))
	if err != nil {
		t.Fatal(err)
	}
	k, ok := parseRSA(der)
	if !ok {
		t.Fatal("not a common key")
	}
	return k
}

// TestCompositeFactors has a key whose numbers fit together and whose p is no prime.
func TestCompositeFactors(t *testing.T) {
	der := x509.MarshalPKCS1PrivateKey(compositeKey(t))
	if _, ok := parseRSA(der); !ok {
		t.Fatal("the numbers do not fit together")
	}
	row := Row{Domain: "example.com", Selector: "s", Key: base64.StdEncoding.EncodeToString(der)}
	_, err := New(nil, Options{UID: os.Getuid()}).Load(t.Context(), "k", row)
	var e *Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Text, `can't load key "k" from its KeyTable row: `) || !e.Undecodable {
		t.Errorf("%+v", err)
	}
}

func compositeKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(publicExponent)
	prime := func(bits int) *big.Int {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for {
		p, q := new(big.Int).Mul(prime(256), prime(256)), prime(512)
		pLess, qLess := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		n, d := new(big.Int).Mul(p, q), new(big.Int).ModInverse(e, new(big.Int).Mul(pLess, qLess))
		inverse := new(big.Int).ModInverse(q, p)
		if p.BitLen() != 512 || n.BitLen() != 1024 || d == nil || inverse == nil {
			continue
		}
		return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: publicExponent}, D: d, Primes: []*big.Int{p, q},
			Precomputed: rsa.PrecomputedValues{Dp: new(big.Int).Mod(d, pLess), Dq: new(big.Int).Mod(d, qLess), Qinv: inverse}}
	}
}

// TestOneLooksForAll: of those who use a key that is due, the first looks at its file.
func TestOneLooksForAll(t *testing.T) {
	start := time.Unix(1e9, 0)
	c := &cache{limit: 1 << 20, start: start}
	id := keyID{text: "/k"}
	c.put(id, &material{source: "/k"}, start)
	for i, step := range []struct {
		after time.Duration
		due   bool
	}{{time.Second - 1, false}, {time.Second, true}, {time.Second, false}, {2*time.Second - 1, false}, {2 * time.Second, true}} {
		if f := c.get(id, start.Add(step.after), time.Second); f.material == nil || f.due != step.due {
			t.Errorf("use %d: %+v", i, f)
		}
	}
}

// TestFoldersAreSafeForAWhile, and a file in one of them as long as it is one.
func TestFoldersAreSafeForAWhile(t *testing.T) {
	dir := testutil.HomeDir(t)
	path := filepath.Join(dir, "k")
	writeFile(t, path, "x")
	var f folders
	c, now := &Checker{UID: os.Getuid()}, time.Unix(1e9, 0)
	for after, want := range map[time.Duration]bool{0: true, time.Second - 1: true, time.Second: false} {
		f.note(path, now)
		if got := f.safe(path, now.Add(after), time.Second, c); got != want {
			t.Errorf("after %v: %v", after, got)
		}
	}
	if f.safe(filepath.Join(dir, "none"), now, time.Second, c) || f.safe(filepath.Join(dir, "other", "k"), now, time.Second, c) {
		t.Error("what is not there is safe")
	}
}

// TestSizesOfModuli are known before a key is read whole, and only of what is one.
func TestSizesOfModuli(t *testing.T) {
	for bits, fits := range map[int]bool{1023: false, 1024: true, 16384: true, 16385: false} {
		der, err := asn1.Marshal(struct {
			Version int
			Modulus *big.Int
		}{0, new(big.Int).Lsh(big.NewInt(1), uint(bits-1))})
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseDER(der)
		var size *SizeError
		if errors.As(err, &size) == fits || err == nil {
			t.Errorf("%d bits: %v", bits, err)
		}
		if der[0] = 0x31; rsaBits(der) != 0 { // a SET
			t.Errorf("a set has %d bits", rsaBits(der))
		}
	}
}

// TestUnwrappedKeysAreBounded as all others are.
func TestUnwrappedKeysAreBounded(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		text, err := Wrap(make([]byte, size), identity.Recipient().String())
		if err != nil {
			t.Fatal(err)
		}
		plain, wrapped, err := unwrap([]byte(text), []age.Identity{identity})
		if (err == nil) != want || !wrapped || want && len(plain) != size {
			t.Errorf("%d bytes: %d, %v, %v", size, len(plain), wrapped, err)
		}
	}
}

// TestCostCountsTextsOnce: a name that is the source is one text.
func TestCostCountsTextsOnce(t *testing.T) {
	m := &material{source: "/etc/k", rsa: RSAKey{numbers: make([]byte, 100)}}
	if same, two := m.cost(keyID{text: "/etc/k"}), m.cost(keyID{text: "./k"}); same != entryBytes+106 || two != entryBytes+109 {
		t.Errorf("%d, %d", same, two)
	}
	if (&material{other: struct{ crypto.Signer }{}}).cost(keyID{}) <= (&material{}).cost(keyID{}) {
		t.Error("a key of an unusual kind costs nothing")
	}
}

// TestAccountsOfManyMembers: a line of any length that getgrent(3) reads, and whom it names.
func TestAccountsOfManyMembers(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	writeFile(t, passwd, "postfix:x:102:105::/:/x\nopendkim:x:104:108::/:/x\n")
	writeFile(t, group, "big:x:7:"+strings.Repeat("nobody,", 20_000)+"postfix\n")
	a, err := ReadAccounts(passwd, group)
	if err != nil {
		t.Fatal(err)
	}
	for gid, want := range map[int]bool{7: true, 105: true, 108: false, 0: false} {
		if got := a.memberOf(102, gid); got != want {
			t.Errorf("group %d: %v", gid, got)
		}
	}
	if _, err := ReadAccounts(passwd+"none", group); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no passwd: %v", err)
	}
	c := &Checker{UID: 104, Accounts: a}
	for mode, want := range map[os.FileMode]bool{0o400: true, 0o044: false, 0o600: true, 0o200: false} {
		if got := c.may(fakeInfo{104, 0, mode}, 0o4); got != want {
			t.Errorf("an owner's %o: %v", mode, got)
		}
	}
}

// TestPathsForShells are quoted where a character may have a meaning.
func TestPathsForShells(t *testing.T) {
	for path, plain := range map[string]bool{"/a~b": true, "/a\x7fb": false, "/a+b": true, "/a*b": false, "/a$b": false, "/é": false} {
		if got := quotePath(path); (got == path) != plain || !plain && got != "'"+path+"'" {
			t.Errorf("%q: %s", path, got)
		}
	}
	if key, err := parseDER([]byte("no key of any kind")); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v, %v", key, err)
	}
}
