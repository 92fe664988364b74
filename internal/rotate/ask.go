package rotate

import (
	"fmt"
	"sync"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/publish"
)

// A want is a change of one record that a unit waits for.
type want struct {
	u      *Unit
	record *Record
	change publish.Change
}

// publishAll asks publishers for what units want of them, those of one zone at once.
func (p *pass) publishAll(units []*Unit) {
	var wants []want
	for _, found := range inParallel(units, func(u *Unit) []want { return p.wants(u) }) {
		wants = append(wants, found...)
	}
	groups := map[[2]string][]want{}
	var order [][2]string
	for _, w := range wants {
		at := [2]string{w.record.Publisher, w.record.Zone}
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], w)
	}
	for _, at := range order {
		p.ask(at[0], at[1], groups[at])
	}
}

// ask hands the wants of one zone to its publisher, as far as the limits let.
func (p *pass) ask(name, zone string, wants []want) {
	n := p.limits.allow(p.Settings, p.Now(), len(wants))
	for _, w := range wants[n:] {
		w.u.block(p.now, RateLimited, "the changes of Rate or Day are used up: the next run goes on")
	}
	if wants = wants[:n]; n == 0 {
		return
	}
	publisher, err := p.Publisher(name)
	if err != nil {
		for _, w := range wants {
			w.u.block(p.now, Refused, err.Error())
		}
		return
	}
	for start := 0; start < len(wants); start += maxBatch {
		part := wants[start:min(start+maxBatch, len(wants))]
		b := publish.Batch{Zone: zone}
		for _, w := range part {
			b.Changes = append(b.Changes, w.change)
		}
		p.limits.took(p.Settings, p.Now(), len(part))
		results, err := publisher.Apply(p.ctx, b)
		p.Durable("published")
		p.answered(part, results, err)
	}
}

// maxBatch is how many changes are asked for at once.
const maxBatch = 1000

// answered takes note of what a publisher says. What it did not answer is unknown:
// the name servers are asked.
func (p *pass) answered(wants []want, results []publish.Result, err error) {
	said := map[string]publish.Result{}
	for _, r := range results {
		said[r.Name] = r
	}
	for _, w := range wants {
		r, known := said[w.change.Name]
		w.u.changed = true
		if !known {
			p.retry[w.u] = true
			continue
		}
		switch r.State {
		case publish.Done:
			w.record.Done = true
			w.u.goOn(Refused, RateLimited, Conflict)
		case publish.Pending:
			w.record.Done, w.record.Told = true, string(w.change.Do)
			w.u.goOn(Refused, RateLimited)
		case publish.Retry:
			p.retry[w.u] = true
			w.u.goOn(RateLimited)
			if w.u.Blocked == nil {
				fmt.Fprintf(p.Out, "%s: %s: %s\n", w.u.Name, w.change.Name, r.Detail)
			}
		case publish.Refused:
			w.u.block(p.now, Refused, r.Detail)
		case publish.Conflict:
			w.u.block(p.now, Conflict, w.change.Name+": "+r.Detail)
		}
	}
	if err != nil {
		fmt.Fprintf(p.Out, "publisher: %s\n", err)
	}
}

// wants are the changes that a unit waits for now.
func (p *pass) wants(u *Unit) (list []want) {
	for _, g := range u.Generations {
		for i := range g.Keys {
			for j := range g.Keys[i].Records {
				r := &g.Keys[i].Records[j]
				if r.Done {
					continue
				}
				if c, ok := p.change(u, g, &g.Keys[i], r); ok {
					list = append(list, want{u, r, c})
				}
			}
		}
	}
	return list
}

