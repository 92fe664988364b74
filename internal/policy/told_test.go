package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/keystore"
)

// TestSignaturesAreTold by the beginning of b=, of 64 octets at most, where they name a
// domain and a selector.
func TestSignaturesAreTold(t *testing.T) {
	same := strings.Repeat("A", 100)
	var results []dkim.Result
	for i := range 2 {
		results = append(results, result(dkim.ReasonNone, func(r *dkim.Result) { r.Signature.Encoded = same + fmt.Sprint(i) }))
	}
	judged := (&Verdicts{}).judge(&Verdict{Results: results})
	for _, j := range judged {
		if len(j.Short) != 64 {
			t.Errorf("%d octets tell it from the others", len(j.Short))
		}
	}
	for _, c := range []struct {
		domain, selector string
		want             bool
	}{{"example.com", "sel", true}, {"", "sel", false}, {"example.com", "", false}, {"", "", false}} {
		j := judged[0]
		j.Signature = &dkim.Signature{Domain: c.domain, Selector: c.selector}
		o := new(Outcome)
		o.tellSignatures([]judgement{j}, 0)
		told := slices.ContainsFunc(o.Notes, func(n Note) bool { return strings.Contains(n.Event.Text, "signature=") })
		if told != c.want {
			t.Errorf("d=%s s=%s: told %v", c.domain, c.selector, told)
		}
	}
	judged[1].Signature = new(dkim.Signature)
	o := new(Outcome)
	o.tellSignatures(judged, 0)
	if want := event.SignaturesFrom([]string{"example.com", "(invalid)"}).Text; !slices.Contains(told(o.Notes), want) {
		t.Errorf("%q, not %q", told(o.Notes), want)
	}
}

