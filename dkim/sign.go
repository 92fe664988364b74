package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"dojang/header"
	"dojang/taglist"
)

// BodyLengthAll as SignOptions.BodyLength asks for l= with the length of the
// whole body.
const BodyLengthAll int64 = math.MaxInt64

// FieldName is the name of the field that carries a signature.
const FieldName = "DKIM-Signature"

// margin is the line length OpenDKIM folds at.
const margin = 75

// SignOptions say how to sign. Domain, Selector and Key are required; the
// zero value of everything else is usable.
type SignOptions struct {
	Domain   string        // d=
	Selector string        // s=
	Identity string        // i=, "" for none
	Key      crypto.Signer // RSA or Ed25519

	// Algorithm must fit the key; 0 takes rsa-sha256 or ed25519-sha256.
	Algorithm              Algorithm
	HeaderCanonicalization Canonicalization
	BodyCanonicalization   Canonicalization

	// BodyLength asks for l= (RFC 6376 §3.5): at most that many octets of the
	// canonical body are signed, and anybody may add more behind them. Nil, for
	// no l=, signs the whole body.
	BodyLength *int64

	// Sign names the fields to sign when they are present, nil those of
	// DefaultSignHeaders; Omit names fields that are not signed all the
	// same, nil for those of DefaultOmitHeaders; Oversign names fields that
	// h= lists once more than they are present, so that none can be added.
	// From is always signed.
	Sign, Oversign, Omit *HeaderSet

	Time        time.Time     // t=; zero for none
	TTL         time.Duration // x= this long after Time, which must be set, in whole seconds; 0 for none
	CopyHeaders bool          // z=
	ExtraTags   [][2]string   // name and value, e.g. {"r", "y"}; see ValidTag
	Condition   string        // !cd=, which makes it an experimental signature of version 2; "" for none
}

// Signer makes one signature of one message.
type Signer struct {
	o      SignOptions
	fields *header.List
	body   *BodyHash
	bodies *BodyHashes
	length int // of the signature in octets
}

// NewSigner prepares a signature of a message with those header fields and
// asks bodies for the hash it needs. Fields must not change until Sign has
// returned. An error is about options that are missing, out of range or contradict each
// other; where Domain or Selector is no domain name, it wraps ErrName.
func NewSigner(o SignOptions, fields *header.List, bodies *BodyHashes) (*Signer, error) {
	length, err := o.complete()
	if err != nil {
		return nil, err
	}
	limit := int64(-1)
	if n := o.BodyLength; n != nil && *n != BodyLengthAll {
		limit = max(0, *n)
	}
	body := bodies.Want(o.BodyCanonicalization, o.Algorithm.Hash(), limit)
	return &Signer{o: o, fields: fields, bodies: bodies, length: length, body: body}, nil
}

// complete checks the options and fills in defaults. It gives the length of the
// key's signatures in octets.
func (o *SignOptions) complete() (length int, err error) {
	if !ValidDomain(o.Domain) {
		return 0, fmt.Errorf("signing domain %.256q is %w", o.Domain, ErrName)
	}
	if !ValidDomain(o.Selector) {
		return 0, fmt.Errorf("selector %.256q is %w", o.Selector, ErrName)
	}
	if o.Key == nil {
		return 0, errors.New("no signing key")
	}
	keyType := ""
	public := o.Key.Public()
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minStandardBits {
			// RFC 8301 §3.2: signers must use 1024 bits at least.
			return 0, fmt.Errorf("private key too small (%d bits, need at least %d)", bits, minStandardBits)
		}
		keyType, length = "rsa", key.Size()
		if o.Algorithm == 0 {
			o.Algorithm = RSASHA256
		}
	case ed25519.PublicKey:
		keyType, length = "ed25519", ed25519.SignatureSize
		if o.Algorithm == 0 {
			o.Algorithm = Ed25519SHA256
		}
	}
	if o.Algorithm > RSASHA1 || keyType != o.Algorithm.KeyType() {
		return 0, fmt.Errorf("a key of type %T cannot sign with %v", public, o.Algorithm)
	}
	if i := o.Identity; i != "" {
		at := strings.LastIndexByte(i, '@')
		if at < 0 || !isWithin(i[at+1:], o.Domain) {
			return 0, fmt.Errorf("identity %.256q is not inside the signing domain %q", i, o.Domain)
		}
	}
	if o.Condition != "" && !ValidDomain(o.Condition) {
		return 0, fmt.Errorf("condition %.256q is not a domain name", o.Condition)
	}
	if o.HeaderCanonicalization > Relaxed || o.BodyCanonicalization > Relaxed {
		return 0, fmt.Errorf("no such canonicalization: %v/%v", o.HeaderCanonicalization, o.BodyCanonicalization)
	}
	switch {
	case !o.Time.IsZero() && o.Time.Unix() < 0:
		return 0, fmt.Errorf("a signature of %v: no time before 1970 can be written", o.Time)
	case o.TTL > 0 && (o.Time.IsZero() || o.TTL < time.Second):
		return 0, errors.New("a signature that expires needs its Time, and a TTL of a second at least")
	}
	return length, checkTags(o.ExtraTags)
}

