package keycheck

import (
	"context"
	"slices"
	"strconv"

	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
)

// mayAskCache reports whether the resolver may be asked: every server has a record, so
// that the answer "there is none" cannot be planted.
func (r *run) mayAskCache() bool {
	if r.report.Publication == AliasMissing {
		return false
	}
	lacking := len(r.steps) == 0 || r.last().place == nil
	for _, s := range r.steps {
		counted := s.counted()
		lacking = lacking || len(counted) == 0
		for _, a := range counted {
			if a.State == Missing {
				return false
			}
			lacking = lacking || a.State == NoAnswer || a.State == Differs && r.expecting()
		}
	}
	return !lacking || r.options.AskAnyway
}

// askCache asks the resolver for the record.
func (r *run) askCache(ctx context.Context) {
	if !r.budget.take() {
		return
	}
	answer, err := r.cache.LookupTXT(ctx, r.name)
	c := &Cache{TTLSeconds: int64(answer.TTL.Seconds()), Aliases: answer.CNAMEs, State: Same, DNSSEC: answer.Security.String()}
	full := make([]Text, len(answer.Texts))
	for i, text := range answer.Texts {
		full[i].Text = text
	}
	c.Texts = cut(full)
	rep := r.report
	rep.Cache, rep.DNSSEC = c, c.DNSSEC
	switch lookup := lookupOf(err); {
	case lookup == Absent:
		c.State = Missing
	case err != nil:
		c.State, c.Detail = NoAnswer, err.Error()
		// A validating resolver that says no more than SERVFAIL means the link that we found.
		if lookup == Forged || lookup == Failed && rep.Link != nil {
			c.DNSSEC, rep.DNSSEC = resolver.Bogus.String(), resolver.Bogus.String()
			if rep.Link == nil {
				rep.Link = &Link{Detail: err.Error()}
			}
		}
		rep.Err = err
	case r.expecting() && !(len(full) == 1 && r.fits(full[0].Text)):
		c.State = Differs
	case !r.expecting() && len(rep.Texts) > 0 && !slices.Equal(sortedTexts(full), sortedTexts(rep.Texts)):
		c.State = Differs
	}
}

// judgeCacheAlone takes the resolver's word for the record: nobody else could be asked.
func (r *run) judgeCacheAlone() {
	rep, c := r.report, r.report.Cache
	if c == nil {
		rep.Lookup = TimedOut
		r.fault(keyrecord.FaultLookup, true, "record", rep.Record)
		return
	}
	rep.OK = true
	rep.Texts, rep.TTLSeconds = c.Texts, c.TTLSeconds
	switch c.State {
	case Missing:
		rep.Lookup = Absent
		r.fault(keyrecord.FaultAbsent, true, "record", rep.Record)
	case NoAnswer:
		rep.Lookup = lookupOf(rep.Err)
		r.lookupFault()
	case Same, Differs:
		r.readKey(c.Texts)
		r.recordFaults()
	}
}

// lookupFault is the fault of a look-up that failed.
func (r *run) lookupFault() {
	code := keyrecord.FaultLookup
	switch r.report.Lookup {
	case Forged:
		code = keyrecord.FaultBogus
	case Looped:
		code = keyrecord.FaultAliasLoop
	case BadName:
		code = keyrecord.FaultSyntax
	case Found, Absent, TimedOut, Failed:
	}
	r.fault(code, true, "record", r.report.Record, "detail", r.report.Cache.Detail)
}

// cacheFaults tells where the resolver has another answer than the servers.
func (r *run) cacheFaults() {
	c := r.report.Cache
	switch {
	case c == nil:
	case c.DNSSEC == resolver.Bogus.String():
		r.report.Lookup = Forged
		r.lookupFault()
	case c.State == Missing || c.State == Differs && r.report.Publication == Published:
		// Whoever asked as early as this machine did remembers the same.
		r.fault(keyrecord.FaultCacheDiffers, true, "state", string(c.State), "ttl_seconds", strconv.FormatInt(c.TTLSeconds, 10))
	case c.State == NoAnswer:
		r.fault(keyrecord.FaultLookup, false, "record", r.report.Record, "detail", c.Detail)
	}
}
