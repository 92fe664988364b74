package keycheck

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"dojang/dkim"
	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
	"dojang/taglist"
)

// judgeServers says of each server how it stands to what is expected, and of all what
// is published. Without an expectation the answer that most of them give is the measure.
func (r *run) judgeServers() {
	rep := r.report
	for _, s := range r.steps[:len(r.steps)-1] {
		r.addAlias(s)
	}
	s := r.last()
	if s.place == nil {
		return
	}
	if rep.Lookup == Looped {
		r.addAlias(s)
		return
	}
	best := s.most(r.expected)
	if best == nil {
		best = s.most(func(*answer) bool { return true })
	}
	for _, a := range s.answers {
		if a.State == Same && (a.Alias != "" || r.expecting() && !r.expected(a) || !r.expecting() && best != nil && !sameAnswer(a, best)) {
			a.State = Differs
		}
		rep.Servers = append(rep.Servers, a.Server)
	}
	rep.Zone = s.zone
	if best != nil {
		rep.Texts = best.Texts
		if best.TTLSeconds != nil {
			rep.TTLSeconds = *best.TTLSeconds
		}
		r.readKey(best.texts)
	}
	rep.Publication = r.publication(s)
}

// addAlias reports a step that leads on. A server with another answer there differs.
func (r *run) addAlias(s *step) {
	alias := Alias{Name: s.name, Target: s.alias, Zone: s.zone}
	for _, a := range s.answers {
		if a.State != NoAnswer && a.State != Missing && a.Alias != s.alias {
			a.State = Differs
		}
		if a.Alias == s.alias && a.TTLSeconds != nil && alias.Type == "" {
			alias.Type, alias.TTLSeconds = a.aliasType, *a.TTLSeconds
		}
		alias.Servers = append(alias.Servers, a.Server)
	}
	r.report.Aliases = append(r.report.Aliases, alias)
}

func (r *run) expecting() bool { return r.check.Key != nil || r.check.Text != "" }

// expected reports whether a server has the record expected, alone at its name: to the
// letter when its text is known, and by its key.
func (r *run) expected(a *answer) bool {
	return len(a.texts) == 1 && r.fits(a.texts[0].Text)
}

func (r *run) fits(text string) bool {
	if r.check.Text != "" && text != r.check.Text {
		return false
	}
	if r.check.Key == nil {
		return true
	}
	record, err := dkim.ParseKeyRecord(text)
	return err == nil && SameKey(record.Key, r.check.Key)
}

// SameKey reports whether two public keys are the same.
func SameKey(a, b crypto.PublicKey) bool {
	e, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && e.Equal(b)
}

// publication sums up the servers. What hinders a proof most comes first: a record
// that is nowhere, one that is not everywhere, one that a server keeps silent about.
func (r *run) publication(s *step) Publication {
	if r.check.Alias != "" && !r.aliasIsThere() {
		return AliasMissing
	}
	count := map[State]int{}
	unsigned := false
	for _, s := range r.steps {
		for _, a := range s.counted() {
			last := s == r.last()
			switch {
			case last || a.State == NoAnswer:
				count[a.State]++
			case a.State != Same: // of an alias on the way
				count[Differs]++
				count[Same]++
			}
			unsigned = unsigned || a.State == Same && a.unsigned()
		}
	}
	switch {
	case count[Same]+count[Differs]+count[Missing]+count[NoAnswer] == 0:
		return Unknown
	case count[Same]+count[Differs] == 0 && count[Missing] > 0:
		return NotPublished
	case count[Same] == 0 && count[Differs] > 0 && count[Missing] == 0:
		return Conflict
	case count[Differs] > 0 || count[Same] > 0 && count[Missing] > 0:
		return ServerDiffers
	case count[NoAnswer] > 0:
		return ServerSilent
	case unsigned:
		return ServerUnsigned
	}
	return Published
}

// aliasIsThere reports whether every server of the record's name has the alias expected.
func (r *run) aliasIsThere() bool {
	for _, a := range r.steps[0].counted() {
		if a.State != NoAnswer && a.Alias != keyrecord.Canonical(r.check.Alias) {
			return false
		}
	}
	return true
}

// readKey reads the record, if it is one alone.
func (r *run) readKey(texts []Text) {
	rep := r.report
	switch len(texts) {
	case 0:
		rep.Lookup = Absent
		return
	case 1:
	default:
		rep.Lookup = Found
		return
	}
	rep.Lookup = Found
	key, err := dkim.ParseKeyRecord(texts[0].Text)
	rep.Key = key
	if err != nil {
		errors.As(err, &rep.Reason)
	} else {
		rep.KeyType, rep.Bits = key.Type, key.Bits
	}
	rep.Tags = tags(texts[0].Text)
}

// tags lists the tags of a key record in their order, and after them the defaults of
// those that it leaves out. nil: the text is no list of tags.
func tags(text string) []Tag {
	list, err := taglist.Parse([]byte(text))
	if err != nil {
		return nil
	}
	var tags []Tag
	for _, t := range list.Tags() {
		tags = append(tags, Tag{Name: string(t.Name), Value: string(t.Value), Set: true})
	}
	// RFC 6376 §3.6.1: the defaults; h= of any hash is "" here.
	for _, d := range []Tag{{Name: "v", Value: "DKIM1"}, {Name: "h"}, {Name: "k", Value: "rsa"},
		{Name: "n"}, {Name: "s", Value: "*"}, {Name: "t"}} {
		if !slices.ContainsFunc(tags, func(t Tag) bool { return t.Name == d.Name }) {
			tags = append(tags, d)
		}
	}
	return tags
}

