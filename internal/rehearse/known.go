package rehearse

import (
	"slices"
	"strings"
)

// known are the differences from OpenDKIM that docs/differences.md tells of, by their
// names there and what shows them.
var known = []struct {
	name  string
	kind  Kind
	shows func(c *comparison, d *Difference) bool
}{
	{"filter-name", KindAdded, func(_ *comparison, d *Difference) bool {
		return strings.HasPrefix(d.Old, "DKIM-Filter: OpenDKIM Filter ") && strings.HasPrefix(d.New, "DKIM-Filter: dojang Filter ") &&
			!strings.Contains(d.Old+d.New, "; ")
	}},
	{"atps-neutral", KindResults, func(_ *comparison, d *Difference) bool { return d.Old == atpsNeutral && d.New == "" }},
	{"dns-failures", KindResults, func(_ *comparison, d *Difference) bool { return strings.HasPrefix(d.New, "dkim=temperror") }},
	{"bad-key-records", KindResults, func(_ *comparison, d *Difference) bool {
		return strings.HasPrefix(d.Old, "dkim=temperror") && strings.HasPrefix(d.New, "dkim=permerror")
	}},
	{"one-bad-signature", KindResults, func(c *comparison, d *Difference) bool { return d.Old == "" && c.said("syntax_error") != "" }},
	{"rsa-sha1", KindResults, func(_ *comparison, d *Difference) bool { return strings.Contains(d.New, "header.a=rsa-sha1") }},
	{"unusable-signatures", KindResults, func(_ *comparison, d *Difference) bool {
		old, _, _ := strings.Cut(d.Old, " ")
		own, _, _ := strings.Cut(d.New, " ")
		return (old == "dkim=permerror" || old == "dkim=neutral" || old == "dkim=policy") && old == own
	}},
	{"no-signature", KindReply, func(c *comparison, d *Difference) bool {
		return (d.Old == "accept" || d.Old == "continue") && c.said("unsigned_refused") != "" && len(c.old.added(resultsField)) > 0
	}},
	{"quarantine", KindQuarantine, func(_ *comparison, d *Difference) bool { return d.Old == "" }},
	{"remove-old-signatures", KindRemoved, func(_ *comparison, d *Difference) bool {
		return d.Old != "" && onlyOf(d.Old, "dkim-signature, the 0.") && onlyOf(d.New, "dkim-signature, ")
	}},
	{"forged-results", KindRemoved, func(_ *comparison, d *Difference) bool {
		return d.Old == "" && onlyOf(d.New, strings.ToLower(resultsField)+", ")
	}},
}

// onlyOf reports whether every item of a list begins so.
func onlyOf(list, prefix string) bool {
	return !slices.ContainsFunc(strings.Split(list, "; "), func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

// documented returns where docs/differences.md tells of a difference, "" for nowhere.
func (c *comparison) documented(d *Difference) string {
	for _, k := range known {
		if d.Kind == k.kind && k.shows(c, d) {
			return "docs/differences.md [" + k.name + "]"
		}
	}
	return ""
}
