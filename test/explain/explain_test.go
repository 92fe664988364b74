package explain

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/explain"
	"dojang/internal/testutil"
)

const keyFile = "../../internal/keyrecord/testdata/s2048.private"

var now = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

// sign signs a message as its author's server does.
func sign(t *testing.T, m message, header, body dkim.Canonicalization, names ...string) message {
	t.Helper()
	o := dkim.SignOptions{
		Domain: "example.com", Selector: "s2048", Key: testutil.ReadKey(t, keyFile), Sign: dkim.NewHeaderSet(names...),
		HeaderCanonicalization: header, BodyCanonicalization: body, Time: now.Add(-time.Hour),
	}
	field, err := dkim.Sign([]byte(m.String()), o)
	if err != nil {
		t.Fatal(err)
	}
	m.fields = slices.Insert(slices.Clone(m.fields), 0, strings.TrimSuffix(string(field), "\r\n"))
	return m
}

// story explains the one signature of a message. Its work is bounded, and no clock decides
// what is found.
func story(t *testing.T, m message, record string) explain.Signature {
	t.Helper()
	fields, body, err := header.Parse([]byte(m.String()))
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	v := dkim.NewVerifier(explain.Evidence(now), fields, &bodies)
	bodies.Write(body)
	bodies.Close()
	for _, q := range v.Queries() {
		v.SetKey(q, dkim.KeyAnswer{Texts: []string{record}})
	}
	stories := explain.Signatures(t.Context(), fields, body, v.Finish(), now)
	if len(stories) != 1 {
		t.Fatalf("%d signatures", len(stories))
	}
	return stories[0]
}

// tally counts what is said of messages that were edited.
type tally struct{ failures, headers, headersProved, named, bodies, bodiesProved, all int }

// claim is a proof, undone, that somebody else has to verify.
type claim struct{ what, text string }

// check explains an edited message and collects the proofs.
func (n *tally) check(t *testing.T, what, record string, signed, edited message) []claim {
	t.Helper()
	s := story(t, edited, record)
	if s.HeaderOK && s.BodyOK {
		return nil // canonicalization forgives it
	}
	n.failures++
	proved := map[string]bool{explain.PartHeader: true, explain.PartBody: true}
	seen := map[string]bool{}
	now, named := edited, false
	for _, c := range s.Causes {
		if c.Text == "" || c.Text == c.Code {
			t.Errorf("%s: no words for %+v", what, c)
		}
		part := c.Part
		if c.Code == explain.CodeHeaderCut {
			seen[explain.PartBody] = true
		}
		seen[part] = true
		if !c.Proved {
			proved[part] = false
			named = named || part == explain.PartHeader && c.Field != "" && c.Code != explain.CodeMailingList
			continue
		}
		var err error
		if now, err = undo(now, c); err != nil {
			t.Errorf("%s: %+v: %v", what, c, err)
			return nil
		}
	}
	for part, ok := range map[string]bool{explain.PartHeader: s.HeaderOK, explain.PartBody: s.BodyOK} {
		if ok && seen[part] && len(s.Causes) > 0 && s.Causes[0].Code != explain.CodeHeaderCut {
			t.Errorf("%s: a cause for the %s, which fits: %+v", what, part, s.Causes)
		}
		if !ok && !seen[part] && !(len(s.Causes) > 0 && s.Causes[0].Code == explain.CodeHeaderCut) {
			t.Errorf("%s: no cause for the %s: %+v", what, part, s.Causes)
		}
	}
	var claims []claim
	headerGood, bodyGood := s.HeaderOK, s.BodyOK
	if !s.HeaderOK {
		n.headers++
		if proved[explain.PartHeader] {
			n.headersProved++
			headerGood = true
			claims = append(claims, claim{what + ": header " + codes(s), message{now.fields, signed.body}.String()})
		} else if named {
			n.named++
		}
	}
	if !s.BodyOK {
		n.bodies++
		if proved[explain.PartBody] {
			n.bodiesProved++
			bodyGood = true
			claims = append(claims, claim{what + ": body " + codes(s), message{signed.fields, now.body}.String()})
		}
	}
	if (headerGood || named) && bodyGood {
		n.all++
	}
	if testing.Verbose() && !(headerGood && bodyGood) {
		t.Logf("%s: %s\n%s\n%s", what, codes(s), strings.Join(signed.fields[1:], "\n"), strings.Join(edited.fields, "\n"))
	}
	return claims
}

func codes(s explain.Signature) string {
	var list []string
	for _, c := range s.Causes {
		list = append(list, c.Part+"/"+c.Code+"/"+c.Field)
	}
	return strings.Join(list, " ")
}

