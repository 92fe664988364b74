package policy

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/statistics"
)

// TestStrictHeadersCountSenders: StrictHeaders allow one Sender, which RequiredHeaders do
// not look at.
func TestStrictHeadersCountSenders(t *testing.T) {
	for senders, malformed := range []bool{false, false, true, true} {
		r := &Rules{Verify: true, Malformed: Malformed{StrictHeaders: true, RequiredHeaders: true}}
		f := &Facts{Fields: fieldsOf(t, strings.Repeat("Sender: s@example.com\n", senders)+standardHeader),
			ClientAddr: netip.MustParseAddr("192.0.2.1")}
		p := r.Plan(t.Context(), f)
		if p.Reply.Action != Continue {
			t.Fatalf("%d Sender fields: %s", senders, p.Reply)
		}
		o := r.Outcome(f, p, &Verdict{})
		if got := o.Summary == "malformed, passed on"; got != malformed {
			t.Errorf("%d Sender fields: %s", senders, o.Summary)
		}
	}
}

// TestEveryTableThatFailsDefers: what cannot be asked is named, and the message waits.
func TestEveryTableThatFailsDefers(t *testing.T) {
	const inside, outside = "10.0.0.1", "192.0.2.1"
	for _, c := range []struct {
		option string
		client string
		set    func(*Rules)
	}{
		{"ExemptDomains", inside, func(r *Rules) { r.ExemptDomains = failing{} }},
		{"MTA", inside, func(r *Rules) { r.MTA = failing{} }},
		{"InternalHosts", inside, func(r *Rules) { r.InternalHosts = failingHosts{} }},
		{"POPDBFile", outside, func(r *Rules) { r.POPDBFile = failing{} }},
		{"RequireSenderMatch", inside, func(r *Rules) { r.RequireSenderMatch = SenderMatch{Required: true, Allowed: failing{}} }},
		{"SigningTable", inside, func(r *Rules) { r.SigningTable = failing{} }},
		{"Domain", inside, func(r *Rules) { *r = *domainRules(t); r.Domain = failing{} }},
		{"ExternalIgnoreList", outside, func(r *Rules) { *r = *domainRules(t); r.ExternalIgnoreList = failingHosts{} }},
		{"DontSignMailTo", inside, func(r *Rules) { r.DontSignMailTo = failing{} }},
		{"BodyLengthDB", inside, func(r *Rules) { r.Signing.BodyLengthDB = failing{} }},
		{"ConditionalSignatures", inside, func(r *Rules) { r.ConditionalSignatures = failing{} }},
		{"ATPSDomains", inside, func(r *Rules) { r.ATPS.Domains = failing{} }},
		{"ResignMailTo", outside, func(r *Rules) { r.Resign.MailTo = failing{} }},
		{"ResignMailTo", outside, func(r *Rules) { r.Resign.MailTo, r.Verify = failing{}, false }},
		{"TrustSignaturesFrom", outside, func(r *Rules) { r.Verdicts.TrustSignaturesFrom = failing{} }},
	} {
		r := tableRules(t)
		c.set(r)
		f := &Facts{
			ClientAddr: netip.MustParseAddr(c.client), Sender: "joe@example.com", Recipients: []string{"ann@example.org"},
			Macro:  func(name string) string { return map[string]string{"daemon_name": "smtpd"}[name] },
			Fields: fieldsOf(t, "DKIM-Signature: d=example.net\n"+standardHeader),
		}
		p := r.Plan(t.Context(), f)
		if got := p.Reply.String(); got != "tempfail" || p.Mode() != Ends {
			t.Errorf("%s: %s, %s", c.option, got, p.Mode())
		}
		if lines := told(p.Notes); !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, c.option+": ") }) {
			t.Errorf("%s is not named: %q", c.option, lines)
		}
	}
}

