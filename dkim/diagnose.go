package dkim

import (
	"bytes"
	"errors"
	"strings"

	"dojang/header"
)

// CopiedField is one field as the signer saw it, out of z=.
type CopiedField struct {
	Name  string
	Value string // what stood behind the colon
}

// Raw is the field as in header.Field.Raw.
func (f CopiedField) Raw() []byte { return []byte(f.Name + ":" + f.Value) }

// ErrCopiedHeaders is returned for a z= that cannot be read.
var ErrCopiedHeaders = errors.New("syntax error in the copied header fields (z=)")

// CopiedHeaderFields reads z= (RFC 6376 §3.5), nil when there is none. What
// could be read before an error comes with it.
func (s *Signature) CopiedHeaderFields() ([]CopiedField, error) {
	if s.CopiedHeaders == "" {
		return nil, nil
	}
	var fields []CopiedField
	for part := range strings.SplitSeq(s.CopiedHeaders, "|") {
		text, ok := decodeQuoted(make([]byte, 0, len(part)), []byte(part))
		name, value, found := bytes.Cut(text, []byte(":"))
		if !ok || !found || len(name) == 0 {
			return fields, ErrCopiedHeaders
		}
		fields = append(fields, CopiedField{Name: string(name), Value: string(value)})
	}
	return fields, nil
}

// DifferenceKind says what became of a field.
type DifferenceKind uint8

// The kinds of difference.
const (
	FieldChanged DifferenceKind = iota
	FieldRemoved
	FieldAdded
)

// String is the kind in one word.
func (k DifferenceKind) String() string {
	switch k {
	case FieldRemoved:
		return "removed"
	case FieldAdded:
		return "added"
	}
	return "changed"
}

// Difference is a field that is not as the signer saw it.
type Difference struct {
	Kind  DifferenceKind
	Name  string
	Then  string // the value as signed, "" when added
	Now   string // the value as received, "" when removed
	Index int    // of the received field, -1 when removed
}

// CompareCopied compares the fields as the signer saw them (z=) with those
// received, among them only those the signature covers. Fields that are the
// same in the signature's canonical form are the same. It gives nil when
// there is no z=.
func CompareCopied(s *Signature, fields *header.List) ([]Difference, error) {
	copied, err := s.CopiedHeaderFields()
	if err != nil || copied == nil {
		return nil, err
	}
	var names []string // lower case, each once
	then := make(map[string][]CopiedField)
	add := func(name string) {
		if _, known := then[name]; !known {
			names = append(names, name)
			then[name] = nil
		}
	}
	for _, f := range copied {
		name := strings.ToLower(strings.TrimRight(f.Name, " \t"))
		add(name)
		then[name] = append(then[name], f)
	}
	now := make(map[string][]int)
	picker := header.NewPicker(fields)
	for _, h := range s.Headers {
		name := strings.ToLower(h)
		add(name)
		if i, ok := picker.Pick(name); ok {
			now[name] = append(now[name], i)
		}
	}
	var out []Difference
	for _, name := range names {
		out = append(out, compareFields(then[name], now[name], fields, s.HeaderCanonicalization)...)
	}
	return out, nil
}

// compareFields compares the fields of one name. Now is in the order from the
// bottom up.
func compareFields(then []CopiedField, now []int, fields *header.List, c Canonicalization) []Difference {
	used := make(map[string][]int, len(now)) // canonical form → received fields
	for _, i := range now {
		key := string(appendHeader(nil, fields.At(i).Raw, c))
		used[key] = append(used[key], i)
	}
	same := make(map[int]bool, len(now))
	var changed []CopiedField
	for n := len(then) - 1; n >= 0; n-- { // from the bottom up too
		key := string(appendHeader(nil, then[n].Raw(), c))
		if left := used[key]; len(left) > 0 {
			same[left[0]] = true
			used[key] = left[1:]
			continue
		}
		changed = append(changed, then[n])
	}
	var out []Difference
	for _, i := range now {
		if same[i] {
			continue
		}
		f := fields.At(i)
		d := Difference{Kind: FieldAdded, Name: string(f.Name()), Now: string(f.Value()), Index: i}
		if len(changed) > 0 {
			d.Kind, d.Then = FieldChanged, changed[0].Value
			changed = changed[1:]
		}
		out = append(out, d)
	}
	for _, f := range changed {
		out = append(out, Difference{Kind: FieldRemoved, Name: f.Name, Then: f.Value, Index: -1})
	}
	return out
}

// HeaderHash is the hash that b= signs, over fields, with the signature's own
// field at index own of fields. For what-if questions, CheckHeader is told
// other fields.
func (s *Signature) HeaderHash(fields *header.List, own int) []byte {
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

// CheckHeader tells whether b= fits fields and key. The signature's own field
// is the one at index own of fields, which may be edited otherwise.
func (s *Signature) CheckHeader(fields *header.List, own int, key *KeyRecord) bool {
	if key == nil || key.Key == nil || !bytes.Equal(fields.At(own).Value(), s.Raw) {
		return false
	}
	return key.verify(s.Algorithm, s.HeaderHash(fields, own), s.Value) == ReasonNone
}

// CheckBodyHash tells whether bh= fits the body, which has CRLF line ends.
func (s *Signature) CheckBodyHash(body []byte) bool {
	var b BodyHashes
	h := b.Want(s.BodyCanonicalization, s.Algorithm.Hash(), s.Length)
	b.Write(body)
	b.Close()
	return s.Length <= h.CanonicalLength() && bytes.Equal(h.Sum(), s.BodyHash)
}

// SignedFields gives the indexes of the fields the signature covers, in the
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

// CanonicalHeader is everything that b= signs, as one text: what a report
// about a failed signature shows (RFC 6591 §3.2.4).
func (s *Signature) CanonicalHeader(fields *header.List, own int) []byte {
	var out []byte
	for _, i := range s.SignedFields(fields, own) {
		out = AppendHeader(out, fields.At(i).Raw, s.HeaderCanonicalization)
	}
	return s.ownField(fields, own).append(out, s.HeaderCanonicalization)
}

// CanonicalBody is the canonical form of a body with CRLF line ends, cut at
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

// recorder keeps a canonical body.
type recorder struct {
	limit int64
	text  []byte
}

func (r *recorder) write(p []byte) {
	if r.limit >= 0 {
		p = p[:min(int64(len(p)), r.limit-int64(len(r.text)))]
	}
	r.text = append(r.text, p...)
}
