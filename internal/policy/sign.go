package policy

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/bre"
	"dojang/internal/dataset"
)

// ReplaceRule rewrites header text before it is signed, for MTAs that will
// rewrite it after us.
type ReplaceRule struct {
	Match *bre.Expression
	With  string
}

// Signing holds the form of our signatures.
type Signing struct {
	HeaderCanonicalization       dkim.Canonicalization
	BodyCanonicalization         dkim.Canonicalization
	SelectCanonicalizationHeader string
	SignatureAlgorithm           dkim.Algorithm // 0: the key's; one that does not fit the key is ignored
	SignHeaders, OversignHeaders *dkim.HeaderSet
	OmitHeaders                  *dkim.HeaderSet
	SignatureTTL                 time.Duration
	MaximumSignedBytes           int64 // 0: no limit
	BodyLengthDB                 dataset.Set
	Diagnostics                  bool
	RequestReports               bool
	RemoveOldSignatures          bool
	IdentityHeader               string
	IdentityHeaderRemove         bool
	ReplaceRules                 []ReplaceRule
	ReplaceHeaders               []string // fields that ReplaceRules touch; none: all
}

// bodyLength is how much of the body is signed by l=; nil when there is none. wanted
// bounds it, if not nil: a negative number is the whole body.
func (s *Signing) bodyLength(planned bool, wanted *int64) *int64 {
	if !planned && wanted == nil {
		return nil
	}
	n := dkim.BodyLengthAll
	if wanted != nil && *wanted >= 0 {
		n = *wanted
	}
	if s.MaximumSignedBytes > 0 {
		n = min(n, s.MaximumSignedBytes)
	}
	return &n
}

// SignOptions are the form of one signature of a message.
func (r *Rules) SignOptions(f *Facts, p *Plan, request SignRequest, now time.Time) dkim.SignOptions {
	s := &r.Signing
	o := dkim.SignOptions{
		Domain:                 request.Domain,
		Selector:               suitable(request.Key.Selector, p.Author),
		Identity:               request.Identity,
		Key:                    request.Key.Signer,
		Algorithm:              request.Key.Algorithm,
		HeaderCanonicalization: s.HeaderCanonicalization,
		BodyCanonicalization:   s.BodyCanonicalization,
		Sign:                   s.SignHeaders,
		Oversign:               s.OversignHeaders,
		Omit:                   s.OmitHeaders,
		Time:                   now,
		TTL:                    s.SignatureTTL,
		CopyHeaders:            s.Diagnostics,
	}
	if a := s.SignatureAlgorithm; a != 0 && a.KeyType() == o.Algorithm.KeyType() && !request.Key.AlgorithmFixed {
		o.Algorithm = a
	}
	o.BodyLength = s.bodyLength(p.BodyLength, request.BodyLength)
	o.ExtraTags = append(o.ExtraTags, p.ExtraTags...)
	o.ExtraTags = append(o.ExtraTags, r.ATPS.tags(p)...)
	if s.RequestReports {
		o.ExtraTags = append(o.ExtraTags, [2]string{"r", "y"})
	}
	if s.IdentityHeader != "" && o.Identity == "" {
		if field, _, ok := f.Fields.First(s.IdentityHeader); ok {
			o.Identity = agreeing(identityOf(field), o.Domain)
		}
	}
	s.selectCanonicalization(f, &o)
	if request.Condition != "" {
		weaken(&o, request.Condition)
	}
	return o
}

// identityOf is the identity that a field names: a mailbox, or "@" and a domain.
func identityOf(field header.Field) string {
	if user, domain, err := mailboxOf(string(field.Name()), field.Value()); err == nil {
		return user + "@" + domain
	}
	if text := strings.TrimSpace(string(field.Value())); strings.HasPrefix(text, "@") {
		return text
	}
	return ""
}

// selectCanonicalization obeys SelectCanonicalizationHeader; a value that makes
// no sense changes nothing.
func (s *Signing) selectCanonicalization(f *Facts, o *dkim.SignOptions) {
	if s.SelectCanonicalizationHeader == "" {
		return
	}
	field, _, ok := f.Fields.First(s.SelectCanonicalizationHeader)
	if !ok {
		return
	}
	head, body, err := dkim.ParseCanonicalizations(strings.TrimSpace(string(field.Value())))
	if err == nil {
		o.HeaderCanonicalization, o.BodyCanonicalization = head, body
	}
}

// Replaced returns the fields as ReplaceRules foresee them: the same list when
// there are no rules.
func (s *Signing) Replaced(fields *header.List) *header.List {
	if len(s.ReplaceRules) == 0 {
		return fields
	}
	var replaced *header.List // made for the first field that is another then
	for i := range fields.Len() {
		field := fields.At(i)
		value := s.replacedValue(field)
		changes := !bytes.Equal(value, field.Value())
		if changes && replaced == nil {
			replaced = new(header.List)
			for above := range i {
				replaced.AddRaw(fields.At(above).Raw)
			}
		}
		switch {
		case changes:
			replaced.Add(field.Name(), value, true)
		case replaced != nil:
			replaced.AddRaw(field.Raw)
		}
	}
	if replaced == nil {
		return fields
	}
	return replaced
}

// replacedValue is a field's value as ReplaceRules foresee it.
func (s *Signing) replacedValue(field header.Field) []byte {
	if len(s.ReplaceRules) == 0 || !s.replaces(field) {
		return field.Value()
	}
	value := string(field.Value())
	for _, rule := range s.ReplaceRules {
		value = rule.Match.Replace(value, rule.With)
	}
	return []byte(value)
}

func (s *Signing) replaces(field header.Field) bool {
	return len(s.ReplaceHeaders) == 0 || slices.ContainsFunc(s.ReplaceHeaders, field.Is)
}
