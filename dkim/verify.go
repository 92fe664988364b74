package dkim

import (
	"bytes"
	"crypto"
	"iter"
	"time"

	"dojang/header"
)

// Defaults of VerifyOptions.
const (
	DefaultMinimumKeyBits    = 1024 // RFC 8301 §3.2
	DefaultMaximumKeyBits    = 8192
	DefaultMaximumSignatures = 3 // Compat(opendkim 2.11): MaximumSignaturesToVerify
	DefaultClockDrift        = 300 * time.Second
)

// maxTrusted is how many signatures of trusted domains are looked at, however
// many there are.
const maxTrusted = 32

// VerifyOptions say how to judge. Now, the time of the verification, must be set;
// every other field has a default.
type VerifyOptions struct {
	Now time.Time
	// ClockDrift is how far apart the two clocks may be; 0 is 300 s, negative
	// none at all.
	ClockDrift time.Duration
	// MinimumKeyBits is the shortest RSA key accepted, 0 for 1024, negative
	// for any. MaximumKeyBits is the longest, 0 for 8192.
	MinimumKeyBits, MaximumKeyBits int
	// AllowSHA1 verifies rsa-sha1, which RFC 8301 forbids.
	AllowSHA1 bool
	// MaximumSignatures is how many signatures are verified, top down; 0 is
	// three. Those of domains that TrustFirst knows come first and are
	// verified even beyond it, though no more than 32. More than 128 are not
	// read.
	MaximumSignatures int
	TrustFirst        func(domain string) bool
	// Covered reports whether l= of length octets is enough for a canonical body of
	// total octets; nil, whatever it leaves unsigned. Length may be above total.
	Covered func(length, total int64) bool
	// MustBeSigned names fields that must be covered when present.
	MustBeSigned []string
	// SingletonsSigned asks that fields which may occur once (From, Subject,
	// Date, To, Cc, ...) be covered as often as they occur.
	SingletonsSigned bool
	// Conditional accepts experimental signatures of version 2 (!cd=), when
	// their condition is met.
	Conditional bool
	// Thorough looks at header, body and key of signatures that are bad for
	// another reason already, such as an expired one: for explanations.
	Thorough bool
}

func (o *VerifyOptions) complete() {
	switch {
	case o.ClockDrift == 0:
		o.ClockDrift = DefaultClockDrift
	case o.ClockDrift < 0:
		o.ClockDrift = 0
	}
	if o.MinimumKeyBits == 0 {
		o.MinimumKeyBits = DefaultMinimumKeyBits
	}
	if o.MaximumKeyBits == 0 {
		o.MaximumKeyBits = DefaultMaximumKeyBits
	}
	if o.MaximumSignatures == 0 {
		o.MaximumSignatures = DefaultMaximumSignatures
	}
}

// Query is a key record that is needed.
type Query struct {
	Name       string // selector._domainkey.domain, A-labels, lower case
	Signatures []int  // which of the message's signatures need it, from 0
}

// KeyAnswer is what came of a Query. A zero answer is an empty one.
type KeyAnswer struct {
	Texts     []string // one for each TXT record, its strings joined
	Err       error    // for the report; the two flags below decide
	NotFound  bool     // there is no such name or no TXT record there
	Temporary bool     // asking later may help
	Security  Security

	// Record is the parsed record, for callers that keep parsed ones, and
	// RecordReason what ParseKeyTexts gave with it. When either is set,
	// Texts are only counted.
	Record       *KeyRecord
	RecordReason Reason

	// VerifyRSA, when not nil, is asked before crypto/rsa whether a PKCS #1 v1.5
	// signature by the record's key is right: hardware, or faster code. False leaves
	// the word to crypto/rsa.
	VerifyRSA func(h crypto.Hash, digest, signature []byte) bool
}

// ParseKeyTexts parses the records of an answer as a verifier would. Of
// several, the first that is a usable key record counts; the first at all when
// none is.
func ParseKeyTexts(texts []string) (*KeyRecord, Reason) {
	var first *KeyRecord
	reason := ReasonKeyNotFound
	for i, t := range texts {
		k, err := ParseKeyRecord(t)
		if err == nil {
			return k, ReasonNone
		}
		if r, ok := err.(Reason); ok && i == 0 {
			first, reason = k, r
		}
	}
	return first, reason
}

