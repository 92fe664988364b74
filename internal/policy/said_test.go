package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/event"
	"dojang/internal/keystore"
)

// TestTagsOfScripts: no tag of ours or of RFC 6376, none twice, and r= as long as we do not
// write it.
func TestTagsOfScripts(t *testing.T) {
	for _, reports := range []bool{false, true} {
		s := &Scripted{Rules: &Rules{Signing: Signing{RequestReports: reports}}, Plan: &Plan{Sign: make([]SignRequest, 2)}}
		for _, c := range []struct {
			name, value string
			want        int
		}{{"xa", "1", 2}, {"xa", "2", -1}, {"d", "1", -1}, {"bh", "1", -1},
			{"x b", "1", -1}, {"xb", "a;b", -1}, {"xb", "", -1}, {"xb", "1", 2}} {
			if got := s.AddTag(c.name, c.value); got != c.want {
				t.Errorf("%s=%s: %d, want %d", c.name, c.value, got, c.want)
			}
		}
		if got := s.AddTag("r", "y"); (got == 2) == reports {
			t.Errorf("r=, RequestReports %v: %d", reports, got)
		}
		for _, claims := range []bool{false, true} {
			s := &Scripted{Rules: &Rules{}, Plan: &Plan{Sign: make([]SignRequest, 1)}}
			if claims {
				s.Rules.ATPS.Domains = csl(t, "example.com")
			}
			if a, h := s.AddTag("atps", "example.com"), s.AddTag("atpsh", "none"); a != h || (a == 1) == claims {
				t.Errorf("atps= and atpsh=, ATPSDomains %v: %d, %d", claims, a, h)
			}
		}
		if s.Plan.ExtraTags[len(s.Plan.ExtraTags)-1][0] != "xa" {
			t.Errorf("the latest is not the first: %q", s.Plan.ExtraTags)
		}
	}
}

// TestManySignaturesAreToldInShort: the first ones one by one, of the others how many.
func TestManySignaturesAreToldInShort(t *testing.T) {
	var judged []judgement
	for range maxTold + 3 {
		judged = append(judged, judgement{Result: result(dkim.ReasonNone, func(r *dkim.Result) { r.MultipleKeys = true })})
	}
	o := new(Outcome)
	o.tellSignatures(judged, 0)
	text := ""
	for _, n := range o.Notes {
		text += n.Event.Text + "\n"
	}
	if n := strings.Count(text, "signature= "); n > maxTold || !strings.Contains(text, "and 3 more") {
		t.Errorf("%s", text)
	}
	several := 0
	for _, n := range o.Notes {
		if n.Event.Name == event.SeveralKeys("", "").Name {
			several++
		}
	}
	if several != maxTold {
		t.Errorf("%d of several keys", several)
	}
}

// nobodys is a source of keys to which a sender is to blame.
type nobodys struct{}

func (nobodys) Key(context.Context, string, string) (*keystore.SigningKey, error) {
	return nil, fmt.Errorf("%w: x", keystore.ErrSender)
}

// TestSendersWithoutAKey are not signed for, and their mail goes on.
func TestSendersWithoutAKey(t *testing.T) {
	r := tableRules(t)
	r.KeyTable = nobodys{}
	p := &Plan{Author: Author{User: "joe", Domain: "example.com"}}
	if !r.addKey(t.Context(), p, "k1", "") || len(p.Sign) != 0 || p.Reply.Action != Continue || len(p.Notes) != 1 {
		t.Errorf("%+v", p)
	}
}

// TestWhatScriptsTell reaches the log, at the end too.
func TestWhatScriptsTell(t *testing.T) {
	r := &Rules{Verify: true, Keys: Keys{SigningTable: failing{}}}
	s := &Scripted{Rules: r, Plan: &Plan{}}
	if _, err := s.SignFor(t.Context(), "joe", "example.com", true); err == nil || len(s.Notes) != 1 {
		t.Errorf("%v, %q", err, told(s.Notes))
	}
	s.Tell(event.ScriptNoDefaultKey())
	o := r.Outcome(&Facts{Fields: fieldsOf(t, standardHeader)}, &Plan{Verify: true, Scripted: s}, &Verdict{})
	if !slices.Contains(told(o.Notes), event.ScriptNoDefaultKey().Text) || len(s.Notes) != 0 {
		t.Errorf("%q", told(o.Notes))
	}
}

// TestSameRequestsAreOne: asked for by a table and by a script, who knows better how long.
func TestSameRequestsAreOne(t *testing.T) {
	key := &keystore.SigningKey{Name: "k", Domain: "example.com", Selector: "s"}
	for _, c := range []struct {
		identity string
		want     int
	}{{"", 1}, {"@example.com", 1}, {"@sub.example.com", 2}} {
		s := &Scripted{Plan: &Plan{Sign: []SignRequest{{Key: key, Domain: "example.com", Identity: "@example.com"}}}}
		s.request(key, "example.com", c.identity, new(int64))
		if len(s.Plan.Sign) != c.want || s.Plan.Sign[c.want-1].BodyLength == nil {
			t.Errorf("%q: %+v", c.identity, s.Plan.Sign)
		}
	}
}

// TestLengthsOfBodies: what a script wants, all if it wants that, and MaximumSignedBytes at
// most.
func TestLengthsOfBodies(t *testing.T) {
	n := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		planned bool
		wanted  *int64
		most    int64
		want    string
	}{
		{false, nil, 0, "none"}, {false, nil, 9, "none"}, {true, nil, 0, "all"}, {true, nil, 9, "9"}, {false, n(5), 0, "5"}, {false, n(0), 0, "0"},
		{true, n(5), 9, "5"}, {true, n(50), 9, "9"}, {false, n(-1), 0, "all"}, {false, n(-1), 9, "9"},
	} {
		s := &Signing{MaximumSignedBytes: c.most}
		got := "none"
		if l := s.bodyLength(c.planned, c.wanted); l != nil && *l == dkim.BodyLengthAll {
			got = "all"
		} else if l != nil {
			got = fmt.Sprint(*l)
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
