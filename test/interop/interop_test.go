package interop

import (
	"slices"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// verifier is somebody's verifier of a batch of messages.
type verifier struct {
	name   string
	need   func(testing.TB)
	cannot func(*job) bool
	verify func(t testing.TB, p *place, all []job, messages [][]byte) []string
}

// us is our own.
var us = verifier{"dojang", func(testing.TB) {}, none, func(t testing.TB, p *place, all []job, messages [][]byte) []string {
	return p.verify(t, ours(t), all, messages)
}}

var verifiers = []verifier{
	{"Mail::DKIM", needMailDKIM, mailDKIMCannot, verifyByMailDKIM},
	{"dkimpy", needDkimpy, none, verifyByDkimpy},
	{"opendkim", func(t testing.TB) { opendkim(t) }, opendkimCannot, func(t testing.TB, p *place, all []job, messages [][]byte) []string {
		return p.verify(t, opendkim(t), all, messages)
	}},
}

// TestTheyVerifyOurs: every other verifier takes what we sign.
func TestTheyVerifyOurs(t *testing.T) {
	p := newPlace(t)
	all := jobs(p.keys, none)
	messages := p.sign(t, ours(t), all)
	for _, v := range verifiers {
		t.Run(v.name, func(t *testing.T) {
			v.need(t)
			check(t, p, v, all, messages, "pass")
		})
	}
}

// TestTheyVerifyOurTags is the same with more tags in the signatures.
func TestTheyVerifyOurTags(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct {
		name, wantTag string
		options       []string
	}{
		{"oversigned", "h=From:", []string{"OversignHeaders From,Subject,X-Absent", "SignHeaders *,+X-Note,+Received"}},
		{"expiring", " x=", []string{"SignatureTTL 3600"}},
		{"copied fields", "z=From:", []string{"Diagnostics yes"}},
		{"length", " l=", []string{"MaximumSignedBytes 20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := jobs(p.keys, func(j *job) bool {
				if c.name == "length" && j.shape.name == "large" && strings.HasSuffix(j.canonicalization, "/relaxed") {
					return true // opendkim takes the first chunk's end for an unterminated line
				}
				return j.canonicalization == "simple/relaxed" || j.key.domain == "rsa1024.example"
			})
			messages := p.sign(t, ours(t), all, c.options...)
			for i, m := range messages {
				if head, _, _ := strings.Cut(string(m),
					"\r\nFrom: Some One"); !strings.Contains(strings.ReplaceAll(head, "\t", " "), c.wantTag) {
					t.Fatalf("%s: no %q in %q", all[i].String(), c.wantTag, head)
				}
			}
			for _, v := range verifiers {
				t.Run(v.name, func(t *testing.T) {
					v.need(t)
					check(t, p, v, all, messages, "pass")
				})
			}
		})
	}
}

// TestTheyVerifyTwoOfOurs: one message with an RSA and an Ed25519 signature.
// Those who do not know the latter still take the former (RFC 8463 §3).
func TestTheyVerifyTwoOfOurs(t *testing.T) {
	p := newPlace(t)
	all := jobs([]key{{domain: bothDomain, algorithm: "two"}}, func(j *job) bool { return j.shape.unterminated })
	messages := p.sign(t, ours(t), all, "MultipleSignatures yes")
	for _, v := range append(verifiers, us) {
		t.Run(v.name, func(t *testing.T) {
			v.need(t)
			want := []string{"pass,pass"}
			if v.cannot(&job{shape: &shapes[0], key: p.both()[1]}) {
				want = []string{"pass,invalid", "invalid,pass"}
			}
			for i, result := range v.verify(t, p, all, messages) {
				if !slices.Contains(want, result) {
					t.Fatalf("%s: %q, want one of %q; %.900q", all[i].String(), result, want, messages[i])
				}
			}
		})
	}
}

// TestWeVerifyTheirs: we take what every other signer signs.
func TestWeVerifyTheirs(t *testing.T) {
	p := newPlace(t)
	for _, s := range []struct {
		name   string
		need   func(testing.TB)
		cannot func(*job) bool
		sign   func(t testing.TB, all []job) [][]byte
	}{
		{"Mail::DKIM", needMailDKIM, mailDKIMCannot, signByMailDKIM},
		{"dkimpy", needDkimpy, none, signByDkimpy},
		{"opendkim", func(t testing.TB) { opendkim(t) }, func(j *job) bool { return opendkimCannot(j) || opendkimSignsWrongly(j) }, func(t testing.TB, all []job) [][]byte { return p.sign(t, opendkim(t), all) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.need(t)
			all := jobs(p.keys, s.cannot)
			messages := s.sign(t, all)
			check(t, p, us, all, messages, "pass")
		})
	}
}

// TestAllAgreeOnDamage: a verifier that takes everything would pass the tests
// above. One octet of the body, or of a signed field, is another.
func TestAllAgreeOnDamage(t *testing.T) {
	p := newPlace(t)
	all := jobs(p.keys, func(j *job) bool { return j.shape.name != "plain" })
	signed := p.sign(t, ours(t), all)
	for _, damage := range []struct{ name, old, new string }{
		{"body", "Hello.", "Hallo."}, {"field", "Subject: plain", "Subject: plane"}, {"field added", "To: ", "From: evil@example.org\r\nTo: "},
	} {
		messages := make([][]byte, len(signed))
		for i, m := range signed {
			messages[i] = []byte(strings.Replace(string(m), damage.old, damage.new, 1))
		}
		for _, v := range append(verifiers, us) {
			t.Run(damage.name+" "+v.name, func(t *testing.T) {
				v.need(t)
				check(t, p, v, all, messages, "fail")
			})
		}
	}
}

// TestOpenDKIMsFault: the one thing that OpenDKIM signs wrongly, all agree on.
// Should a newer package mend it, opendkimSignsWrongly can go.
func TestOpenDKIMsFault(t *testing.T) {
	opendkim(t)
	needDkimpy(t)
	p := newPlace(t)
	all := jobs(p.keys, func(j *job) bool { return !opendkimSignsWrongly(j) || opendkimCannot(j) })
	messages := p.sign(t, opendkim(t), all)
	for _, v := range append(verifiers[1:], us) {
		t.Run(v.name, func(t *testing.T) { check(t, p, v, all, messages, "fail") })
	}
}

// check wants a verdict on every message that the verifier is fit for.
func check(t *testing.T, p *place, v verifier, all []job, messages [][]byte, want string) {
	t.Helper()
	var fit []job
	var theirs [][]byte
	for i := range all {
		if !v.cannot(&all[i]) {
			fit, theirs = append(fit, all[i]), append(theirs, messages[i])
		}
	}
	if len(fit) == 0 {
		t.Fatal("nothing to verify")
	}
	wrong := 0
	for i, result := range v.verify(t, p, fit, theirs) {
		if result == want || strings.HasPrefix(result, want+" ") && !strings.Contains(result, ",") {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("%s: %q, want %s; %.200q", fit[i].String(), result, want, theirs[i])
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d messages", wrong, len(fit))
	}
}