// verify has dkimpy verify all that was claimed.
func verify(t *testing.T, record string, claims []claim) {
	t.Helper()
	var texts []string
	for _, c := range claims {
		texts = append(texts, c.text)
	}
	for i, verdict := range dkimpy(t, record, texts) {
		if verdict != "pass" {
			t.Errorf("a false proof: %s\n%s", claims[i].what, claims[i].text)
		}
	}
}

// TestListMail: mail that lists and servers have edited, alone and together, is explained
// for the most part, and no proof is false.
func TestListMail(t *testing.T) {
	count := 40
	if testutil.Long() {
		count = 1500
	}
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	var n tally
	var claims, baseline []claim
	for seed := range count {
		w := writer{rand.New(rand.NewPCG(uint64(seed), 1))}
		head := dkim.Relaxed
		if w.IntN(4) == 0 {
			head = dkim.Simple
		}
		signed := w.message()
		if cc := signed.value("Cc"); cc != "" && w.IntN(8) == 0 { // an address twice
			signed.set("Cc", cc+", "+splitAddresses(cc)[0])
		}
		signed = sign(t, signed, head, []dkim.Canonicalization{dkim.Relaxed, dkim.Simple}[w.IntN(2)],
			"From", "To", "Cc", "Subject", "Date", "Message-ID", "Sender", "MIME-Version", "Content-Type",
			"Content-Transfer-Encoding", "References", "In-Reply-To")
		edited, what := w.edited(signed)
		if len(baseline) < 20 {
			baseline = append(baseline, claim{"unedited", signed.String()})
		}
		claims = append(claims, n.check(t, what, record, signed, edited)...)
	}
	verify(t, record, append(baseline, claims...))
	t.Logf("%d failures: of %d headers %d proved, %d with the field named; of %d bodies %d proved; all of it: %d",
		n.failures, n.headers, n.headersProved, n.named, n.bodies, n.bodiesProved, n.all)
	if n.failures < count/2 {
		t.Errorf("only %d of %d fail", n.failures, count)
	}
	if (n.headersProved+n.named)*10 < n.headers*6 || n.bodiesProved*10 < n.bodies*6 || n.all*10 < n.failures*6 {
		t.Error("less than 60 % is explained")
	}
}

// edited applies what a list and the servers beside it do, Cc anew in two of three.
func (w writer) edited(signed message) (m message, what string) {
	m = signed.clone()
	var made []string
	apply := func(e edit) {
		if e.make(w, &m) {
			made = append(made, e.name)
		}
	}
	m.fields = append(m.fields, cookedList...)
	if w.IntN(3) > 0 {
		apply(headerEdits[0])
	}
	for range 1 + w.IntN(2) {
		apply(headerEdits[1+w.IntN(len(headerEdits)-1)])
	}
	for range w.IntN(3) {
		if e := bodyEdits[w.IntN(len(bodyEdits))]; !slices.Contains(made, e.name) {
			apply(e)
		}
	}
	return m, strings.Join(made, "+")
}

// TestEveryEditAlone: each edit, by itself, under both canonicalizations.
func TestEveryEditAlone(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	var claims []claim
	seeds := 3
	if testutil.Long() {
		seeds = 40
	}
	for _, e := range slices.Concat(headerEdits, bodyEdits) {
		var n tally
		for seed := range seeds {
			w := writer{rand.New(rand.NewPCG(uint64(seed), 2))}
			for _, c := range []dkim.Canonicalization{dkim.Relaxed, dkim.Simple} {
				signed := sign(t, w.message(), c, c, "From", "To", "Cc", "Subject", "Date", "Message-ID", "Sender",
					"Content-Type", "Content-Transfer-Encoding", "References")
				edited := signed.clone()
				if e.make(w, &edited) {
					claims = append(claims, n.check(t, e.name, record, signed, edited)...)
				}
			}
		}
		unexplained := []string{"reworded", "rewritten"} // no search can know what stood there
		least := 8
		if e.name == "cc-anew" { // of long lists the order is lost, and nothing here tells that a list wrote it
			least = 5
		}
		if n.all < n.failures*least/10 && !slices.Contains(unexplained, e.name) {
			t.Errorf("%s: %+v", e.name, n)
		}
		if slices.Contains(unexplained, e.name) && n.headersProved+n.bodiesProved > 0 {
			t.Errorf("%s is proved: %+v", e.name, n)
		}
		t.Logf("%s: %d failures, %d explained", e.name, n.failures, n.all)
	}
	verify(t, record, claims)
}
