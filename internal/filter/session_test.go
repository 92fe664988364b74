package filter_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/filter"
	"dojang/internal/resolver"
	"dojang/milter"
)

// signing is a configuration that signs for example.com and verifies the rest.
const signing = `Mode sv
KeyTable csl:k1=example.com:sel:KEYS/k2048.pem
SigningTable csl:example.com=k1
TestPublicKeys DIR/keys
AlwaysAddARHeader yes
AuthservID mx.example.org
`

// signed returns the message with the signature it got.
func signed(t testing.TB, m milter.Message, out milter.Outcome) milter.Message {
	t.Helper()
	for _, e := range out.Edits {
		if e.Name == "DKIM-Signature" {
			m.Raw = append([]byte(e.Name+":"+strings.ReplaceAll(e.Value, "\n", "\r\n")+"\r\n"), m.Raw...)
			return m
		}
	}
	t.Fatalf("not signed: %+v", out)
	return m
}

// results returns the Authentication-Results that a message got.
func results(out milter.Outcome) string {
	for _, e := range out.Edits {
		if e.Name == "Authentication-Results" {
			return strings.Join(strings.Fields(e.Value), " ")
		}
	}
	return ""
}

// verified asks whether what a filter signed holds, as seen from outside.
func (r *rig) verified(m milter.Message, out milter.Outcome) string {
	r.t.Helper()
	m = signed(r.t, m, out)
	m.Host, m.Addr = outside().Host, outside().Addr
	c := r.dial(milter.ClientOptions{})
	defer c.Close()
	return results(r.send(c, m))
}

func TestSeveralMessagesOnAConnection(t *testing.T) {
	r := newRig(t, signing, nil, milter.Options{}, nil)
	c := r.dial(milter.ClientOptions{})
	for i := range 5 {
		ours := inside()
		if i%2 == 1 {
			plus("X-Odd: yes")(&ours)
		}
		out := r.send(c, ours)
		if got := r.verified(ours, out); !strings.Contains(got, "dkim=pass") {
			t.Errorf("message %d: %q", i, got)
		}
		theirs := inside()
		from("x@other.com")(&theirs)
		if out := r.send(c, theirs); hasEdit(out, "DKIM-Signature") || results(out) != "mx.example.org; dkim=none" {
			t.Errorf("message %d of another domain: %+v", i, out.Edits)
		}
	}
}

