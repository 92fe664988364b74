package dataset

import (
	"context"
	"math"
	"strings"
)

// heads appends the first row of each chain whose key begins (or, atEnd, ends) text.
func (a *affixes) heads(to []int32, p *patterns, text string, atEnd bool) []int32 {
	if a.maxMarked > 0 {
		to = a.markedHeads(to, p, text, atEnd)
	}
	for _, n := range a.lengths {
		if n > len(text) {
			continue
		}
		part := text[:n]
		if atEnd {
			part = text[len(text)-n:]
		}
		if i := a.plain.first(p, part); i != none {
			to = append(to, i)
		}
	}
	return to
}

func (a *affixes) markedHeads(to []int32, p *patterns, text string, atEnd bool) []int32 {
	from, end := a.minMarked-1, min(len(text), a.maxMarked)
	if atEnd {
		from, end = max(0, len(text)-a.maxMarked), len(text)-a.minMarked+1
	}
	for at := from; at < end; at++ {
		if !isMark(text[at]) {
			continue
		}
		part := text[:at+1]
		if atEnd {
			part = text[at:]
		}
		if i := a.marked.first(p, part); i != none {
			to = append(to, i)
		}
	}
	return to
}

// match calls f with each matching row in file order until f returns false.
func (p *patterns) match(text string, f func(row int32) bool) {
	unbounded := math.MaxInt
	p.matchWithin(&unbounded, text, f)
}

// matchWithin is match that tries so many general patterns at most, and no more once there
// are none left.
func (p *patterns) matchWithin(left *int, text string, f func(row int32) bool) {
	text = Fold(text)
	var space [32]int32
	exact := space[:0] // chains whose rows all match
	if i := p.literal.first(p, text); i != none {
		exact = append(exact, i)
	}
	exact = p.before.heads(exact, p, text, false)
	exact = p.after.heads(exact, p, text, true)
	var space2 [32]int32
	general := space2[:0] // chains whose rows have to be tried
	if p.everything != none {
		general = append(general, p.everything)
	}
	general = p.generalBefore.heads(general, p, text, false)
	general = p.generalAfter.heads(general, p, text, true)
	p.merge(left, text, exact, general, f)
}

// merge visits the rows of several chains in file order.
func (p *patterns) merge(left *int, text string, exact, general []int32, f func(int32) bool) {
	for i, head := range general {
		general[i] = p.seek(left, head, text)
	}
	for {
		best, from := none, (*int32)(nil)
		isGeneral := false
		for i := range exact {
			if exact[i] != none && (best == none || exact[i] < best) {
				best, from, isGeneral = exact[i], &exact[i], false
			}
		}
		for i := range general {
			if general[i] != none && (best == none || general[i] < best) {
				best, from, isGeneral = general[i], &general[i], true
			}
		}
		if best == none || !f(best) {
			return
		}
		*from = p.next[best]
		if isGeneral {
			*from = p.seek(left, *from, text)
		}
	}
}

// seek returns the first row from i on, along its chain, that matches.
func (p *patterns) seek(left *int, i int32, text string) int32 {
	for ; i != none && *left > 0; i = p.next[i] {
		if *left--; matchPattern(p.text(i), text) {
			return i
		}
	}
	return none
}

// matchPattern reports whether a pattern, where * stands for any text, matches
// the whole of text.
func matchPattern(pattern, text string) bool {
	head, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		part, more, ok := strings.Cut(rest, "*")
		if !ok {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}

func (p *patterns) Lookup(_ context.Context, key string, columns int) ([]string, error) {
	found := none
	p.match(key, func(i int32) bool { found = i; return false })
	if found == none {
		return nil, ErrNotFound
	}
	return p.entry(found, columns).Values, nil
}

func (p *patterns) LookupAll(_ context.Context, key string, columns int, f func(Entry) bool) error {
	p.match(key, func(i int32) bool { return f(p.entry(i, columns)) })
	return nil
}
