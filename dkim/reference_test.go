package dkim

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// slowBody is RFC 6376 §3.4.3 and §3.4.4 written down in the most obvious way.
func slowBody(body []byte, c Canonicalization) []byte {
	lines := bytes.Split(body, []byte("\r\n"))
	if c == Relaxed {
		for i, line := range lines {
			line = regexp.MustCompile(`[ \t]+`).ReplaceAll(line, []byte(" "))
			lines[i] = bytes.TrimSuffix(line, []byte(" "))
		}
	}
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 && c == Relaxed {
		return nil
	}
	return append(bytes.Join(lines, []byte("\r\n")), '\r', '\n')
}

// slowFix is FixCRLF in the most obvious way.
func slowFix(body []byte) []byte {
	return regexp.MustCompile(`\r\n|\r|\n`).ReplaceAll(body, []byte("\r\n"))
}

// slowHeader is RFC 6376 §3.4.2 in the most obvious way, for fields whose LF
// stand in folds.
func slowHeader(raw []byte) []byte {
	name, value, _ := bytes.Cut(raw, []byte(":"))
	name = bytes.ToLower(bytes.TrimRight(name, " \t"))
	value = regexp.MustCompile(`(?:[ \t\n]|\r\n)+`).ReplaceAll(value, []byte(" "))
	return fmt.Appendf(nil, "%s:%s\r\n", name, bytes.Trim(value, " "))
}

// checkChunks hashes body cut at the given places and compares with the slow
// implementation.
func checkChunks(t testing.TB, body []byte, fix bool, limit int64, cuts []int) {
	t.Helper()
	var b BodyHashes
	b.FixCRLF = fix
	type want struct {
		h    *BodyHash
		text []byte
		c    Canonicalization
	}
	var wants []want
	for _, c := range []Canonicalization{Simple, Relaxed} {
		text := slowBody(body, c)
		if fix {
			text = slowBody(slowFix(body), c)
		}
		wants = append(wants, want{b.Want(c, crypto.SHA256, -1), text, c})
		wants = append(wants, want{b.Want(c, crypto.SHA256, limit), text[:min(int64(len(text)), limit)], c})
	}
	last := 0
	for _, cut := range cuts {
		b.Write(body[last:cut])
		last = cut
	}
	b.Write(body[last:])
	b.Close()
	for _, w := range wants {
		sum := sha256.Sum256(w.text)
		if !bytes.Equal(w.h.Sum(), sum[:]) {
			t.Fatalf("%v, limit %d, FixCRLF %v, cut at %v: wrong hash of %q", w.c, w.h.limit, fix, cuts, body)
		}
		if w.h.HashedLength() != int64(len(w.text)) {
			t.Fatalf("%v, limit %d: %d octets hashed, want %d of %q", w.c, w.h.limit, w.h.HashedLength(), len(w.text), body)
		}
	}
	if !fix {
		for _, c := range []Canonicalization{Simple, Relaxed} {
			if got := CanonicalBody(body, c, -1); !bytes.Equal(got, slowBody(body, c)) {
				t.Fatalf("CanonicalBody(%q, %v) = %q", body, c, got)
			}
		}
	}
}

// TestTrap08ChunksOfBody compares with the slow implementation: every text of
// six out of the bytes that matter, cut everywhere, and long random texts.
func TestTrap08ChunksOfBody(t *testing.T) {
	alphabet := []byte("a \t\r\n")
	body := make([]byte, 0, 6)
	var all func(n int)
	count := 0
	all = func(n int) {
		count++
		checkChunks(t, body, false, int64(count%5), nil)
		if count%7 == 0 {
			checkChunks(t, body, true, int64(count%5), nil)
			for cut := range body {
				checkChunks(t, body, count%2 == 0, 3, []int{cut})
			}
		}
		if n == 0 {
			return
		}
		for _, c := range alphabet {
			body = append(body, c)
			all(n - 1)
			body = body[:len(body)-1]
		}
	}
	all(5)
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", " ", "\t", "\r", "\n", "\r\n", "\r\n\r\n", "word ", "a line of text that is rather long",
		"  ", " \r\n", "\x00\xff", strings.Repeat("y", 40)}
	for range 2000 {
		var text []byte
		for range r.IntN(60) {
			text = append(text, pieces[r.IntN(len(pieces))]...)
		}
		var cuts []int
		for at := 0; at < len(text); at += 1 + r.IntN(40) {
			cuts = append(cuts, at)
		}
		checkChunks(t, text, r.IntN(3) == 0, int64(r.IntN(100)), cuts)
	}
}

// FuzzBody shows that chunks never change a hash and that the slow
// implementation agrees.
func FuzzBody(f *testing.F) {
	for _, v := range signVectors(f, "body-*") {
		if len(v.Body) < 4096 {
			f.Add([]byte(v.Body), uint16(3), uint16(9), v.Options.FixCRLF)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, cut1, cut2 uint16, fix bool) {
		a, b := int(cut1)%(len(body)+1), int(cut2)%(len(body)+1)
		checkChunks(t, body, fix, int64(cut2%64), []int{min(a, b), max(a, b)})
	})
}

// FuzzHeaderCanonicalization compares relaxed header canonicalization with the
// slow one.
func FuzzHeaderCanonicalization(f *testing.F) {
	for _, v := range signVectors(f, "header-*") {
		for _, field := range v.Fields {
			f.Add([]byte(field))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if name, _, found := bytes.Cut(raw, []byte(":")); !found || bytes.ContainsAny(name, "\r\n") ||
			bytes.ContainsFunc(name, func(r rune) bool { return r > 0x7f }) {
			return
		}
		if got, want := AppendHeader(nil, raw, Relaxed), slowHeader(raw); !bytes.Equal(got, want) {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
		if got := AppendHeader(nil, raw, Simple); string(got) != string(raw)+"\r\n" {
			t.Errorf("simple changed %q", raw)
		}
	})
}
