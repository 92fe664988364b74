package keystore

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKeptKeysAndTheirFiles: what is due is kept while its file is as it was, and read
// again when its size or its time is another, or it is gone; what failed always is.
func TestKeptKeysAndTheirFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	writeFile(t, path, "12345")
	at := time.Unix(1e9, 0)
	stat := func(change time.Duration) stamp {
		if err := os.Chtimes(path, at, at.Add(change)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return stampOf(info)
	}
	was := stat(0)
	for name, c := range map[string]struct {
		m    material
		want bool
	}{
		"the same":        {material{source: path, stamp: was}, true},
		"another size":    {material{source: path, stamp: stamp{was.size + 1, was.mtime}}, false},
		"another time":    {material{source: path, stamp: stamp{was.size, was.mtime + 1}}, false},
		"gone":            {material{source: path + "none", stamp: was}, false},
		"in its row":      {material{source: inline}, true},
		"of no file":      {material{source: "/of/a/database"}, true},
		"not to be read":  {material{source: path, stamp: was, failed: &Error{}}, false},
		"no key, inlined": {material{source: inline, failed: &Error{}}, false},
	} {
		if got := c.m.unchanged(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestChangedKeysLeaveNothing behind of those before them that sign no more.
func TestChangedKeysLeaveNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	c := &clock{now: time.Unix(1e9, 0)}
	s := New(nil, Options{UID: os.Getuid(), Now: c.Now})
	for i := range 4 {
		writeFile(t, path, string(read(t, []string{"rsa2048.pkcs8.pem", "rsa2048.pkcs1.pem"}[i%2])))
		if _, err := s.Load(t.Context(), "k", Row{Domain: "d", Selector: "s", Key: path}); err != nil {
			t.Fatal(err)
		}
		if ready, st := s.cache.ready.Len(), s.Stats(); ready != 1 || st.Keys != 1 || st.Loads != uint64(i+1) {
			t.Errorf("after %d changes: %d ready, %+v", i, ready, st)
		}
		c.add(2 * time.Second)
	}
}

// TestWhoUsesAKeyOften: it came back before as many others as can be kept ready.
func TestWhoUsesAKeyOften(t *testing.T) {
	m := &material{source: "/k", bits: 1024}
	for others, want := range map[int]bool{0: true, 8: true, 9: true, 10: false} {
		c := &cache{limit: readyShare * 10 * m.readyCost(), start: time.Unix(1e9, 0)}
		other := &material{source: "/o", bits: 1024}
		id, otherID := keyID{text: "/k"}, keyID{text: "/o"}
		c.put(otherID, other, c.start)
		c.put(id, m, c.start)
		for range others {
			c.get(otherID, c.start, time.Second)
		}
		if got := c.get(id, c.start, time.Second).often; got != want {
			t.Errorf("after %d uses of others: %v", others, got)
		}
	}
	// It stays so as long as it keeps coming back.
	busy := &cache{limit: readyShare * 4 * m.readyCost(), start: time.Unix(1e9, 0)}
	busy.put(keyID{text: "/k"}, m, busy.start)
	busy.put(keyID{text: "/o"}, &material{source: "/o", bits: 1024}, busy.start)
	for use := range 20 {
		busy.get(keyID{text: "/o"}, busy.start, time.Second)
		if f := busy.get(keyID{text: "/k"}, busy.start, time.Second); !f.often {
			t.Errorf("use %d does not count", use)
		}
	}
	// A share that is smaller than what signs keeps nothing ready, one as large does.
	for _, more := range []int64{-1, 0} {
		c := &cache{limit: readyShare * (m.readyCost() + more)}
		c.putReady(m, struct{ crypto.Signer }{})
		if got := c.ready.Len(); got != int(more)+1 {
			t.Errorf("with %d octets more: %d are ready", more, got)
		}
	}
	c := &cache{limit: 8000}
	c.put(keyID{text: "/a"}, &material{source: "/a", rsa: RSAKey{numbers: make([]byte, 3500-entryBytes-2)}}, c.start)
	c.put(keyID{text: "/b"}, &material{source: "/b", rsa: RSAKey{numbers: make([]byte, 3500-entryBytes-2)}}, c.start)
	if c.forgot != 0 || c.keys.Cost() != 7000 {
		t.Errorf("keys that fit into seven eighths: %d octets, %d forgotten", c.keys.Cost(), c.forgot)
	}
}

// TestWaitingForAKeyEnds with the message that waits, which may be sent again later.
func TestWaitingForAKeyEnds(t *testing.T) {
	hangs := make(chan struct{})
	defer close(hangs)
	s := New(nil, Options{ReadFile: func(string) ([]byte, error) { <-hangs; return nil, os.ErrNotExist }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Load(ctx, "k", Row{Domain: "d", Selector: "s", Key: "/hangs"})
	var e *Error
	if !errors.As(err, &e) || !e.Temporary() || e.Text != "key k: context canceled" || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v", err)
	}
}

// TestEnginesMaySign, and where one has nothing better the standard library does.
func TestEnginesMaySign(t *testing.T) {
	row := Row{Domain: "d", Selector: "s", Key: "/k"}
	data := read(t, "rsa2048.pkcs8.pem")
	for _, better := range []bool{true, false} {
		own := struct{ crypto.Signer }{}
		s := New(nil, Options{ReadFile: func(string) ([]byte, error) { return data, nil },
			Engine: func(RSAKey, bool) crypto.Signer {
				if better {
					return own
				}
				return nil
			}})
		for use := range 3 {
			key, err := s.Load(t.Context(), "k", row)
			if err != nil || (key.Signer == own) != better {
				t.Fatalf("%v, use %d: %T, %v", better, use, key.Signer, err)
			}
			// What is used once may never be again: an engine's is kept from the second use on.
			if kept := s.cache.ready.Len() == 1; kept != (!better || use > 0) {
				t.Errorf("%v, use %d: kept ready: %v", better, use, kept)
			}
		}
	}
}

// TestKeysOfFilesAreBounded as all others are, at 64 KiB.
func TestKeysOfFilesAreBounded(t *testing.T) {
	key := read(t, "ed25519.pkcs8.pem")
	for n, want := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		data := append(bytes.Repeat([]byte("\n"), n-len(key)), key...)
		s := New(nil, Options{ReadFile: func(string) ([]byte, error) { return data, nil }})
		if _, err := s.Load(t.Context(), "k", Row{Domain: "d", Selector: "s", Key: "/k"}); (err == nil) != want {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

// TestNamesInLogs are as they stand unless they could harm a log, or fill it.
func TestNamesInLogs(t *testing.T) {
	long := func(n int) string { return fmt.Sprintf("%0*d", n, 7) }
	for name, plain := range map[string]bool{"a b": true, "a\x1fb": false, "a\x7fb": false, "a~b": true, "é": true, "a\nb": false,
		long(256): true, long(257): false} {
		if got := shown(name); (got == name) != plain {
			t.Errorf("%q: %s", name, got)
		}
	}
	same := &Error{Name: "a", Text: "can't load key from /k: No such file or directory"}
	if other := same.named("b"); other.Name != "b" || other.Text != same.Text || same.Name != "a" || same.named("a") != same {
		t.Errorf("%+v", other)
	}
}
