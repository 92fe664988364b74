// Package copied compares a header with the copy of it in a signature (z=, RFC 6376
// §3.5): which field is not as the signer saw it.
package copied

import (
	"strings"

	"dojang/dkim"
	"dojang/header"
)

// Kind says what became of a field.
type Kind uint8

// The kinds of difference.
const (
	Changed Kind = iota
	Removed
	Added
)

// String is the kind in one word.
func (k Kind) String() string {
	switch k {
	case Removed:
		return "removed"
	case Added:
		return "added"
	case Changed:
	}
	return "changed"
}

// Difference is a field that is not as the signer saw it.
type Difference struct {
	Kind  Kind
	Name  string
	Then  string // the value as signed, "" when added
	Now   string // the value as received, "" when removed
	Index int    // of the received field, -1 when removed
}

// Compare compares the fields as the signer saw them (z=) with those
// received, among them only those the signature covers. Fields that are the
// same in the signature's canonical form are the same. It gives nil when
// there is no z=.
func Compare(s *dkim.Signature, fields *header.List) ([]Difference, error) {
	copied, err := s.CopiedHeaderFields()
	if err != nil || copied == nil {
		return nil, err
	}
	var names []string // lower case, each once
	then := make(map[string][]dkim.CopiedField)
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
func compareFields(then []dkim.CopiedField, now []int, fields *header.List, c dkim.Canonicalization) []Difference {
	used := make(map[string][]int, len(now)) // canonical form → received fields
	for _, i := range now {
		key := string(dkim.AppendHeader(nil, fields.At(i).Raw, c))
		used[key] = append(used[key], i)
	}
	same := make(map[int]bool, len(now))
	var changed []dkim.CopiedField
	for n := len(then) - 1; n >= 0; n-- { // from the bottom up too
		key := string(dkim.AppendHeader(nil, then[n].Raw(), c))
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
		d := Difference{Kind: Added, Name: string(f.Name()), Now: string(f.Value()), Index: i}
		if len(changed) > 0 {
			d.Kind, d.Then = Changed, changed[0].Value
			changed = changed[1:]
		}
		out = append(out, d)
	}
	for _, f := range changed {
		out = append(out, Difference{Kind: Removed, Name: f.Name, Then: f.Value, Index: -1})
	}
	return out
}