// TestPlanEndsWithWhatFails: nothing of what comes later is done.
func TestPlanEndsWithWhatFails(t *testing.T) {
	for name, change := range map[string]func(*Rules){
		"SigningTable": func(r *Rules) { r.SigningTable = failing{} },
		"a key":        func(r *Rules) { r.SigningTable = csl(t, "example.com=broken") },
		"nothing":      func(*Rules) {},
	} {
		r, ran := tableRules(t), false
		change(r)
		r.Scripts = &Scripts{Setup: scripted(func(*Scripted) error { ran = true; return nil })}
		r.Verdicts.Set(InternalError, TempFail)
		p := r.Plan(t.Context(), &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"), Fields: fieldsOf(t, standardHeader)})
		if ran != (name == "nothing") || ran != (p.Reply.Action == Continue) {
			t.Errorf("%s fails: %s, the script ran %v", name, p.Reply, ran)
		}
	}
}

// TestReplacedKeepsEveryField once, those that no rule is for as they are.
func TestReplacedKeepsEveryField(t *testing.T) {
	s := &Signing{ReplaceRules: []ReplaceRule{{Match: expression(t, "old"), With: "new"}}, ReplaceHeaders: []string{"Subject"}}
	var got []string
	for l, i := s.Replaced(fieldsOf(t, "From: old@example.com\nSubject: old\nTo: b")), 0; i < l.Len(); i++ {
		got = append(got, string(l.At(i).Raw))
	}
	if diff := cmp.Diff([]string{"From: old@example.com", "Subject: new", "To: b"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestEmptyResultsAreNoMistake of whoever wrote them.
func TestEmptyResultsAreNoMistake(t *testing.T) {
	for value, want := range map[string]int{"": 0, " \r\n ": 0, " !!!": 1, " h; none": 0} {
		l := new(header.List)
		l.AddRaw([]byte("Authentication-Results:" + value))
		if c := (&AuthResults{AuthservID: "mx"}).examine(&Facts{Fields: l}); c.unparsable != want {
			t.Errorf("%q: %d", value, c.unparsable)
		}
	}
}

// TestScriptsHoldMail, and where one has decided, nothing is said of a missing signature.
func TestScriptsHoldMail(t *testing.T) {
	r := &Rules{Verify: true}
	r.Verdicts.Set(NoSignature, Reject)
	f := &Facts{Fields: fieldsOf(t, standardHeader)}
	for _, c := range []struct {
		s          *Scripted
		action     Action
		quarantine string
		refused    bool
	}{
		{&Scripted{Quarantine: "spam"}, Reject, "spam", true},
		{&Scripted{Reply: Reply{Action: Discard}, Quarantine: "spam"}, Discard, "spam", false},
		{&Scripted{}, Reject, "", true},
	} {
		o := r.Outcome(f, &Plan{Verify: true, Scripted: c.s}, &Verdict{})
		refused := slices.ContainsFunc(o.Notes, func(n Note) bool { return n.Event.Name == event.NoSignatureRefused().Name })
		if o.Reply.Action != c.action || o.Quarantine != c.quarantine || refused != c.refused {
			t.Errorf("%+v: %s, quarantine %q, refused %v", c.s.Reply, o.Reply, o.Quarantine, refused)
		}
	}
}

// TestResignMailTo takes either form of a recipient's domain, domains above it, and
// KeyFile where a row names no key or there is no table of them.
func TestResignMailTo(t *testing.T) {
	fallback := &keystore.SigningKey{Name: "default", Domain: "list.example", Selector: "sel"}
	for _, c := range []struct {
		table, recipient string
		keys             bool
		want             string
	}{
		{"a@list.example=k2", "a@list.example", true, "k2"}, {"list.example=k2", "a@list.example", true, "k2"},
		{".example=k2", "a@sub.list.example", true, "k2"}, {".list.example=k2", "a@sub.list.example", true, "k2"},
		{".example=k2", "a@list..example", true, "k2"},
		{unicodeDomain + "=k2", "a@" + asciiDomain, true, "k2"}, {asciiDomain + "=k2", "a@" + unicodeDomain, true, "k2"},
		{"a@" + unicodeDomain + "=k2", "a@" + asciiDomain, true, "k2"},
		{"list.example", "a@list.example", true, "default"}, {"list.example=k2", "a@list.example", false, "default"},
		{"list.example", "a@list.example", false, "default"},
		{"list.example=k2", "a@other.example", true, ""}, {".list.example=k2", "a@list.example", true, ""}, {"list.example=k2", "a@sub.list.example", true, ""},
	} {
		r := tableRules(t)
		r.Resign.MailTo, r.DefaultKey = csl(t, c.table), fallback
		if !c.keys {
			r.KeyTable = nil
		}
		p := &Plan{Author: Author{User: "joe", Domain: "example.com"}}
		if err := r.resign(t.Context(), p, &Facts{Recipients: []string{"x@example.net", c.recipient}}); err != nil {
			t.Error(err)
		}
		got := ""
		for _, s := range p.Sign {
			got += s.Key.Name
		}
		if got != c.want || p.resigned != (c.want != "") || p.SignOnlyIfVerified != p.resigned {
			t.Errorf("%s for %s, keys %v: %q, %+v", c.table, c.recipient, c.keys, got, p)
		}
	}
}

// TestWordsOfBadTimes: libopendkim's own, for the tag that it stops at.
func TestWordsOfBadTimes(t *testing.T) {
	for tags, want := range map[string]string{"t=x;": `invalid "t" value in signature data`, "t=-1;": `invalid "t" value in signature data`,
		"x=y;": `invalid "x" value in signature data`, "t=1; x=y;": `invalid "x" value in signature data`, "t=y; x=y;": `invalid "t" value in signature data`} {
		j := judgement{Result: parsed(t, strings.Replace(asking, "r=y;", tags, 1), dkim.ReasonTimestamp, 0)}
		if got := syntaxWords(&j); got != want {
			t.Errorf("%s %q", tags, got)
		}
	}
}

// TestWhatMayBeQuarantined is asked for when the MTA connects.
func TestWhatMayBeQuarantined(t *testing.T) {
	if (&Verdicts{}).Quarantines() || !(&Verdicts{Quarantine: true}).Quarantines() ||
		!(&Verdicts{CaptureUnknownErrors: true}).Quarantines() {
		t.Error("Quarantine or CaptureUnknownErrors")
	}
	for _, condition := range []Condition{NoSignature, BadSignature, KeyNotFound, DNSError, InternalError} {
		for action, want := range map[Action]bool{Accept: false, Reject: false, TempFail: false, Discard: false, Quarantine: true} {
			v := new(Verdicts)
			v.Set(condition, action)
			if v.Quarantines() != want {
				t.Errorf("condition %v, %v: %v", condition, action, !want)
			}
		}
	}
}

// TestWeakSignatures cover as little as they can, under relaxed canonicalization
// (draft-levine-dkim-conditional).
func TestWeakSignatures(t *testing.T) {
	o := dkim.SignOptions{Domain: "example.com", HeaderCanonicalization: dkim.Simple, BodyCanonicalization: dkim.Simple}
	weaken(&o, "list.example")
	if o.HeaderCanonicalization != dkim.Relaxed || o.BodyLength == nil || *o.BodyLength != 0 {
		t.Errorf("%+v", o)
	}
}

// TestCommentsOnKeys: the size of RSA keys that were used, and what DNSSEC says of them.
func TestCommentsOnKeys(t *testing.T) {
	for _, c := range []struct {
		bits      int
		algorithm dkim.Algorithm
		security  dkim.Security
		want      string
	}{
		{2048, dkim.RSASHA256, dkim.SecurityUnknown, "2048-bit key"}, {1024, dkim.RSASHA1, dkim.Secure, "1024-bit key; secure"},
		{2048, dkim.RSASHA256, dkim.Insecure, "2048-bit key; unprotected"}, {2048, dkim.RSASHA256, dkim.Bogus, "2048-bit key; bogus"},
		{256, dkim.Ed25519SHA256, dkim.Secure, ""}, {0, dkim.RSASHA256, dkim.Secure, ""},
	} {
		j := judgement{Result: result(dkim.ReasonNone, func(r *dkim.Result) {
			r.KeyBits, r.Signature.Algorithm, r.Security = c.bits, c.algorithm, c.security
		})}
		if got := keyComment(&j); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestIgnoredSignaturesAreCounted, those that were not even read with them.
func TestIgnoredSignaturesAreCounted(t *testing.T) {
	for _, c := range []struct{ many, unseen, want int }{{0, 0, 0}, {1, 0, 1}, {0, 2, 2}, {3, 2, 5}} {
		judged := []judgement{{Result: result(dkim.ReasonNone)}}
		for range c.many {
			judged = append(judged, judgement{Result: result(dkim.ReasonTooManySignatures)})
		}
		o := new(Outcome)
		o.tellSignatures(judged, c.unseen)
		want := ""
		if c.want > 0 {
			want = event.Ignoring(c.want).Text
		}
		if got := slices.ContainsFunc(o.Notes, func(n Note) bool { return n.Event.Text == want }); got != (c.want > 0) {
			t.Errorf("%+v: %q", c, told(o.Notes))
		}
		for _, n := range o.Notes {
			if n.Results && strings.Count(n.Event.Text, "signature=") != 1 {
				t.Errorf("%+v: %s", c, n.Event.Text)
			}
		}
	}
}

// TestScriptedIsNotTold: where a script has decided, that a signature is good, and no more.
func TestScriptedIsNotTold(t *testing.T) {
	for reason, want := range map[dkim.Reason][]string{dkim.ReasonNone: {"DKIM verification successful"},
		dkim.ReasonBadSignature: nil, dkim.ReasonKeyRevoked: nil} {
		o := new(Outcome)
		o.tellDecision(&judgement{Result: result(reason)}, true)
		if diff := cmp.Diff(want, told(o.Notes)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", reason, diff)
		}
	}
}

// TestScriptsAtTheEndDecideAnew: what an earlier one said was its own moment's.
func TestScriptsAtTheEndDecideAnew(t *testing.T) {
	ran := ""
	say := func(name string, err error) Script {
		return scripted(func(s *Scripted) error {
			if ran += name; s.Reply.Action != Continue {
				t.Errorf("%s begins with %s", name, s.Reply)
			}
			return err
		})
	}
	r := &Rules{Scripts: &Scripts{Screen: say("screen ", nil), Statistics: say("stats ", nil), Final: say("final", nil)}}
	s := &Scripted{Rules: r, Plan: &Plan{}, Reply: Reply{Action: Reject}}
	s.Screen(t.Context())
	s.Reply = Reply{Action: Reject}
	s.Final(t.Context())
	if ran != "screen stats final" || s.Reply.Action != Continue {
		t.Errorf("%q ran: %s", ran, s.Reply)
	}
	ran, r.Scripts.Statistics = "", say("stats ", errors.New("boom"))
	r.Verdicts.Set(InternalError, TempFail)
	s.Final(t.Context())
	if ran != "stats " || s.Reply.Action != TempFail {
		t.Errorf("%q ran after a mistake: %s", ran, s.Reply)
	}
}

// TestActionsAreWords or their first letters.
func TestActionsAreWords(t *testing.T) {
	for text, want := range map[string]string{
		"accept": "accept", "A": "accept", "d": "discard", "Quarantine": "quarantine", "q": "quarantine",
		"REJECT": "reject", "r": "reject", "t": "tempfail", "tempfail": "tempfail", "continue": "no", "": "no", "c": "no", "x": "no", "acc": "no"} {
		a, ok := ParseAction(text)
		got := "no"
		if ok {
			got = a.String()
		}
		if got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestSeveralNamesOfHeaders: a list with * changes the default.
func TestSeveralNamesOfHeaders(t *testing.T) {
	for list, want := range map[string]string{
		"": "From,To", " , ": "From,To", "A,B": "A,B", "*": "From,To", "*,+X": "From,To,X", "*,-to": "From",
		"*,- To,+ X": "From,X", "*,X": "From,To,X", "*,*-Id": "From,To,*-Id", "+X,*": "From,To,X", "-To": "-To"} {
		if got := strings.Join(HeaderNames([]string{"From", "To"}, list), ","); got != want {
			t.Errorf("%q: %s, want %s", list, got, want)
		}
	}
}
