package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/event"
	"dojang/internal/keystore"
)

// TestWhichSignatureDecides: the first that passes, else the first that was looked at, of
// those that count.
func TestWhichSignatureDecides(t *testing.T) {
	const good, bad, unread = dkim.ReasonNone, dkim.ReasonBadSignature, dkim.ReasonTooManySignatures
	own := func(r dkim.Reason) dkim.Result { return by("example.com", r) }
	for name, c := range map[string]struct {
		trusted bool // TrustSignaturesFrom is set
		results []dkim.Result
		want    int
	}{
		"none":                       {false, nil, -1},
		"one":                        {false, []dkim.Result{own(bad)}, 0},
		"two that fail":              {false, []dkim.Result{own(bad), own(bad)}, 0},
		"the second passes":          {false, []dkim.Result{own(bad), own(good)}, 1},
		"both pass":                  {false, []dkim.Result{own(good), own(good)}, 0},
		"one beyond the maximum":     {false, []dkim.Result{own(unread)}, -1},
		"the first of them is":       {false, []dkim.Result{own(unread), own(bad), own(bad)}, 1},
		"and the last passes":        {false, []dkim.Result{own(bad), own(unread), own(good)}, 2},
		"a stranger's":               {true, []dkim.Result{by("third.example", good)}, -1},
		"a stranger's before ours":   {true, []dkim.Result{by("third.example", good), own(bad)}, 1},
		"a stranger's, with no list": {false, []dkim.Result{by("third.example", good), own(bad)}, 0},
	} {
		p := &Plan{Author: Author{User: "joe", Domain: "example.com"}}
		if c.trusted {
			p.Trusted = map[string]bool{}
		}
		if got := p.Deciding(c.results); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestDeletionsComeFirst, from the back, each once: whoever asked for them counted the fields
// of the message as it came.
func TestDeletionsComeFirst(t *testing.T) {
	remove := func(name string, index int) Edit { return Edit{Op: DeleteField, Name: name, Index: index} }
	insert := func(name string) Edit { return Edit{Op: InsertField, Name: name} }
	o := &Outcome{Edits: []Edit{insert("A"), remove("X", 1), insert("B"), remove("x", 3), remove("Y", 3), remove("x", 1), insert("A")}}
	o.deleteFirst()
	want := []Edit{remove("x", 3), remove("Y", 3), remove("X", 1), insert("A"), insert("B"), insert("A")}
	if diff := cmp.Diff(want, o.Edits); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o = new(Outcome)
	o.summarize("signed (s=%s, d=%s)", "a", "b")
	o.summarize("quarantined")
	if want := "signed (s=a, d=b); quarantined"; o.Summary != want {
		t.Errorf("%s", o.Summary)
	}
}

// TestScriptsResign by the keys that are asked for already, else by KeyFile.
func TestScriptsResign(t *testing.T) {
	fallback := &keystore.SigningKey{Name: "default", Domain: "list.example"}
	asked := SignRequest{Key: &keystore.SigningKey{Name: "k2"}, Domain: "example.com"}
	for name, c := range map[string]struct {
		key  *keystore.SigningKey
		sign []SignRequest
		want string
	}{
		"nothing": {nil, nil, ""}, "KeyFile": {fallback, nil, "default d=list.example"},
		"asked for": {nil, []SignRequest{asked}, "k2 d=example.com"}, "both": {fallback, []SignRequest{asked}, "k2 d=example.com"},
	} {
		s := &Scripted{Rules: &Rules{Keys: Keys{DefaultKey: c.key}}, Plan: &Plan{Sign: c.sign}}
		did := s.Resign()
		var got []string
		for _, r := range s.Plan.Sign {
			got = append(got, r.Key.Name+" d="+r.Domain)
		}
		if did != (c.want != "") || strings.Join(got, ", ") != c.want || s.Plan.resigned != did || s.Plan.Verify != did {
			t.Errorf("%s: %v, %q, %+v", name, did, got, s.Plan)
		}
	}
}

// TestWhoIsTheSender for RequireSenderMatch: the login, and only without one the envelope's
// sender, which anybody may write.
func TestWhoIsTheSender(t *testing.T) {
	for _, c := range []struct {
		login, sender string
		want          bool
	}{
		{"joe@example.com", "", true}, {"joe@example.com", "eve@example.org", true}, {"eve@example.org", "joe@example.com", false},
		{"", "joe@example.com", true}, {"", "eve@example.org", false}, {"", "", false},
	} {
		f := &Facts{Sender: c.sender, Fields: fieldsOf(t, "From: joe@example.com"), Macro: func(name string) string {
			return map[string]string{"auth_authen": c.login}[name]
		}}
		m := SenderMatch{Required: true}
		got, err := m.sendersOwn(t.Context(), &Plan{Author: Author{User: "joe", Domain: "example.com", Field: "From"}}, f, &Signing{})
		if err != nil || got != c.want {
			t.Errorf("login %q, sender %q: %v, %v", c.login, c.sender, got, err)
		}
	}
}

// keyless is a KeyTable of which nothing can be had.
type keyless struct{ err error }

func (k keyless) Key(context.Context, string, string) (*keystore.SigningKey, error) {
	return nil, k.err
}

// TestKeysThatCannotBeHad: mail of ours waits, or has the reply for its kind of error, and
// the log says why in OpenDKIM's words.
func TestKeysThatCannotBeHad(t *testing.T) {
	small := &keystore.SizeError{Bits: 512}
	for name, c := range map[string]struct {
		err  error
		want string
		told []string
	}{
		"no row":   {dataset.ErrNotFound, "tempfail", []string{"signing table references unknown key 'k'"}},
		"no file":  {&keystore.Error{Text: "can't load key from /k: No such file or directory"}, "tempfail", []string{"can't load key from /k: No such file or directory", "error loading key 'k'"}},
		"no words": {errors.New("away"), "tempfail", []string{"away", "error loading key 'k'"}},
		"too small": {&keystore.Error{Text: "can't load key from /k: " + small.Error(), Err: small, Undecodable: true}, "reject 550 5.7.0 DKIM signing error",
			[]string{"signature generation error: " + small.Error()}},
		"no key": {&keystore.Error{Text: "can't load key from /k: not a private key", Undecodable: true}, "tempfail 451 4.7.0 resource unavailable",
			[]string{"SSL error: can't load key from /k: not a private key", "dkim_eom(): resource unavailable: d2i_PrivateKey_bio() failed"}},
	} {
		r := &Rules{Keys: Keys{KeyTable: keyless{c.err}}}
		r.Verdicts.Actions[SignatureError], r.Verdicts.Actions[InternalError] = Reject, TempFail
		p := &Plan{Author: Author{User: "joe", Domain: "example.com"}}
		if r.addKey(t.Context(), p, "k", "") || p.Reply.String() != c.want || p.Mode() != Ends {
			t.Errorf("%s: %s, %s", name, p.Reply, p.Mode())
		}
		if diff := cmp.Diff(c.told, told(p.Notes)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestIdentitiesThatAgree with d= stand in i=, up to 255 octets, and no others.
func TestIdentitiesThatAgree(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n-len("@example.com")) + "@example.com" }
	for identity, agrees := range map[string]bool{"@example.com": true, "joe@example.com": true, "@Sub.Example.com": true,
		"a@b@example.com": true,
		"@notexample.com": false, "@com": false, "example.com": false, "": false, "@": false, long(255): true, long(256): false,
		"@" + strings.Repeat("x", 64) + ".example.com": false} {
		if got := agreeing(identity, "Example.com"); got != "" != agrees || agrees && got != identity {
			t.Errorf("%.40q: %.40q", identity, got)
		}
	}
	if got := agreeing("@example.com", strings.Repeat("x", 64)); got != "" {
		t.Errorf("within a domain that is none: %q", got)
	}
}

// TestDomainsAbove are found nearest first, in either form of their names.
func TestDomainsAbove(t *testing.T) {
	for _, c := range []struct{ list, domain, want string }{
		{"example.com,com", "a.b.example.com", "example.com"}, {"com,b.example.com", "a.b.example.com", "b.example.com"},
		{"example.org", "a.example.com", ""}, {"example.com", "example.com", ""},
		{unicodeDomain, "a." + asciiDomain, asciiDomain}, {asciiDomain, "a." + unicodeDomain, unicodeDomain},
		{asciiDomain, "a." + asciiDomain, asciiDomain}, {"example", "a." + asciiDomain, "example"},
		{"b.example", "a\u3002b.example", ""}, // where the forms are not of as many labels
	} {
		k := &Keys{Domain: csl(t, c.list)}
		if got, err := k.domainAbove(t.Context(), c.domain); err != nil || got != c.want {
			t.Errorf("%s, of %s: %q, %v, want %q", c.domain, c.list, got, err, c.want)
		}
	}
	if got, err := (&Keys{Domain: failing{}}).domainAbove(t.Context(), "a.example.com"); err == nil || got != "" {
		t.Errorf("of a table that fails: %q, %v", got, err)
	}
	// Nobody can sign for an address literal, which LogWhy tells.
	p := &Plan{Author: Author{User: "joe", Domain: "[192.0.2.1]"}}
	got, err := (&Keys{Domain: csl(t, "*"), SubDomains: true}).signingDomain(t.Context(), p)
	if diff := cmp.Diff([]string{"?no signing domain match for '[192.0.2.1]'"}, told(p.Notes)); got != "" || err != nil || diff != "" {
		t.Errorf("%q, %v (-want +got)\n%s", got, err, diff)
	}
}

// TestBodyLengthDB asks for l= where one recipient of several is in it, and says for whom.
func TestBodyLengthDB(t *testing.T) {
	for recipients, want := range map[string]string{"": "", "x@example.org": "", "list@example.com": "list@example.com",
		"x@example.org list@example.com y@example.com": "list@example.com", "x@sub.example.net": "x@sub.example.net"} {
		s := &Signing{BodyLengthDB: csl(t, "list@example.com,.example.net")}
		p := new(Plan)
		if !s.wantBodyLength(t.Context(), p, &Facts{Recipients: strings.Fields(recipients)}) {
			t.Fatal("it fails")
		}
		var lines []string
		if want != "" {
			lines = []string{fmt.Sprintf("?BodyLengthDB matched %s, signing with l= requested", want)}
		}
		if p.BodyLength != (want != "") || !slices.Equal(told(p.Notes), lines) {
			t.Errorf("%q: %v, %q", recipients, p.BodyLength, told(p.Notes))
		}
	}
}

// empty is a set that has every name, and nothing for it.
type empty struct{ failing }

func (empty) Lookup(context.Context, string, int) ([]string, error) { return nil, nil }

// TestRowsWithoutValues name no key.
func TestRowsWithoutValues(t *testing.T) {
	if got := (&Keys{}).rowKeys(dataset.Entry{}, Author{}); !slices.Equal(got, []rowKey{{}}) {
		t.Errorf("%v", got)
	}
	fallback := &keystore.SigningKey{Name: "default", Domain: "list.example"}
	r := &Rules{Keys: Keys{DefaultKey: fallback, KeyTable: keys{}}, Resign: Resign{MailTo: empty{}}}
	p := &Plan{Author: Author{User: "joe", Domain: "example.com"}}
	err := r.resign(t.Context(), p, &Facts{Recipients: []string{"a@list.example"}})
	if err != nil || len(p.Sign) != 1 || p.Sign[0].Key != fallback {
		t.Errorf("%v, %+v", err, p.Sign)
	}
}

// TestSendersWhoMayNotSign: with Domain as with SigningTable the mail goes on unsigned.
func TestSendersWhoMayNotSign(t *testing.T) {
	for sender, signs := range map[string]bool{"joe@example.com": true, "eve@example.org": false} {
		r := domainRules(t)
		r.RequireSenderMatch.Required = true
		f := &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"), Sender: sender, Fields: fieldsOf(t, standardHeader)}
		p := r.Plan(t.Context(), f)
		if len(p.Sign) > 0 != signs || p.Reply.Action != Continue || !signs && !p.Verify {
			t.Errorf("%s: %+v", sender, p)
		}
	}
}

// TestKeysThatScriptsAskFor and do not get: the log says why, and the message goes on.
func TestKeysThatScriptsAskFor(t *testing.T) {
	for name, c := range map[string]struct {
		table KeySource
		key   string
		told  []string
	}{
		"KeyFile":  {nil, "", []string{event.ScriptNoDefaultKey().Text}},
		"no row":   {keyless{dataset.ErrNotFound}, "k", []string{event.ScriptKeyUnknown("k").Text}},
		"no words": {keyless{errors.New("away")}, "k", []string{"away", "error loading key 'k'"}},
	} {
		s := &Scripted{Rules: &Rules{Keys: Keys{KeyTable: c.table}}, Plan: &Plan{Author: Author{User: "joe", Domain: "example.com"}}}
		did, err := s.Sign(t.Context(), c.key, "", nil)
		if diff := cmp.Diff(c.told, told(s.Notes)); did || err != nil || len(s.Plan.Sign) != 0 || diff != "" {
			t.Errorf("%s: %v, %v (-want +got)\n%s", name, did, err, diff)
		}
	}
}

// TestWordsOfResults: our name is ours, the MTA's or none's; what cannot be read has one
// comment; one signature is told of without any more.
func TestWordsOfResults(t *testing.T) {
	for _, c := range []struct{ id, macro, want string }{
		{"", "mx.example", "mx.example"}, {"", "", "unknown-host"}, {"a.example", "mx.example", "a.example"},
	} {
		f := &Facts{Macro: func(name string) string { return map[string]string{"j": c.macro}[name] }}
		if got := (&AuthResults{AuthservID: c.id}).authservID(f, false); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	a := new(AuthResults)
	good, broken := judgement{Result: by("example.com", dkim.ReasonNone)}, judgement{Result: by("", dkim.ReasonSyntax)}
	if m := a.method(&broken); m.Comment != "bad message/signature format" || len(m.Props) != 0 {
		t.Errorf("%+v", m)
	}
	if m := a.method(&good); m.Comment == "bad message/signature format" || len(m.Props) == 0 {
		t.Errorf("%+v", m)
	}
	for n, more := range map[int]string{1: "", maxTold: "", maxTold + 1: "and 1 more"} {
		o := new(Outcome)
		o.tellSignatures(slices.Repeat([]judgement{good}, n), 0)
		text := o.Notes[len(o.Notes)-1].Event.Text
		if got := strings.Contains(text, "more"); got != (more != "") || !strings.HasSuffix(text, more) {
			t.Errorf("%d signatures: %s", n, text)
		}
	}
}

// TestIdentitiesInASCII (RFC 8616 §4) keep their local part, where there is one.
func TestIdentitiesInASCII(t *testing.T) {
	ascii := Author{User: "joe", Domain: asciiDomain}
	for identity, want := range map[string]string{"@" + unicodeDomain: "@" + asciiDomain, "joe@" + unicodeDomain: "joe@" + asciiDomain,
		"jö@" + unicodeDomain: "", "@" + asciiDomain: "@" + asciiDomain, "": ""} {
		if got := suitableIdentity(identity, ascii); got != want {
			t.Errorf("%s: %s, want %s", identity, got, want)
		}
		if got := suitableIdentity(identity, Author{User: "joe", Domain: unicodeDomain}); got != identity {
			t.Errorf("%s of an author in UTF-8: %s", identity, got)
		}
	}
}

// TestSignaturesAloneAreLookedUp in TrustSignaturesFrom, not what other fields have of tags.
func TestSignaturesAloneAreLookedUp(t *testing.T) {
	p := &Plan{Verify: true}
	f := &Facts{Fields: fieldsOf(t, "X-Other: d=a.example\nDKIM-Signature: d=b.example\nFrom: joe@example.com")}
	v := &Verdicts{TrustSignaturesFrom: csl(t, "a.example,b.example")}
	if err := v.findTrusted(t.Context(), p, f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{"b.example": true}, p.Trusted); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
