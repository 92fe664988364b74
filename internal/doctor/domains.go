package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/doctor/postfix"
)

// maxDomains bounds the domains that are looked at one by one.
const maxDomains = 200

// domainName is the check of domains that this host sends as.
const domainName = "domain"

// own are the domains that this host takes mail for, and so sends as: those of
// mydestination, of the virtual lists and their maps, and myorigin. The host's own name
// is not among them unless mail is sent in it. unlisted are the tables that may hold more.
func own(ctx context.Context, setups []*postfix.Setup) (list, unlisted []string) {
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
			names, tables := s.Names(ctx, s.Main[parameter])
			unlisted = append(unlisted, tables...)
			for _, name := range names {
				if !strings.EqualFold(name, host) && !strings.Contains(name, "@") {
					add(name)
				}
			}
		}
		if origin := firstWord(s.Main["myorigin"]); !strings.EqualFold(origin, host) {
			add(origin)
		}
	}
	slices.Sort(unlisted)
	return list, slices.Compact(unlisted)
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

// domains looks whether mail of the domains that this host sends as is signed.
func (r *Report) domains(ctx context.Context, h *host, rehearsal *rehearsal, own []string) {
	if !h.Config.Mode.Value.Sign {
		return
	}
	good := 0
	for _, domain := range own[:min(len(own), maxDomains)] {
		if _, _, ok := rehearsal.wayOf(ctx, "postmaster@"+domain); ok {
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
		if !slices.ContainsFunc(list, func(author string) bool {
			return strings.EqualFold(author[strings.LastIndexByte(author, '@')+1:], domain)
		}) {
			list = append(list, "postmaster@"+domain)
		}
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
func (h *host) signFor(domain string) (remedy, advice string) {
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
	return h.newKey(domain), "then publish the record that it prints; mail is signed from now on, and verifies once the record is there"
}

// newKey is the command that makes a key and its rows of the tables.
func (h *host) newKey(domain string) string {
	// A domain may stand in a table that others write: it is quoted.
	return fmt.Sprintf("dojang genkey --domain %s --selector %s --directory %s --owner %s --tables --append --config %s && %s",
		shell(domain), shell(selectorFor(domain)), shell(cmp.Or(h.KeyFolder, "/etc/dkimkeys")), h.Filter.Name, shell(h.File), h.Reload())
}

// selectorFor is a selector that no other domain's key file has in one folder.
func selectorFor(domain string) string {
	label, _, _ := strings.Cut(domain, ".")
	return label + "-dkim"
}
