package explain

import (
	"context"
	"fmt"
	"strings"

	"dojang/dkim"
	"dojang/header"
)

// change is one change to undo: field index gets another text, goes, or, with
// index -1, comes back at the bottom of the header.
type change struct {
	index int
	raw   string // the whole field; "" with remove
}

// fieldEdit is an edit that programs on the way make to a header, and the
// changes that undo it.
type fieldEdit struct {
	code, field, text string
	changes           []change
	onList            bool // mailing lists make it: worth trying together with others
}

// headerSearch looks for the header that was signed.
type headerSearch struct {
	ctx     context.Context
	check   *headerCheck
	fields  *header.List
	own     int
	scratch header.List
	left    int // work that may still be done, in bytes hashed
	cost    int // of one candidate
	tried   int
}

// maxHeaderWork bounds the work for one signature, about a second: 60,000
// candidates for a header of usual size.
const maxHeaderWork = 384 << 20

// What a candidate costs beside its bytes, in bytes hashed.
const (
	tryCost    = 2 << 10
	verifyCost = 24 << 10 // of an Ed25519 signature
)

// headerCauses finds why b= does not fit the header.
func headerCauses(ctx context.Context, fields *header.List, r *dkim.Result) []Cause {
	check, wrongKey := newHeaderCheck(r.Signature, r.Key)
	if wrongKey {
		return []Cause{{Part: PartKey, Code: "wrong-key", Proved: true,
			Text: "b= was not made with the private key that belongs to the published record: key and record do not match, or the signature was garbled"}}
	}
	h := &headerSearch{ctx: ctx, check: check, fields: fields, own: r.FieldIndex, left: maxHeaderWork, cost: fields.Size() + tryCost}
	if check.want == nil {
		h.cost += verifyCost
	}
	if found := h.copied(); found != nil {
		return found
	}
	if c, ok := h.ownField(); ok {
		return []Cause{c}
	}
	if edits := h.search(); edits != nil {
		var found []Cause
		for _, e := range edits {
			found = append(found, Cause{Part: PartHeader, Code: e.code, Field: e.field, Text: e.text, Proved: true})
		}
		return found
	}
	return h.unknown()
}

// copied compares with z=, and proves the differences it finds.
func (h *headerSearch) copied() []Cause {
	found := copiedCauses(h.fields, h.check.signature)
	if found == nil {
		return nil
	}
	differences, err := dkim.CompareCopied(h.check.signature, h.fields)
	if err != nil {
		return nil
	}
	var restore fieldEdit
	for _, d := range differences {
		switch d.Kind {
		case dkim.FieldAdded:
			restore.changes = append(restore.changes, change{d.Index, ""})
		case dkim.FieldRemoved:
			restore.changes = append(restore.changes, change{-1, d.Name + ":" + d.Then})
		case dkim.FieldChanged:
			restore.changes = append(restore.changes, change{d.Index, d.Name + ":" + d.Then})
		}
	}
	if h.try(restore) {
		for i := range found {
			found[i].Proved = true
		}
	}
	return found
}

// copiedCauses tells how the header differs from the signer's copy of it (z=).
func copiedCauses(fields *header.List, s *dkim.Signature) []Cause {
	differences, err := dkim.CompareCopied(s, fields)
	if err != nil {
		return []Cause{{Part: PartSignature, Code: "copied-headers", Text: "z=, the signer's copy of the header, cannot be read: " + err.Error()}}
	}
	var found []Cause
	for _, d := range differences {
		c := Cause{Part: PartHeader, Code: "field-" + d.Kind.String(), Field: d.Name}
		switch d.Kind {
		case dkim.FieldAdded:
			c.Text = fmt.Sprintf("%s was added: %s", d.Name, quote(d.Now))
		case dkim.FieldRemoved:
			c.Text = fmt.Sprintf("%s was removed; it was %s (z=)", d.Name, quote(d.Then))
		case dkim.FieldChanged:
			c.Text = fmt.Sprintf("%s was changed from %s (z=) to %s", d.Name, quote(d.Then), quote(d.Now))
		}
		found = append(found, c)
	}
	return found
}

// quote makes a field's value fit for a line.
func quote(value string) string {
	const most = 120
	value = strings.TrimSpace(strings.ReplaceAll(value, "\r\n", ""))
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "..."
	}
	return fmt.Sprintf("%q", value)
}

