package dkim

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/header"
)

// verdict is one file of testdata/verify.
type verdict struct {
	name      string
	Signature latin1
	Record    *string
	Fields    []latin1
	Body      latin1
	Now       int64
	Result    string
}

func verdicts(t testing.TB) []*verdict {
	t.Helper()
	var all []*verdict
	for _, file := range vectorFiles(t, "verify/*.json") {
		v := &verdict{name: strings.TrimSuffix(filepath.Base(file), ".json")}
		readJSON(t, file, v)
		all = append(all, v)
	}
	return all
}

func (v *verdict) list() *header.List {
	l := new(header.List)
	l.Add([]byte(FieldName), v.Signature, true)
	for _, f := range v.Fields {
		l.AddRaw(f)
	}
	return l
}

// verify runs the verifier as the opendkim that judged was set up.
func (v *verdict) verify(o VerifyOptions) Result {
	o.Now = time.Unix(v.Now, 0)
	var bodies BodyHashes
	ver := NewVerifier(o, v.list(), &bodies)
	for _, q := range ver.Queries() {
		a := KeyAnswer{NotFound: true}
		if v.Record != nil {
			a = KeyAnswer{Texts: []string{*v.Record}}
		}
		ver.SetKey(q, a)
	}
	bodies.Write(v.Body)
	bodies.Close()
	return ver.Finish()[0]
}

// otherVerdicts are the cases in which we judge otherwise than opendkim, and
// why.
var otherVerdicts = []struct {
	cases, want, why string
}{
	{"a-rsa-sha1", "permerror", "bh= is not of SHA-1's size"},
	{"sha1", "policy", "RFC 8301: no SHA-1"},
	{"b-garbage", "permerror", "RFC 6376 §3.5: b= is base64"},
	{"bh-garbage", "permerror", "RFC 6376 §3.5: bh= is base64"},
	{"bh-short", "permerror", "no hash is that short"},
	{"d-0", "permerror", "no dot at the end of d="},
	{"d-[123]", "permerror", "d= is a domain name"},
	{"d-10", "pass", "a hyphen at the start harms nobody"},
	{"d-5", "permerror", "a label of 64 octets"},
	{"s-[0125]", "permerror", "s= is a list of labels"},
	{"s-4", "permerror", "s= is a list of labels"},
	{"h-8", "pass", "RFC 6376 §3.5: a signature's own field is not among those h= names"},
	{"h-11", "permerror", "a name with a blank is not From"},
	{"l-10*", "fail", "RFC 6376 §3.5: up to 76 digits"},
	{"l-7*", "permerror", "RFC 6376 §3.5: l= has a digit at least"},
	{"q-2", "pass", "RFC 5234 §2.3: strings are case-insensitive"},
	{"syntax-1[012]", "permerror", "RFC 6376 §3.2: tags are not repeated"},
	{"syntax-17", "permerror", "RFC 6376 §3.2: names are case-sensitive"},
	{"t-16", "pass", "RFC 6376 §3.5: times beyond 32 bits"},
	{"t-19", "pass", "the first second of 1970 is a time"},
	{"t-23", "pass", "RFC 6376 §3.5: a date far away is no error"},
	{"record-01*", "permerror", "an empty record does not mend itself soon"},
	{"record-02*", "permerror", "nor does one without p="},
	{"record-07*", "fail", "RFC 6376 §3.6.1: v= is the first tag"},
	{"record-10*", "permerror", "a syntax error does not mend itself soon"},
	{"record-16", "permerror", "k= of another type"},
	{"record-16-ed25519", "pass", ""},
	{"record-48*", "permerror", "p= is base64"},
	{"record-50*", "permerror", "RFC 6376 §3.2: tags are not repeated"},
	{"record-5[346]*", "permerror", "a syntax error does not mend itself soon"},
	{"record-49", "pass", "RFC 6376 §3.6.1: p= is a bare RSAPublicKey"},
	{"weak-16384", "policy", "too large to be checked"},
	{"weak-e1", "policy", "anybody could sign"},
	{"weak-e2", "policy", "no such key exists"},
	{"weak-even", "policy", "no such key exists"},
	{"weak-e3", "fail", "the key is well-formed, it is another one"},
}

var authResult = regexp.MustCompile(`dkim=(\w+)(?:\s+reason="([^"]*)")?`)

// TestVerdictsOfOpenDKIM compares status and reason with those opendkim
// reports for some three hundred unusual signatures and keys.
func TestVerdictsOfOpenDKIM(t *testing.T) {
	for _, v := range verdicts(t) {
		m := authResult.FindStringSubmatch(v.Result)
		if m == nil {
			m = []string{"", "permerror", ""} // it takes the whole message for malformed
		}
		why := ""
		for _, o := range otherVerdicts {
			if ok, _ := filepath.Match(o.cases, v.name); ok {
				m, why = []string{"", o.want, ""}, o.why
			}
		}
		r := v.verify(VerifyOptions{})
		if r.Status.String() != m[1] || m[2] != "" && r.Reason.String() != m[2] {
			t.Errorf("%s: %v (%v), want %s (%s) %s\n\t%q\n\t%v", v.name, r.Status, r.Reason, m[1], m[2], why, v.Signature, v.Record)
		}
		if r.Status == StatusPass && !(r.HeaderOK && r.BodyOK) {
			t.Errorf("%s: passes with header %v, body %v", v.name, r.HeaderOK, r.BodyOK)
		}
	}
}

// bodyFits reports whether bh= is the hash of a body in pieces.
func bodyFits(s *Signature, body ...[]byte) bool {
	var b BodyHashes
	h := b.Want(s.BodyCanonicalization, s.Algorithm.Hash(), s.Length)
	for _, piece := range body {
		b.Write(piece)
	}
	b.Close()
	return s.Length <= h.CanonicalLength() && bytes.Equal(h.Sum(), s.BodyHash)
}

// TestVerdictsSurviveSplitting gives the bodies in pieces.
func TestVerdictsSurviveSplitting(t *testing.T) {
	for _, v := range verdicts(t) {
		s, err := ParseSignature(v.Signature)
		if err != nil {
			continue
		}
		want := bodyFits(s, v.Body)
		for at := 0; at <= len(v.Body); at++ {
			if got := bodyFits(s, v.Body[:at], v.Body[at:]); got != want {
				t.Fatalf("%s split at %d: %v", v.name, at, got)
			}
		}
	}
}
