package dkim

import (
	"crypto"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dojang/header"
)

// TestCopiedFieldsOfOpenDKIM reads z= as opendkim wrote it: every field that was signed.
func TestCopiedFieldsOfOpenDKIM(t *testing.T) {
	for _, v := range signVectors(t, "z-*") {
		s, err := ParseSignature(v.Signature)
		if err != nil {
			t.Fatal(err)
		}
		if faultOf(v.name) != "" {
			continue
		}
		fields, _ := v.list(true)
		copied, err := s.CopiedHeaderFields()
		var got, want []string
		for _, f := range copied {
			got = append(got, string(AppendHeader(nil, f.Raw(), Relaxed)))
		}
		for _, i := range s.SignedFields(fields, -1) {
			want = append(want, string(AppendHeader(nil, fields.At(i).Raw, Relaxed)))
		}
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %.500q, want %.500q", v.name, err, got, want)
		}
	}
}

func TestWhatIf(t *testing.T) {
	l := signed(t, []string{from, "Subject: x"}, "text\r\n", nil)
	s := check(t, l, "text\r\n", VerifyOptions{}, nil)[0].Signature
	key, err := ParseKeyRecord(testRecords(t)["ed25519"])
	if err != nil {
		t.Fatal(err)
	}
	if !s.CheckHeader(l, 0, key) {
		t.Error("the message as signed does not check")
	}
	m := new(header.List)
	m.AddRaw(l.At(0).Raw)
	m.AddRaw([]byte(from))
	m.AddRaw([]byte("Subject: [x] x"))
	if s.CheckHeader(m, 0, key) || s.CheckHeader(m, 1, key) || s.CheckHeader(l, 0, nil) {
		t.Error("a changed message checks")
	}
	if got := fmt.Sprint(s.SignedFields(l, 0)); got != "[1 2]" {
		t.Error(got)
	}
	text := string(s.CanonicalHeader(l, 0))
	if !strings.HasPrefix(text, "from:a@example.com\r\nsubject:x\r\ndkim-signature:v=1;") || !strings.HasSuffix(text, " b=") {
		t.Errorf("%q", text)
	}
	if got := string(CanonicalBody([]byte("a  b \r\n\r\n"), Relaxed, 3)); got != "a b" {
		t.Errorf("%q", got)
	}
}

func TestCopiedHeaderFieldsErrors(t *testing.T) {
	for _, z := range []string{"From", "From:x|", "From:=2", "From:=zz", ":x", "From:x||To:y"} {
		s := &Signature{CopiedHeaders: z}
		if f, err := s.CopiedHeaderFields(); err == nil {
			t.Errorf("%q: %+v", z, f)
		}
	}
	s := &Signature{}
	if f, err := s.CopiedHeaderFields(); f != nil || err != nil {
		t.Errorf("none: %v, %v", f, err)
	}
}

func TestHeaderSet(t *testing.T) {
	s := NewHeaderSet("From", "To", "X-*-Y", "list-*", "TO", "")
	for n := range strings.FieldsSeq("from TO x-a-y x--y List-ID list-") {
		if !s.Contains([]byte(n)) {
			t.Errorf("%s is missing", n)
		}
	}
	for n := range strings.FieldsSeq("Cc x-y xx-a-y lis") {
		if s.Contains([]byte(n)) {
			t.Errorf("%s is there", n)
		}
	}
	if got := strings.Join(s.Names(), ","); got != "From,To,X-*-Y,list-*" {
		t.Errorf("names %s", got)
	}
	var none *HeaderSet
	if none.Contains([]byte("From")) || none.Names() != nil {
		t.Error("nil set")
	}
	name := []byte("X-Some-Header-Name")
	if n := testing.AllocsPerRun(10, func() { s.Contains(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOptionErrors(t *testing.T) {
	good := SignOptions{Domain: "example.com", Selector: "s", Key: testKeys(t)["ed25519"]}
	for what, change := range map[string]func(*SignOptions){
		"domain": func(o *SignOptions) { o.Domain = "a..b" }, "selector": func(o *SignOptions) { o.Selector = "" }, "key": func(o *SignOptions) { o.Key = nil },
		"algorithm": func(o *SignOptions) { o.Algorithm = RSASHA256 }, "identity": func(o *SignOptions) { o.Identity = "a@example.org" }, "identity without @": func(o *SignOptions) { o.Identity = "x" },
		"time": func(o *SignOptions) { o.TTL = time.Hour }, "time of old": func(o *SignOptions) { o.Time = time.Unix(-1, 0) },
		"life":                    func(o *SignOptions) { o.Time, o.TTL = now, time.Second-1 },
		"header canonicalization": func(o *SignOptions) { o.HeaderCanonicalization = Relaxed + 1 },
		"body canonicalization":   func(o *SignOptions) { o.BodyCanonicalization = Relaxed + 1 },
		"number of an algorithm":  func(o *SignOptions) { o.Key, o.Algorithm = testKeys(t)["rsa2048"], RSASHA1+1 },
	} {
		o := good
		change(&o)
		if _, err := NewSigner(o, new(header.List), new(BodyHashes)); err == nil {
			t.Errorf("wrong %s is taken", what)
		}
	}
	if s, err := NewSigner(good, new(header.List), new(BodyHashes)); err != nil {
		t.Errorf("%v", err)
	} else if _, err := s.Sign(); err == nil {
		t.Error("signs before the body's end")
	}
}

// TestKept compares what is kept while hashing with the canonical body, which
// the vectors hold against other implementations.
func TestKept(t *testing.T) {
	body := []byte("a  b \r\n\r\n c\t\r\n\r\n\r\n")
	for _, canonicalization := range []Canonicalization{Simple, Relaxed} {
		for _, limit := range []int64{0, 5, 1000} {
			var b BodyHashes
			b.Want(canonicalization, crypto.SHA256, -1)
			b.Keep(canonicalization, limit)
			for i := range body {
				b.Write(body[i : i+1])
			}
			b.Close()
			if got, want := string(b.Kept(canonicalization)), string(CanonicalBody(body, canonicalization, limit)); got != want {
				t.Errorf("%v, %d: %q, want %q", canonicalization, limit, got, want)
			}
			if b.Reset(); b.Kept(canonicalization) != nil {
				t.Errorf("%v: kept over a reset", canonicalization)
			}
		}
	}
}
