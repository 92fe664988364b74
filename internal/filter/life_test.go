package filter_test

import (
	"context"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/filter"
	"dojang/internal/resolver"
	"dojang/milter"
)

// until waits for what is done in the background.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestSnapshotsLiveAsLongAsTheyServe: one that was replaced is closed once, when its last
// connection leaves.
func TestSnapshotsLiveAsLongAsTheyServe(t *testing.T) {
	var first, second, third atomic.Int64
	r := newRig(t, signing, nil, milter.Options{}, func(s *filter.Snapshot) { s.OnClose(func() { first.Add(1) }) })
	c, d := r.dial(milter.ClientOptions{}), r.dial(milter.ClientOptions{})
	next, last := new(filter.Snapshot), new(filter.Snapshot)
	next.OnClose(func() { second.Add(1) })
	last.OnClose(func() { third.Add(1) })
	r.filter.Swap(next)
	if out := r.send(c, inside()); !hasEdit(out, "DKIM-Signature") {
		t.Errorf("%+v", out)
	}
	c.Close()
	until(t, "a connection's end", func() bool { return r.server.Connections() == 1 })
	if first.Load() != 0 {
		t.Fatal("closed under a connection")
	}
	d.Close()
	until(t, "the first to be closed", func() bool { return first.Load() == 1 })
	if second.Load() != 0 || r.filter.Current() != next {
		t.Error("the one in force is closed")
	}
	r.filter.Swap(last)
	if second.Load() != 1 {
		t.Error("one that serves nobody is not closed when it is replaced")
	}
	r.filter.Close()
	if first.Load() != 1 || second.Load() != 1 || third.Load() != 1 {
		t.Errorf("closed %d, %d and %d times", first.Load(), second.Load(), third.Load())
	}
	new(filter.Snapshot).Discard()
}

// TestLeaveNothing: no file is left by who only asks.
func TestLeaveNothing(t *testing.T) {
	for _, nothing := range []bool{false, true} {
		r := newRig(t, signing+"KeepTemporaryFiles yes\nTemporaryDirectory DIR\n", nil, milter.Options{}, nil)
		if nothing {
			r.filter.LeaveNothing()
		}
		r.send(r.dial(milter.ClientOptions{}), inside())
		if names, _ := filepath.Glob(filepath.Join(r.dir, "dkim.JOB.*")); len(names) == 0 != nothing {
			t.Errorf("nothing is to be left %v: %q", nothing, names)
		}
	}
}

// waiting is a resolver that answers nothing until nobody waits any more.
type waiting struct {
	resolver.Resolver
	asked, gaveUp atomic.Int64
}

func (w *waiting) Cached(string) (resolver.Answer, bool, error) { return resolver.Answer{}, false, nil }
func (w *waiting) LookupTXT(ctx context.Context, _ string) (resolver.Answer, error) {
	w.asked.Add(1)
	<-ctx.Done()
	w.gaveUp.Add(1)
	return resolver.Answer{}, ctx.Err()
}

