package dkim

import (
	"crypto"
	"runtime"
	"strings"
	"testing"

	"dojang/header"
)

func TestTrap06OddBytes(t *testing.T) {
	fields := []string{from, "Subject: \xff\x00 bare\rCR", "Date   : x", "To:"}
	for _, c := range []Canonicalization{Simple, Relaxed} {
		l := signed(t, fields, "bare\nLF bare\rCR \x00\xff",
			func(o *SignOptions) { o.HeaderCanonicalization, o.BodyCanonicalization = c, c })
		wantPass(t, c.String(), 1, check(t, l, "bare\nLF bare\rCR \x00\xff", VerifyOptions{}, nil))
		if n := len(check(t, l, "", VerifyOptions{}, nil)[0].Signature.Headers); n != 4 {
			t.Errorf("%d fields signed", n)
		}
	}
	l := new(header.List)
	l.AddRaw([]byte("no colon here"))
	l.AddRaw([]byte("DKIM-Signature: \x00"))
	l.AddRaw([]byte("DKIM-Signature:"))
	for _, r := range check(t, l, "", VerifyOptions{}, nil) {
		if r.Status != StatusPermError {
			t.Errorf("%v, %v", r.Status, r.Reason)
		}
	}
}

// A blank of a signed field that became a bare CR is another header to whoever
// takes that for a line end. Mail::DKIM and dkimpy see the change, OpenDKIM does not.
func TestTrap06BareCRIsNoBlank(t *testing.T) {
	for _, places := range [][2]string{{"hello From", "hello\rFrom"}, {"hello From", "hello \rFrom"},
		{"hello From", "hello\r From"}, {"Subject: h", "Subject:\rh"}, {"example", "example\r"}} {
		field := "Subject: hello From: x@bank.example"
		l := signed(t, []string{from, field}, "", func(o *SignOptions) { o.HeaderCanonicalization = Relaxed })
		changed := new(header.List)
		for i := range l.Len() {
			raw := string(l.At(i).Raw)
			if l.At(i).Is("Subject") {
				raw = strings.Replace(raw, places[0], places[1], 1)
			}
			changed.AddRaw([]byte(raw))
		}
		if r := check(t, changed, "", VerifyOptions{}, nil)[0]; r.Reason != ReasonBadSignature {
			t.Errorf("%q for %q: %v (%v)", places[1], places[0], r.Status, r.Reason)
		}
	}
}

// A field's name must not write tags of our signature where SignHeaders has a
// pattern.
func TestTrap06NamesAreNoTags(t *testing.T) {
	for _, name := range []string{"X-A;l=0", "X-A;i=boss@example.com", "X-A b", "X-\xff", "X-A\r\n\tb"} {
		fields := new(header.List)
		fields.AddRaw([]byte(from))
		fields.Add([]byte(name), []byte("x"), false)
		var bodies BodyHashes
		s, err := NewSigner(SignOptions{Domain: "example.com", Selector: "s", Key: testKeys(t)["ed25519"],
			Sign: NewHeaderSet("From", "X-*")}, fields, &bodies)
		if err != nil {
			t.Fatal(err)
		}
		bodies.Close()
		value, err := s.Sign()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseSignature([]byte(value))
		if err != nil || got.Length != -1 || got.HasIdentity || len(got.Headers) != 1 {
			t.Errorf("%q: %v, h= %q in %q", name, err, got.Headers, value)
		}
	}
}

func TestTrap07LeadingSpace(t *testing.T) {
	// The vectors run both ways; here: what the MTA cut is put back once, and
	// what it kept is not touched.
	for _, c := range []struct {
		value string
		kept  bool
		want  string
	}{{" x", true, "To: x"}, {"x", true, "To:x"}, {"x", false, "To: x"}, {" x", false, "To:  x"},
		{"\n\tx", true, "To:\r\n\tx"}, {"", true, "To:"}, {"", false, "To: "}} {
		var l header.List
		l.Add([]byte("To"), []byte(c.value), c.kept)
		if got := string(l.At(0).Raw); got != c.want {
			t.Errorf("%q kept %v: %q, want %q", c.value, c.kept, got, c.want)
		}
	}
}

func TestTrap08MemoryIsConstant(t *testing.T) {
	var b BodyHashes
	for _, c := range []Canonicalization{Simple, Relaxed} {
		b.Want(c, crypto.SHA256, -1)
	}
	blank := []byte(strings.Repeat("\r\n \t\r\n", 10000))
	plain := []byte(strings.Repeat("\r\n", 32000))
	b.Write([]byte("text"))
	mixed := []byte("x y  z\r")
	allocs := testing.AllocsPerRun(50, func() {
		b.Write(blank)
		b.Write(plain)
		b.Write(mixed)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per chunk", allocs)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 16384 // 1 GB of empty lines: they are counted, and nothing else
	if testing.Short() {
		n = 256
	}
	for range n {
		b.Write(plain)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}
