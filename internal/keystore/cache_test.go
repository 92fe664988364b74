package keystore

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/dkim"
)

// TestOneFileIsOneKey has many domains sign with one file, by "%" and by rows of
// their own: it is read once.
func TestOneFileIsOneKey(t *testing.T) {
	_, table := folder(t, "a example.com:s:DIR/ed25519.pkcs8.pem", "b %:s:DIR/ed25519.pkcs8.pem",
		"c example.net:t:DIR/ed25519.pkcs8.pem:ed25519-sha256")
	var mu sync.Mutex
	reads := 0
	data := read(t, "ed25519.pkcs8.pem")
	s := New(table, Options{ReadFile: func(string) ([]byte, error) { mu.Lock(); reads++; mu.Unlock(); return data, nil }})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := s.Key(t.Context(), string("ac"[i%2]), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 1000 {
		domain := fmt.Sprintf("d%d.example", i)
		if key, err := s.Key(t.Context(), "b", domain); err != nil || key.Domain != domain || key.Name != "b" {
			t.Fatal(key, err)
		}
	}
	if st := s.Stats(); reads != 1 || st.Keys != 1 || st.Loads != 1 {
		t.Errorf("read %d times, %+v", reads, st)
	}
}

// manyKeys are RSA keys of 1024 bits as key columns: those of any two of a few primes.
func manyKeys(t testing.TB, n int) []string {
	t.Helper()
	var primes []*big.Int
	var columns []string
	for len(columns) < n {
		p, err := rand.Prime(rand.Reader, 512) // with its two highest bits set: products have all their bits
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range primes {
			if key := keyOf(p, q, publicExponent); key != nil && p.Cmp(q) != 0 {
				columns = append(columns, base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key)))
			}
		}
		primes = append(primes, p)
	}
	return columns[:n]
}

// TestCacheHoldsItsBound loads keys in turn, again and again: what they take stays
// below the bound, each is right, and those that stay in use are not read again.
func TestCacheHoldsItsBound(t *testing.T) {
	columns := manyKeys(t, 60)
	s := New(nil, Options{CacheBytes: 20_000})
	rows := make([]Row, len(columns))
	for i, c := range columns {
		rows[i] = Row{Domain: "example.com", Selector: "s", Key: c}
	}
	for round := range 3 {
		for i, row := range rows {
			key, err := s.Load(t.Context(), "k", row)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := LoadPrivateKey([]byte(columns[i]))
			if !want.Public().(*rsa.PublicKey).Equal(key.Signer.Public()) {
				t.Fatalf("round %d: key %d is another", round, i)
			}
			if _, err := s.Load(t.Context(), "hot", rows[0]); err != nil {
				t.Fatal(err)
			}
			if st := s.Stats(); st.Bytes > 20_000 || st.Keys > 60 {
				t.Fatalf("%+v", st)
			}
		}
	}
	st := s.Stats()
	if st.Forgotten == 0 || st.Loads > 3*60 || st.Loads < 100 {
		t.Errorf("%+v", st)
	}
}

// TestCostIsWhatIsTaken compares the count of bytes with the heap.
func TestCostIsWhatIsTaken(t *testing.T) {
	column, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(read(t, "rsa2048.base64"))))
	if err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	var before, after runtime.MemStats
	s := New(nil, Options{CacheBytes: 1 << 30, ReadFile: func(string) ([]byte, error) { return column, nil }})
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		row := Row{Domain: "example.com", Selector: "s", Key: fmt.Sprintf("/etc/dkimkeys/customer-%d.example/mail.private", i)}
		m := s.read("k", row)
		if m.failed != nil {
			t.Fatal(m.failed)
		}
		s.cache.put(idOf(row.Key), m, time.Now())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	got, counted := float64(after.HeapAlloc-before.HeapAlloc)/n, float64(s.Stats().Bytes)/n
	t.Logf("%.0f bytes a key, counted %.0f", got, counted)
	if got > 1.25*counted || counted > 1.5*got || got > 1200 {
		t.Errorf("a key takes %.0f bytes and counts for %.0f", got, counted)
	}
	runtime.KeepAlive(s)
}

// TestKeysInUseStayReady has a few keys sign often among very many that do not: what
// signs with those few is made once and kept, and nothing of the others is.
func TestKeysInUseStayReady(t *testing.T) {
	data := read(t, "rsa2048.pkcs8.pem")
	made := map[bool]int{}
	s := New(nil, Options{
		CacheBytes: 1 << 20, ReadFile: func(string) ([]byte, error) { return data, nil },
		Engine: func(k RSAKey, keep bool) crypto.Signer {
			made[keep]++
			key, err := k.PrivateKey()
			if err != nil {
				t.Fatal(err)
			}
			return key
		},
	})
	load := func(path string) {
		if _, err := s.Load(t.Context(), "k", Row{Domain: "example.com", Selector: "s", Key: path}); err != nil {
			t.Fatal(err)
		}
	}
	const rare, busy = 400, 3
	for i := range rare {
		load(fmt.Sprintf("/rare%d", i))
		load(fmt.Sprintf("/busy%d", i%busy))
	}
	if made[true] != busy || made[false] != rare+busy {
		t.Errorf("made to be kept: %d, want %d; for one signature: %d, want %d", made[true], busy, made[false], rare+busy)
	}
	if st := s.Stats(); st.Keys != rare+busy || s.cache.ready.Len() != busy {
		t.Errorf("%+v, %d ready", st, s.cache.ready.Len())
	}
}

