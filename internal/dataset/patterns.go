package dataset

import (
	"hash/maphash"
	"slices"
	"strings"
)

// patterns is a refile: set, compiled once. Each row is in exactly one chain;
// chains are in file order, and a look-up visits only the chains whose key is a
// part of the text asked for. Its cost depends on the text, not on the rows. The
// keys of chains are parts of the rows' own keys: only numbers are stored.
//
// Compat(opendkim 2.11): OpenDKIM turns a pattern into a regular expression and
// escapes only the dot, so that "[x]" matches "x" there; the man page promises
// that the asterisk alone is special, and here it is.
type patterns struct {
	rows
	// odd are the texts to compare of rows whose keys have capitals or runs of
	// asterisks.
	odd map[int32]string
	// next is the following row of the same chain, none at its end.
	next []int32

	literal chains  // abc
	before  affixes // abc*   by what stands before the star
	after   affixes // *abc   by what stands after the star
	// General patterns hang at their literal beginning or end, whichever fewer
	// of them share; those with neither (*abc*, *) at everything.
	generalBefore affixes
	generalAfter  affixes
	everything    int32
	general       int  // rows with general patterns
	repeated      bool // some pattern is there twice, or more often
}

const none = int32(-1)

// part is the part of a pattern that is its chain's key.
type part uint8

const (
	whole part = iota
	head       // before the first star
	tail       // after the last star
)

func (w part) of(text string) string {
	switch w {
	case head:
		return text[:strings.IndexByte(text, '*')]
	case tail:
		return text[strings.LastIndexByte(text, '*')+1:]
	case whole:
	}
	return text
}

// chains are found by their keys: the index holds the first row of each.
type chains struct {
	index
	part part
}

// first is the first row of the chain with that key, none when there is none.
func (c *chains) first(p *patterns, key string) int32 {
	if c.tags == nil {
		return none
	}
	slot, found := c.find(maphash.String(c.seed, key), func(row int32) bool { return c.part.of(p.text(row)) == key })
	if !found {
		return none
	}
	return c.rows[slot]
}

// hang puts row i before the others of its chain.
func (c *chains) hang(p *patterns, i int32) {
	key := c.part.of(p.text(i))
	hash := maphash.String(c.seed, key)
	slot, found := c.find(hash, func(row int32) bool { return c.part.of(p.text(row)) == key })
	p.next[i] = none
	if found {
		p.next[i] = c.rows[slot]
	}
	c.set(slot, hash, i)
}

// affixes finds the chains whose key begins or ends a text. Keys with '@' or '.' on
// the side of the star are looked for where the text has one, others at each
// length that occurs.
type affixes struct {
	marked    chains
	plain     chains
	lengths   []int // of the keys of plain
	minMarked int   // shortest and longest key of marked
	maxMarked int
}

// slot is where a row hangs.
type slot uint8

const (
	atLiteral slot = iota
	atBeforeMarked
	atBeforePlain
	atAfterMarked
	atAfterPlain
	atGeneralBeforeMarked
	atGeneralBeforePlain
	atGeneralAfterMarked
	atGeneralAfterPlain
	atEverything
	slots
)

func openPatterns(name string, o Options) (Set, error) {
	r, err := readRows(name, o)
	if err != nil {
		return nil, err
	}
	return compile(r), nil
}

func compile(r *rows) *patterns {
	p := &patterns{rows: *r, next: make([]int32, r.Len()), odd: map[int32]string{}, everything: none}
	for i := range int32(r.Len()) {
		if key := r.key(i); hasCapital(key) || strings.Contains(key, "**") {
			p.odd[i] = collapse(Fold(key))
		}
	}
	popular := p.countAffixes()
	var counts [slots]int
	for i := range int32(r.Len()) {
		counts[p.slotOf(i, popular)]++
	}
	for at := range slots {
		if c, _ := p.chainsAt(at); c != nil {
			c.index = newIndex(counts[at])
		}
	}
	for at := atGeneralBeforeMarked; at < slots; at++ {
		p.general += counts[at]
	}
	// From the last row to the first, so that each chain's head is its first.
	for i := int32(r.Len() - 1); i >= 0; i-- {
		p.add(i, p.slotOf(i, popular))
	}
	return p
}

// text is a pattern as it is compared: small letters, runs of * made one.
func (p *patterns) text(i int32) string {
	if len(p.odd) > 0 {
		if text, ok := p.odd[i]; ok {
			return text
		}
	}
	return p.key(i)
}

