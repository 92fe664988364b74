package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"dojang/internal/dataset"
	"dojang/internal/doctor/postfix"
	"dojang/internal/keyrecord"
)

// maxDomains bounds the domains that are looked at one by one.
const maxDomains = 200

// domainName is the check of domains that this host sends as.
const domainName = "domain"

// Own are the domains that this host takes mail for, and so sends as: those of
// mydestination, of the virtual lists and their maps, and myorigin. The host's own name
// is not among them unless mail is sent in it.
func Own(ctx context.Context, setups []*postfix.Setup) []string {
	var list []string
	add := func(name string) {
		name = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "@"), "."))
		if strings.Contains(name, ".") && len(name) <= 253 && !strings.ContainsAny(name, "*/:$ ") &&
			!strings.HasPrefix(name, "localhost.") &&
			net.ParseIP(name) == nil && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	for _, s := range setups {
		host := strings.ToLower(s.Main["myhostname"])
		for _, parameter := range []string{"mydestination", "virtual_alias_domains", "virtual_mailbox_domains"} {
			for _, name := range s.Names(ctx, s.Main[parameter]) {
				if !strings.EqualFold(name, host) && !strings.Contains(name, "@") {
					add(name)
				}
			}
		}
		if origin := firstWord(s.Main["myorigin"]); !strings.EqualFold(origin, host) {
			add(origin)
		}
	}
	return list
}

// firstWord reads myorigin, which may be a file's name.
func firstWord(text string) string {
	if strings.HasPrefix(text, "/") {
		if names := postfix.LinesOf(text); len(names) > 0 {
			return names[0]
		}
		return ""
	}
	return text
}

// Domains looks whether mail of the domains that this host sends as is signed.
func (r *Report) Domains(ctx context.Context, h *Host, rehearsal *Rehearsal, own []string) {
	if !h.Config.Mode.Value.Sign {
		return
	}
	good := 0
	for _, domain := range own[:min(len(own), maxDomains)] {
		if _, _, ok := rehearsal.WayOf(ctx, "postmaster@"+domain); ok {
			good++
			continue
		}
		if exempt, err := inSet(ctx, rehearsal.Snapshot.Rules.ExemptDomains, domain); err != nil || exempt {
			continue
		}
		remedy, advice := h.signFor(domain)
		r.Add(Finding{Check: domainName, Code: "domain-unsigned", Status: Warning, Remedy: remedy, Advice: advice},
			"this host takes mail for %s, and nobody signs what it sends", domain)
	}
	if good > 0 {
		r.good(domainName, "mail of %d of the domains in Postfix's lists is signed", good)
	}
}

// someAuthors are authors, and somebody of each domain of this host's own.
func someAuthors(authors, own []string) []string {
	list := slices.Clone(limit(authors, maxDomains))
	for _, domain := range limit(own, maxDomains) {
		list = append(list, "postmaster@"+domain)
	}
	return list
}

func inSet(ctx context.Context, set dataset.Set, key string) (bool, error) {
	if set == nil {
		return false, nil
	}
	_, err := set.Lookup(ctx, key, 0)
	return err == nil, nil
}

// signFor is the command that has mail of a domain signed.
func (h *Host) signFor(domain string) (remedy, advice string) {
	c := h.Config
	key, _ := dataset.TextTableOf(c.KeyTable.Value)
	if !c.KeyTable.IsSet() {
		if domains := c.Domain.Value; domains != "" && csl(domains) != nil {
			return h.setOption(&c.Domain, domains+","+domain),
				"then publish the record of the same key at " + c.Selector.Value + "._domainkey." + domain
		}
		return "", "add it to Domain, and publish the key's record there"
	}
	if key.Path == "" || fileOf(c.SigningTable.Value) == "" {
		return "", "make a key (dojang genkey --domain " + domain + ") and add its rows to the tables"
	}
	dir := "/etc/dkimkeys"
	if at := h.KeyFolder; at != "" {
		dir = at
	}
	// A domain may stand in a table that others write: it is quoted.
	return fmt.Sprintf("dojang genkey --domain %s --selector %s --directory %s --owner %s --tables --append --config %s && %s",
			shell(domain), shell(selectorFor(domain)), shell(dir), h.Filter.Name, shell(h.File), h.Reload()),
		"then publish the record that it prints; mail is signed from now on, and verifies once the record is there"
}

// selectorFor is a selector that no other domain's key file has in one folder.
func selectorFor(domain string) string {
	label, _, _ := strings.Cut(domain, ".")
	return label + "-dkim"
}