// TestFastParserAgrees reads every key that is here, whole, cut and with each byte
// changed, by our parser and the standard library's: what ours takes, that takes as
// the same key.
func TestFastParserAgrees(t *testing.T) {
	paths, err := filepath.Glob("testdata/rsa*")
	if err != nil || len(paths) < 5 {
		t.Fatal(paths, err)
	}
	taken, changed := 0, 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		der, err := keyDER(data)
		if err != nil {
			continue
		}
		if k, ok := parseRSA(der); ok {
			taken++
			sameKey(t, path, k, der)
		}
		for i := range der {
			for _, bit := range []byte{1, 0x80, 0xff} {
				bad := bytes.Clone(der)
				bad[i] ^= bit
				if k, ok := parseRSA(bad); ok {
					changed++
					sameKey(t, fmt.Sprintf("%s byte %d", path, i), k, bad)
				}
				if _, ok := parseRSA(bad[:i]); ok {
					t.Errorf("%s is taken at %d bytes", path, i)
				}
			}
		}
	}
	if taken < 4 {
		t.Errorf("%d of %d keys are read the fast way (%d changed ones)", taken, len(paths), changed)
	}
}

// sameKey checks that the standard library reads the key too, and signs alike.
func sameKey(t *testing.T, name string, k RSAKey, der []byte) {
	t.Helper()
	want, err := parseDER(der)
	if err != nil {
		t.Errorf("%s: crypto/x509 refuses it: %v", name, err)
		return
	}
	got, err := k.PrivateKey()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	full := want.(*rsa.PrivateKey)
	for part, x := range map[string][2]*big.Int{"P": {new(big.Int).SetBytes(k.P()), full.Primes[0]},
		"Q": {new(big.Int).SetBytes(k.Q()), full.Primes[1]}, "1/Q": {new(big.Int).SetBytes(k.QInv()), full.Precomputed.Qinv}} {
		if x[0].Cmp(x[1]) != 0 {
			t.Errorf("%s: %s is another", name, part)
		}
	}
	digest := sha256.Sum256([]byte(name))
	a, err1 := got.Sign(nil, digest[:], crypto.SHA256)
	b, err2 := want.Sign(nil, digest[:], crypto.SHA256)
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("%s: signs otherwise: %v, %v", name, err1, err2)
	}
}

// TestUnusualKeysStillSign has keys that the short form cannot hold.
func TestUnusualKeysStillSign(t *testing.T) {
	for _, exponent := range []int64{3, 17} {
		key := keyWith(t, exponent)
		if _, ok := parseRSA(x509.MarshalPKCS1PrivateKey(key)); ok {
			t.Fatalf("exponent %d is taken for 65537", exponent)
		}
		row := Row{Domain: "d", Selector: "s", Key: base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key))}
		got, err := New(nil, Options{}).Load(t.Context(), "k", row)
		if err != nil {
			t.Errorf("exponent %d: %v", exponent, err)
		} else if !key.PublicKey.Equal(got.Signer.Public()) || got.Bits != 1024 || got.Algorithm != dkim.RSASHA256 {
			t.Errorf("exponent %d: another key, %d bits, %s", exponent, got.Bits, got.Algorithm)
		}
	}
}

func keyWith(t *testing.T, exponent int64) *rsa.PrivateKey {
	t.Helper()
	for {
		p, _ := rand.Prime(rand.Reader, 512)
		q, _ := rand.Prime(rand.Reader, 512)
		if key := keyOf(p, q, exponent); key != nil {
			return key
		}
	}
}

// keyOf is the key of two primes, nil where the exponent is none for them.
func keyOf(p, q *big.Int, exponent int64) *rsa.PrivateKey {
	one := big.NewInt(1)
	d := new(big.Int).ModInverse(big.NewInt(exponent), new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
	if d == nil {
		return nil
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(exponent)}, D: d, Primes: []*big.Int{p, q}}
	key.Precompute()
	return key
}

func BenchmarkLoadCold(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "k")
	writeFile(b, path, string(read(b, "rsa2048.pkcs8.pem")))
	s := New(nil, Options{UID: os.Getuid()})
	row := Row{Domain: "d", Selector: "s", Key: path}
	b.ReportAllocs()
	for b.Loop() {
		if m := s.read("k", row); m.failed != nil {
			b.Fatal(m.failed)
		}
	}
}