func TestTrap05StateDoesNotSurviveAbort(t *testing.T) {
	r := newRig(t, signing+"DontSignMailTo nobody@example.net\nMaximumHeaders 2000\n", nil, milter.Options{}, nil)
	c := r.dial(milter.ClientOptions{})
	if _, err := c.Connect("localhost", inside().Addr); err != nil {
		t.Fatal(err)
	}
	clean := inside()
	for name, spoil := range map[string]func(){
		"after MAIL":       func() {},
		"after a header":   func() { step(t)(c.Header([]byte("From"), []byte(" x@other.com"))) },
		"header too large": func() { step(t)(c.Header([]byte("X"), []byte(strings.Repeat("x", 3000)))) },
		"after the header's end": func() {
			step(t)(c.Header([]byte("From"), []byte(" x@other.com")))
			step(t)(c.Header([]byte("DKIM-Signature"), []byte(" garbage")))
			step(t)(c.EndOfHeader())
		},
		"in the body": func() {
			step(t)(c.Header([]byte("From"), []byte(" user@example.com")))
			step(t)(c.EndOfHeader())
			step(t)(c.Body([]byte("left over\r\n")))
		},
	} {
		step(t)(c.Mail("<spoiler@other.com>"))
		step(t)(c.Rcpt("<nobody@example.net>"))
		spoil()
		if err := c.Abort(); err != nil {
			t.Fatal(err)
		}
		var out milter.Outcome
		if err := c.SendTo(t.Context(), &clean, &out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := r.verified(clean, out); !strings.Contains(got, "dkim=pass") {
			t.Errorf("%s: the next message's signature: %q", name, got)
		}
	}
}

func step(t *testing.T) func(*milter.Answer, error) {
	return func(_ *milter.Answer, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHeaderAboveTheLimit(t *testing.T) {
	for action, want := range map[string]byte{"": milter.ReplyTempFail, "On-Security reject": milter.ReplyReject,
		"On-Security accept": milter.ReplyAccept} {
		r := newRig(t, signing+"MaximumHeaders 1000\n"+action+"\n", nil, milter.Options{}, nil)
		c := r.dial(milter.ClientOptions{})
		big := inside()
		plus("X-Big: " + strings.Repeat("x", 2000))(&big)
		if out := r.send(c, big); out.Final.Kind != want && !(out.Final.Kind == milter.ReplyCode && want != milter.ReplyAccept) ||
			len(out.Edits) != 0 {
			t.Errorf("%q: %s, %+v", action, out.Final.String(), out.Edits)
		}
		if lines := strings.Join(r.log.take(), "\n"); !strings.Contains(lines, `notice JOB: too much header data: field "X-Big" exceeds MaximumHeaders 1000`) {
			t.Errorf("%q: log: %s", action, lines)
		}
		if out := r.send(c, inside()); !hasEdit(out, "DKIM-Signature") {
			t.Errorf("%q: the next message is not signed: %+v", action, out)
		}
	}
}

// TestRecipientsAreBounded: what an envelope makes us remember has a limit.
func TestRecipientsAreBounded(t *testing.T) {
	const mib = 1 << 20
	r := newRig(t, signing, nil, milter.Options{MaxFrameBytes: 2 * mib}, nil)
	c := r.dial(milter.ClientOptions{Version: 2}) // each recipient is answered
	if _, err := c.Connect("localhost", inside().Addr); err != nil {
		t.Fatal(err)
	}
	step(t)(c.Mail("<a@example.com>"))
	before := liveBytes()
	long := "<" + strings.Repeat("x", mib) + "@example.net>"
	for range 64 {
		step(t)(c.Rcpt(long))
	}
	if grown := (liveBytes() - before) / mib; grown > 32 {
		t.Errorf("64 MiB of recipients keep %d MiB", grown)
	}
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	if out := r.send(c, inside()); !hasEdit(out, "DKIM-Signature") {
		t.Errorf("the next message is not signed: %+v", out)
	}
}

func liveBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestPeersPassUnseen(t *testing.T) {
	r := newRig(t, signing+"LogWhy yes\nPeerList 192.0.2.0/24,.peer.example\n", nil, milter.Options{}, nil)
	peer, named := outside(), outside()
	client("mail.peer.example", "198.51.100.1")(&named)
	for _, m := range []milter.Message{peer, named} {
		out := r.send(r.dial(milter.ClientOptions{}), m)
		if out.Final.Kind != milter.ReplyAccept || out.Step != milter.CommandConnect || len(out.Edits) != 0 {
			t.Errorf("%s at %c, %+v", out.Final.String(), out.Step, out.Edits)
		}
	}
	if lines := r.log.take(); len(lines) != 0 {
		t.Errorf("told of: %q", lines)
	}
	if out := r.send(r.dial(milter.ClientOptions{}), inside()); !hasEdit(out, "DKIM-Signature") {
		t.Errorf("one that is no peer: %+v", out)
	}
}

func TestQuarantine(t *testing.T) {
	r := newRig(t, signing+"On-BadSignature quarantine\n", nil, milter.Options{}, nil)
	c := r.dial(milter.ClientOptions{})
	bad := signed(t, inside(), r.send(c, inside()))
	bad.Raw = append(bad.Raw, "more\r\n"...)
	bad.Host, bad.Addr = outside().Host, outside().Addr
	out := r.send(r.dial(milter.ClientOptions{}), bad)
	held := false
	for _, e := range out.Edits {
		held = held || e.Kind == milter.ReplyQuarantine && e.Value != ""
	}
	if !held || out.Final.Kind != milter.ReplyAccept || !strings.Contains(results(out), "dkim=fail") {
		t.Errorf("%s, %+v", out.Final.String(), out.Edits)
	}
}

func TestSkipWhenNothingMoreIsHashed(t *testing.T) {
	r := newRig(t, signing+"MaximumSignedBytes 10\n", nil, milter.Options{}, nil)
	c := r.dial(milter.ClientOptions{})
	m := inside()
	var out milter.Outcome
	if err := c.SendPart(&m, 0, &out); err != nil {
		t.Fatal(err)
	}
	answer, err := c.Body([]byte(strings.Repeat("much more than ten octets\r\n", 1000)))
	if err != nil || answer == nil || answer.Kind != milter.ReplySkip {
		t.Fatalf("%v, %v: want skip", answer, err)
	}
	edits, _, err := c.EndOfMessage()
	if err != nil || !hasEdit(milter.Outcome{Edits: edits}, "DKIM-Signature") {
		t.Errorf("%+v, %v", edits, err)
	}
	for _, e := range edits {
		if e.Name == "DKIM-Signature" && !strings.Contains(e.Value, "l=10;") {
			t.Errorf("no l=10: %s", e.Value)
		}
	}
}

// Trap 7: with simple canonicalization the blank behind the colon is part of the
// signature, whoever puts it there.
func TestTrap07WithoutLeadingSpace(t *testing.T) {
	r := newRig(t, signing+"Canonicalization simple/simple\n", nil, milter.Options{}, nil)
	for version := uint32(2); version <= 6; version++ {
		m := inside()
		out := r.send(r.dial(milter.ClientOptions{Version: version}), m)
		if got := r.verified(m, out); !strings.Contains(got, "dkim=pass") {
			t.Errorf("signed for a version %d: %q", version, got)
		}
		for _, e := range out.Edits {
			if !strings.HasPrefix(e.Value, " ") || strings.HasPrefix(e.Value, "  ") {
				t.Errorf("version %d: %s:%q", version, e.Name, e.Value)
			}
		}
	}
}

// panicker is a mistake of ours.
type panicker struct{ armed atomic.Bool }

func (p *panicker) Match(context.Context, string, netip.Addr) (bool, error) {
	if p.armed.Load() {
		panic("a mistake")
	}
	return false, nil
}

func TestPanicEndsThatConnectionAlone(t *testing.T) {
	var told atomic.Int32
	p := new(panicker)
	r := newRig(t, signing, nil, milter.Options{OnPanic: func(v any, stack []byte) milter.Response {
		told.Add(1)
		return milter.TempFail
	}}, func(s *filter.Snapshot) { s.PeerList = p })
	other := r.dial(milter.ClientOptions{})
	if out := r.send(other, inside()); !hasEdit(out, "DKIM-Signature") {
		t.Fatalf("before: %+v", out)
	}
	p.armed.Store(true)
	c := r.dial(milter.ClientOptions{})
	answer, err := c.Connect("localhost", inside().Addr)
	if err != nil || answer == nil || answer.Kind != milter.ReplyTempFail {
		t.Errorf("%v, %v: want tempfail", answer, err)
	}
	if _, err := c.ReadReply(); err == nil {
		t.Error("the connection goes on")
	}
	p.armed.Store(false)
	if told.Load() != 1 {
		t.Errorf("told %d times", told.Load())
	}
	if out := r.send(other, inside()); !hasEdit(out, "DKIM-Signature") {
		t.Errorf("another connection: %+v", out)
	}
}

// unread is a table that cannot be asked.
type unread struct{}

func (unread) Match(context.Context, string, netip.Addr) (bool, error) {
	return false, errors.New("no answer")
}

func TestPeerListThatCannotBeAsked(t *testing.T) {
	r := newRig(t, signing, nil, milter.Options{}, func(s *filter.Snapshot) { s.PeerList = unread{} })
	answer, err := r.dial(milter.ClientOptions{}).Connect("localhost", inside().Addr)
	if err != nil || answer == nil || answer.Kind != milter.ReplyTempFail {
		t.Errorf("%v, %v: want tempfail", answer, err)
	}
	if lines := r.log.take(); !slices.Contains(lines, "err PeerList: no answer") {
		t.Errorf("log: %q", lines)
	}
}

// budget is how long a message may wait for never, a name server that does not answer.
const budget = 50 * time.Millisecond

type never struct {
	silent
	t *testing.T
}

// silent knows nothing and answers nothing beside texts.
type silent struct{ resolver.Resolver }

func (silent) Cached(string) (a resolver.Answer, ok bool, err error) { return a, false, nil }

func (n never) LookupTXT(ctx context.Context, _ string) (resolver.Answer, error) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > budget {
		n.t.Errorf("waited for until %v", end)
	}
	<-ctx.Done()
	return resolver.Answer{}, ctx.Err()
}

type mistaken struct{ silent }

func (mistaken) LookupTXT(context.Context, string) (resolver.Answer, error) { panic("a mistake") }

func TestKeysThatCannotBeHad(t *testing.T) {
	for name, r := range map[string]resolver.Resolver{"budget exhausted": never{t: t}, "panic in the resolver": mistaken{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := newRig(t, signing, nil, milter.Options{}, nil)
			m := signed(t, inside(), signer.send(signer.dial(milter.ClientOptions{}), inside()))
			m.Host, m.Addr = outside().Host, outside().Addr
			v := newRig(t, signing, nil, milter.Options{},
				func(s *filter.Snapshot) { s.Resolver, s.MessageTimeBudget = r, budget })
			out := v.send(v.dial(milter.ClientOptions{}), m)
			if got := results(out); !strings.Contains(got, "dkim=temperror") {
				t.Errorf("%q", got)
			}
			if out.Final.Kind == milter.ReplyAccept || out.Final.Kind == milter.ReplyContinue {
				t.Errorf("On-DNSError is tempfail, the answer %s", out.Final.String())
			}
			if next := v.send(v.dial(milter.ClientOptions{}), inside()); !hasEdit(next, "DKIM-Signature") {
				t.Errorf("the next message: %+v", next)
			}
		})
	}
}

// TestExemptedMailBringsNoResultsInOurName: a domain of ExemptDomains stands in From
// at anybody's wish.
func TestExemptedMailBringsNoResultsInOurName(t *testing.T) {
	r := newRig(t, signing+"ExemptDomains example.com\n", nil, milter.Options{}, nil)
	c := r.dial(milter.ClientOptions{})
	forged := outside()
	plus("Authentication-Results: other.example; dkim=pass header.d=example.com\r\nAuthentication-Results: " +
		"mx.example.org; dkim=pass header.d=example.com\r\n" +
		"Authentication-Results: mx.example.org; dkim=pass header.d=example.com")(&forged)
	out := r.send(c, forged)
	var got []string
	for _, e := range out.Edits {
		got = append(got, fmt.Sprintf("%c %s %d %q", e.Kind, e.Name, e.Index, e.Value))
	}
	if want := []string{`m Authentication-Results 3 ""`, `m Authentication-Results 2 ""`}; out.Final.Kind != milter.ReplyAccept || !slices.Equal(got, want) {
		t.Errorf("%s, %q, want %q", out.Final.String(), got, want)
	}
	if out := r.send(c, outside()); out.Final.Kind != milter.ReplyAccept || len(out.Edits) != 0 {
		t.Errorf("without: %s, %+v", out.Final.String(), out.Edits)
	}
}