// Result is what is known of one signature.
type Result struct {
	Status    Status
	Reason    Reason
	Signature *Signature // never nil; incomplete when its syntax is wrong
	Key       *KeyRecord // nil when there was none
	KeyErr    error      // KeyAnswer.Err
	KeyBits   int
	Security  Security

	// HeaderOK and BodyOK report which part is as it was signed, whatever the Reason:
	// HeaderOK that b= is the key's signature of the header hash, BodyOK that bh= is
	// the body's. A part that could not be checked, for want of a key or a known
	// algorithm, is not OK; HeaderChecked and BodyChecked report which were.
	HeaderOK, BodyOK           bool
	HeaderChecked, BodyChecked bool

	Testing      bool // the key record says t=y
	MultipleKeys bool // there were several TXT records at the key's name

	FieldIndex          int   // the field's index in the header
	CanonicalBodyLength int64 // octets of the canonical body; see BodyHash.CanonicalLength
}

// Verifier checks the signatures of one message.
type Verifier struct {
	o       VerifyOptions
	fields  *header.List
	bodies  *BodyHashes
	sigs    []candidate
	queries []Query
}

// candidate is a signature under verification.
type candidate struct {
	Result
	own    ownField
	body   *BodyHash // nil when it will not be verified
	answer *KeyAnswer
}

// maxRead is how many signatures are read of a message at all.
const maxRead = 128

// NewVerifier reads the signatures among fields, top down, and asks bodies
// for the hashes they need. Of signatures beyond MaximumSignatures it reads
// the tags alone, and those beyond 128 it does not see: their number is the
// sender's choice. Fields must not change until Finish has returned.
func NewVerifier(o VerifyOptions, fields *header.List, bodies *BodyHashes) *Verifier {
	o.complete()
	v := &Verifier{o: o, fields: fields, bodies: bodies}
	if o.Covered != nil {
		bodies.NeedTotal = true
	}
	for i := 0; i < fields.Len() && len(v.sigs) < maxRead; i++ {
		f := fields.At(i)
		if !f.Is(FieldName) {
			continue
		}
		sig := &Signature{Raw: bytes.Clone(f.Value()), Length: -1}
		v.sigs = append(v.sigs, candidate{Result: Result{Signature: sig, FieldIndex: i, Reason: sig.scan()}})
	}
	v.selectCandidates()
	for i := range v.sigs {
		if c := &v.sigs[i]; c.Reason == ReasonNone {
			v.read(c)
		}
	}
	v.prepare()
	return v
}

// read reads the signature of a candidate whose tags are known.
func (v *Verifier) read(c *candidate) {
	sig, f := c.Signature, v.fields.At(c.FieldIndex)
	if c.Reason = sig.check(); c.Reason != ReasonNone {
		return
	}
	b, _ := sig.Tags.Get("b")
	off := f.ValueOffset()
	c.own = ownField{raw: f.Raw, start: off + b.Start, end: off + b.End}
	c.Reason = v.judgeSignature(sig)
}

// selectCandidates leaves out what exceeds the maximum.
func (v *Verifier) selectCandidates() {
	taken, trusted := 0, 0
	isTrusted := make([]bool, len(v.sigs))
	if v.o.TrustFirst != nil {
		for i := range v.sigs {
			if trusted < maxTrusted && v.o.TrustFirst(v.sigs[i].Signature.Domain) {
				isTrusted[i] = true
				trusted++
				taken++
			}
		}
	}
	for i := range v.sigs {
		switch {
		case isTrusted[i]:
		case taken < v.o.MaximumSignatures:
			taken++
		default:
			v.sigs[i].Reason = ReasonTooManySignatures
		}
	}
}

// prepare asks for the body hashes and collects the key queries.
func (v *Verifier) prepare() {
	byName := make(map[string]int)
	for i := range v.sigs {
		c := &v.sigs[i]
		s := c.Signature
		if c.own.raw == nil || c.Reason == ReasonTooManySignatures || c.Reason == ReasonSHA1 || c.Reason != ReasonNone && !v.o.Thorough {
			continue
		}
		c.body = v.bodies.Want(s.BodyCanonicalization, s.Algorithm.Hash(), s.Length)
		name, _ := s.QueryName()
		q, known := byName[name]
		if !known {
			q = len(v.queries)
			byName[name] = q
			v.queries = append(v.queries, Query{Name: name})
		}
		v.queries[q].Signatures = append(v.queries[q].Signatures, i)
	}
}

