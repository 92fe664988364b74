package policy

import (
	"iter"
	"slices"

	"dojang/dkim"
)

// maxQuestions bounds what one message may have us ask beside its keys.
const maxQuestions = 16

// Questions are the names of TXT records, beside those of keys, that what
// becomes of a message to be verified depends on: consents of ATPS, vouchers of
// VBR, and what signers want to be said of failures. They are asked at once with the
// keys, before it is known whether a signature passes, so that nothing waits for them
// in turn.
func (r *Rules) Questions(f *Facts, p *Plan, signatures iter.Seq[*dkim.Signature]) []string {
	var names []string
	ask := func(name string) {
		if len(names) < maxQuestions && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for s := range signatures {
		for _, name := range atpsNames(s, p.Author) {
			ask(name)
		}
	}
	for _, info := range r.VBR.infos(f) {
		if !signedBy(signatures, info.domain) {
			continue
		}
		for _, certifier := range info.certifiers {
			if name, ok := info.name(certifier); ok {
				ask(name)
			}
		}
	}
	if !r.Verdicts.repliesToFailure() {
		return names
	}
	for s := range signatures {
		if name := reportName(s); name != "" && wantsReport(s) {
			ask(name)
		}
	}
	return names
}

func signedBy(signatures iter.Seq[*dkim.Signature], domain string) bool {
	for s := range signatures {
		if sameDomain(s.Domain, domain) {
			return true
		}
	}
	return false
}