// Texts looks TXT records up.
type Texts func(ctx context.Context, name string) (texts []string, found bool, err error)

// Alignment looks whether the signatures of an author's mail count for DMARC
// (RFC 7489 §3.1.1), and whether the domain has a DMARC record at all.
func (r *Report) Alignment(ctx context.Context, rehearsal *Rehearsal, look Texts, author string) {
	_, list, ok := rehearsal.WayOf(ctx, author)
	_, domain, _ := strings.Cut(author, "@")
	domain = keyrecord.Canonical(domain)
	if !ok || organization(domain) == "" {
		return
	}
	policy, at, err := dmarcOf(ctx, look, domain)
	if several := new(severalRecords); errors.As(err, &several) {
		r.Add(Finding{Check: domainName, Code: "dmarc-several", Status: Bad, Advice: "leave one of them: " + several.first},
			"%d DMARC records stand at %s: receivers take none of them (RFC 7489 §6.6.3)", several.n, several.name)
		return
	}
	if invalid := new(invalidRecord); errors.As(err, &invalid) {
		r.Add(Finding{Check: domainName, Code: "dmarc-invalid", Status: Bad,
			Advice: fmt.Sprintf("publish, to begin with: %s. IN TXT \"v=DMARC1; p=none\"", invalid.name)},
			"the DMARC record at %s is none to receivers: %s (RFC 7489 §6.6.3)", invalid.name, invalid.why)
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
	switch {
	case !aligned && strict && organization(list[0].domain) == organization(domain):
		r.Add(Finding{Check: domainName, Code: "not-aligned", Status: Bad, Advice: "sign with d=" + domain +
			", or take adkim=s out of the record " + at},
			"mail of %s is signed by d=%s, and %s wants them equal (adkim=s): the signature does not count for "+
				"DMARC", domain, list[0].domain, at)
	case !aligned:
		r.Add(Finding{Check: domainName, Code: "not-aligned", Status: Bad, Advice: "give the SigningTable's row of " +
			domain + " a key whose KeyTable row has " + domain},
			"mail of %s is signed by d=%s alone: that does not align with its From, and receivers that ask for DMARC do not "+
				"count it", domain, list[0].domain)
	case policy == nil:
		r.Add(Finding{Check: domainName, Code: "dmarc-absent", Status: Warning,
			Advice: fmt.Sprintf("publish, to begin with: _dmarc.%s. IN TXT \"v=DMARC1; p=none\"", organization(domain))},
			"%s has no DMARC record: large receivers want one from who sends much", domain)
	default:
		r.good(domainName, "signatures of %s align with its From, and %s has a DMARC record", domain, at)
	}
}

// severalRecords are the DMARC records of a name that has more than one.
type severalRecords struct {
	name, first string
	n           int
}

func (s *severalRecords) Error() string { return fmt.Sprintf("%d records at %s", s.n, s.name) }

// invalidRecord is a DMARC record that receivers do not count.
type invalidRecord struct{ name, why string }

func (i *invalidRecord) Error() string { return i.name + ": " + i.why }

// policies are what p= of a DMARC record may say (RFC 7489 §6.3).
var policies = []string{"none", "quarantine", "reject"}

// dmarcOf is the DMARC record that counts for a domain (RFC 7489 §6.6.3); nil for none.
func dmarcOf(ctx context.Context, look Texts, domain string) (tags map[string]string, at string, err error) {
	for _, name := range slices.Compact([]string{domain, organization(domain)}) {
		texts, _, err := look(ctx, "_dmarc."+name)
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
			return nil, "", &invalidRecord{"_dmarc." + name, fmt.Sprintf("%.80q does not begin with v=DMARC1;", misspelt)}
		}
		if len(texts) > 1 {
			return nil, "", &severalRecords{"_dmarc." + name, fmt.Sprintf("_dmarc.%s. IN TXT %q", name, texts[0]), len(texts)}
		}
		for _, text := range texts {
			tags = map[string]string{}
			for tag := range strings.SplitSeq(text, ";") {
				if name, value, ok := strings.Cut(tag, "="); ok {
					tags[strings.TrimSpace(name)] = strings.TrimSpace(value)
				}
			}
			if p := strings.ToLower(tags["p"]); !slices.Contains(policies, p) && tags["rua"] == "" {
				return nil, "", &invalidRecord{"_dmarc." + name, fmt.Sprintf("%.80q has no p= of %s", text, strings.Join(policies, ", "))}
			}
			return tags, "_dmarc." + name, nil
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
