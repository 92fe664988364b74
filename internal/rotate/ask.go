package rotate

import (
	"fmt"
	"slices"
	"strings"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/publish"
)

// A want is a change of one record that a unit waits for. record is told what came of
// it, and others that stand at the same name.
type want struct {
	u      *Unit
	g      *Generation
	record *Record
	change publish.Change
}

// publishAll asks publishers for what units want of them, those of one zone at once.
func (p *pass) publishAll(units []*Unit) {
	found := make([][]want, len(units))
	p.inParallel(units, func(i int, u *Unit) { found[i] = p.wants(u) })
	wants := slices.Concat(found...)
	slices.SortStableFunc(wants, func(a, b want) int { // of what Rate and Day allow
		switch {
		case a.g.Emergency == b.g.Emergency:
			return 0
		case a.g.Emergency:
			return -1
		}
		return 1
	})
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
		p.askInTime(at[0], at[1], groups[at])
	}
}

// askInTime hands the wants of one zone to its publisher, as far as the limits let, and
// waits for Rate as long as the run may last.
func (p *pass) askInTime(name, zone string, wants []want) {
	publisher, err := p.Publisher(name)
	if err != nil {
		for _, w := range wants {
			w.u.block(w.g, p.now, Refused, err.Error())
		}
		return
	}
	for len(wants) > 0 {
		if !p.inTime() {
			for _, w := range wants {
				w.u.retry = true
			}
			return
		}
		n, again := p.limits.allow(p.Settings, p.Now(), min(len(wants), maxBatch))
		if n == 0 && again > 0 && p.Now().Add(again).Before(p.deadline) {
			p.Sleep(again)
			continue
		}
		if n == 0 {
			for _, w := range wants {
				w.u.block(w.g, p.now, RateLimited, "the changes of Rate or Day are used up: a later run goes on")
			}
			return
		}
		p.ask(publisher, zone, wants[:n])
		wants = wants[n:]
	}
}

// ask hands a batch to a publisher. A name stands once in it.
func (p *pass) ask(publisher publish.Publisher, zone string, wants []want) {
	b := publish.Batch{Zone: zone}
	asked := map[string]publish.Change{}
	var part []want
	for _, w := range wants {
		other, is := asked[w.change.Name]
		switch {
		case !is:
			asked[w.change.Name] = w.change
			b.Changes = append(b.Changes, w.change)
		case other.Do != w.change.Do || other.Text != w.change.Text:
			w.u.retry = true // after the other
			continue
		}
		part = append(part, w)
	}
	p.limits.took(p.Settings, p.Now(), len(b.Changes))
	results, err := publisher.Apply(p.ctx, b)
	p.Durable("published")
	p.answered(part, results, err)
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
			w.u.retry = true
			w.u.goOn(w.g, Refused, RateLimited)
			if w.record.said = "it gave no answer"; err != nil {
				w.record.said = err.Error()
			}
			continue
		}
		w.record.said = ""
		switch r.State {
		case publish.Done:
			w.record.Done = true
			w.u.goOn(w.g, Refused, RateLimited, Conflict)
		case publish.Pending:
			w.record.Done, w.record.Told, w.record.ToldAt = true, string(w.change.Do), p.Now()
			w.u.goOn(w.g, Refused, RateLimited)
		case publish.Retry:
			w.u.retry = true
			w.u.goOn(w.g, Refused, RateLimited)
			w.record.said = r.Detail
			p.complain("%s: %s: %s", w.u.Name, w.change.Name, r.Detail)
		case publish.Refused:
			w.u.block(w.g, p.now, Refused, r.Detail)
		case publish.Conflict:
			w.u.block(w.g, p.now, Conflict, w.change.Name+": "+r.Detail)
		}
	}
	if err != nil {
		p.complain("publisher: %s", err)
	}
}

// wants are the changes that a unit waits for now.
func (p *pass) wants(u *Unit) (list []want) {
	if !p.inTime() {
		u.retry = true
		return nil
	}
	for _, g := range u.Generations {
		switch g.State {
		case Asked:
		case Revoking, Removing, Aborted:
			a := actRemove
			if g.State == Revoking {
				a = actRevoke
			}
			if err := p.may(u, g, a); err != nil {
				u.block(g, p.now, EditedByHand, err.Error())
				continue
			}
			u.goOn(g, EditedByHand)
		case Made, Proven, Ready, Switching, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
			continue
		}
		for i := range g.Keys {
			for j := range g.Keys[i].Records {
				r := &g.Keys[i].Records[j]
				p.whoPublishes(u, r)
				if r.Done {
					continue
				}
				if c, ok := p.change(u, g, &g.Keys[i], r); ok {
					list = append(list, want{u, g, r, c})
				}
			}
		}
	}
	return list
}