// TestWhatIsAbsentIsInNoList: a connection without the macro that MTA is about is none of
// its members, not even of a list that has an empty one or a pattern for all.
func TestWhatIsAbsentIsInNoList(t *testing.T) {
	all := filepath.Join(t.TempDir(), "all")
	if err := os.WriteFile(all, []byte("*\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"csl:=x", "csl:*", "refile:" + all} {
		set, err := dataset.Open(t.Context(), list, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := tableRules(t)
		r.MTA = set
		f := &Facts{ClientAddr: netip.MustParseAddr("192.0.2.1"), Sender: "joe@example.com", Fields: fieldsOf(t, standardHeader)}
		if p := r.Plan(t.Context(), f); len(p.Sign) > 0 {
			t.Errorf("%s: a stranger's mail is signed", list)
		}
	}
}

type failingHosts struct{}

func (failingHosts) Match(context.Context, string, netip.Addr) (bool, error) {
	_, err := failing{}.Lookup(context.Background(), "", 0)
	return false, err
}

// TestConditionalSignaturesAreBounded: so many recipients in the set make four weak
// signatures beside the full one.
func TestConditionalSignaturesAreBounded(t *testing.T) {
	r := tableRules(t)
	var recipients, domains []string
	for i := range 9 {
		domains = append(domains, fmt.Sprintf("list%d.example", i))
		recipients = append(recipients, "users@"+domains[i])
	}
	r.ConditionalSignatures = csl(t, strings.Join(domains, ","))
	f := &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"), Recipients: recipients, Fields: fieldsOf(t, standardHeader)}
	var got []string
	for _, s := range r.Plan(t.Context(), f).Sign {
		got = append(got, s.Condition)
	}
	if diff := cmp.Diff([]string{"", "list0.example", "list1.example", "list2.example", "list3.example"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestVBRIsBounded: of a message, four fields; of a field, the first 32 that it names;
// of those that we believe, eight.
func TestVBRIsBounded(t *testing.T) {
	var trusted, strangers []string
	for i := range 40 {
		trusted = append(trusted, fmt.Sprintf("c%d.example", i))
		strangers = append(strangers, fmt.Sprintf("s%d.example", i))
	}
	b := &VBR{TrustedCertifiers: trusted}
	field := func(certifiers ...string) string {
		return "VBR-Info: md=example.com; mc=all; mv=" + strings.Join(certifiers, ":") + "\n"
	}
	f := &Facts{Fields: fieldsOf(t, strings.Repeat(field("c0.example"), 9)+standardHeader)}
	if n := len(b.infos(f)); n != 4 {
		t.Errorf("%d fields are looked at", n)
	}
	for _, c := range []struct {
		named []string
		want  []string
	}{
		{trusted, trusted[:8]},
		{append(slices.Clone(strangers[:31]), trusted...), trusted[:1]},
		{append(slices.Clone(strangers[:32]), trusted...), nil},
		{append(slices.Clone(strangers[:32]), trusted[0]), nil},
	} {
		infos := b.infos(&Facts{Fields: fieldsOf(t, field(c.named...)+standardHeader)})
		if len(infos) != 1 || !slices.Equal(infos[0].certifiers, c.want) {
			t.Errorf("of %d named: %+v, want %q", len(c.named), infos, c.want)
		}
	}
	b.TrustedCertifiersOnly = true
	if infos := b.infos(&Facts{Fields: fieldsOf(t, field("x.example")+standardHeader)}); len(infos) != 1 ||
		!slices.Equal(infos[0].certifiers, trusted[:8]) {
		t.Errorf("those alone that we believe: %+v", infos)
	}
	for text, ok := range map[string]bool{strings.Repeat("a", 256): true, strings.Repeat("a", 257): false,
		"": false, "a:b-c_d.e9": true, "a b": false, "a;b": false, "A@": false, "[": false, "`": false, "/": false} {
		if isVBRText(text) != ok {
			t.Errorf("%.20q: %v", text, !ok)
		}
	}
}

// TestSenderMatchReadsItsRow: addresses and domains, divided by commas, colons or blanks,
// domains with "@" or without, "*" for all.
func TestSenderMatchReadsItsRow(t *testing.T) {
	for row, want := range map[string]bool{
		"joe@example.com": true, "JOE@EXAMPLE.COM": true, "example.com": true, "@example.com": true, "*": true,
		"x@example.org:example.com": true, "x@example.org,joe@example.com": true, "a b joe@example.com": true,
		"ann@example.com": false, "example.org": false, "com": false, "": false, "@": false,
	} {
		m := SenderMatch{Required: true, Allowed: row1(row)}
		f := &Facts{Sender: "login", Fields: fieldsOf(t, standardHeader)}
		got, err := m.sendersOwn(t.Context(), &Plan{Author: Author{User: "joe", Domain: "Example.com", Field: "From"}}, f, &Signing{})
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", row, got, err)
		}
	}
}

// TestSenderMatchTakesTheLoginItself, even one whose local part has an "@".
func TestSenderMatchTakesTheLoginItself(t *testing.T) {
	for login, want := range map[string]bool{"joe@host@Example.com": true, "ann@example.com": true,
		"joe@host@example.org": false, "joe": false} {
		allows, err := (&SenderMatch{Required: true}).of(t.Context(), login)
		if err != nil || allows(header.Mailbox{Local: "joe@host", Domain: "example.com"}) != want {
			t.Errorf("%q: %v, %v", login, !want, err)
		}
	}
}

// row1 is a set in which every key has one value.
type row1 string

func (row1) Close() error { return nil }

func (r row1) Lookup(context.Context, string, int) ([]string, error) { return []string{string(r)}, nil }

// TestStatisticsOfThirdParties: what ATPS, DNSSEC and scripts add.
func TestStatisticsOfThirdParties(t *testing.T) {
	r := &Rules{Verify: true, Reports: Reports{Count: true}}
	f := &Facts{JobID: "JOB", Fields: fieldsOf(t, standardHeader)}
	p := &Plan{Verify: true, Author: Author{User: "ann", Domain: "author.example"}}
	claiming := parsed(t, strings.Replace(asking, "r=y;", "atps=author.example; atpsh=none;", 1), dkim.ReasonNone, 0)
	const at = "example.com._atps.author.example"
	for text, want := range map[string]int{"v=ATPS1": 1, "v=ATPS1; d=other.example": 0, "NOTFOUND": -1, "TEMPERROR": -1} {
		v := &Verdict{Now: time.Unix(1, 0), Results: []dkim.Result{claiming}, Answers: answers(map[string]string{at: text})}
		if got := r.Outcome(f, p, v).Statistics.ATPS; got != want {
			t.Errorf("%s: ATPS %d, want %d", text, got, want)
		}
	}
	for security, want := range map[dkim.Security]int{dkim.SecurityUnknown: -1, dkim.Bogus: 0, dkim.Insecure: 1, dkim.Secure: 2} {
		v := &Verdict{Results: []dkim.Result{result(dkim.ReasonNone, func(r *dkim.Result) { r.Security = security })}}
		if got := r.Outcome(f, p, v).Statistics.Each[0].DNSSEC; got != want {
			t.Errorf("%v: DNSSEC %d, want %d", security, got, want)
		}
	}
	p.Scripted = &Scripted{Statistics: []statistics.Figure{{}}}
	if s := r.Outcome(f, p, &Verdict{}).Statistics; s.Spam != -1 || len(s.Extra) != 1 {
		t.Errorf("of a script: %+v", s)
	}
	first := result(dkim.ReasonNone, func(r *dkim.Result) {
		r.Signature.BodyHash, r.CanonicalBodyLength = []byte{1}, 20
		r.Signature.Length = -1
	})
	second := result(dkim.ReasonFuture, func(r *dkim.Result) { r.Signature.BodyHash, r.CanonicalBodyLength = []byte{1}, 30 })
	if s := r.Outcome(f, p, &Verdict{Results: []dkim.Result{first, second}}).Statistics; s.BodyBytes != 20 || s.Each[1].Length != 0 {
		t.Errorf("a second signature, of the future: %+v", s)
	}
}

// TestResignedWithoutAKey: a message for ResignMailTo whose key is not there is verified,
// and nothing more.
func TestResignedWithoutAKey(t *testing.T) {
	r := &Rules{Verify: true}
	o := r.Outcome(&Facts{Fields: fieldsOf(t, standardHeader)}, &Plan{Verify: true, resigned: true, SignOnlyIfVerified: true}, &Verdict{})
	if o.Reply.Action != Accept || slices.ContainsFunc(o.Notes, func(n Note) bool { return n.Event.Name == "not_signed_anew" }) {
		t.Errorf("%s, told %q", o.Reply, told(o.Notes))
	}
}
