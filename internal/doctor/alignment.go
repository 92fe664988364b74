package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"dojang/internal/build"
	"dojang/internal/dataset"
	"dojang/internal/doctor/postfix"
	"dojang/internal/keyrecord"
)

// texts looks TXT records up.
type texts func(ctx context.Context, name string) (texts []string, found bool, err error)

// alignment looks whether the signatures of an author's mail count for DMARC
// (RFC 7489 §3.1.1), and whether the domain has a DMARC record at all.
func (r *Report) alignment(ctx context.Context, h *host, rehearsal *rehearsal, look texts, author string) {
	_, list, ok := rehearsal.wayOf(ctx, author)
	_, domain, _ := strings.Cut(author, "@")
	domain = keyrecord.Canonical(domain)
	if !ok || organization(domain) == "" {
		return
	}
	policy, at, err := dmarcOf(ctx, look, domain)
	if fault := new(dmarcFault); errors.As(err, &fault) {
		r.once(Finding{Check: domainName, Code: fault.code, Status: Bad, Advice: fault.advice}, "%s (RFC 7489 §6.6.3)", fault.text)
		return
	}
	if err != nil {
		r.skip(domainName, "dmarc-unknown", "the DMARC record of %s cannot be looked up: %s", domain, err)
		return
	}
	strict := strings.EqualFold(policy["adkim"], "s")
	aligned := slices.ContainsFunc(list, func(s signed) bool {
		return s.domain == domain || !strict && organization(s.domain) == organization(domain)
	})
	remedy, then := "", ""
	if !aligned {
		if remedy = h.ownKey(ctx, domain); remedy != "" {
			then = "; where that makes a key, publish the record that it prints"
		}
	}
	switch {
	case !aligned && strict && organization(list[0].domain) == organization(domain):
		r.Add(Finding{Check: domainName, Code: "not-aligned", Status: Bad, Remedy: remedy, Advice: "sign with d=" + domain +
			", or take adkim=s out of the record " + at + then},
			"mail of %s is signed by d=%s, and %s wants them equal (adkim=s): the signature does not count for "+
				"DMARC", domain, list[0].domain, at)
	case !aligned:
		r.Add(Finding{Check: domainName, Code: "not-aligned", Status: Bad, Remedy: remedy,
			Advice: "give the SigningTable's row of " + domain + " a key whose KeyTable row has " + domain + then},
			"mail of %s is signed by d=%s alone: that does not align with its From, and receivers that ask for DMARC do not "+
				"count it", domain, list[0].domain)
	case policy == nil:
		r.once(Finding{Check: domainName, Code: "dmarc-absent", Status: Warning,
			Advice: firstDMARC("_dmarc." + organization(domain))},
			"%s has no DMARC record: large receivers want one from who sends much", domain)
	default:
		r.good(domainName, "signatures of %s align with its From, and %s has a DMARC record", domain, at)
	}
}

// dmarcFault is why receivers do not count what stands at a name for DMARC records.
type dmarcFault struct{ code, text, advice string }

func (f *dmarcFault) Error() string { return f.text }

func invalidRecord(name, why string, args ...any) *dmarcFault {
	text := "the DMARC record at " + name + " is none to receivers: " + fmt.Sprintf(why, args...)
	return &dmarcFault{"dmarc-invalid", text, firstDMARC(name)}
}

func severalRecords(name string, texts []string) *dmarcFault {
	return &dmarcFault{"dmarc-several", fmt.Sprintf("%d DMARC records stand at %s: receivers take none of them", len(texts), name),
		fmt.Sprintf("leave one of them: %s. IN TXT %q", name, texts[0])}
}

// firstDMARC is the advice to have a DMARC record.
func firstDMARC(name string) string {
	return fmt.Sprintf(`publish, to begin with: %s. IN TXT "v=DMARC1; p=none"`, name)
}

// policies are what p= of a DMARC record may say (RFC 7489 §6.3).
var policies = []string{"none", "quarantine", "reject"}

