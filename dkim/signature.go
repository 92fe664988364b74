package dkim

import (
	"bytes"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"dojang/taglist"
)

// Signature is a parsed DKIM-Signature (RFC 6376 §3.5). It does not refer to
// the bytes it was parsed from.
type Signature struct {
	// Raw is the value as received: what stands behind the field's colon.
	Raw []byte

	Domain   string // d=, the SDID, as written
	Selector string // s=, as written
	// Identity is i=, the AUID, decoded. When there is no i= it is
	// "@" + Domain and HasIdentity is false.
	Identity    string
	HasIdentity bool

	Algorithm              Algorithm
	HeaderCanonicalization Canonicalization
	BodyCanonicalization   Canonicalization

	Headers []string // h=, in its order

	BodyHash []byte // bh=
	Value    []byte // b=
	Encoded  string // b= as written, without white space

	Length       int64     // l=; -1 when absent, math.MaxInt64 when larger than that
	Time, Expire time.Time // t=, x=; zero when absent
	HasTime      bool
	HasExpire    bool

	// Condition is !cd= of an experimental signature of version 2: the domain
	// that must have signed the message too; "" for none.
	Condition string

	QueryMethods  string // q= as written, "" when absent
	CopiedHeaders string // z= as written, "" when absent

	// SyntaxError is what is behind ReasonSyntax and ReasonDuplicateTag; a
	// *taglist.SyntaxError knows the place.
	SyntaxError error

	// Tags are all tags, those unknown to RFC 6376 included. Offsets and
	// views refer to Raw.
	Tags taglist.List
}

// ParseSignature reads the value of a DKIM-Signature field, what stands
// behind its colon. The error is always a Reason. What could be read is
// returned with it, so that a report can name d= and s=.
func ParseSignature(value []byte) (*Signature, error) {
	s := &Signature{Raw: bytes.Clone(value), Length: -1}
	if reason := s.parse(); reason != ReasonNone {
		return s, reason
	}
	return s, nil
}

func (s *Signature) parse() Reason {
	if reason := s.scan(); reason != ReasonNone {
		return reason
	}
	return s.check()
}

// scan reads the tags, and who signed.
func (s *Signature) scan() Reason {
	s.SyntaxError = s.Tags.Reparse(s.Raw)
	s.readNames()
	switch {
	case s.SyntaxError == nil:
		return ReasonNone
	case errors.Is(s.SyntaxError, taglist.ErrDuplicate):
		return ReasonDuplicateTag
	}
	return ReasonSyntax
}

// check reads what the tags say.
func (s *Signature) check() Reason {
	for _, read := range [...]func() Reason{
		s.checkVersion, s.checkNames, s.readAlgorithm, s.readCanonicalizations,
		s.readHeaders, s.readIdentity, s.readTimes, s.readLength, s.readQuery,
		s.readBodyHash, s.readValue,
	} {
		if r := read(); r != ReasonNone {
			return r
		}
	}
	return ReasonNone
}

// readNames takes what names the signer, even from a broken signature.
func (s *Signature) readNames() {
	s.Domain = string(s.Tags.Value("d"))
	s.Selector = string(s.Tags.Value("s"))
	s.Identity = "@" + s.Domain
	s.QueryMethods = string(s.Tags.Value("q"))
	s.CopiedHeaders = string(s.Tags.Value("z"))
	s.Encoded = string(compact(nil, s.Tags.Value("b")))
	if a, err := ParseAlgorithm(string(s.Tags.Value("a"))); err == nil {
		s.Algorithm = a
	}
}

func (s *Signature) checkVersion() Reason {
	v := s.Tags.Value("v")
	switch {
	case v == nil:
		return ReasonVersionMissing
	case len(v) == 0:
		return ReasonVersionEmpty
	case string(v) == "2":
		return s.readVersion2()
	case string(v) != "1":
		return ReasonVersion
	case s.hasMandatoryTags():
		s.SyntaxError = errMandatoryTag
		return ReasonSyntax
	}
	return ReasonNone
}

func (s *Signature) checkNames() Reason {
	switch {
	case !s.Tags.Has("d"):
		return ReasonDomainMissing
	case s.Domain == "":
		return ReasonDomainEmpty
	case !ValidDomain(s.Domain):
		return ReasonDomainInvalid
	case !s.Tags.Has("s"):
		return ReasonSelectorMissing
	case s.Selector == "":
		return ReasonSelectorEmpty
	case !ValidDomain(s.Selector):
		return ReasonSelectorInvalid
	}
	if name, ok := s.QueryName(); !ok || len(name) > maxDomainBytes {
		return ReasonSelectorInvalid
	}
	return ReasonNone
}

func (s *Signature) readAlgorithm() Reason {
	switch {
	case !s.Tags.Has("a"):
		return ReasonAlgorithmMissing
	case s.Algorithm == 0:
		return ReasonAlgorithm
	}
	return ReasonNone
}

func (s *Signature) readCanonicalizations() Reason {
	if !s.Tags.Has("c") {
		return ReasonNone // simple/simple
	}
	h, b, two := strings.Cut(string(s.Tags.Value("c")), "/")
	var err error
	if s.HeaderCanonicalization, err = parseCanonicalization(h); err != nil {
		return ReasonHeaderCanonicalization
	}
	if two {
		if s.BodyCanonicalization, err = parseCanonicalization(b); err != nil {
			return ReasonBodyCanonicalization
		}
	}
	return ReasonNone
}