// whoPublishes has a record published by who is set for its domain now, by hand where nobody
// is: settings may have changed since its key was made or adopted. A new publisher is asked
// for what the old one was asked for in vain.
func (p *pass) whoPublishes(u *Unit, r *Record) {
	zone, _ := p.Settings.ZoneOf(r.Domain)
	if zone.Publisher == r.Publisher {
		return
	}
	r.Publisher, r.Done, r.Told, u.changed = zone.Publisher, false, "", true
}

// change is what is to be asked of a record's publisher, by what the servers have.
func (p *pass) change(u *Unit, g *Generation, k *Key, r *Record) (c publish.Change, ok bool) {
	report := p.lookThere(k, r)
	if _, zone := report.Place(); zone != "" && r.Zone != zone {
		r.Zone, u.changed = zone, true
	}
	there := r.stands(report)
	done := func() (publish.Change, bool) { r.Done, u.changed = true, true; return c, false }
	switch {
	case report.Publication == keycheck.Unknown || r.Zone == "" || !answers(report):
		u.retry = true
		u.block(g, p.now, ServerSilent, r.Name+": "+noServers)
		return c, false
	case there == standsMixed:
		return c, false // name servers are still being told
	case g.State == Asked:
		switch there {
		case standsNothing:
			r.PriorTTL = max(r.PriorTTL, greatestTTL(report))
			return publish.Present(r.place(), r.Text, p.Settings.TTL), true
		case standsOurs:
			return done()
		case standsRevoked, standsMixed, standsOther:
		}
	case g.State == Revoking:
		switch there {
		case standsOurs:
			return publish.Replace(r.place(), revokedText(k), p.Settings.TTL, r.Strings), true
		case standsNothing, standsRevoked:
			return done()
		case standsMixed, standsOther:
		}
	case there == standsOurs, there == standsRevoked && g.State == Removing:
		return publish.Absent(r.place(), r.Strings), true
	default: // what is ours has gone
		return done()
	}
	u.block(g, p.now, Conflict, r.Name+": another record stands there: "+shown(report))
	return c, false
}

const noServers = "no name server of its zone could be asked"

// answers reports whether any server that counts said what it has.
func answers(report *keycheck.Report) bool {
	return slices.ContainsFunc(report.Servers, func(s keycheck.Server) bool { return !s.Ignored && s.State != keycheck.NoAnswer })
}

// look asks every name server for a record; with text, whether all of them have that.
func (p *pass) look(k *Key, r *Record, text string) *keycheck.Report {
	c := keycheck.Check{Domain: r.Domain, Selector: k.Selector, Text: text, IgnoreServers: p.Settings.IgnoreServers}
	if text != "" {
		c.Alias = r.At
	}
	return p.Checker.Check(p.ctx, c)
}

// lookThere asks for what stands where the record itself stands, or shall: an alias that
// leads there need not be made yet.
func (p *pass) lookThere(k *Key, r *Record) *keycheck.Report {
	c := keycheck.Check{Domain: r.Domain, Selector: k.Selector, IgnoreServers: p.Settings.IgnoreServers}
	if _, below, ok := strings.Cut(r.At, "._domainkey."); ok {
		c.Selector, c.Domain = strings.TrimSuffix(r.At, "._domainkey."+below), below
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

// stands judges what the servers have, and remembers the strings and the TTL of what is
// ours. What a wildcard answers stands at no name of its own.
func (r *Record) stands(report *keycheck.Report) stand {
	found := map[stand]bool{}
	for _, s := range report.Servers {
		if s.Ignored || s.State == keycheck.NoAnswer {
			continue
		}
		switch is := r.standsAt(s); {
		case is == standsOther && report.Wildcard():
			found[standsNothing] = true
		case is == standsOther:
			return standsOther
		default:
			found[is] = true
			if is != standsNothing {
				r.Strings = stringsOf(s.Texts[0])
			}
			if is == standsOurs && s.TTLSeconds != nil {
				r.TTL = max(r.TTL, *s.TTLSeconds)
			}
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

// standsAt judges what one server has.
func (r *Record) standsAt(s keycheck.Server) stand {
	switch {
	case s.Alias != "":
		return standsOther
	case len(s.Texts) == 0:
		return standsNothing
	case len(s.Texts) == 1 && s.Texts[0].Text == r.Text:
		return standsOurs
	case len(s.Texts) == 1 && isRevoked(s.Texts[0].Text):
		return standsRevoked
	}
	return standsOther
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

// shown is what stands at a name, for a person.
func shown(report *keycheck.Report) string {
	for _, s := range report.Servers {
		for _, t := range s.Texts {
			return fmt.Sprintf("%.60q at %s", t.Text, s.Name)
		}
	}
	return "an alias"
}
