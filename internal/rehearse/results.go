package rehearse

import (
	"slices"
	"strings"

	"dojang/authres"
)

const resultsField = "Authentication-Results"

// result is one method's result without comments, which are for people.
type result struct {
	text, method, verdict string
	id                    string
}

// resultsOf reads what a filter says in Authentication-Results. A field that cannot be
// read is a result of its own.
func resultsOf(d *decision) (all []result) {
	for _, value := range d.added(resultsField) {
		r, err := authres.Parse([]byte(value))
		if err != nil {
			all = append(all, result{text: oneLine(value)})
			continue
		}
		if len(r.Methods) == 0 {
			all = append(all, result{text: "none", verdict: "none", id: r.AuthservID})
		}
		for _, m := range r.Methods {
			words := []string{}
			for _, p := range m.Props {
				words = append(words, strings.ToLower(p.Type+"."+p.Name)+"="+p.Value)
			}
			slices.Sort(words)
			words = append([]string{m.Name + "=" + m.Result}, words...)
			if m.Reason != "" {
				words = append(words, "reason="+m.Reason)
			}
			all = append(all, result{strings.Join(words, " "), m.Name, m.Result, r.AuthservID})
		}
	}
	return all
}

// atpsNeutral is what OpenDKIM says of every message that it has no question about.
const atpsNeutral = "dkim-atps=neutral"

// results compares the verdicts. Where a filter saw a part of the body only, it has none,
// and where one signs what the other does not, that one verifies instead.
func (c *comparison) results() {
	if c.seen.early || slices.ContainsFunc(c.found, func(d Difference) bool { return d.Kind == KindSigned }) {
		return
	}
	old, own := resultsOf(c.old), resultsOf(c.own)
	text := func(all []result) (texts []string) {
		for _, r := range all {
			texts = append(texts, r.text)
		}
		return texts
	}
	onlyOld, onlyOwn := without(text(old), text(own)), without(text(own), text(old))
	if i := slices.Index(onlyOld, atpsNeutral); i >= 0 {
		onlyOld = slices.Delete(onlyOld, i, i+1) // a matter of its own
		c.differ(KindResults, atpsNeutral, "", "dojang asks about a third party's signature only where one claims to be allowed")
	}
	if len(onlyOld) > 0 || len(onlyOwn) > 0 {
		cause := c.said("bad_signature", "syntax_error", "key_revoked", "key_not_found", "key_query_failed", "no_signature")
		switch {
		case len(own) == 0 && len(old) > 0:
			cause = "dojang adds no results: Mode, AlwaysAddARHeader, PeerList and InternalHosts"
		case len(old) == 0:
			cause = "the old filter adds no results: Mode, AlwaysAddARHeader, PeerList and InternalHosts"
		case cause == "":
			cause = c.lastSaid()
		default:
			cause = "dojang says: " + cause
		}
		c.differ(KindResults, strings.Join(onlyOld, "; "), strings.Join(onlyOwn, "; "), cause)
		return
	}
	if len(old) > 0 && len(own) > 0 && old[0].id != own[0].id {
		c.differ(KindResults, old[0].id, own[0].id, "the name before the results comes from AuthservID and AuthservIDWithJobID")
	}
}
