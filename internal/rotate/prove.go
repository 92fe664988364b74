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
	p.inParallel(units, func(_ int, u *Unit) {
		if !p.inTime() {
			u.retry = true
			return
		}
		for _, g := range slices.Clone(u.Generations) {
			if p.provesNow(g) {
				p.proved(u, p.prove(g))
			}
		}
	})
}

// provesNow reports whether a generation waits for a proof that is due. The last one is
// made right before rows are written.
func (p *pass) provesNow(g *Generation) bool {
	switch g.State {
	case Asked:
		return g.Proofs == 0 || g.Pause.over()
	case Proven:
		return g.Wait.over() || g.Pause.over()
	case Ready, Switching:
		return !g.provenNow
	case Revoking, Removing, Aborted:
		return true
	case Made, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
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
	for i := range g.Keys {
		k := &g.Keys[i]
		for j := range k.Records {
			r := &k.Records[j]
			word, report := p.proveOne(g, k, r)
			need, why := cached(report, r)
			if need > all.need {
				all.need, all.why = need, why
			}
			if word != keycheck.Published && all.record == nil {
				all.word, all.record, all.report = word, r, report
			}
		}
	}
	return all
}

// proveOne looks at one record. Published is the word for one that is as it shall be.
func (p *pass) proveOne(g *Generation, k *Key, r *Record) (keycheck.Publication, *keycheck.Report) {
	switch g.State {
	case Removing, Aborted:
		report := p.lookThere(k, r)
		if r.isGone(report, g.State == Removing) {
			return keycheck.Published, report
		}
		return still(report), report
	case Revoking:
		report := p.look(k, r, revokedText(k))
		if report.Publication == keycheck.Published {
			return keycheck.Published, report
		}
		if there := p.lookThere(k, r); r.isGone(there, false) {
			return keycheck.Published, there // somebody took it away: nobody believes it any more
		}
		return still(report), report
	case Made, Asked, Proven, Ready, Switching, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
	}
	report := p.look(k, r, r.Text)
	word := report.Publication
	if word == keycheck.Published && !usable(report) {
		word = keycheck.Conflict
	}
	if report.DNSSEC == "bogus" {
		word = keycheck.ServerUnsigned
	}
	if word != keycheck.Published {
		r.PriorTTL = max(r.PriorTTL, otherTTL(report, r.Text))
	}
	return word, report
}

// still is the word for a record that shall go and has not: Published itself would say
// that it has.
func still(report *keycheck.Report) keycheck.Publication {
	if report.Publication == keycheck.Published || report.Publication == keycheck.NotPublished {
		return keycheck.ServerDiffers
	}
	return report.Publication
}

// isGone reports whether every server was asked and none has a record of ours; revoked
// counts one that says p= among them.
func (r *Record) isGone(report *keycheck.Report, revoked bool) bool {
	answered := false
	for _, s := range report.Servers {
		if s.Ignored {
			continue
		}
		is := r.standsAt(s)
		if s.State == keycheck.NoAnswer || is == standsOurs || revoked && is == standsRevoked {
			return false
		}
		answered = true
	}
	return answered
}

// usable reports whether verifiers can use a record that all servers have. What a
// cache has is no matter: waits are for that.
func usable(report *keycheck.Report) bool {
	return !slices.ContainsFunc(report.Faults, func(f keyrecord.Fault) bool { return f.Fatal && !aboutCaches(f.Code) }) &&
		!inTesting(report)
}

// inTesting reports whether a record says that its signatures count for nothing (t=y).
func inTesting(report *keycheck.Report) bool {
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

// serversSay names the servers that do not have what is expected, and why.
func serversSay(report *keycheck.Report) string {
	var lines []string
	have, counted := 0, 0
	for _, s := range report.Servers {
		if s.Ignored {
			continue
		}
		counted++
		where := s.String()
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

// proved brings a generation on, or says why it stays.
func (p *pass) proved(u *Unit, pr proof) {
	g := pr.g
	switch g.State {
	case Asked, Proven, Ready, Switching:
		p.provedNew(u, pr)
	case Revoking:
		if pr.record == nil {
			u.goOnRecords(g)
			g.Wait.begin(p.instant(), p.Settings.KeepRevoked, "KeepRevoked")
			_ = p.move(u, g, Revoked, "")
			return
		}
		p.blockOn(u, pr)
	case Removing, Aborted:
		if pr.record == nil {
			u.goOnRecords(g)
			p.bury(u, g)
			return
		}
		p.blockOn(u, pr)
	case Made, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
	}
}

func (p *pass) provedNew(u *Unit, pr proof) {
	g := pr.g
	u.changed = true
	if pr.record != nil {
		p.failed(u, pr)
		return
	}
	u.goOnRecords(g)
	need, why := pr.need+p.Settings.Margin, pr.why+" and Margin"
	if g.Proofs == 0 {
		g.Wait.begin(p.instant(), need, why)
	} else {
		g.Wait.atLeast(need, why)
	}
	g.Proofs++
	g.Pause.begin(p.instant(), p.Settings.ProofInterval, "ProofInterval")
	for i := range g.Keys {
		for j := range g.Keys[i].Records {
			g.Keys[i].Records[j].Done = true
		}
	}
	switch {
	case g.State == Ready || g.State == Switching:
		g.provenNow = g.Emergency || g.Wait.over()
	case g.Emergency:
		g.provenNow = true
		_ = p.move(u, g, Ready, "every name server has the record; caches may have another answer")
	case g.State == Asked && g.Proofs >= p.Settings.Proofs:
		detail := fmt.Sprintf("every name server has the record; it signs in %s (%s)", g.Wait.left().Round(time.Second), g.Wait.Why)
		if p.move(u, g, Proven, detail) == nil && g.Wait.over() {
			p.ready(u, g)
		}
	case g.State == Proven && g.Wait.over():
		p.ready(u, g)
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
					u.block(g, p.now, ServerDiffers, r.Name+": a witness does not see it")
					return
				}
			}
		}
	}
	g.provenNow = true
	_ = p.move(u, g, Ready, "")
}

// failed takes back what was proven: the wait begins anew with the next proof. Rows that
// were written stay: the filter may have read them.
func (p *pass) failed(u *Unit, pr proof) {
	g := pr.g
	again := g.Proofs > 0
	g.provenNow = false
	if g.State == Switching && p.rowsWritten(g) {
		p.blockOn(u, pr)
		return
	}
	g.Proofs = 0
	g.Wait.again(p.instant())
	if g.State != Asked {
		_ = p.move(u, g, Asked, "not every name server has the record any more")
	}
	if pr.word == keycheck.NotPublished {
		if !again {
			p.waitsForServers(u, pr)
			return
		}
		pr.record.Done, pr.record.Told = false, "" // ask the publisher anew
	}
	p.blockOn(u, pr)
}

// publishGrace is how long a publisher's word that a record is there is believed before
// it is asked again.
const publishGrace = time.Minute

// waitsForServers is for a record that nobody has yet: the publisher was asked a
// moment ago, or a person was told.
func (p *pass) waitsForServers(u *Unit, pr proof) {
	u.retry = true
	if pr.record.Told != "" {
		u.goOnRecords(pr.g)
		p.remind(pr.record)
		return // until somebody has done it
	}
	if since := p.Now().Sub(pr.g.Since); since > publishGrace || since < 0 {
		pr.record.Done = false // also where another record of the key was refused
	}
	if b := pr.g.Blocked; b != nil && (b.Reason == Refused || b.Reason == RateLimited || b.Reason == Conflict) {
		return // which tells more
	}
	detail := pr.record.Name + ": no name server has it yet"
	if pr.record.said != "" {
		detail += "; its publisher: " + pr.record.said
	}
	u.block(pr.g, p.now, NotPublished, detail)
}

// remind has the publisher tell a person again, who was told a week ago.
func (p *pass) remind(r *Record) {
	if since := p.Now().Sub(r.ToldAt); since >= reminder || since < 0 {
		r.Done, r.Told = false, ""
	}
}

// blockOn says which server keeps a generation.
func (p *pass) blockOn(u *Unit, pr proof) {
	g := pr.g
	withdraws := g.State == Revoking || g.State == Removing || g.State == Aborted
	if withdraws {
		u.retry = true
		pr.record.Done = pr.record.Told != "" // publishers are asked again, by what stands there
	}
	if b := g.Blocked; b != nil && (b.Reason == Refused || b.Reason == RateLimited || b.Reason == EditedByHand) &&
		pr.word != keycheck.ServerSilent {
		return // the cause is told
	}
	reason := Reason(pr.word)
	if pr.word == keycheck.Unknown {
		reason = ServerSilent
	}
	if withdraws && pr.record.Told != "" && reason != ServerSilent {
		u.goOnRecords(g)
		p.remind(pr.record)
		return // until somebody has done it
	}
	u.block(g, p.now, reason, pr.record.Name+": "+serversSay(pr.report))
}

// goOnRecords forgets what was wrong with records.
func (u *Unit) goOnRecords(g *Generation) {
	u.goOn(g, NotPublished, ServerDiffers, ServerSilent, ServerUnsigned, Conflict, AliasMissing, Refused, RateLimited)
}
