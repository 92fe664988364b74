package publication

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/publish"
)

// Bounds of a try.
const (
	tryTime = 2 * time.Minute // until every server has the probe
	tryPoll = 250 * time.Millisecond
	tryTTL  = time.Minute
)

// Try is what came of writing a probe.
type Try struct {
	Zone      string    `json:"zone"` // that of DNS
	Record    string    `json:"record"`
	Publisher string    `json:"publisher"`
	Type      string    `json:"type"`
	OK        bool      `json:"ok"`
	Reason    Reason    `json:"reason,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Seconds   float64   `json:"written_in_seconds"` // how long the publisher took
	Seen      []SeenBy  `json:"servers"`
	Signed    *bool     `json:"signed,omitempty"`
	DNSSEC    string    `json:"dnssec"`
	Removed   bool      `json:"removed"`
	Began     time.Time `json:"began"`
}

// SeenBy is when a server had the probe.
type SeenBy struct {
	Name    string  `json:"name"`
	Address string  `json:"address,omitempty"`
	Seen    bool    `json:"seen"`
	Seconds float64 `json:"after_seconds"` // after the publisher had answered
	Detail  string  `json:"detail,omitempty"`
}

func (t *Try) fail(r Reason, format string, args ...any) {
	t.OK, t.Reason, t.Detail = false, r, fmt.Sprintf(format, args...)
}

// TryZone writes a probe below _domainkey of a domain, waits until every server has it
// and takes it away.
func (w *Work) TryZone(ctx context.Context, domain string) *Try {
	t := &Try{OK: true, Began: w.now(), Seen: []SeenBy{}}
	rule, ok := w.Settings.ZoneOf(domain)
	if !ok {
		t.fail(NoPublisher, "no Zone of %s fits %s", w.Settings.Path, domain)
		return t
	}
	p, _ := w.Settings.Publisher(rule.Publisher)
	t.Publisher, t.Type = p.Name, p.Spec.Type
	if p.Spec.Type == publish.TypeManual {
		t.fail(Refused, "the publisher %s is manual: there is nothing to try", p.Name)
		return t
	}
	publisher, err := w.Open(p.Spec)
	if err != nil {
		t.fail(Refused, "%s", err)
		return t
	}
	var random [5]byte
	_, _ = rand.Read(random[:])
	selector := "dojang-probe-" + hex.EncodeToString(random[:])
	t.Record = rule.RecordName(selector, domain)
	const text = "v=DKIM1; n=a probe of dojang, to be removed; p="
	probe := keycheck.Check{Domain: t.Record[len(selector)+len("._domainkey."):], Selector: selector, Text: text,
		IgnoreServers: w.Settings.IgnoreServers}
	before := w.Checker.Check(ctx, probe)
	t.Zone = before.Zone.Name
	if before.Publication != keycheck.NotPublished {
		t.probeBlocked(before)
		return t
	}
	began := w.now()
	done, sent := t.apply(ctx, publisher, publish.Present(t.Record, text, tryTTL))
	t.Seconds = w.now().Sub(began).Seconds()
	if !sent {
		return t
	}
	if done {
		w.watch(ctx, t, probe)
	}
	w.remove(t, publisher, probe, text)
	return t
}

func (t *Try) probeBlocked(r *keycheck.Report) {
	e := Entry{}
	e.judge(r)
	if e.Reason == "" || e.Reason == NotPublished {
		e.Reason, e.Detail = Reason(r.Publication), "the name servers cannot be asked"
	}
	t.fail(e.Reason, "%s", e.Detail)
}

// apply asks for one change. sent reports whether it may have been made.
func (t *Try) apply(ctx context.Context, p publish.Publisher, c publish.Change) (done, sent bool) {
	results, err := p.Apply(ctx, publish.Batch{Zone: t.Zone, Changes: []publish.Change{c}})
	if len(results) == 0 {
		t.fail(Unknown, "%v", err)
		return false, true
	}
	switch r := results[0]; r.State {
	case publish.Done, publish.Pending:
		return true, true
	case publish.Retry:
		t.fail(Again, "%s", r.Detail)
	case publish.Refused:
		t.fail(Refused, "%s", r.Detail)
	case publish.Conflict:
		t.fail(Conflict, "%s", r.Detail)
	}
	return false, false
}

// watch waits until every server has the probe.
func (w *Work) watch(ctx context.Context, t *Try, probe keycheck.Check) {
	wrote := w.now()
	seen := map[string]float64{}
	for {
		r := w.Checker.Check(ctx, probe)
		after := w.now().Sub(wrote)
		t.Seen, t.Signed, t.DNSSEC = t.Seen[:0], r.Zone.Signed, r.DNSSEC
		for _, s := range r.Servers {
			if s.Ignored {
				continue
			}
			if _, is := seen[s.String()]; !is && s.State == keycheck.Same {
				seen[s.String()] = after.Seconds()
			}
			seconds, has := seen[s.String()]
			t.Seen = append(t.Seen, SeenBy{Name: s.Name, Address: s.Address, Seen: has, Seconds: seconds, Detail: s.Detail})
		}
		if r.Publication == keycheck.Published {
			return
		}
		if after > tryTime || ctx.Err() != nil {
			t.probeBlocked(r)
			return
		}
		select {
		case <-time.After(tryPoll):
		case <-ctx.Done():
		}
	}
}

// remove takes the probe away, even when who asked for it has gone, and looks whether it
// is.
func (w *Work) remove(t *Try, p publish.Publisher, probe keycheck.Check, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	whole := *t
	if done, _ := t.apply(ctx, p, publish.Absent(t.Record, []string{text})); !done {
		t.Detail = "the probe " + t.Record + " could not be removed: " + t.Detail
		return
	}
	for ctx.Err() == nil {
		if r := w.Checker.Check(ctx, probe); r.Publication == keycheck.NotPublished {
			t.Removed = true
			return
		}
		select {
		case <-time.After(tryPoll):
		case <-ctx.Done():
		}
		if !whole.OK { // servers that never had it need not be waited for
			return
		}
	}
	t.fail(ServerDiffers, "the probe %s is still on some servers", t.Record)
}
