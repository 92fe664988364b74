package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/doctor/postfix"
	"dojang/internal/words"
)

// signedFields looks for rules that change, on the way out, what is signed.
func (p *postfixCheck) signedFields() {
	if !p.signs {
		return
	}
	for _, field := range []string{"From: <postmaster@example.com>", "Subject: hello", "To: <friend@example.org>",
		"Date: Mon, 23 Nov 2026 10:00:00 +0000", "Message-ID: <1@example.com>", "Content-Type: text/plain"} {
		name, _, _ := strings.Cut(field, ":")
		for _, s := range p.settings("smtp", "smtp_header_checks") {
			switch word, table := p.checked(s, field); word {
			case "IGNORE", "STRIP", "REPLACE":
				p.add(Finding{Code: "header-checks", Status: Bad, Remedy: p.setup.TakeOut(p.ctx, s.service, s.name, table, field),
					Advice: "change it before it is signed: by header_checks"},
					"%s: %s answers %s for %s, after the mail was signed: its signature fails", s.where(), table, word, name)
			}
		}
	}
}

// signedBodies looks for rules that change, on the way out, lines of bodies, to which the
// header of a part and that of an enclosed message belong. Which mail has such lines
// nobody knows.
func (p *postfixCheck) signedBodies() {
	if !p.signs {
		return
	}
	for _, name := range []string{"smtp_body_checks", "smtp_mime_header_checks", "smtp_nested_header_checks"} {
		for _, s := range p.settings("smtp", name) {
			p.bodyChecks(s)
		}
	}
}

func (p *postfixCheck) bodyChecks(s setting) {
	for _, table := range postfix.Members(s.value) {
		rules := slices.DeleteFunc(postfix.Rules(table), func(r postfix.Rule) bool {
			return !slices.Contains([]string{"IGNORE", "STRIP", "REPLACE", "PREPEND"}, r.Action)
		})
		if len(rules) == 0 {
			continue
		}
		place := table
		if path := postfix.TableFile(table); path != "" {
			place = fmt.Sprintf("line %d of %s", rules[0].First, path)
		}
		p.add(Finding{Code: "body-checks", Status: Warning, Remedy: p.setup.TakeOutRules(s.service, s.name, table, rules),
			Advice: "to change it before it is signed: " + strings.TrimPrefix(s.name, "smtp_") + ", for all mail that comes in"},
			"%s: %s answers %s, after the mail was signed: the signature of mail with such a line fails%s", s.where(),
			place, rules[0].Action, others(len(rules)-1))
	}
}

// others says that n more rules are like the one that was told of.
func others(n int) string {
	if n == 0 {
		return ""
	}
	return " (and " + words.Count(n, "more rule") + ")"
}

// conversions looks for settings by which Postfix writes bodies anew on the way out.
func (p *postfixCheck) conversions() {
	if !p.signs {
		return
	}
	for _, s := range p.settings("smtp", "smtp_discard_ehlo_keywords") {
		list := wordsOf(s.value)
		if i := slices.IndexFunc(list, func(w string) bool { return strings.EqualFold(w, "8bitmime") }); i >= 0 {
			p.add(Finding{Code: "mime-conversion", Status: Warning, Remedy: p.setup.DropWord(s.service, s.name, list[i])},
				"%s holds %s: 8-bit mail is written anew after it was signed, and its signature fails", s.where(), list[i])
		}
	}
	for _, s := range p.settings("smtp", "smtp_line_length_limit") {
		// RFC 5322 §2.1.1 allows 998 octets; RFC 6376 §5.3 has the signer see to it.
		if n, err := strconv.Atoi(s.value); err == nil && n > 0 && n < 998 {
			p.add(Finding{Code: "line-length", Status: Warning, Remedy: p.setup.Unset(s.service, s.name)},
				"%s = %d: longer lines are broken after the mail was signed, and its signature fails", s.where(), n)
		}
	}
}

// generic looks for authors whom Postfix writes anew after their mail was signed. signs
// reports whether an author's mail is.
func (r *Report) generic(ctx context.Context, h *host, setups []*postfix.Setup, authors []string, signs func(author string) bool) {
	authors = slices.DeleteFunc(slices.Clone(authors), func(author string) bool { return !signs(author) })
	for _, setup := range setups {
		p := r.postfixCheck(ctx, h, setup)
		for _, s := range p.settings("smtp", "smtp_generic_maps") {
			for _, author := range authors {
				if s.value == "" || !p.generic(s, author, signs) {
					break // one of a table is enough to know what to do
				}
			}
		}
	}
}

// generic reports whether the mail of an author leaves as it was signed.
func (p *postfixCheck) generic(s setting, author string, signs func(author string) bool) bool {
	const before = "sender_canonical_maps"
	_, domain, _ := strings.Cut(author, "@")
	for _, key := range []string{author, "@" + domain} {
		value, table := p.setup.Query(p.ctx, s.value, key)
		if value == "" || strings.EqualFold(value, author) {
			continue
		}
		f := Finding{Code: "generic-maps", Status: Bad,
			Advice: "change it before it is signed: " + before + " takes such tables; then " + value + " is whose mail is to be signed"}
		if p.setup.Main[before] == "" && signs(value) {
			f.Remedy, f.Advice = p.setup.Rename(s.service, s.name, before), ""
		}
		p.add(f, "%s: %s writes %s as %s after the mail was signed: its signature fails", s.where(), table, author, value)
		return false
	}
	return true
}
