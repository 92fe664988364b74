package message

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/policy"
	"dojang/internal/resolver"
	"dojang/internal/status"
)

// The reasons are names of events: one that is renamed there must be renamed here.
func TestTroublesAreEvents(t *testing.T) {
	events, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range troubles {
		if !strings.Contains(string(events), "\n| `"+name+"` |") {
			t.Errorf("there is no event %q", name)
		}
	}
	if isOurTrouble("not_internal") || !isOurTrouble("external_host") || isOurTrouble("dont_sign_mail_to") {
		t.Error("ourTroubles counts wrong")
	}
	if got := reasonOf([]string{"not_internal", "external_host"}); got != "external_host" {
		t.Errorf("reason %s", got)
	}
}

// recorded keeps what became of messages.
type recorded struct {
	rows  []status.Message
	ours  []bool
	signs bool // every domain was signed before
}

func (r *recorded) Record(m status.Message, ours bool) {
	r.rows, r.ours = append(r.rows, m), append(r.ours, ours)
}
func (r *recorded) Signs(string) bool { return r.signs }

// inside is InternalHosts.
type inside string

func (i inside) Match(_ context.Context, _ string, addr netip.Addr) (bool, error) {
	return addr.String() == string(i), nil
}

// TestWhatBecameOfMessages: mail that left signed, mail of ours that should have been, and
// that of others, which was verified.
func TestWhatBecameOfMessages(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Open(t.Context(), "csl:example.com", dataset.Options{FoldCase: true})
	if err != nil {
		t.Fatal(err)
	}
	const from, stranger = "From: Joe@Example.com\nSubject: x", "From: a@example.net\nSubject: x"
	theirs, body, record := signedMail(t) // by example.com
	changed := new(header.List)
	for i := range theirs.Len() {
		changed.AddRaw([]byte(strings.Replace(string(theirs.At(i).Raw), "Subject: x", "Subject: y", 1)))
	}
	list := new(header.List) // example.com's message, sent on by another domain
	for i := range theirs.Len() {
		list.AddRaw([]byte(strings.Replace(string(theirs.At(i).Raw), "From: joe@example.com", "From: a@example.net", 1)))
	}
	for _, c := range []struct {
		name   string
		header string
		fields *header.List
		client string
		origin Origin
		before bool
		auth   string // the login's kind
		ends   bool   // scripts want it signed, and refuse it at its end
		want   string
	}{
		{name: "signed", header: from, client: "10.0.0.1", auth: "PLAIN",
			want: "signed ours internal Joe@example.com d=example.com s=sel ed25519-sha256 k"},
		{name: "from outside", header: from, client: "192.0.2.1", want: "unsigned ours external_host Joe@example.com"},
		{name: "for verifiers", header: from, client: "10.0.0.1", origin: Origin{VerifyOnly: true}, want: "none ours internal Joe@example.com"},
		{name: "a stranger's", header: stranger, client: "192.0.2.1", want: "none a@example.net"},
		{name: "a stranger's from inside", header: stranger, client: "10.0.0.1", want: "none internal a@example.net"},
		{name: "signed before", header: stranger, client: "192.0.2.1", before: true, want: "unsigned ours no_signing_domain a@example.net"},
		{name: "refused by a script", header: stranger, client: "192.0.2.1", ends: true, want: "unsigned ours no_signing_domain a@example.net"},
		{name: "comes back", fields: theirs, client: "192.0.2.1", want: "pass ours joe@example.com"},
		{name: "comes back broken", fields: changed, client: "192.0.2.1", want: "fail ours joe@example.com"},
		{name: "another's, verified", fields: list, client: "192.0.2.1", want: "fail a@example.net"},
		{name: "ours, signed by another", fields: list, client: "192.0.2.1", before: true, want: "unsigned ours no_signing_domain a@example.net"},
	} {
		rec := &recorded{signs: c.before}
		snapshot := &Snapshot{
			Rules: &policy.Rules{Sign: true, Verify: true, Origin: policy.Origin{InternalHosts: inside("10.0.0.1")},
				Keys: policy.Keys{Domain: set, DefaultKey: &keystore.SigningKey{Name: "k", Selector: "sel", Signer: key,
					Algorithm: dkim.Ed25519SHA256}}},
			Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, Log: slog.New(slog.DiscardHandler), Recorder: rec,
		}
		if c.ends {
			snapshot.Rules.Scripts = &policy.Scripts{
				Setup: script(func(s *policy.Scripted) {
					s.Plan.Sign = []policy.SignRequest{{Domain: "example.com", Key: snapshot.Rules.Keys.DefaultKey}}
				}),
				Final: script(func(s *policy.Scripted) { s.Reply = policy.Reply{Action: policy.Reject} }),
			}
		}
		fields := c.fields
		if fields == nil {
			fields = new(header.List)
			for line := range strings.SplitSeq(c.header, "\n") {
				fields.AddRaw([]byte(line))
			}
		}
		e := envelope()
		e.Macro = func(name string) string { return map[string]string{"i": "JOB", "auth_type": c.auth}[name] }
		e.ClientAddr, e.VerifyOnly = netip.MustParseAddr(c.client), c.origin.VerifyOnly
		for _, effects := range []Effects{{}, All} {
			m := new(Message)
			m.begin(t.Context(), NewServices(nil, slow()), snapshot, effects, "")
			for i := range fields.Len() {
				m.fields.AddRaw(fields.At(i).Raw)
			}
			answer := m.Decide(e.Origin).Action
			if answer == policy.Continue {
				m.Write(body)
				answer = m.Finish().Reply.Action
			}
			m.Answered(answer)
			m.stop()
		}
		if len(rec.rows) != 1 { // nothing by who leaves nothing behind
			t.Fatalf("%s: %d rows", c.name, len(rec.rows))
		}
		m := rec.rows[0]
		got := []string{string(m.Result)}
		if rec.ours[0] {
			got = append(got, "ours")
		}
		if m.Internal {
			got = append(got, "internal")
		}
		if m.Reason != "" {
			got = append(got, m.Reason)
		}
		got = append(got, m.Author)
		for _, s := range m.Signatures {
			got = append(got, "d="+s.Domain, "s="+s.Selector, s.Algorithm, s.Key)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
		if m.QueueID != "JOB" || m.Domain != strings.ToLower(m.Domain) || m.Client != c.client ||
			m.TookSeconds < 1 || m.TookSeconds > 20 || m.Authenticated != (c.auth != "") {
			t.Errorf("%s: %+v", c.name, m)
		}
	}
}
