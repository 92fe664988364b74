package keycheck

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"dojang/taglist"
)

// Judge judges the text of a record that need not be published yet: its strings joined,
// without quotes. key is the one that it must publish, nil when any will do. It asks
// nobody; of the report only what can be said of a text is set.
func Judge(text string, key crypto.PublicKey) *Report {
	full := []Text{{Text: text}}
	r := &run{check: Check{Key: key}, report: &Report{OK: true, Publication: Unknown, DNSSEC: "unknown", Texts: cut(full)}}
	if text == "" {
		r.report.Texts, r.report.Lookup = []Text{}, Absent
	} else {
		r.readKey(full)
	}
	r.recordFaults()
	return r.report
}

// Place takes domain and selector out of what people have at hand: the full name of a
// record, or a DKIM-Signature field. It reports false for anything else.
func Place(text string) (domain, selector string, ok bool) {
	text = strings.TrimSpace(text)
	const field = "dkim-signature:"
	if len(text) > len(field) && strings.EqualFold(text[:len(field)], field) {
		text = text[len(field):]
	}
	if selector, domain, ok = strings.Cut(text, "._domainkey."); ok && !strings.ContainsAny(text, "= \t\r\n;") {
		return strings.TrimSuffix(domain, "."), selector, selector != "" && domain != ""
	}
	tags, err := taglist.Parse([]byte(text))
	if err != nil {
		return "", "", false
	}
	domain, selector = string(tags.Value("d")), string(tags.Value("s"))
	return domain, selector, domain != "" && selector != ""
}

// HoldsPrivateKey reports whether a text that somebody pasted is, or holds, a private
// key: it must neither be shown nor kept.
func HoldsPrivateKey(text string) bool {
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "AGE-SECRET-KEY-") {
		return true
	}
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(`;"' =`, c) }) {
		word = strings.Map(func(c rune) rune {
			if c <= ' ' {
				return -1
			}
			return c
		}, word)
		der, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(word, "="))
		if err != nil || len(der) < 40 {
			continue
		}
		if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
			return true
		}
		if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
			return true
		}
	}
	return false
}