func (s *Signature) readHeaders() Reason {
	v := s.Tags.Value("h")
	switch {
	case v == nil:
		return ReasonHeadersMissing
	case len(v) == 0:
		return ReasonHeadersEmpty
	}
	text := string(v) // the names are parts of one string
	from := false
	s.Headers = make([]string, 0, strings.Count(text, ":")+1)
	for text != "" {
		name, rest, _ := strings.Cut(text, ":")
		text = rest
		if name = strings.Trim(name, " \t\r\n"); name == "" {
			continue
		}
		from = from || strings.EqualFold(name, "From")
		s.Headers = append(s.Headers, name)
	}
	switch {
	case len(s.Headers) == 0:
		return ReasonHeadersEmpty
	case !from: // RFC 6376 §5.4: From is always signed
		return ReasonHeadersRequired
	}
	return ReasonNone
}

// maxIdentityBytes is the longest i=, decoded. Compat(opendkim 2.11): a longer one
// makes the signature unusable.
const maxIdentityBytes = 255

// readIdentity reads i=, which must be d= or inside it (RFC 6376 §3.5).
func (s *Signature) readIdentity() Reason {
	v := s.Tags.Value("i")
	if v == nil {
		return ReasonNone
	}
	// Each octet takes three at most, "=XX", beside white space.
	if v = compact(make([]byte, 0, len(v)), v); len(v) > 3*maxIdentityBytes {
		return ReasonIdentityInvalid
	}
	text, ok := decodeQuoted(make([]byte, 0, len(v)), v)
	at := bytes.LastIndexByte(text, '@')
	if !ok || at < 0 || len(text) > maxIdentityBytes || !utf8.Valid(text) || text[0] != '"' && bytes.IndexByte(text, '@') != at {
		return ReasonIdentityInvalid
	}
	s.Identity, s.HasIdentity = string(text), true
	if !isWithin(s.IdentityDomain(), s.Domain) {
		return ReasonDomain
	}
	return ReasonNone
}

// IdentityDomain returns the domain of i=.
func (s *Signature) IdentityDomain() string {
	return s.Identity[strings.LastIndexByte(s.Identity, '@')+1:]
}

// readTimes reads t= and x=. RFC 6376 §3.5: they may exceed 32 bits, and
// twelve digits are enough for anybody; x= must be later than t=.
func (s *Signature) readTimes() Reason {
	if v := s.Tags.Value("t"); v != nil {
		seconds, ok := parseNumber(v, 1e15)
		if !ok {
			return ReasonTimestamp
		}
		s.Time, s.HasTime = time.Unix(seconds, 0), true
	}
	if v := s.Tags.Value("x"); v != nil {
		seconds, ok := parseNumber(v, 1e15)
		if !ok {
			return ReasonTimestamp
		}
		s.Expire, s.HasExpire = time.Unix(seconds, 0), true
	}
	if s.HasTime && s.HasExpire && !s.Expire.After(s.Time) {
		return ReasonTimestampOrder
	}
	return ReasonNone
}

func (s *Signature) readLength() Reason {
	v := s.Tags.Value("l")
	if v == nil {
		return ReasonNone
	}
	n, ok := parseNumber(v, 1<<62)
	if !ok {
		return ReasonLength
	}
	s.Length = n
	return ReasonNone
}

// maxDigits is RFC 6376 §3.5's limit for l=.
const maxDigits = 76

// parseNumber reads a decimal number; one above limit is the limit.
func parseNumber(v []byte, limit int64) (int64, bool) {
	if len(v) == 0 || len(v) > maxDigits {
		return 0, false
	}
	n := int64(0)
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (limit-9)/10 {
			n = limit
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// readQuery wants one of the methods of q= to be dns/txt (RFC 6376 §3.5).
func (s *Signature) readQuery() Reason {
	if !s.Tags.Has("q") {
		return ReasonNone
	}
	reason := ReasonQueryMethod
	for method := range strings.SplitSeq(s.QueryMethods, ":") {
		kind, option, _ := strings.Cut(strings.Trim(method, " \t\r\n"), "/")
		if !strings.EqualFold(kind, "dns") {
			continue
		}
		if strings.EqualFold(option, "txt") {
			return ReasonNone
		}
		reason = ReasonQueryOption
	}
	return reason
}

func (s *Signature) readBodyHash() Reason {
	v := s.Tags.Value("bh")
	switch {
	case v == nil:
		return ReasonBodyHashMissing
	case len(v) == 0:
		return ReasonBodyHashEmpty
	}
	var ok bool
	s.BodyHash, ok = decodeBase64(compact(nil, v))
	if !ok || len(s.BodyHash) != s.Algorithm.Hash().Size() {
		return ReasonBodyHashCorrupt
	}
	return ReasonNone
}

func (s *Signature) readValue() Reason {
	switch {
	case !s.Tags.Has("b"):
		return ReasonSignatureMissing
	case s.Encoded == "":
		return ReasonSignatureEmpty
	}
	var ok bool
	if s.Value, ok = decodeBase64([]byte(s.Encoded)); !ok || len(s.Value) == 0 {
		return ReasonSignatureCorrupt
	}
	return ReasonNone
}

// QueryName returns the name of the key record, selector._domainkey.domain in
// A-label form and lower case. ok is false when there is no such form.
func (s *Signature) QueryName() (name string, ok bool) {
	return QueryName(s.Selector, s.Domain)
}

// QueryName returns the name of the key record of a selector and a domain, in
// A-label form and lower case. ok is false when there is no such form.
func QueryName(selector, domain string) (name string, ok bool) {
	sel, ok1 := ToASCII(selector)
	dom, ok2 := ToASCII(domain)
	if !ok1 || !ok2 {
		return "", false
	}
	return sel + "._domainkey." + dom, true
}

// Covers returns how often h= names the field, in any case of letters; 0 for never.
func (s *Signature) Covers(name string) int {
	n := 0
	for _, h := range s.Headers {
		if strings.EqualFold(h, name) {
			n++
		}
	}
	return n
}