// slotOf returns where a row is to hang.
func (p *patterns) slotOf(i int32, popular map[string]int) slot {
	before, after, stars := affixesOf(p.text(i))
	switch {
	case stars == 0:
		return atLiteral
	case stars == 1 && after == "" && before != "":
		return markedOr(before[len(before)-1], atBeforeMarked)
	case stars == 1 && before == "" && after != "":
		return markedOr(after[0], atAfterMarked)
	case before == "" && after == "":
		return atEverything
	case after == "" || before != "" && popular[before] < popular["*"+after]:
		return markedOr(before[len(before)-1], atGeneralBeforeMarked)
	}
	return markedOr(after[0], atGeneralAfterMarked)
}

// markedOr is the slot of marked keys, or the one behind it of plain ones.
func markedOr(edge byte, marked slot) slot {
	if isMark(edge) {
		return marked
	}
	return marked + 1
}

// chainsAt are the chains of a slot, and the affixes that they are of; nil where
// there are none.
func (p *patterns) chainsAt(at slot) (*chains, *affixes) {
	if at == atLiteral {
		return &p.literal, nil
	}
	if at == atEverything {
		return nil, nil
	}
	a := []*affixes{&p.before, &p.after, &p.generalBefore, &p.generalAfter}[(at-atBeforeMarked)/2]
	c := &a.marked
	if (at-atBeforeMarked)%2 == 1 {
		c = &a.plain
	}
	c.part = head
	if a == &p.after || a == &p.generalAfter {
		c.part = tail
	}
	return c, a
}

// add hangs row i, before which its chain has none yet.
func (p *patterns) add(i int32, at slot) {
	c, a := p.chainsAt(at)
	if c == nil {
		p.next[i], p.everything = p.everything, i
		return
	}
	c.hang(p, i)
	if at < atGeneralBeforeMarked {
		p.repeated = p.repeated || p.next[i] != none
	}
	switch n := len(c.part.of(p.text(i))); {
	case a == nil:
	case c == &a.marked:
		if a.maxMarked == 0 {
			a.minMarked = n
		}
		a.minMarked, a.maxMarked = min(a.minMarked, n), max(a.maxMarked, n)
	case !slices.Contains(a.lengths, n):
		a.lengths = append(a.lengths, n)
	}
}

// eachHidden calls f with each row whose pattern an earlier row has, in order.
func (p *patterns) eachHidden(f func(row, by int32)) {
	if !p.repeated && p.general == 0 {
		return
	}
	general := make(map[string]int32, p.general)
	for i := range int32(p.Len()) {
		text := p.text(i)
		before, after, stars := affixesOf(text)
		by := i
		switch {
		case stars == 0:
			by = p.literal.first(p, text)
		case stars == 1 && after == "" && before != "":
			by = p.before.first(p, before, before[len(before)-1])
		case stars == 1 && before == "" && after != "":
			by = p.after.first(p, after, after[0])
		default:
			if earlier, ok := general[text]; ok {
				by = earlier
			} else {
				general[text] = i
			}
		}
		if by != i {
			f(i, by)
		}
	}
}

// first is the first row of the chain with that key.
func (a *affixes) first(p *patterns, key string, edge byte) int32 {
	if isMark(edge) {
		return a.marked.first(p, key)
	}
	return a.plain.first(p, key)
}

// countAffixes counts how many general patterns share each beginning, and each
// end (under "*"+end).
func (p *patterns) countAffixes() map[string]int {
	popular := map[string]int{}
	for i := range int32(p.Len()) {
		if before, after, stars := affixesOf(p.text(i)); stars > 0 && before != "" && after != "" {
			popular[before]++
			popular["*"+after]++
		}
	}
	return popular
}

// affixesOf cuts a pattern at its first and last star; a pattern without one is all head.
func affixesOf(text string) (head, tail string, stars int) {
	first := strings.IndexByte(text, '*')
	if first < 0 {
		return text, "", 0
	}
	last := strings.LastIndexByte(text, '*')
	stars = 1
	if first != last {
		stars = 2
	}
	return text[:first], text[last+1:], stars
}

// collapse makes runs of stars one.
func collapse(s string) string {
	for strings.Contains(s, "**") {
		s = strings.ReplaceAll(s, "**", "*")
	}
	return s
}

func isMark(c byte) bool { return c == '@' || c == '.' }
