package explain

import (
	"context"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/header"
)

// fieldEdit is an edit that programs on the way make to the fields of one name.
type fieldEdit struct {
	code, field string
	args        map[string]string
	cost        int      // how unlikely it is, from 1
	was         []string // all fields of the name as they were, top down, whole
	index       int      // which of those that are there now it is about, -1 for all
}

// namedFields are the fields of one signed name, and the edits that may have been made to them.
type namedFields struct {
	name   string   // as h= has it first
	now    []string // top down, whole
	slots  int      // how often h= names it
	edits  []fieldEdit
	forms  [][][]byte      // of each edit: what is hashed at each slot
	plain  [][]byte        // the same of now
	known  map[string]bool // forms that are there, and that of now
	made   int             // bytes of edits made
	byCost [maxCost + 1][]int
}

// headerSearch looks for the header that was signed.
type headerSearch struct {
	ctx     context.Context
	check   *headerCheck
	fields  *header.List
	body    []byte
	own     int
	names   []*namedFields
	order   []slot // h=, in its order
	text    []byte
	chosen  []int // of each name the edit that is undone, -1 for none
	left    int   // work that may still be done, in bytes hashed
	tried   int
	round   int       // the cost of the edits that are collected
	made    int       // bytes of edits made
	persons []mailbox // see people
}

// slot is a place in h=: the nth field from the bottom of a name.
type slot struct{ name, nth int }

const (
	// maxHeaderWork bounds the work for one signature: some four hundred thousand candidates
	// for a header of usual size, in about half a second. Of what six times as much would
	// prove, nineteen parts of twenty are proved by then.
	maxHeaderWork = 512 << 20
	// maxMade bounds the memory for edits of one name, maxMadeAll that for those of all.
	maxMade, maxMadeAll = 16 << 20, 64 << 20
	// maxCost is the most unlikely set of edits that is tried.
	maxCost = 9
	// maxSame is how many fields of one name are looked at, maxField how long they may be,
	// and maxNames how many names.
	maxSame, maxField, maxNames = 12, 16 << 10, 48
)

// What a candidate costs beside its bytes, in bytes hashed.
const (
	tryCost    = 512
	verifyCost = 48 << 10 // of an Ed25519 signature
)

// headerCauses finds why b= does not fit the header.
func headerCauses(ctx context.Context, fields *header.List, body []byte, r *dkim.Result) []Cause {
	if !r.HeaderChecked || r.Key == nil || r.Key.Key == nil {
		return nil
	}
	check, wrongKey := newHeaderCheck(r, fields)
	if wrongKey {
		return []Cause{{Part: PartKey, Code: CodeWrongKey, Proved: true}}
	}
	h := newHeaderSearch(ctx, check, fields, body, r.FieldIndex)
	if h.try() {
		return nil // nothing was changed: the caller has joined a header that was cut
	}
	if found := h.copied(); found != nil {
		return found
	}
	if c, ok := h.ownField(); ok {
		return []Cause{c}
	}
	if found := h.refolded(); found != nil {
		return found
	}
	if found := h.search(); found != nil {
		return found
	}
	return h.unproved()
}

func newHeaderSearch(ctx context.Context, check *headerCheck, fields *header.List, body []byte, own int) *headerSearch {
	h := &headerSearch{ctx: ctx, check: check, fields: fields, body: body, own: own, left: maxHeaderWork}
	byName := map[string]int{}
	for _, name := range check.signature.Headers {
		lower := strings.ToLower(name)
		n, known := byName[lower]
		if !known {
			n = len(h.names)
			byName[lower] = n
			h.names = append(h.names, &namedFields{name: name, now: h.all(name), known: map[string]bool{}})
		}
		h.order = append(h.order, slot{n, h.names[n].slots})
		h.names[n].slots++
	}
	for _, n := range h.names {
		n.plain = n.picked(n.now, check.signature.HeaderCanonicalization)
		n.known[formKey(n.plain)] = true
		h.chosen = append(h.chosen, -1)
	}
	return h
}

// all are the fields of a name, top down, the signature's own left out.
func (h *headerSearch) all(name string) []string {
	var found []string
	for _, i := range h.indexes(name) {
		found = append(found, string(h.fields.At(i).Raw))
	}
	return found
}

// picked is what is hashed of all fields of the name, from the bottom up, slot by slot.
func (n *namedFields) picked(all []string, c dkim.Canonicalization) [][]byte {
	forms := make([][]byte, n.slots)
	for k := range min(n.slots, len(all)) {
		forms[k] = dkim.AppendHeader(nil, []byte(all[len(all)-1-k]), c)
	}
	return forms
}

func formKey(forms [][]byte) string {
	var key []byte
	for _, f := range forms {
		key = append(append(key, f...), 0)
	}
	return string(key)
}

// add takes an edit in, unless canonicalization forgives it or another gives the same.
func (h *headerSearch) add(n *namedFields, e fieldEdit) {
	if e.cost != h.round || n.made > maxMade || h.made > maxMadeAll {
		return
	}
	forms := n.picked(e.was, h.check.signature.HeaderCanonicalization)
	key := formKey(forms)
	n.made += 2*len(key) + 200
	h.made += 2*len(key) + 200
	if n.known[key] {
		return
	}
	n.known[key] = true
	e.field = n.name
	if e.index >= 0 && e.index < len(n.now) {
		e.field, _, _ = strings.Cut(n.now[e.index], ":")
	}
	replaced := e.index >= 0 && e.index < len(n.now) && len(e.was) == len(n.now)
	if e.code != CodeLongLines && replaced && sameButBlanks(e.was[e.index], n.now[e.index]) {
		e.code, e.args = CodeWhiteSpace, args("canonicalization", h.check.signature.HeaderCanonicalization.String())
	}
	n.byCost[e.cost] = append(n.byCost[e.cost], len(n.edits))
	n.edits, n.forms = append(n.edits, e), append(n.forms, forms)
}

