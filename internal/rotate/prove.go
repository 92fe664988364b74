package rotate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
)

// proveAll asks the name servers whether they have what is wanted, and brings units
// on whose servers do.
func (p *pass) proveAll(units []*Unit) {
	proofs := inParallel(units, func(u *Unit) []proof {
		var list []proof
		for _, g := range u.Generations {
			if p.provesNow(g) {
				list = append(list, p.prove(g))
			}
		}
		return list
	})
	for i, u := range units {
		for _, pr := range proofs[i] {
			p.proved(u, pr)
		}
	}
}

// provesNow reports whether a generation waits for a proof that is due.
func (p *pass) provesNow(g *Generation) bool {
	now := p.Now()
	if now.Before(g.LastProof) {
		g.LastProof = now // the clock was set back: it takes longer
	}
	switch g.State {
	case Asked:
		return g.Proofs == 0 || now.Sub(g.LastProof) >= p.Settings.ProofInterval
	case Proven:
		return g.Wait.over() || now.Sub(g.LastProof) >= p.Settings.ProofInterval
	case Revoking, Removing, Aborted:
		return true
	case Made, Ready, Switching, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
	}
	return false
}

// proof is what the servers say of all records of a generation.
type proof struct {
	g      *Generation
	word   keycheck.Publication // of the first record that is not as it shall be
	record *Record
	report *keycheck.Report
	need   time.Duration // how long caches may have another answer
	why    string
}

// prove looks at all records of a generation.
func (p *pass) prove(g *Generation) proof {
	all := proof{g: g, word: keycheck.Published}
	if g.State == Removing || g.State == Aborted {
		all.word = keycheck.NotPublished
	}
	wanted := all.word
	for i := range g.Keys {
		k := &g.Keys[i]
		for j := range k.Records {
			r := &k.Records[j]
			text := r.Text
			if g.State == Revoking {
				text = revokedText(k)
			}
			report := p.look(k, r, text)
			word := report.Publication
			if word == keycheck.Published && g.State != Revoking && !usable(report) {
				word = keycheck.Conflict
			}
			if report.DNSSEC == "bogus" {
				word = keycheck.ServerUnsigned
			}
			if wanted == keycheck.NotPublished && p.absent(report) {
				word = wanted
			}
			if g.State == Revoking && p.absent(report) {
				word = wanted // somebody took it away: it is revoked all the same
			}
			need, why := cached(report, r)
			if need > all.need {
				all.need, all.why = need, why
			}
			if word != wanted && all.record == nil {
				all.word, all.record, all.report = word, r, report
			}
		}
	}
	return all
}

// usable reports whether verifiers can use a record that all servers have. What a
// cache has is no matter: waits are for that.
func usable(report *keycheck.Report) bool {
	return !slices.ContainsFunc(report.Faults, func(f keyrecord.Fault) bool { return f.Fatal && !aboutCaches(f.Code) }) && !testing(report)
}

// testing reports whether a record says that its signatures count for nothing (t=y).
func testing(report *keycheck.Report) bool {
	return slices.ContainsFunc(report.Faults, func(f keyrecord.Fault) bool { return f.Code == keyrecord.FaultTesting })
}

func aboutCaches(code string) bool {
	switch code {
	case keyrecord.FaultCacheDiffers, keyrecord.FaultLookup, keyrecord.FaultAbsent:
		return true
	}
	return false
}

// faultsSay tells why a record is not usable, else what the servers have.
func faultsSay(report *keycheck.Report) string {
	for _, f := range report.Faults {
		if f.Fatal && !aboutCaches(f.Code) || f.Code == keyrecord.FaultTesting {
			return f.Code + ": " + serversSay(report)
		}
	}
	return serversSay(report)
}

// absent reports whether no server has a record of its own at a name: a wildcard's
// is none.
func (p *pass) absent(report *keycheck.Report) bool {
	if wildcard(report) {
		return true
	}
	answered := false
	for _, s := range report.Servers {
		switch {
		case s.Ignored:
		case s.State == keycheck.NoAnswer, len(s.Texts) > 0:
			return false
		default:
			answered = true
		}
	}
	return answered
}

// maxCache is the longest time for which resolvers keep an answer.
const maxCache = 86400

// cached is how long a cache may go on having another answer than a record that all
// servers have: that there is none (SOA minimum, RFC 2308), what stood there before,
// and aliases on the way.
func cached(report *keycheck.Report, r *Record) (time.Duration, string) {
	seconds, why := int64(0), ""
	most := func(n int64, what string) {
		if n > seconds {
			seconds, why = n, what
		}
	}
	most(report.Zone.MinimumSeconds, "SOA minimum of "+report.Zone.Name)
	for _, a := range report.Aliases {
		most(a.Zone.MinimumSeconds, "SOA minimum of "+a.Zone.Name)
		most(a.TTLSeconds, "TTL of the alias "+a.Name)
	}
	most(r.PriorTTL, "TTL of what stood there before")
	if seconds > maxCache {
		seconds, why = maxCache, why+", of which resolvers keep a day"
	}
	return time.Duration(seconds) * time.Second, why
}

// proved brings a generation on, or says why it stays.
func (p *pass) proved(u *Unit, pr proof) {
	g := pr.g
	switch g.State {
	case Asked, Proven:
		p.provedNew(u, pr)
	case Revoking:
		if pr.record == nil {
			p.goOnRecords(u)
			g.Wait.begin(p.Now(), p.Settings.KeepRevoked, "KeepRevoked")
			_ = p.move(u, g, Revoked, "")
			return
		}
		p.blockOn(u, pr)
	case Removing, Aborted:
		if pr.record == nil {
			p.goOnRecords(u)
			p.bury(u, g)
			return
		}
		p.blockOn(u, pr)
	case Made, Ready, Switching, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
	}
}