// change is what is to be asked of a record's publisher, by what the servers have.
func (p *pass) change(u *Unit, g *Generation, k *Key, r *Record) (c publish.Change, ok bool) {
	switch g.State {
	case Asked, Revoking, Removing, Aborted:
	case Made, Proven, Ready, Switching, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
		return c, false
	}
	report := p.look(k, r, "")
	if r.Zone == "" && report.Zone.Name != "" {
		r.Zone = report.Zone.Name
		u.changed = true
	}
	there := r.stands(report)
	switch {
	case report.Publication == keycheck.Unknown || r.Zone == "":
		p.retry[u] = true
		u.block(p.now, ServerSilent, r.Name+": no name server of its zone could be asked")
		return c, false
	case g.State == Asked && there == standsNothing:
		r.PriorTTL = max(r.PriorTTL, priorTTL(report))
		return publish.Present(r.place(), r.Text, p.Settings.TTL), true
	case g.State == Asked && there == standsOurs, g.State != Asked && there == standsNothing:
		r.Done, u.changed = true, true
		return c, false
	case g.State == Revoking && there == standsOurs:
		return publish.Replace(r.place(), revokedText(k), p.Settings.TTL, r.Strings), true
	case g.State == Revoking && there == standsRevoked:
		r.Done, u.changed = true, true
		return c, false
	case (g.State == Removing || g.State == Aborted) && there != standsOther:
		return publish.Absent(r.place(), r.Strings), true
	case there == standsMixed:
		return c, false // name servers are still being told
	}
	u.block(p.now, Conflict, r.Name+": another record stands there: "+shown(report))
	return c, false
}

// look asks every name server for a record; with text, whether all of them have that.
func (p *pass) look(k *Key, r *Record, text string) *keycheck.Report {
	c := keycheck.Check{Domain: r.Domain, Selector: k.Selector, Text: text, IgnoreServers: p.Settings.IgnoreServers}
	if text != "" {
		c.Alias = r.At
	}
	return p.Checker.Check(p.ctx, c)
}

// stand is what stands at a record's name.
type stand int

const (
	standsNothing stand = iota
	standsOurs
	standsRevoked
	standsMixed // servers differ
	standsOther
)

// stands judges what the servers have, and remembers the strings of what is ours.
func (r *Record) stands(report *keycheck.Report) stand {
	if wildcard(report) {
		return standsNothing
	}
	found := map[stand]bool{}
	for _, s := range report.Servers {
		if s.Ignored || s.State == keycheck.NoAnswer {
			continue
		}
		switch {
		case len(s.Texts) == 0:
			found[standsNothing] = true
		case len(s.Texts) == 1 && s.Texts[0].Text == r.Text:
			found[standsOurs] = true
			r.Strings = stringsOf(s.Texts[0])
		case len(s.Texts) == 1 && isRevoked(s.Texts[0].Text):
			found[standsRevoked] = true
			r.Strings = stringsOf(s.Texts[0])
		default:
			return standsOther
		}
	}
	switch len(found) {
	case 0:
		return standsNothing
	case 1:
		for s := range found {
			return s
		}
	}
	return standsMixed
}

func stringsOf(t keycheck.Text) []string {
	if t.Strings != nil {
		return t.Strings
	}
	return keyrecord.Split(t.Text, 255)
}

// revokedText says that a key is revoked (RFC 6376 §3.6.1).
func revokedText(k *Key) string { return "v=DKIM1; k=" + k.Type + "; p=" }

func isRevoked(text string) bool {
	return text == "v=DKIM1; k=rsa; p=" || text == "v=DKIM1; k=ed25519; p="
}

// priorTTL is how long caches may keep what stood at a name: a wildcard's record.
func priorTTL(report *keycheck.Report) (seconds int64) {
	for _, s := range report.Servers {
		if len(s.Texts) > 0 && s.TTLSeconds != nil {
			seconds = max(seconds, *s.TTLSeconds)
		}
	}
	return seconds
}

// shown is what stands at a name, for a person.
func shown(report *keycheck.Report) string {
	for _, s := range report.Servers {
		for _, t := range s.Texts {
			return fmt.Sprintf("%.60q at %s", t.Text, s.Name)
		}
	}
	return "an alias"
}

// parallel is how many units are looked at together.
const parallel = 16

// inParallel calls f with each unit and returns what it says, in order. f touches
// its unit alone.
func inParallel[T any](units []*Unit, f func(*Unit) T) []T {
	results := make([]T, len(units))
	slots := make(chan struct{}, parallel)
	var wait sync.WaitGroup
	for i, u := range units {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i] = f(u)
		})
	}
	wait.Wait()
	return results
}
