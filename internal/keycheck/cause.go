package keycheck

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"dojang/dkim"
	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
)

// findCause looks for what the administrator meant to do.
func (r *run) findCause(ctx context.Context) {
	rep := r.report
	switch {
	case rep.Lookup == Absent:
		r.findMisplaced(ctx)
	case rep.Key != nil && rep.Reason == dkim.ReasonNone && r.check.Key != nil && !SameKey(rep.Key.Key, r.check.Key):
		r.findOther(ctx)
	}
}

// findWildcard asks for a name beside the record's that nobody publishes: a wildcard
// answers for it as well, with the same record or alias.
func (r *run) findWildcard(ctx context.Context) {
	rep := r.report
	if len(rep.Texts)+len(rep.Aliases) == 0 || r.check.Alias != "" || r.expecting() && rep.Publication == Published {
		return
	}
	best := r.steps[0].most(func(*answer) bool { return true })
	beside := fmt.Sprintf("wildcard-%08x._domainkey.%s", rand.Uint32(), r.domain)
	if best == nil || best.aliasType == "DNAME" || len(beside) > maxNameOctets {
		return
	}
	if is := r.peekAt(ctx, beside); is != nil && is.State != Missing && sameAnswer(is, best) {
		r.fault(keyrecord.FaultWildcard, false)
	}
}

// misplaced is a name that panels give a record by mistake; how says what went wrong.
type misplaced struct{ name, how string }

// misplacedNames are where a record may stand instead of at its name.
func misplacedNames(selector, domain string) []misplaced {
	s, d := keyrecord.Canonical(selector), keyrecord.Canonical(domain)
	names := []misplaced{
		{s + "._domainkey." + d + "." + d, "domain-doubled"},
		{s + "." + d + "._domainkey." + d, "domainkey-appended"},
		{s + "._domainkey._domainkey." + d, "domainkey-doubled"},
		{s + "." + d, "domainkey-missing"},
		{s + ".domainkey." + d, "underscore-missing"},
		{s + "._domainkeys." + d, "domainkeys"},
		{"_domainkey." + s + "." + d, "order"},
		{"_domainkey." + d, "selector-missing"},
		{d, "name-missing"},
	}
	if _, parent, ok := strings.Cut(d, "."); ok && strings.Contains(parent, ".") {
		names = append(names, misplaced{s + "._domainkey." + parent, "parent"})
	}
	return names
}

func (r *run) findMisplaced(ctx context.Context) {
	for _, n := range misplacedNames(r.check.Selector, r.check.Domain) {
		for _, text := range r.peek(ctx, n.name) {
			if strings.Contains(text, "p=") && (strings.Contains(text, "DKIM1") || strings.Contains(text, "k=")) {
				_, parent, _ := strings.Cut(r.domain, ".")
				r.fault(keyrecord.FaultOneLabelOff, true, "found", n.name, "how", n.how, "relative",
					keyrecord.Canonical(r.check.Selector)+"._domainkey",
					"selector", keyrecord.Canonical(r.check.Selector), "domain", r.domain, "parent", parent)
				return
			}
		}
	}
}

// Wildcard reports whether what servers have at the name comes from one that fits every
// name: it does not keep a record of its own from being put there.
func (r *Report) Wildcard() bool {
	return slices.ContainsFunc(r.Faults, func(f keyrecord.Fault) bool { return f.Code == keyrecord.FaultWildcard })
}

// Place is the name and the zone at which the record stands or is to be put: at the end
// of aliases, unless those are a wildcard's.
func (r *Report) Place() (name, zone string) {
	switch n := len(r.Aliases); {
	case n == 0:
		return r.Record, r.Zone.Name
	case r.Wildcard():
		return r.Record, r.Aliases[0].Zone.Name
	default:
		return r.Aliases[n-1].Target, r.Zone.Name
	}
}

// peek asks for the TXT records of a name of the same zone: one of its servers, so that
// no cache learns of a name that is not there; the resolver where there are none.
func (r *run) peek(ctx context.Context, name string) []string {
	if len(r.steps) == 0 || r.steps[0].place == nil || !r.anyAnswer(r.steps[0]) {
		if !r.budget.take() {
			return nil
		}
		answer, _ := r.cache.LookupTXT(ctx, name)
		return answer.Texts
	}
	if a := r.peekAt(ctx, name); a != nil {
		return sortedTexts(a.texts)
	}
	return nil
}

// peekAt is the answer of the first server of the record's zone that gives one, nil
// without any.
func (r *run) peekAt(ctx context.Context, name string) *answer {
	s := r.steps[0]
	if s.place == nil || !isBelow(name, s.place.zone) {
		return nil
	}
	for _, a := range s.answers {
		if a.State == NoAnswer {
			continue
		}
		m, _, err := r.ask(ctx, a.addr, resolver.Question{Name: name, Type: dns.TypeTXT})
		if err != nil {
			continue
		}
		b := &answer{}
		b.read(m, nil, name)
		return b
	}
	return nil
}

func (r *run) anyAnswer(s *step) bool {
	return slices.ContainsFunc(s.answers, func(a *answer) bool { return a.State != NoAnswer })
}

const maxOtherSelectors = 50

// findOther tells which key the record belongs to, and which selector the key.
func (r *run) findOther(ctx context.Context) {
	published := r.report.Key.Key
	for _, o := range r.check.Others {
		if keyrecord.Canonical(o.Selector+"._domainkey."+o.Domain) == r.name {
			continue
		}
		if key, err := o.Key(); err == nil && SameKey(published, key) {
			r.fault(keyrecord.FaultOtherSelector, true, "row", o.Name, "place", o.Place)
			break
		}
	}
	tried := []string{keyrecord.Canonical(r.check.Selector)}
	for _, selector := range r.otherSelectors() {
		if slices.Contains(tried, selector) || len(tried) > maxOtherSelectors || keyrecord.CheckSelector(selector) != nil {
			continue
		}
		tried = append(tried, selector)
		texts := r.peek(ctx, selector+"._domainkey."+r.domain)
		if other, _ := dkim.ParseKeyTexts(texts); other != nil && SameKey(other.Key, r.check.Key) {
			r.fault(keyrecord.FaultOtherSelector, true, "selector", selector)
			return
		}
	}
}

func (r *run) otherSelectors() []string {
	list := slices.Clone(r.check.Selectors)
	for _, o := range r.check.Others {
		if keyrecord.Canonical(o.Domain) == r.domain {
			list = append(list, o.Selector)
		}
	}
	list = append(list, "default")
	for i := range list {
		list[i] = keyrecord.Canonical(list[i])
	}
	return list
}