// ownTags are the tags that a Signer writes by itself.
var ownTags = [...]string{"v", "a", "b", "bh", "c", "d", "h", "i", "l", "q", "s", "t", "x", "z", "!cd"}

// ValidTag reports whether a tag can be one of SignOptions.ExtraTags: its name is of
// letters, digits and underscores and none of those that a Signer writes, its value of
// printable ASCII without a semicolon, with no space at either end (RFC 6376 §3.2).
func ValidTag(name, value string) bool {
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == ';' {
			return false
		}
	}
	return name != "" && !slices.Contains(ownTags[:], name) && value != "" && value == strings.TrimSpace(value)
}

// checkTags returns an error for the first tag that cannot be added, or is added twice.
func checkTags(lists ...[][2]string) error {
	var seen []string
	for _, tags := range lists {
		for _, t := range tags {
			if !ValidTag(t[0], t[1]) || slices.Contains(seen, t[0]) {
				return fmt.Errorf("tag %.256q cannot be added to a signature", t[0]+"="+t[1])
			}
			seen = append(seen, t[0])
		}
	}
	return nil
}

// Sign makes the value of the field to add, FieldName, with the leading space, folded
// with CRLF and tab. The body must have ended (BodyHashes.Close). Tags are names and
// values that stand before SignOptions.ExtraTags, for those who learn of them when the
// body has passed.
func (s *Signer) Sign(tags ...[2]string) (string, error) {
	if s.body.sumLen == 0 {
		return "", errors.New("dkim: Sign before the end of the body")
	}
	if err := checkTags(tags, s.o.ExtraTags); err != nil {
		return "", err
	}
	names, picked := s.selectFields()
	x := &s.bodies.headers
	w := taglist.Writer{Margin: margin}
	w.Start(x.field[:0], FieldName+": ")
	s.writeTags(&w, names, picked, tags)

	raw := w.Bytes()
	own := ownField{raw: raw, start: len(raw), end: len(raw)}
	sum := x.sumFields(s.fields, -1, names, own, s.o.HeaderCanonicalization, s.o.Algorithm.Hash())
	value, err := s.signSum(sum)
	if err != nil {
		return "", err
	}
	w.Append(base64.StdEncoding.EncodeToString(value))
	x.field = w.Bytes()
	return string(x.field[len(FieldName)+1:]), nil
}

func (s *Signer) signSum(sum []byte) ([]byte, error) {
	var options crypto.SignerOpts = s.o.Algorithm.Hash()
	if s.o.Algorithm == Ed25519SHA256 {
		options = crypto.Hash(0) // RFC 8463 §3: PureEdDSA over the hash
	}
	value, err := s.o.Key.Sign(nil, sum, options)
	if err != nil {
		return nil, fmt.Errorf("signing with s=%s, d=%s: %w", s.o.Selector, s.o.Domain, err)
	}
	return value, nil
}