// try undoes the edits and tells whether that gives the header that was signed.
func (h *headerSearch) try(edits ...fieldEdit) bool {
	h.left -= h.cost
	if h.tried++; h.tried%64 == 0 && h.ctx.Err() != nil {
		h.left = 0
	}
	if h.left <= 0 {
		return false
	}
	h.scratch.Reset()
	own := -1
	for i := range h.fields.Len() {
		raw, changed := changedTo(edits, i)
		switch {
		case i == h.own:
			own = h.scratch.Len()
			h.scratch.AddRaw(h.fields.At(i).Raw)
		case !changed:
			h.scratch.AddRaw(h.fields.At(i).Raw)
		case raw != "":
			h.scratch.AddRaw([]byte(raw))
		}
	}
	for _, e := range edits {
		for _, c := range e.changes {
			if c.index < 0 {
				h.scratch.AddRaw([]byte(c.raw))
			}
		}
	}
	return own >= 0 && h.check.signed(&h.scratch, own)
}

func changedTo(edits []fieldEdit, index int) (raw string, changed bool) {
	for _, e := range edits {
		for _, c := range e.changes {
			if c.index == index {
				return c.raw, true
			}
		}
	}
	return "", false
}

// search tries each known edit alone, then pairs, then three of those that
// mailing lists make together. It returns those that reproduce the signed hash.
func (h *headerSearch) search() []fieldEdit {
	edits := h.edits()
	for _, e := range edits {
		if h.try(e) {
			return []fieldEdit{e}
		}
	}
	var list []fieldEdit
	for _, e := range edits {
		if e.onList {
			list = append(list, e)
		}
	}
	if found := h.pairs(list, nil); found != nil {
		return found
	}
	for i := range list {
		if found := h.pairs(list[i+1:], &list[i]); found != nil {
			return found
		}
		if h.left <= maxHeaderWork/8 { // keep some for other pairs
			break
		}
	}
	return h.pairs(edits, nil)
}

// pairs tries all pairs of edits, with a third one if given.
func (h *headerSearch) pairs(edits []fieldEdit, third *fieldEdit) []fieldEdit {
	for i := range edits {
		for j := i + 1; j < len(edits); j++ {
			if h.left <= 0 {
				return nil
			}
			set := []fieldEdit{edits[i], edits[j]}
			if third != nil {
				set = append(set, *third)
			}
			if !collide(set) && h.try(set...) {
				return set
			}
		}
	}
	return nil
}

// collide reports whether two edits are about the same field.
func collide(edits []fieldEdit) bool {
	for i := range edits {
		for j := range i {
			for _, a := range edits[i].changes {
				for _, b := range edits[j].changes {
					if a.index == b.index && (a.index >= 0 || edits[i].field == edits[j].field) {
						return true
					}
				}
			}
		}
	}
	return false
}

// ownField looks for a change in the white space of the signature's own field,
// which simple canonicalization does not forgive.
func (h *headerSearch) ownField() (Cause, bool) {
	s := h.check.signature
	if s.HeaderCanonicalization != dkim.Simple {
		return Cause{}, false
	}
	raw := string(h.fields.At(h.own).Raw)
	for _, variant := range whiteSpaceVariants(raw) {
		again, err := dkim.ParseSignature([]byte(variant[strings.IndexByte(variant, ':')+1:]))
		if err != nil {
			continue
		}
		var edited header.List
		for i := range h.fields.Len() {
			if i == h.own {
				edited.AddRaw([]byte(variant))
			} else {
				edited.AddRaw(h.fields.At(i).Raw)
			}
		}
		check := &headerCheck{signature: again, key: h.check.key, want: h.check.want}
		if check.signed(&edited, h.own) {
			return Cause{Part: PartSignature, Code: "white-space", Field: "DKIM-Signature", Proved: true,
				Text: "white space in the DKIM-Signature field itself was changed, which c=simple does not forgive"}, true
		}
	}
	return Cause{}, false
}

// unknown says what can be said when no known edit accounts for the failure.
func (h *headerSearch) unknown() []Cause {
	s := h.check.signature
	var present, absent []string
	seen := map[string]bool{}
	for _, name := range s.Headers {
		if lower := strings.ToLower(name); !seen[lower] {
			seen[lower] = true
			if h.fields.Count(name) > 0 {
				present = append(present, name)
			} else {
				absent = append(absent, name)
			}
		}
	}
	text := "one of the signed fields was changed in a way none of the known edits explains: " + strings.Join(present, ", ")
	if len(absent) > 0 {
		text += "; or removed: " + strings.Join(absent, ", ")
	}
	if h.check.want == nil {
		text += "; or it was not signed with the private key of this record, which an Ed25519 signature does not tell"
	}
	found := []Cause{{Part: PartHeader, Code: "unknown", Text: text}}
	if f, _, ok := h.fields.First("List-Id"); ok && !seen["list-id"] {
		found = append(found, Cause{Part: PartHeader, Code: "mailing-list", Field: "List-Id",
			Text: "the message came through a mailing list (" + quote(string(f.Value())) + "), and lists change what they forward"})
	}
	return found
}