// judge turns what was found into faults.
func (r *run) judge() {
	rep := r.report
	rep.OK = true
	if r.budget.empty() {
		r.fault(keyrecord.FaultLimit, false, "queries", strconv.Itoa(r.options.MaxQueries))
	}
	answered := slices.ContainsFunc(r.steps, func(s *step) bool {
		return slices.ContainsFunc(s.counted(), func(a *answer) bool { return a.State != NoAnswer })
	})
	switch {
	case rep.Lookup == Looped:
		r.fault(keyrecord.FaultAliasLoop, true, "record", rep.Record)
		return
	case !answered && rep.Cache != nil:
		r.judgeCacheAlone()
		r.serverFaults()
		return
	case !answered:
		if rep.Lookup == "" {
			rep.Lookup = TimedOut
		}
		r.serverFaults()
		r.fault(keyrecord.FaultLookup, true, "record", rep.Record)
		return
	}
	r.recordFaults()
	r.serverFaults()
	r.cacheFaults()
	if rep.Publication == AliasMissing {
		r.fault(keyrecord.FaultAliasMissing, true, "record", rep.Record, "target", keyrecord.Canonical(r.check.Alias))
	}
}

// recordFaults judges the record itself.
func (r *run) recordFaults() {
	rep := r.report
	texts := make([]string, len(rep.Texts))
	for i, t := range rep.Texts {
		texts[i] = t.Text
	}
	if len(texts) == 0 {
		if len(rep.Aliases) > 0 {
			r.fault(keyrecord.FaultAliasDangling, false, "record", rep.Record, "target", rep.Aliases[len(rep.Aliases)-1].Target)
		}
		r.fault(keyrecord.FaultAbsent, true, "record", rep.Record)
		return
	}
	for _, f := range keyrecord.Inspect(texts) {
		rep.Faults = append(rep.Faults, f)
		rep.OK = rep.OK && !f.Fatal
	}
	if len(texts) == 1 && rep.Key != nil && rep.Reason == dkim.ReasonNone && !r.fits(texts[0]) {
		r.fault(keyrecord.FaultMismatch, true, "record", rep.Record)
	}
}

// serverFaults names each server that is not as the others.
func (r *run) serverFaults() {
	rep := r.report
	matching := 0
	for _, s := range rep.Servers {
		if s.State == Same {
			matching++
		}
	}
	for _, step := range r.steps {
		for _, a := range step.counted() {
			args := []string{"server", a.Name, "address", a.Address}
			switch {
			case a.State == NoAnswer:
				r.fault(keyrecord.FaultServer, false, append(args, "error", string(a.Error), "detail", a.Detail)...)
			case step != r.last() && a.State != Same, a.State == Missing && (matching > 0 || len(rep.Texts) > 0),
				a.State == Differs && (matching > 0 || !r.expecting()):
				// With the key known, mail fails wherever that server is asked; without it
				// nobody knows which of the records is right.
				r.fault(keyrecord.FaultServersDiffer, r.expecting(), append(args, "state", string(a.State))...)
			case a.State == Same && a.unsigned():
				r.fault(keyrecord.FaultUnsigned, a.Signature != SignatureEnding, append(args, "signature", string(a.Signature))...)
			}
		}
		z := step.zone
		if len(z.ParentNS) > 0 && len(z.ChildNS) > 0 && !slices.Equal(z.ParentNS, z.ChildNS) {
			r.fault(keyrecord.FaultDelegation, false, "zone", z.Name, "parent", fmt.Sprint(z.ParentNS), "child", fmt.Sprint(z.ChildNS))
		}
	}
}

func (a *answer) unsigned() bool {
	return a.Signature != "" && a.Signature != SignatureValid
}

// lookupOf is the word for a resolver's error.
func lookupOf(err error) Lookup {
	var e *resolver.Error
	if err == nil {
		return Found
	}
	if !errors.As(err, &e) {
		return Failed
	}
	switch e.Kind {
	case resolver.KindNotFound, resolver.KindNoData:
		return Absent
	case resolver.KindTimeout, resolver.KindNetwork, resolver.KindCanceled:
		return TimedOut
	case resolver.KindBadName:
		return BadName
	case resolver.KindBogus:
		return Forged
	case resolver.KindLoop:
		return Looped
	case resolver.KindServFail, resolver.KindRefused, resolver.KindMalformed, resolver.KindTooLarge, resolver.KindLocal:
	}
	return Failed
}

// Fault is one thing that is wrong.
type Fault = keyrecord.Fault

// PrivateKeyFault is the fault of a private key that cannot be read; args are names and
// values in turn.
func PrivateKeyFault(args ...string) *Fault {
	f := keyrecord.NewFault(keyrecord.FaultPrivateKey, true, args...)
	return &f
}

// Tag is the value of a tag of the record, "" when it has none.
func (r *Report) Tag(name string) string {
	for _, t := range r.Tags {
		if t.Name == name && t.Set {
			return t.Value
		}
	}
	return ""
}

// SyntaxError says where the record's text stops being tags, in opendkim-testkey's
// words, "" when it is well formed.
func (r *Report) SyntaxError() string {
	if len(r.Texts) != 1 {
		return ""
	}
	return keyrecord.SyntaxError(r.Texts[0].Text)
}