// lay takes in that field i of a name had another value, folded in any way; all but the
// first cost one more.
func (h *headerSearch) lay(n *namedFields, i int, flat string, e fieldEdit) {
	if cost := e.cost; cost == h.round || cost+1 == h.round && h.simple() {
		for j, layout := range h.layouts(flat, cost) {
			e.cost = cost + min(j, 1)
			h.replace(n, i, layout, e)
		}
	}
}

// sameButBlanks reports whether two fields differ in white space and in the case of their
// names alone.
func sameButBlanks(a, b string) bool {
	blanks := strings.NewReplacer(" ", "", "\t", "", "\r\n", "")
	nameA, valueA, _ := strings.Cut(a, ":")
	nameB, valueB, _ := strings.Cut(b, ":")
	return strings.EqualFold(nameA, nameB) && blanks.Replace(valueA) == blanks.Replace(valueB)
}

// replace takes in that field i of a name had another value.
func (h *headerSearch) replace(n *namedFields, i int, value string, e fieldEdit) {
	if e.cost != h.round {
		return
	}
	name, _, _ := strings.Cut(n.now[i], ":")
	e.was = slices.Clone(n.now)
	e.was[i], e.index = name+":"+value, i
	h.add(n, e)
}

// try reports whether the header with the chosen edits undone is the one that was signed.
func (h *headerSearch) try() bool {
	h.text = h.text[:0]
	for _, s := range h.order {
		n := h.names[s.name]
		forms := n.plain
		if e := h.chosen[s.name]; e >= 0 {
			forms = n.forms[e]
		}
		h.text = append(h.text, forms[s.nth]...)
	}
	h.spend(len(h.text) + len(h.check.own))
	return h.left > 0 && h.check.signed(h.text)
}

func (h *headerSearch) spend(n int) {
	h.left -= n + tryCost
	if h.check.want == nil {
		h.left -= verifyCost
	}
	if h.tried++; h.tried%256 == 0 && h.ctx.Err() != nil {
		h.left = 0
	}
}

// search tries each edit alone, then those of the field that a list wrote anew with one of
// another, then the sets of edits, one to a name, the likely ones first.
func (h *headerSearch) search() []Cause {
	for cost := 1; cost <= maxCost && h.left > 0; cost++ {
		h.collect(cost)
		if h.alone(cost) {
			return h.proved()
		}
	}
	if n, _ := h.placed(); n != nil && h.beside(n) {
		return h.proved()
	}
	for cost := 2; cost <= maxCost && h.left > 0; cost++ {
		if h.choose(0, cost) {
			return h.proved()
		}
	}
	return nil
}

// alone tries the edits that cost so much, each by itself.
func (h *headerSearch) alone(cost int) bool {
	for i, n := range h.names {
		for _, e := range n.byCost[cost] {
			if h.chosen[i] = e; h.try() {
				return true
			}
		}
		h.chosen[i] = -1
	}
	return false
}

// beside tries all edits of one name with each likely one of another. It leaves work for
// other sets.
func (h *headerSearch) beside(one *namedFields) bool {
	at := slices.Index(h.names, one)
	enough := h.left / 3
	for cost := 1; cost <= 2; cost++ {
		for i, n := range h.names {
			for _, e := range n.byCost[cost] {
				if i == at || h.left < enough {
					break
				}
				h.chosen[i] = e
				for k := range one.edits {
					if h.chosen[at] = k; h.try() {
						return true
					}
				}
			}
			h.chosen[i], h.chosen[at] = -1, -1
		}
	}
	return false
}

// choose tries all sets of edits of the names from first on that cost exactly so much.
func (h *headerSearch) choose(first, cost int) bool {
	for i := first; i < len(h.names) && h.left > 0; i++ {
		for c := 1; c <= cost; c++ {
			for _, e := range h.names[i].byCost[c] {
				h.chosen[i] = e
				if c == cost && h.try() || c < cost && h.choose(i+1, cost-c) {
					return true
				}
				if h.left <= 0 {
					break
				}
			}
		}
		h.chosen[i] = -1
	}
	return false
}

// proved are the causes of the chosen edits, once the verifier says so too.
func (h *headerSearch) proved() []Cause {
	var causes []Cause
	fields, own := h.fields, string(h.fields.At(h.own).Raw)
	for i, e := range h.chosen {
		if e >= 0 {
			c := h.names[i].cause(e)
			fields = undone(fields, own, c)
			causes = append(causes, c)
		}
	}
	if !h.confirmed(fields) {
		return nil
	}
	for i := range causes {
		if c := &causes[i]; len(c.Was)+len(c.Is) > maxKept {
			c.Was, c.Is = "", ""
		}
	}
	return causes
}

// confirmed reports whether an edited header is the one that was signed, by the verifier.
func (h *headerSearch) confirmed(fields *header.List) bool {
	own := string(h.fields.At(h.own).Raw)
	for i := range fields.Len() {
		if string(fields.At(i).Raw) == own {
			return h.check.signature.CheckHeader(fields, i, h.check.key)
		}
	}
	return false
}
