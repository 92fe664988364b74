package web

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/words"
)

// maxPaste bounds what is pasted into a box that a name or a record belongs in.
const maxPaste = 32 << 10

// place is where a key record stands.
type place struct{ domain, selector string }

// errPrivateKey refuses a private key that was pasted by mistake: it is shown nowhere.
var errPrivateKey = errors.New("a private key")

// errSelector asks for the selector that is missing.
var errSelector = errors.New("no selector")

// readPlace takes domain and selector out of two boxes. In the first a record's full name
// or a DKIM-Signature field may stand as well. The error says what is malformed, without
// the text itself.
func readPlace(d, s string) (place, error) {
	if len(d)+len(s) > maxPaste {
		return place{}, errors.New("too long")
	}
	if !utf8.ValidString(d) || !utf8.ValidString(s) {
		return place{}, errors.New("no UTF-8")
	}
	if keycheck.HoldsPrivateKey(d) || keycheck.HoldsPrivateKey(s) {
		return place{}, errPrivateKey
	}
	p := place{strings.TrimSpace(d), strings.TrimSpace(s)}
	if domain, selector, ok := keycheck.Place(d); ok {
		p = place{domain, selector}
	}
	p.domain = strings.TrimSuffix(p.domain, ".")
	if err := keyrecord.CheckName("domain", p.domain); err != nil {
		return place{}, err
	}
	if p.selector == "" {
		return p, errSelector
	}
	if err := keyrecord.CheckSelector(p.selector); err != nil {
		return place{}, err
	}
	if len(p.record()) > 253 {
		return place{}, errors.New("the record's name exceeds 253 octets")
	}
	return p, nil
}

// record is the name of the TXT record, in A-labels.
func (p place) record() string {
	return strings.ToLower(keyrecord.ASCII(p.selector) + "._domainkey." + keyrecord.ASCII(p.domain))
}

// isPublic reports whether a domain is one that anybody may ask about on the Internet: of
// letters, digits and hyphens, and below a public suffix.
func isPublic(domain string) bool {
	name := keyrecord.Canonical(domain)
	for label := range strings.SplitSeq(name, ".") {
		if strings.Contains(label, "_") || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	for _, inner := range []string{"localhost", "local", "internal", "arpa", "test", "invalid", "onion", "home", "lan", "corp"} {
		if name == inner || strings.HasSuffix(name, "."+inner) {
			return false
		}
	}
	suffix, icann := publicsuffix.PublicSuffix(name)
	return (icann || strings.Contains(suffix, ".")) && suffix != name && strings.HasSuffix(name, "."+suffix)
}

// registered is the part of a public domain that somebody has registered, of which all
// names below are.
func registered(domain string) string {
	name := keyrecord.Canonical(domain)
	if own, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return own
	}
	return name
}

// refusal says in words why a name is not taken.
func refusal(l words.Language, err error) string {
	switch {
	case errors.Is(err, errPrivateKey):
		return l.Say("That is a private key. It was not read further, kept or shown. Do not give it to anybody: if it was "+
			"sent to another site too, make a new one with dojang genkey.",
			"개인 키를 넣으셨습니다. 더 읽거나 보관하거나 표시하지 않았습니다. 개인 키는 누구에게도 주지 마세요. 다른 사이트에도 보냈다면 dojang genkey로 새 키를 만드세요.")
	case errors.Is(err, errSelector):
		return l.Say("Which selector? It stands in the signature as s=, as in mail2026.", "셀렉터를 넣으세요. 서명의 s= 값입니다. 예: mail2026")
	}
	return l.Say("That is no name of a key record. Enter a domain as example.com and a selector as mail2026, or the full name "+
		"mail2026._domainkey.example.com.",
		"키 레코드의 이름이 아닙니다. 도메인(예: example.com)과 셀렉터(예: mail2026)를 넣거나, 전체 이름 mail2026._domainkey.example.com을 넣으세요.")
}

// readRecord takes the value of a record out of what was pasted: the value itself, a
// line of a zone file as genkey writes it, or quoted strings. What is wrong with it is
// for keycheck to find: only what is plainly a zone file's way of writing is undone.
func readRecord(text string) (string, error) {
	if len(text) > maxPaste {
		return "", errors.New("too long")
	}
	if keycheck.HoldsPrivateKey(text) {
		return "", errPrivateKey
	}
	return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), nil
}

// zoneValue is the value in a line of a zone file, text itself when it is none.
func zoneValue(text string) string {
	_, rest, ok := strings.Cut(text, "TXT")
	if !ok || !strings.Contains(text, "_domainkey") || strings.Count(rest, `"`)%2 != 0 || !strings.Contains(rest, `"`) {
		return text
	}
	var b strings.Builder
	for i, part := range strings.Split(rest, `"`) {
		if i%2 == 1 {
			b.WriteString(part)
		}
	}
	return b.String()
}
