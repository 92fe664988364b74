package dkim

import (
	"bytes"

	"dojang/header"
)

// headerHash returns the hash that b= signs, over fields, with the signature's own
// field at index own of fields. For what-if questions, CheckHeader is told
// other fields.
func (s *Signature) headerHash(fields *header.List, own int) []byte {
	var x headerHasher
	return x.sumFields(fields, own, s.Headers, s.ownField(fields, own), s.HeaderCanonicalization, s.Algorithm.Hash())
}

// ownField finds the place of b= in field own, which holds s.
func (s *Signature) ownField(fields *header.List, own int) ownField {
	f := fields.At(own)
	b, _ := s.Tags.Get("b")
	off := f.ValueOffset()
	return ownField{raw: f.Raw, start: off + b.Start, end: off + b.End}
}

// CheckHeader reports whether b= fits fields and key. The signature's own field
// is the one at index own of fields, which may be edited otherwise.
func (s *Signature) CheckHeader(fields *header.List, own int, key *KeyRecord) bool {
	if key == nil || key.Key == nil || !bytes.Equal(fields.At(own).Value(), s.Raw) {
		return false
	}
	return key.verify(s.Algorithm, s.headerHash(fields, own), s.Value, nil) == ReasonNone
}

// SignedFields returns the indexes of the fields the signature covers, in the
// order in which they are hashed. Own is the index of its own field, which is
// never among them.
func (s *Signature) SignedFields(fields *header.List, own int) []int {
	picker := header.NewPicker(fields)
	picker.Exclude(own)
	var out []int
	for _, h := range s.Headers {
		if i, ok := picker.Pick(h); ok {
			out = append(out, i)
		}
	}
	return out
}

// CanonicalHeader returns everything that b= signs, as one text: what a report
// about a failed signature shows (RFC 6591 §3.2.4).
func (s *Signature) CanonicalHeader(fields *header.List, own int) []byte {
	var out []byte
	for _, i := range s.SignedFields(fields, own) {
		out = AppendHeader(out, fields.At(i).Raw, s.HeaderCanonicalization)
	}
	return s.ownField(fields, own).append(out, s.HeaderCanonicalization)
}

// CanonicalBody returns the canonical form of a body with CRLF line ends, cut at
// length octets unless that is -1.
func CanonicalBody(body []byte, c Canonicalization, length int64) []byte {
	out := recorder{limit: length}
	canon := &bodyCanon{record: &out}
	if c == Simple {
		canon.simple(body)
		canon.closeSimple()
	} else {
		canon.relaxed(body)
		canon.closeRelaxed()
	}
	return out.text
}
