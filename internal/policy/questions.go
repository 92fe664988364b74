package policy

import (
	"slices"

	"dojang/dkim"
)

// maxQuestions bounds what one message may have us ask beside its keys.
const maxQuestions = 16

// Questions are the names of TXT records, beside those of keys, that what
// becomes of a message to be verified depends on: consents of ATPS and vouchers
// of VBR. They are asked at once with the keys, before it is known whether a
// signature passes, so that nothing waits for them in turn.
func (r *Rules) Questions(f *Facts, p *Plan, signatures []*dkim.Signature) []string {
	var names []string
	ask := func(name string) {
		if len(names) < maxQuestions && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, s := range signatures {
		for _, name := range atpsNames(s, p.Author) {
			ask(name)
		}
	}
	if len(signatures) == 0 {
		return names
	}
	for _, info := range r.vbrInfos(f) {
		if !slices.ContainsFunc(signatures, func(s *dkim.Signature) bool { return sameDomain(s.Domain, info.domain) }) {
			continue
		}
		for _, certifier := range info.certifiers {
			if name, ok := info.name(certifier); ok {
				ask(name)
			}
		}
	}
	return names
}
