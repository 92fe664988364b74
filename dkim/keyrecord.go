package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"strings"

	"dojang/taglist"
)

// KeyRecord is a public key as published in DNS (RFC 6376 §3.6.1). It is
// immutable and safe for concurrent use: callers may keep it as long as the
// record lives in their cache.
type KeyRecord struct {
	Text string // the record as published

	Hashes      []string // h=, nil when any will do
	Type        string   // k=, "rsa" when absent
	Notes       string   // n=, decoded where it can be
	Services    []string // s=, nil when any
	Granularity string   // g= of RFC 4871; HasGranularity tells it from none
	Flags       []string // t=

	HasGranularity bool
	Testing        bool // t=y: treat mail as unsigned when verification fails
	NoSubdomains   bool // t=s: the domain of i= must be d= itself

	// Key is *rsa.PublicKey or ed25519.PublicKey.
	Key  crypto.PublicKey
	Bits int // 256 for Ed25519
}

// ParseKeyRecord reads the text of a TXT record, its strings joined. The
// error is always a Reason; the record that comes with it holds what could be
// read. A record whose p= is empty is ReasonKeyRevoked.
//
// RSA keys may be SubjectPublicKeyInfo, as everybody publishes them, or a bare
// RSAPublicKey, as RFC 6376 says. Keys of any size are read, judging them is
// the verifier's.
func ParseKeyRecord(txt string) (*KeyRecord, error) {
	k := &KeyRecord{Text: txt, Type: "rsa"}
	tags, err := taglist.Parse([]byte(txt))
	switch {
	case errors.Is(err, taglist.ErrDuplicate):
		return k, ReasonKeySyntax
	case err != nil:
		return k, ReasonKeySyntax
	case tags.Len() == 0:
		return k, ReasonKeyEmpty
	}
	// RFC 6376 §3.6.1: if there is a v=, it must be the first tag.
	if v := tags.Value("v"); v != nil && (string(v) != "DKIM1" || tags.Tags()[0].Name != "v") {
		return k, ReasonKeyVersion
	}
	k.readFlags(&tags)
	for _, read := range [...]func(*taglist.List) Reason{k.readHashes, k.readServices, k.readType, k.readKey} {
		if r := read(&tags); r != ReasonNone {
			return k, r
		}
	}
	return k, nil
}

// words splits a list at colons.
func words(v []byte) []string {
	list := strings.Split(string(v), ":")
	for i, w := range list {
		list[i] = strings.Trim(w, " \t\r\n")
	}
	return list
}

func (k *KeyRecord) readFlags(tags *taglist.List) {
	if v := tags.Value("t"); len(v) > 0 {
		k.Flags = words(v)
	}
	for _, f := range k.Flags {
		switch f {
		case "y":
			k.Testing = true
		case "s":
			k.NoSubdomains = true
		}
	}
	if v := tags.Value("n"); v != nil {
		if text, ok := decodeQuotedText(v); ok {
			k.Notes = text
		} else {
			k.Notes = string(v)
		}
	}
	if v := tags.Value("g"); v != nil {
		k.Granularity, k.HasGranularity = string(v), true
	}
}

// readHashes reads h=. RFC 6376 §3.6.1: unknown names are passed over, but one
// must be known.
func (k *KeyRecord) readHashes(tags *taglist.List) Reason {
	v := tags.Value("h")
	if v == nil {
		return ReasonNone
	}
	k.Hashes = words(v)
	for _, h := range k.Hashes {
		if strings.EqualFold(h, "sha256") || strings.EqualFold(h, "sha1") {
			return ReasonNone
		}
	}
	return ReasonKeyHashUnknown
}

func (k *KeyRecord) readServices(tags *taglist.List) Reason {
	v := tags.Value("s")
	if v == nil {
		return ReasonNone
	}
	k.Services = words(v)
	for _, s := range k.Services {
		if s == "*" || strings.EqualFold(s, "email") {
			return ReasonNone
		}
	}
	return ReasonNotEmailKey
}

func (k *KeyRecord) readType(tags *taglist.List) Reason {
	v := tags.Value("k")
	if v == nil {
		return ReasonNone
	}
	k.Type = strings.ToLower(string(v))
	switch k.Type {
	case "rsa", "ed25519":
		return ReasonNone
	}
	return ReasonKeyTypeUnknown
}

func (k *KeyRecord) readKey(tags *taglist.List) Reason {
	v := tags.Value("p")
	if v == nil {
		return ReasonKeyMissing
	}
	text := compact(make([]byte, 0, len(v)), v)
	if len(text) == 0 {
		return ReasonKeyRevoked
	}
	data, ok := decodeBase64(text)
	if !ok {
		return ReasonKeyUnusable
	}
	if k.Type == "ed25519" {
		if len(data) != ed25519.PublicKeySize { // RFC 8463 §4.2: the bare key
			return ReasonKeyUnusable
		}
		k.Key, k.Bits = ed25519.PublicKey(data), 8*ed25519.PublicKeySize
		return ReasonNone
	}
	key, ok := parseRSAPublicKey(data)
	if !ok {
		return ReasonKeyUnusable
	}
	k.Key, k.Bits = key, key.N.BitLen()
	return ReasonNone
}

// allowsHash reports whether h= lets the algorithm's hash function be used.
func (k *KeyRecord) allowsHash(a Algorithm) bool {
	if k.Hashes == nil {
		return true
	}
	for _, h := range k.Hashes {
		if strings.EqualFold(h, a.hashName()) {
			return true
		}
	}
	return false
}

// verify checks a signature over a header hash with the record's key. fast is
// KeyAnswer.VerifyRSA.
func (k *KeyRecord) verify(a Algorithm, sum, value []byte, fast func(crypto.Hash, []byte, []byte) bool) Reason {
	ok := false
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if a.KeyType() != "rsa" {
			return ReasonKeyTypeMismatch
		}
		ok = fast != nil && !weakRSA(key) && fast(a.Hash(), sum, value) || verifyRSA(key, a.Hash(), sum, value)
	case ed25519.PublicKey:
		if a.KeyType() != "ed25519" {
			return ReasonKeyTypeMismatch
		}
		ok = ed25519.Verify(key, sum, value) // RFC 8463 §3: over the hash
	}
	if !ok {
		return ReasonBadSignature
	}
	return ReasonNone
}

func decodeQuotedText(v []byte) (string, bool) {
	// White space in n= is for people to read: keep single blanks.
	text := appendUnfolded(nil, v)
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '=' {
			if i+2 >= len(text) || unhex(text[i+1]) < 0 || unhex(text[i+2]) < 0 {
				return "", false
			}
			c = byte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
		}
		out = append(out, c)
	}
	return string(out), true
}
