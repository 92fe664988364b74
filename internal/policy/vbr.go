package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"dojang/authres"
	"dojang/dkim"
	"dojang/taglist"
)

// VBR are the options about vouching by reference (RFC 5518).
type VBR struct {
	Type, Certifiers      string   // what is claimed when signing
	PurgeFields           bool     // X-VBR-Type and X-VBR-Certifiers go
	TrustedCertifiers     []string // who is believed when verifying; none: nothing is asked
	TrustedCertifiersOnly bool     // these are asked, whoever the message names
}

// Names of the fields of VBR. The first two are the sender's wishes.
const (
	vbrTypeField       = "X-VBR-Type"
	vbrCertifiersField = "X-VBR-Certifiers"
	vbrInfoField       = "VBR-Info"
)

// maxCertifiers bounds how many are asked about one field, maxNamedCertifiers how
// many of those that it names are looked at, and maxConvertedCertifiers how many of
// these in other letters than ASCII's.
const (
	maxCertifiers          = 8
	maxNamedCertifiers     = 32
	maxConvertedCertifiers = 4
)

// addInfo claims vouching for a message that we sign. The header's own wish
// outranks the options.
func (b *VBR) addInfo(o *Outcome, f *Facts, domain string) {
	wish := func(field, standard string) string {
		if x, _, ok := f.Fields.First(field); ok {
			if text := strings.TrimSpace(string(x.Value())); isVBRText(text) {
				return text
			}
		}
		return standard
	}
	kind, certifiers := wish(vbrTypeField, b.Type), wish(vbrCertifiersField, b.Certifiers)
	if b.PurgeFields {
		o.deleteAll(f, vbrTypeField)
		o.deleteAll(f, vbrCertifiersField)
	}
	if kind != "" && certifiers != "" {
		o.insert(vbrInfoField, fmt.Sprintf(" md=%s; mc=%s; mv=%s", domain, kind, certifiers))
	}
}

// isVBRText tells what may stand in a tag of VBR-Info: it comes from the header.
func isVBRText(s string) bool {
	const maxBytes = 256
	return s != "" && len(s) <= maxBytes && !strings.ContainsFunc(s, func(c rune) bool {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		return !letter && !strings.ContainsRune(".-_:", c)
	})
}

// vbrInfo is one VBR-Info field (RFC 5518 §4).
type vbrInfo struct {
	domain, kind string
	certifiers   []string // to be asked, in their order
}

// infos reads the first fields of a message that can be read.
func (b *VBR) infos(f *Facts) []vbrInfo {
	if len(b.TrustedCertifiers) == 0 {
		return nil
	}
	const maxFields = 4
	var infos []vbrInfo
	for i := 0; i < f.Fields.Len() && len(infos) < maxFields; i++ {
		if field := f.Fields.At(i); field.Is(vbrInfoField) {
			if info, ok := b.info(field.Value()); ok {
				infos = append(infos, info)
			}
		}
	}
	return infos
}

func (b *VBR) info(value []byte) (info vbrInfo, ok bool) {
	tags, err := taglist.Parse(value)
	if err != nil {
		return vbrInfo{}, false
	}
	info.domain, info.kind = string(tags.Value("md")), strings.ToLower(string(tags.Value("mc")))
	if info.domain == "" || info.kind == "" {
		return vbrInfo{}, false
	}
	trusted := b.TrustedCertifiers
	if b.TrustedCertifiersOnly {
		info.certifiers = trusted
	} else {
		// Each is compared with each of ours, so not all that stand there are.
		converted := 0
		for _, name := range firstOf(string(tags.Value("mv")), maxNamedCertifiers) {
			if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
				if converted++; converted > maxConvertedCertifiers {
					break
				}
			}
			host, ok := dkim.ToASCII(name)
			if ok && slices.ContainsFunc(trusted, func(t string) bool { return sameDomain(t, host) }) {
				info.certifiers = append(info.certifiers, name)
			}
		}
	}
	info.certifiers = info.certifiers[:min(len(info.certifiers), maxCertifiers)]
	return info, true
}

// firstOf is up to n words of a list with colons, without the blanks around them.
func firstOf(list string, n int) []string {
	words := strings.SplitN(list, ":", n+1)
	words = words[:min(len(words), n)]
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}

// name is where a certifier vouches for the domain (RFC 5518 §5).
func (i vbrInfo) name(certifier string) (string, bool) {
	domain, ok1 := dkim.ToASCII(i.domain)
	host, ok2 := dkim.ToASCII(certifier)
	return domain + "._vouch." + host, ok1 && ok2
}

// method is the result of RFC 5518 §7, nil when the message names nothing or
// nobody is believed. Of several fields that of a domain that signed counts.
func (b *VBR) method(f *Facts, v *Verdict, judged []judgement) *authres.Method {
	infos := b.infos(f)
	if len(infos) == 0 {
		return nil
	}
	for _, info := range infos {
		if slices.ContainsFunc(judged, func(j judgement) bool {
			return j.Status == dkim.StatusPass && sameDomain(j.Signature.Domain, info.domain)
		}) {
			return v.vouched(info)
		}
	}
	return vbrResult("none", infos[0].domain, "")
}

func (v *Verdict) vouched(info vbrInfo) *authres.Method {
	result := "fail"
	for _, certifier := range info.certifiers {
		name, _ := info.name(certifier)
		answer := v.Answers[name]
		if answer.Temporary {
			result = "temperror"
		}
		for _, text := range answer.Texts {
			for kind := range strings.FieldsSeq(strings.ToLower(text)) {
				if kind == "all" || kind == info.kind {
					return vbrResult("pass", info.domain, certifier)
				}
			}
		}
	}
	return vbrResult(result, info.domain, "")
}

func vbrResult(result, domain, certifier string) *authres.Method {
	m := &authres.Method{Name: "vbr", Result: result, Props: []authres.Property{{Type: "header", Name: "md", Value: domain}}}
	if certifier != "" {
		m.Props = append(m.Props, authres.Property{Type: "header", Name: "mv", Value: certifier})
	}
	return m
}