// dmarcOf is the DMARC record that counts for a domain (RFC 7489 §6.6.3); nil for none.
func dmarcOf(ctx context.Context, look texts, domain string) (tags map[string]string, at string, err error) {
	for _, name := range slices.Compact([]string{"_dmarc." + domain, "_dmarc." + organization(domain)}) {
		texts, _, err := look(ctx, name)
		if err != nil {
			return nil, "", err
		}
		misspelt := ""
		texts = slices.DeleteFunc(texts, func(text string) bool {
			version, _, _ := strings.Cut(text, ";")
			if strings.ReplaceAll(version, " ", "") == "v=DMARC1" {
				return false
			}
			if strings.Contains(strings.ToUpper(version), "DMARC") {
				misspelt = text
			}
			return true
		})
		if len(texts) == 0 && misspelt != "" {
			return nil, "", invalidRecord(name, "%.80q does not begin with v=DMARC1;", misspelt)
		}
		if len(texts) > 1 {
			return nil, "", severalRecords(name, texts)
		}
		for _, text := range texts {
			tags = map[string]string{}
			for tag := range strings.SplitSeq(text, ";") {
				if name, value, ok := strings.Cut(tag, "="); ok {
					tags[strings.TrimSpace(name)] = strings.TrimSpace(value)
				}
			}
			if p := strings.ToLower(tags["p"]); !slices.Contains(policies, p) && tags["rua"] == "" {
				return nil, "", invalidRecord(name, "%.80q has no p= of %s", text, strings.Join(policies, ", "))
			}
			return tags, name, nil
		}
	}
	return nil, "", nil
}

// organization is a domain's organizational domain, "" for a name that has none.
func organization(domain string) string {
	name, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return ""
	}
	return name
}

// ownRow is the row of the SigningTable that is for a domain and no other, with its file
// and line; false for none, and for a table that is no text file.
func (h *host) ownRow(ctx context.Context, domain string) (row dataset.Entry, path string, ok bool) {
	c := h.Config
	path = fileOf(c.SigningTable.Value)
	table, text := dataset.TextTableOf(c.SigningTable.Value)
	if path == "" || !text {
		return row, "", false
	}
	key := domain
	if table.Patterns {
		key = "*@" + domain
	}
	_ = build.WalkSet(ctx, c, c.SigningTable.Value, func(e dataset.Entry, _ string) error {
		if !ok && e.Key == key && e.Line > 0 {
			row, ok = e, true
		}
		return nil
	})
	return row, path, ok
}

// rowTo is the command that has a row of a text file hold another value.
func rowTo(path string, row dataset.Entry, value string) string {
	return "sed -i " + postfix.Quote(strconv.Itoa(row.Line)+"c "+row.Key+" "+value) + " " + shell(path)
}

// ownKey is the command that has a domain sign by a key of its own: one of the KeyTable,
// or else a new one; "" where a row for more than this domain has it signed.
func (h *host) ownKey(ctx context.Context, domain string) string {
	c := h.Config
	row, path, ok := h.ownRow(ctx, domain)
	if !ok || fileOf(c.KeyTable.Value) == "" {
		return ""
	}
	name := ""
	_ = build.WalkSet(ctx, c, c.KeyTable.Value, func(e dataset.Entry, _ string) error {
		if len(e.Values) > 0 && keyrecord.Canonical(e.Values[0]) == domain {
			name = e.Key
		}
		return nil
	})
	if name != "" {
		return rowTo(path, row, name) + " && " + h.Reload()
	}
	return rowTo(path, row, selectorFor(domain)+"._domainkey."+domain) + " && " + h.newKey(domain)
}

// withoutIdentity is the command that takes the identity out of a domain's row of the
// SigningTable; "" where that has none.
func (h *host) withoutIdentity(ctx context.Context, domain string) string {
	row, path, ok := h.ownRow(ctx, domain)
	if !ok || len(row.Values) < 2 {
		return ""
	}
	return rowTo(path, row, row.Values[0]) + " && " + h.Reload()
}