// selectFields returns the names for h= and the indexes of the fields they
// stand for, in the order of h=.
func (s *Signer) selectFields() (names []string, fields []int) {
	sign, omit := s.o.Sign, s.o.Omit
	names, fields = make([]string, 0, s.fields.Len()), make([]int, 0, s.fields.Len())
	for i := 0; i < s.fields.Len(); i++ {
		f := s.fields.At(i)
		name := f.Name()
		if !f.Is("From") {
			if sign == nil && !defaultSign.Contains(name) || sign != nil && !sign.Contains(name) {
				continue
			}
			if omit == nil && defaultOmit.Contains(name) || omit.Contains(name) {
				continue
			}
		}
		if !isListable(name) {
			continue
		}
		names = append(names, string(name))
		fields = append(fields, i)
	}
	names = s.oversign(names)
	if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, "From") }) {
		names = append(names, "From") // RFC 6376 §5.4: even where there is none
	}
	return names, fields
}

// isListable reports whether a name can stand in h=, where a semicolon, though RFC 5322
// allows it in names, would let the field's author write tags of our signature.
func isListable(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || c == ';' || c == ':' {
			return false
		}
	}
	return len(name) > 0
}

// oversign lists each name to oversign once more than the message has such
// fields.
//
// Compat(opendkim 2.11): it lists them once, which is the same as long as all
// present ones are signed; where they are not, it makes a bad signature.
func (s *Signer) oversign(names []string) []string {
	for _, name := range s.o.Oversign.Names() {
		if !isListable([]byte(name)) || strings.Contains(name, "*") {
			continue // a pattern names no field
		}
		missing := s.fields.Count(name) + 1
		for _, n := range names {
			if strings.EqualFold(n, name) {
				missing--
			}
		}
		for ; missing > 0; missing-- {
			names = append(names, name)
		}
	}
	return names
}

// The sets used when none is given. They are never changed.
var (
	defaultSign = NewHeaderSet(DefaultSignHeaders()...)
	defaultOmit = NewHeaderSet(DefaultOmitHeaders()...)
)

// writeTags writes everything up to and including "b=".
func (s *Signer) writeTags(w *taglist.Writer, names []string, fields []int, late [][2]string) {
	o := &s.o
	version := "1"
	if o.Condition != "" {
		version = "2"
	}
	w.Tag("v", version, taglist.BreakNever)
	w.Tag("a", o.Algorithm.String(), taglist.BreakNever)
	w.Tag("c", o.HeaderCanonicalization.String()+"/"+o.BodyCanonicalization.String(), taglist.BreakNever)
	w.Tag("d", o.Domain, taglist.BreakNever)
	w.Tag("s", o.Selector, taglist.BreakNever)
	if !o.Time.IsZero() {
		w.Tag("t", strconv.FormatInt(o.Time.Unix(), 10), taglist.BreakNever)
		if o.TTL > 0 {
			w.Tag("x", strconv.FormatInt(o.Time.Add(o.TTL).Unix(), 10), taglist.BreakNever)
		}
	}
	if o.Identity != "" {
		w.Tag("i", string(appendQuoted(nil, []byte(o.Identity), isIdentitySafe, true)), taglist.BreakNever)
	}
	for _, tags := range [...][][2]string{late, o.ExtraTags} {
		for _, t := range tags {
			w.Tag(t[0], t[1], taglist.BreakNever)
		}
	}
	if o.Condition != "" {
		w.Tag("!cd", o.Condition, taglist.BreakNever)
	}
	w.Tag("bh", base64.StdEncoding.EncodeToString(s.body.Sum()), taglist.BreakAnywhere)
	if o.BodyLength != nil {
		w.Tag("l", strconv.FormatInt(s.body.HashedLength(), 10), taglist.BreakNever)
	}
	w.Tag("h", strings.Join(names, ":"), taglist.BreakAtColon)
	if o.CopyHeaders {
		w.Tag("z", s.copied(fields), taglist.BreakAnywhere)
	}
	w.Last("b", "", taglist.BreakAnywhere, base64.StdEncoding.EncodedLen(s.length))
}

// copied is the value of z= (RFC 6376 §3.5).
func (s *Signer) copied(fields []int) string {
	var z []byte
	for n, i := range fields {
		if n > 0 {
			z = append(z, '|')
		}
		f := s.fields.At(i)
		z = append(append(z, f.Name()...), ':')
		z = appendQuoted(z, f.Value(), isQuotedSafe, false)
	}
	return string(z)
}