// TestAbortEndsLookups at once, while the connection stays.
func TestAbortEndsLookups(t *testing.T) {
	w := new(waiting)
	r := newRig(t, "Mode v\nMilterDebug 2\n", nil, milter.Options{}, func(s *filter.Snapshot) { s.Resolver = w })
	c := r.dial(milter.ClientOptions{})
	m := outside()
	raw("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" +
		"From: a@example.com\r\n\r\n")(&m)
	var out milter.Outcome
	if err := c.SendPart(&m, 0, &out); err != nil {
		t.Fatal(err)
	}
	until(t, "the question", func() bool { return w.asked.Load() == 1 })
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	until(t, "the look-up to be given up", func() bool { return w.gaveUp.Load() == 1 })
	until(t, "a line", func() bool { return slices.Contains(r.log.take(), "debug milter: abort") })
	if n := r.server.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestMacrosOfOptionsAreAskedFor, long names in braces (libmilter's smfi_setsymlist).
func TestMacrosOfOptionsAreAskedFor(t *testing.T) {
	r := newRig(t, signing+"MacroList x=1,daemon_port=25,j=a,v=b,_=c,client_ptr=d\n", nil, milter.Options{}, nil)
	c := r.dial(milter.ClientOptions{})
	for stage, usual := range map[milter.Stage]string{milter.StageConnect: "j {daemon_name} {client_name} {client_addr}",
		milter.StageMail: "i {auth_type} {auth_authen} {mail_addr}", milter.StageEndOfHeader: "i", milter.StageEndOfMessage: "i"} {
		names, _ := c.MacroNames(stage)
		got := strings.Join(names, " ")
		if usual == "i" { // Postfix's cleanup(8) would answer in the place of the service that knows
			usual += " x"
		} else {
			usual += " x {daemon_port} j v _ {client_ptr}"
		}
		if got != usual {
			t.Errorf("stage %d: %s", stage, got)
		}
	}
}

// counted is an observer that counts octets of bodies and connections.
type counted struct{ octets, here, came atomic.Int64 }

func (c *counted) Signed(dkim.Algorithm, time.Duration)                {}
func (c *counted) SigningFailed()                                      {}
func (c *counted) Verified(dkim.Result)                                {}
func (c *counted) KeyLookup(time.Duration, bool)                       {}
func (c *counted) TableError()                                         {}
func (c *counted) Message(_ string, _ time.Duration, bodyOctets int64) { c.octets.Add(bodyOctets) }
func (c *counted) Connected()                                          { c.here.Add(1); c.came.Add(1) }
func (c *counted) Disconnected()                                       { c.here.Add(-1) }

// TestSkippedBodiesCount: a body is asked for until l= is reached and not further, and what
// came of it is counted, whoever needs it.
func TestSkippedBodiesCount(t *testing.T) {
	var snapshot *filter.Snapshot
	r := newRig(t, signing+"MaximumSignedBytes 10\n", nil, milter.Options{},
		func(s *filter.Snapshot) { snapshot = s })
	seen := new(counted)
	server := milter.NewServer(filter.New(snapshot, seen, nil).SessionMaker(filter.AsConfigured), milter.Options{})
	l, err := net.Listen("unix", filepath.Join(r.dir, "counted"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	chunks := []string{"12345\r\n", strings.Repeat("more than ten octets\r\n", 1000), "more\r\n"}
	for _, c := range []struct {
		name     string
		message  milter.Message
		protocol milter.ProtocolMask
		skips    int // from this chunk on
		octets   int64
	}{
		{"signed", inside(), 0x1fffff, 1, 22007},
		{"signed for an MTA that knows no skip", inside(), 0x1fffff &^ milter.CanSkip, 3, 22013},
		{"unsigned", outside(), 0x1fffff, 0, 7},
	} {
		client, err := milter.Dial("unix", l.Addr().String(), milter.ClientOptions{Protocol: c.protocol})
		if err != nil {
			t.Fatal(err)
		}
		var out milter.Outcome
		if err := client.SendPart(&c.message, 0, &out); err != nil {
			t.Fatal(err)
		}
		before := seen.octets.Load()
		for i, chunk := range chunks {
			client.Queue(milter.CommandBody, []byte(chunk))
			if err := client.Flush(); err != nil {
				t.Fatal(err)
			}
			if !client.Negotiation().Answered(milter.StepBody) {
				continue
			}
			want := milter.ReplyContinue
			if i == c.skips {
				want = milter.ReplySkip
			}
			a, err := client.ReadReply()
			if err != nil || i <= c.skips && a.Kind != want {
				t.Errorf("%s, chunk %d: %v, %v", c.name, i, a, err)
			}
		}
		edits, _, err := client.EndOfMessage()
		if out := (milter.Outcome{Edits: edits}); err != nil || hasEdit(out, "DKIM-Signature") != strings.HasPrefix(c.name, "signed") {
			t.Errorf("%s: %+v, %v", c.name, edits, err)
		}
		for _, e := range edits {
			if e.Name == "DKIM-Signature" && !strings.Contains(e.Value, "l=10;") {
				t.Errorf("%s: %s", c.name, e.Value)
			}
		}
		if n := seen.octets.Load() - before; n != c.octets {
			t.Errorf("%s: %d octets are counted, want %d", c.name, n, c.octets)
		}
		client.Close()
	}
	// An MTA that is refused was never there.
	if c, err := milter.Dial("unix", l.Addr().String(), milter.ClientOptions{Actions: milter.ActionAddHeaders}); err == nil {
		c.Close()
		t.Error("an MTA that cannot change fields is served")
	}
	until(t, "the end", func() bool { return server.Connections() == 0 })
	if here, came := seen.here.Load(), seen.came.Load(); here != 0 || came != 3 {
		t.Errorf("of %d connections %d are open when all have ended", came, here)
	}
}

// TestAnswersThatAreDue: each costs an exchange, so those that no option needs are declined.
func TestAnswersThatAreDue(t *testing.T) {
	for options, want := range map[string]string{
		"Mode v\n":                                              "EOH EOM",
		"Mode v\nAlwaysAddARHeader yes\n":                       "EOM",
		"Mode v\nStatistics DIR/stats\n":                        "EOM",
		"Mode v\nPeerList DIR/peers\n":                          "CONNECT EOH EOM",
		signing + "MaximumSignedBytes 10\nPeerList DIR/peers\n": "CONNECT BODY EOM",
	} {
		r := newRig(t, options, map[string]string{"peers": "192.0.2.9\n"}, milter.Options{}, nil)
		n := r.dial(milter.ClientOptions{}).Negotiation()
		if unused := milter.NoHelo | milter.NoUnknown | milter.NoData; n.Protocol&unused != unused {
			t.Errorf("%q: steps are sent that say nothing: %#x", options, n.Protocol)
		}
		for missing, name := range map[milter.ActionMask]string{milter.ActionAddHeaders: "adding", milter.ActionChangeHeaders: "changing"} {
			o := milter.ClientOptions{Actions: milter.AllActions &^ missing}
			if c, err := milter.Dial("unix", r.socket, o); err == nil {
				t.Errorf("%q: an MTA that knows no %s of fields is served", options, name)
				c.Close()
			}
		}
		var got []string
		for _, s := range []struct {
			step milter.StepMask
			name string
		}{{milter.StepConnect, "CONNECT"}, {milter.StepMail, "MAIL"}, {milter.StepRcpt, "RCPT"}, {milter.StepHeader, "HEADER"},
			{milter.StepEndOfHeader, "EOH"}, {milter.StepBody, "BODY"}} {
			if n.Answered(s.step) {
				got = append(got, s.name)
			}
		}
		if text := strings.Join(append(got, "EOM"), " "); text != want {
			t.Errorf("%q: %s, want %s", options, text, want)
		}
	}
}

// TestActivityGrows with each connection and message, and each message is counted once, by
// its answer, whichever step it ends at.
func TestActivityGrows(t *testing.T) {
	var snapshot *filter.Snapshot
	r := newRig(t, "Mode v\nMaximumHeaders 1000\nOn-Security reject\n", nil, milter.Options{}, func(s *filter.Snapshot) { snapshot = s })
	seen := &byAnswer{got: map[string]int{}}
	f := filter.New(snapshot, seen, nil)
	server := milter.NewServer(f.SessionMaker(filter.AsConfigured), milter.Options{})
	l, err := net.Listen("unix", filepath.Join(r.dir, "counted"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	big := outside()
	plus("X-Big: " + strings.Repeat("x", 2000))(&big)
	broken := outside()
	plus("DKIM-Signature: v=1")(&broken)
	client, err := milter.Dial("unix", l.Addr().String(), milter.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before := f.Activity()
	if before == 0 {
		t.Error("a connection is no activity")
	}
	for i, m := range []milter.Message{big, outside(), broken, outside()} { // refused, ended early, judged at the end
		r.send(client, m)
		if got := f.Activity() - before; got != uint64(i+1) {
			t.Errorf("activity %d after message %d", got, i+1)
		}
	}
	until(t, "the count", func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return maps.Equal(seen.got, map[string]int{"reject": 1, "accept": 3})
	})
}

// byAnswer counts messages by their answer.
type byAnswer struct {
	counted
	mu  sync.Mutex
	got map[string]int
}

func (a *byAnswer) Message(answer string, _ time.Duration, _ int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got[answer]++
}

// TestEditsThatAreRefused are told, and the message follows On-InternalError.
func TestEditsThatAreRefused(t *testing.T) {
	r := newRig(t, "Mode v\nOn-NoSignature quarantine\nOn-InternalError reject\n", nil, milter.Options{}, nil)
	for actions, want := range map[milter.ActionMask]byte{milter.AllActions: milter.ReplyAccept,
		milter.ActionAddHeaders | milter.ActionChangeHeaders: milter.ReplyCode} {
		out := r.send(r.dial(milter.ClientOptions{Actions: actions}), outside())
		told := slices.ContainsFunc(r.log.take(), func(l string) bool { return strings.HasPrefix(l, "err JOB: ") })
		if out.Final.Kind != want || told != (want == milter.ReplyCode) {
			t.Errorf("%#x: %s, told %v", actions, out.Final.String(), told)
		}
	}
	// One that fails is the message's, whatever others would be granted.
	r = newRig(t, "Mode v\nAlwaysAddARHeader yes\nFinalPolicyScript DIR/final.lua\nOn-InternalError reject\n",
		map[string]string{"final.lua": `odkim.add_rcpt(ctx, "a@example.com") odkim.add_header(ctx, "X", "y")`}, milter.Options{}, nil)
	out := r.send(r.dial(milter.ClientOptions{Actions: milter.AllActions &^ milter.ActionAddRcpt}), outside())
	if out.Final.Kind != milter.ReplyCode {
		t.Errorf("%s", out.Final.String())
	}
}