func (p *pass) provedNew(u *Unit, pr proof) {
	g, now := pr.g, p.Now()
	u.changed = true
	if pr.record != nil {
		p.failed(u, pr)
		return
	}
	p.goOnRecords(u)
	if g.Proofs == 0 {
		g.Wait.begin(now, pr.need+p.Settings.Margin, pr.why+" and Margin")
	} else if need := (pr.need + p.Settings.Margin).Seconds(); need > g.Wait.NeedSeconds {
		g.Wait.NeedSeconds, g.Wait.Why = need, pr.why+" and Margin"
	}
	g.Proofs, g.LastProof = g.Proofs+1, now
	p.tellAsked(g)
	switch {
	case g.Emergency:
		_ = p.move(u, g, Ready, "every name server has the record; caches may have another answer")
	case g.State == Asked && g.Proofs >= p.Settings.Proofs:
		if p.move(u, g, Proven, fmt.Sprintf("every name server has the record; it signs in %s (%s)", g.Wait.left().Round(time.Second), g.Wait.Why)) == nil && g.Wait.over() {
			p.ready(u, g)
		}
	case g.State == Proven && g.Wait.over():
		p.ready(u, g)
	}
}

// tellAsked has records that were told to a person be told again, if they must.
func (p *pass) tellAsked(g *Generation) {
	for i := range g.Keys {
		for j := range g.Keys[i].Records {
			g.Keys[i].Records[j].Done = true
		}
	}
}

// ready asks the witnesses, last of all: what they would have kept is over.
func (p *pass) ready(u *Unit, g *Generation) {
	for _, w := range p.Witness {
		for i := range g.Keys {
			for j := range g.Keys[i].Records {
				r := &g.Keys[i].Records[j]
				report := w.Check(p.ctx, keycheck.Check{Domain: r.Domain, Selector: g.Keys[i].Selector, Text: r.Text, ResolverOnly: true})
				if !report.OK {
					u.block(p.now, ServerDiffers, r.Name+": a witness does not see it")
					return
				}
			}
		}
	}
	_ = p.move(u, g, Ready, "")
}

// failed takes back what was proven: the wait begins anew with the next proof.
func (p *pass) failed(u *Unit, pr proof) {
	g := pr.g
	again := g.Proofs > 0
	g.Proofs = 0
	g.Wait.again(p.Now())
	if g.State == Proven {
		_ = p.move(u, g, Asked, "not every name server has the record any more")
	}
	if pr.word == keycheck.NotPublished && !again {
		p.waitsForServers(u, pr)
		return
	}
	if pr.word == keycheck.NotPublished {
		pr.record.Done = false // ask the publisher anew
	}
	p.blockOn(u, pr)
}

// waitsForServers is for a record that nobody has yet: the publisher was asked a
// moment ago, or a person was told.
func (p *pass) waitsForServers(u *Unit, pr proof) {
	if pr.record.Told != "" {
		u.goOn(NotPublished)
		return // until somebody has done it
	}
	if u.Blocked != nil && u.Blocked.Reason != NotPublished {
		return // which tells more
	}
	p.retry[u] = true
	if p.Now().Sub(pr.g.Since) > time.Minute {
		pr.record.Done = false
	}
	u.block(p.now, NotPublished, pr.record.Name+": no name server has it yet")
}

// blockOn says which server keeps a unit.
func (p *pass) blockOn(u *Unit, pr proof) {
	if u.Blocked != nil && (u.Blocked.Reason == Refused || u.Blocked.Reason == RateLimited) && pr.word != keycheck.ServerSilent {
		return // the cause is told
	}
	reason := Reason(pr.word)
	if pr.word == keycheck.Unknown {
		reason = ServerSilent
	}
	if pr.word == keycheck.Published { // a record that shall go is still there
		if pr.record.Told != "" {
			return
		}
		p.retry[u] = true
		pr.record.Done = false
		return
	}
	u.block(p.now, reason, pr.record.Name+": "+serversSay(pr.report))
}

// goOnRecords forgets what was wrong with records.
func (p *pass) goOnRecords(u *Unit) {
	u.goOn(NotPublished, ServerDiffers, ServerSilent, ServerUnsigned, Conflict, AliasMissing, Refused, RateLimited)
}

// serversSay names the servers that do not have what is expected, and why.
func serversSay(report *keycheck.Report) string {
	var lines []string
	have, counted := 0, 0
	for _, s := range report.Servers {
		if s.Ignored {
			continue
		}
		counted++
		where := s.Name
		if s.Address != "" {
			where += " (" + s.Address + ")"
		}
		switch s.State {
		case keycheck.Same:
			if have++; s.Signature != "" && s.Signature != keycheck.SignatureValid {
				lines = append(lines, where+": signature "+string(s.Signature))
			}
		case keycheck.Missing:
			lines = append(lines, where+" has no record")
		case keycheck.Differs:
			lines = append(lines, where+" has another record")
		case keycheck.NoAnswer:
			lines = append(lines, where+": "+string(s.Error))
		}
	}
	for _, f := range report.Faults {
		if f.Code == keyrecord.FaultAliasMissing {
			lines = append(lines, "the alias is not there")
		}
	}
	if len(lines) > 4 {
		lines = append(lines[:4], fmt.Sprintf("and %d more", len(lines)-4))
	}
	text := strings.Join(lines, ", ")
	if counted > 0 {
		text += fmt.Sprintf(" (%d of %d have it)", have, counted)
	}
	return text
}