// Len returns the number of signatures.
func (v *Verifier) Len() int { return len(v.sigs) }

// Signature returns the i-th signature from the top.
func (v *Verifier) Signature(i int) *Signature { return v.sigs[i].Signature }

// Signatures iterates over the signatures that will be verified, from the top.
func (v *Verifier) Signatures() iter.Seq[*Signature] {
	return func(yield func(*Signature) bool) {
		for i := range v.sigs {
			if v.sigs[i].body != nil && !yield(v.sigs[i].Signature) {
				return
			}
		}
	}
}

// Queries returns the key records that are needed, each once. The slice is the
// verifier's own.
func (v *Verifier) Queries() []Query { return v.queries }

// SetKey gives the verifier the answer to a query. It must be called by the goroutine that calls
// Finish.
func (v *Verifier) SetKey(q Query, a KeyAnswer) {
	if a.Record == nil && a.RecordReason == ReasonNone && a.Err == nil && !a.NotFound && !a.Temporary {
		a.Record, a.RecordReason = ParseKeyTexts(a.Texts)
	}
	for _, i := range q.Signatures {
		v.sigs[i].answer = &a
	}
}

// Finish returns a Result for each signature, top down. The body must have
// ended (BodyHashes.Close). A query without an answer counts as failed for
// now.
func (v *Verifier) Finish() []Result {
	results := make([]Result, len(v.sigs))
	for i := range v.sigs {
		c := &v.sigs[i]
		v.finish(c)
		c.Status = c.Reason.Status()
		results[i] = c.Result
	}
	applyConditions(results)
	return results
}

// finish checks everything that can be checked; the first thing found wrong
// is the reason.
func (v *Verifier) finish(c *candidate) {
	if c.body == nil {
		return
	}
	s := c.Signature
	c.CanonicalBodyLength = c.body.CanonicalLength()
	c.BodyChecked = true
	c.BodyOK = (s.Length < 0 || s.Length <= c.CanonicalBodyLength) && bytes.Equal(c.body.Sum(), s.BodyHash)

	note := func(r Reason) {
		if c.Reason == ReasonNone {
			c.Reason = r
		}
	}
	keyReason := v.applyKey(c)
	note(keyReason)
	if c.Key != nil && c.Key.Key != nil && v.triesKey(s, c.Key, keyReason) {
		c.HeaderChecked = true
		sum := v.bodies.headers.sumFields(v.fields, c.FieldIndex, s.Headers, c.own, s.HeaderCanonicalization, s.Algorithm.Hash())
		r := c.Key.verify(s.Algorithm, sum, s.Value, c.answer.VerifyRSA)
		c.HeaderOK = r == ReasonNone
		note(r)
	}
	if s.Length > c.CanonicalBodyLength {
		note(ReasonLengthTooLarge)
	}
	if !c.BodyOK {
		note(ReasonBodyHash)
	}
	note(v.judgeCoverage(c))
}

// triesKey reports whether the header is checked by a key of which keyReason is known.
func (v *Verifier) triesKey(s *Signature, k *KeyRecord, keyReason Reason) bool {
	switch {
	case keyReason == ReasonNone:
		return true
	case keyReason == ReasonKeyTooLarge || k.Type != s.Algorithm.KeyType():
		return false
	}
	return v.o.Thorough || keyReason.Status() == StatusPolicy
}

// applyKey takes the key of the answer and judges it.
func (v *Verifier) applyKey(c *candidate) Reason {
	a := c.answer
	if a == nil {
		return ReasonKeyQuery
	}
	c.KeyErr, c.Security = a.Err, a.Security
	switch {
	case a.NotFound:
		return ReasonKeyNotFound
	case a.Temporary:
		return ReasonKeyQuery
	case a.Record == nil && a.RecordReason == ReasonNone:
		return ReasonKeyReply
	}
	c.MultipleKeys = len(a.Texts) > 1
	c.Key = a.Record
	if k := c.Key; k != nil {
		c.KeyBits, c.Testing = k.Bits, k.Testing
	}
	if a.RecordReason != ReasonNone {
		return a.RecordReason
	}
	return v.judgeKey(c.Signature, c.Key)
}
