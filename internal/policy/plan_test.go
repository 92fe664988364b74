package policy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/bre"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// csl opens a set in memory.
func csl(t *testing.T, list string) dataset.Set {
	t.Helper()
	set, err := dataset.Open(t.Context(), "csl:"+list, dataset.Options{FoldCase: true})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// clients matches the addresses it lists.
type clients []string

func (c clients) Match(_ context.Context, _ string, addr netip.Addr) (bool, error) {
	for _, a := range c {
		if a == addr.String() {
			return true, nil
		}
	}
	return false, nil
}

// keys are signing keys by name; a name with "broken" in it fails.
type keys map[string]*keystore.SigningKey

func (k keys) Key(_ context.Context, name, _ string) (*keystore.SigningKey, error) {
	if strings.Contains(name, "broken") {
		return nil, errors.New("can't load key from /x: No such file or directory")
	}
	if key := k[name]; key != nil {
		return key, nil
	}
	return nil, &keystore.Error{Name: name, NotFound: true, Err: dataset.ErrNotFound}
}

// failing is a set nobody can ask.
type failing struct{}

func (failing) Lookup(context.Context, string, int) ([]string, error) {
	return nil, &dataset.Error{Err: errors.New("connection refused"), Temp: true}
}
func (failing) Close() error { return nil }

func fieldsOf(t *testing.T, text string) *header.List {
	t.Helper()
	l, _, err := header.Parse([]byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const standardHeader = "From: Joe <joe@Example.com>\nTo: ann@example.org\nSubject: s\nDate: d"

// tableRules sign example.com by tables for clients on 10.0.0.1.
func tableRules(t *testing.T) *Rules {
	return &Rules{
		Sign: true, Verify: true,
		Origin: Origin{InternalHosts: clients{"10.0.0.1"}},
		Keys: Keys{
			KeyTable: keys{"k1": {Name: "k1", Domain: "example.com", Selector: "s1"},
				"k2": {Name: "k2", Domain: "example.com", Selector: "s2"}},
			SigningTable: csl(t, "joe@example.com=k1,example.com=k2:boss@example.com,other.example=k1:x@example.com,"+
				"lost@example.com=nokey,.broken.example=broken"),
		},
	}
}

// domainRules sign example.com with one key.
func domainRules(t *testing.T) *Rules {
	return &Rules{
		Sign: true, Verify: true,
		Origin: Origin{InternalHosts: clients{"10.0.0.1"}},
		Keys:   Keys{Domain: csl(t, "example.com"), DefaultKey: &keystore.SigningKey{Name: "default", Selector: "sel"}},
	}
}

// told are the notes' texts; those for LogWhy alone have a "?" before them.
func told(notes []Note) []string {
	var texts []string
	for _, n := range notes {
		text := n.Event.Text
		if n.Results {
			continue
		}
		if n.Why {
			text = "?" + text
		}
		texts = append(texts, text)
	}
	return texts
}

// what a plan comes to, in a few words.
func describePlan(p *Plan) string {
	switch {
	case p.Reply.Action != Continue:
		r := p.Reply
		r.Status = ""
		return r.String()
	case p.malformed:
		return "malformed"
	}
	var words []string
	for _, s := range p.Sign {
		word := "sign " + s.Key.Name + " d=" + s.Domain
		if s.Identity != "" {
			word += " i=" + s.Identity
		}
		words = append(words, word)
	}
	if p.Verify {
		words = append(words, "verify")
	}
	return strings.Join(words, ", ")
}

// The log lines are those that opendkim 2.11 wrote in the same situation
// (internal/filter/testdata/opendkim-log).
func TestPlan(t *testing.T) {
	const inside, outside = "10.0.0.1", "192.0.2.7"
	cases := []struct {
		name   string
		rules  func(*testing.T) *Rules
		change func(*Rules, *Facts)
		header string
		client string
		macros map[string]string
		want   string
		told   []string
	}{
		{name: "internal client, table", client: inside, want: "sign k1 d=example.com"},
		{name: "authenticated client", client: outside, macros: map[string]string{"auth_type": "PLAIN"}, want: "sign k1 d=example.com"},
		{name: "stranger", client: outside, want: "verify", told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "another author of the domain, with identity", client: inside, header: "From: ann@example.com", want: "sign k2 d=example.com i=boss@example.com"},
		{name: "identity outside d= is dropped", client: inside, header: "From: ann@other.example", want: "sign k1 d=example.com i=x@example.com"},
		{name: "no match in the table", client: inside, header: "From: Ann@Elsewhere.example", want: "verify", told: []string{"?no signing table match for 'Ann@Elsewhere.example'"}},
		{name: "several matches, first only", client: inside, want: "sign k1 d=example.com"},
		{name: "several matches, all", client: inside, change: func(r *Rules, _ *Facts) { r.MultipleSignatures = true },
			want: "sign k1 d=example.com, sign k2 d=example.com i=boss@example.com"},
		{name: "unknown key", client: inside, header: "From: lost@example.com", want: "tempfail", told: []string{"signing table references unknown key 'nokey'"}},
		{name: "broken key", client: inside, header: "From: a@a.broken.example", want: "tempfail",
			told: []string{"can't load key from /x: No such file or directory", "error loading key 'broken'"}},
		{name: "table away", client: inside, change: func(r *Rules, _ *Facts) { r.SigningTable = failing{} }, want: "tempfail",
			told: []string{"error reading signing table", "SigningTable: connection refused"}},
		{name: "no author", client: inside, header: "To: x@example.com", want: "malformed", told: []string{"can't determine message sender; accepting"}},
		{name: "unparsable author", client: inside, header: "From: foo bar baz", want: "malformed", told: []string{"can't parse From: header value ' foo bar baz'"}},
		{name: "author without a local part", client: inside, header: "From: @example.com", want: "malformed", told: []string{"can't parse From: header value ' @example.com'"}},
		{name: "sender macro without a local part", client: inside, header: "From: joe@example.com", macros: map[string]string{"mail_addr": "@example.com"},
			change: func(r *Rules, _ *Facts) { r.SenderMacro = "mail_addr" }, want: "malformed", told: []string{"can't parse macro mail_addr header value '@example.com'"}},
		{name: "unparsable author, weak checks", client: outside, header: "From: foo bar baz", change: func(r *Rules, _ *Facts) { r.WeakSyntaxChecks = true }, want: "verify",
			told: []string{"can't parse From: header value ' foo bar baz'", "?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "unparsable author, signer alone", client: outside, header: "From: foo bar baz", change: func(r *Rules, _ *Facts) { r.Verify = false }, want: "malformed",
			told: []string{"can't parse From: header value ' foo bar baz'"}},
		{name: "unparsable author, verifier alone", client: outside, header: "From: foo bar baz", change: func(r *Rules, _ *Facts) { r.Sign = false }, want: "malformed",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "first of two From fields", client: inside, header: "From: joe@example.com\nFrom: eve@elsewhere.example", want: "sign k1 d=example.com"},
		{name: "sender header first in the list", client: inside, header: "From: eve@elsewhere.example\nSender: joe@example.com",
			change: func(r *Rules, _ *Facts) { r.SenderHeaders = []string{"Sender", "From"} }, want: "sign k1 d=example.com"},
		{name: "sender macro", client: inside, header: "From: eve@elsewhere.example", macros: map[string]string{"mail_addr": "joe@example.com"},
			change: func(r *Rules, _ *Facts) { r.SenderMacro = "mail_addr" }, want: "sign k1 d=example.com"},
		{name: "exempted", client: outside, change: func(r *Rules, _ *Facts) { r.ExemptDomains = csl(t, "example.com") }, want: "accept", told: []string{"?domain 'example.com' exempted, accepting"}},
		{name: "not for this recipient", client: inside, change: func(r *Rules, _ *Facts) { r.DontSignMailTo = csl(t, "ANN@example.org") }, want: "accept",
			told: []string{"skipping signing of mail to 'ann@example.org'"}},
		{name: "recipients matter to signing alone", client: outside, change: func(r *Rules, _ *Facts) { r.DontSignMailTo = csl(t, "ann@example.org") }, want: "verify",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "MTA by name", client: outside, macros: map[string]string{"daemon_name": "MSA"}, change: func(r *Rules, _ *Facts) { r.MTA = csl(t, "MSA") }, want: "sign k1 d=example.com"},
		{name: "MTA by another name", client: inside, macros: map[string]string{"daemon_name": "MTA", "j": "mx.example"}, change: func(r *Rules, _ *Facts) { r.MTA = csl(t, "MSA") },
			want: "sign k1 d=example.com", told: []string{"?no MTA name match (host=mx.example, MTA=MTA)"}},
		{name: "macro with a wanted value", client: outside, macros: map[string]string{"tag": "b"},
			change: func(r *Rules, _ *Facts) { r.MacroList = []MacroRule{{"tag", []string{"a", "b"}}} }, want: "sign k1 d=example.com"},
		{name: "macro with another value", client: outside, macros: map[string]string{"tag": "c"},
			change: func(r *Rules, _ *Facts) { r.MacroList = []MacroRule{{"tag", []string{"a", "b"}}} }, want: "verify",
			told: []string{"?no macros match", "?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "mode v does not sign", client: inside, change: func(r *Rules, _ *Facts) { r.Sign = false }, want: "accept"},
		{name: "mode s does not verify", client: outside, change: func(r *Rules, _ *Facts) { r.Verify = false }, want: "accept",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "verify-only socket", client: inside, change: func(_ *Rules, f *Facts) { f.VerifyOnly = true }, want: "verify"},
		{name: "sign-only socket", client: outside, change: func(_ *Rules, f *Facts) { f.SignOnly = true }, want: "accept",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "required headers", client: inside, header: "From: joe@example.com", change: func(r *Rules, _ *Facts) { r.RequiredHeaders = true },
			want: "reject 550 message does not have exactly one Date field", told: []string{"RFC5322 header requirement error: message does not have exactly one Date field"}},
		{name: "required headers, repeated", client: inside, header: standardHeader + "\nSubject: t", change: func(r *Rules, _ *Facts) { r.RequiredHeaders = true },
			want: "reject 550 message has multiple Subject fields", told: []string{"RFC5322 header requirement error: message has multiple Subject fields"}},
		{name: "header too large", client: inside, change: func(r *Rules, f *Facts) {
			f.HeaderOverflow, f.HeaderLimit = "X-Big", 400
			r.Verdicts.Set(Security, TempFail)
		}, want: "tempfail 452 message header too large", told: []string{`too much header data: field "X-Big" exceeds MaximumHeaders 400`}},
		{name: "body length for a recipient", client: inside, change: func(r *Rules, _ *Facts) { r.Signing.BodyLengthDB = csl(t, "ann@example.org") }, want: "sign k1 d=example.com",
			told: []string{"?BodyLengthDB matched ann@example.org, signing with l= requested"}},

		{name: "one key, own domain", rules: domainRules, client: inside, want: "sign default d=example.com"},
		{name: "one key, every domain", rules: domainRules, client: inside, header: "From: a@any.example", change: func(r *Rules, _ *Facts) { r.Domain = csl(t, "*") }, want: "sign default d=any.example"},
		{name: "one key, external", rules: domainRules, client: outside, want: "verify",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated", "external host host.example attempted to send as example.com"}},
		{name: "one key, external but ignored", rules: domainRules, client: outside, change: func(r *Rules, _ *Facts) { r.ExternalIgnoreList = clients{outside} }, want: "verify",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
		{name: "one key, subdomain not wanted", rules: domainRules, client: inside, header: "From: a@sub.example.com", want: "verify",
			told: []string{"?no signing domain match for 'sub.example.com'", "?no signing subdomain match for 'sub.example.com'"}},
		{name: "one key, subdomain", rules: domainRules, client: inside, header: "From: a@sub.example.com", change: func(r *Rules, _ *Facts) { r.SubDomains = true },
			want: "sign default d=example.com i=@example.com", told: []string{"?no signing domain match for 'sub.example.com'"}},

		{name: "sender must match, login does", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "joe@example.com"},
			change: func(r *Rules, _ *Facts) { r.RequireSenderMatch.Required = true }, want: "sign k1 d=example.com"},
		{name: "sender must match, login does not", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "eve@elsewhere.example"},
			change: func(r *Rules, _ *Facts) { r.RequireSenderMatch.Required = true }, want: "verify",
			told: []string{"'eve@elsewhere.example' may not send as 'joe@Example.com', not signing"}},
		{name: "sender must match, as ReplaceRules have it", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "joe@example.com"},
			header: "From: joe@inner.example.com", change: func(r *Rules, _ *Facts) {
				r.RequireSenderMatch.Required = true
				r.Signing.ReplaceRules = []ReplaceRule{{expression(t, `inner\.example\.com`), "example.com"}}
			}, want: "sign k1 d=example.com"},
		{name: "sender must match, second author does not", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "joe@example.com"},
			header: "From: joe@example.com, Boss <boss@other.example>", change: func(r *Rules, _ *Facts) { r.RequireSenderMatch.Required = true }, want: "verify",
			told: []string{"'joe@example.com' may not send as 'boss@other.example', not signing"}},
		{name: "sender must match, second field does not", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "joe"},
			header: "From: joe@example.com\nfrom : boss@example.com", change: func(r *Rules, _ *Facts) { r.RequireSenderMatch = SenderMatch{true, csl(t, "joe=joe@example.com")} }, want: "verify",
			told: []string{"'joe' may not send as 'boss@example.com', not signing"}},
		{name: "sender must match, second field cannot be read", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "joe@example.com"},
			header: "From: joe@example.com\nFrom: <boss@example.com> <x", change: func(r *Rules, _ *Facts) { r.RequireSenderMatch.Required = true }, want: "verify",
			told: []string{"can't parse From: header value ' <boss@example.com> <x'"}},
		{name: "sender must match, both authors do", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "joe"},
			header: "From: joe@example.com, ann@example.com", change: func(r *Rules, _ *Facts) { r.RequireSenderMatch = SenderMatch{true, csl(t, "joe=example.com")} }, want: "sign k1 d=example.com"},
		{name: "sender must match, table says so", client: outside, macros: map[string]string{"auth_type": "PLAIN", "auth_authen": "u42"},
			change: func(r *Rules, _ *Facts) { r.RequireSenderMatch = SenderMatch{true, csl(t, "u42=example.com")} }, want: "sign k1 d=example.com"},

		{name: "re-sign for a list", client: outside, change: func(r *Rules, _ *Facts) { r.Resign.MailTo = csl(t, ".org=k2") }, want: "sign k2 d=example.com, verify",
			told: []string{"?host.example [192.0.2.7] not internal", "?not authenticated"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.rules == nil {
				c.rules = tableRules
			}
			if c.header == "" {
				c.header = standardHeader
			}
			r := c.rules(t)
			f := &Facts{
				JobID: "JOB", ClientName: "host.example", ClientAddr: netip.MustParseAddr(c.client), Sender: "bounce@example.com",
				Recipients: []string{"ann@example.org"}, Fields: fieldsOf(t, c.header),
				Macro: func(name string) string { return c.macros[name] },
			}
			if c.change != nil {
				c.change(r, f)
			}
			p := r.Plan(t.Context(), f)
			if got := describePlan(p); got != c.want {
				t.Errorf("plan: got %q, want %q", got, c.want)
			}
			if diff := cmp.Diff(c.told, told(p.Notes)); diff != "" {
				t.Errorf("log lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSignOptions(t *testing.T) {
	r := tableRules(t)
	r.Signing = Signing{HeaderCanonicalization: dkim.Relaxed, MaximumSignedBytes: 10,
		SelectCanonicalizationHeader: "X-Canonicalization", RequestReports: true}
	f := &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"), Fields: fieldsOf(t, standardHeader+"\nX-Canonicalization: simple/relaxed")}
	p := r.Plan(t.Context(), f)
	if len(p.Sign) != 1 {
		t.Fatalf("want one signature, got plan %q", describePlan(p))
	}
	o := r.SignOptions(f, p, p.Sign[0], time.Time{})
	if o.BodyLength == nil || *o.BodyLength != 10 {
		t.Errorf("l=: got %d, want MaximumSignedBytes", o.BodyLength)
	}
	if o.HeaderCanonicalization != dkim.Simple || o.BodyCanonicalization != dkim.Relaxed {
		t.Errorf("X-Canonicalization is not obeyed: %v/%v", o.HeaderCanonicalization, o.BodyCanonicalization)
	}
	if diff := cmp.Diff([][2]string{{"r", "y"}}, o.ExtraTags); diff != "" {
		t.Errorf("RequestReports: %s", diff)
	}
}

func expression(t *testing.T, text string) *bre.Expression {
	t.Helper()
	e, err := bre.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
