package dataset

import (
	"context"
	"strings"
)

// patterns is a refile: set, compiled once. Each row is in exactly one chain;
// chains are in file order, and a look-up visits only the chains whose key is a
// part of the text asked for. Its cost depends on the text, not on the rows.
//
// Compat(opendkim 2.11): OpenDKIM turns a pattern into a regular expression and
// escapes only the dot, so that "[x]" matches "x" there; the man page promises
// that the asterisk alone is special, and here it is.
type patterns struct {
	source string
	rows   []row
	// texts are the rows' keys as compared: small letters, runs of * made one.
	texts []string
	// next is the following row of the same chain, none at its end.
	next []int32

	literal map[string]int32 // abc
	before  affixes          // abc*   by what stands before the star
	after   affixes          // *abc   by what stands after the star
	// General patterns hang at their literal beginning or end, whichever fewer
	// of them share; those with neither (*abc*, *) at everything.
	generalBefore affixes
	generalAfter  affixes
	everything    int32
}

const none = int32(-1)

// affixes finds the chains whose key begins or ends a text. Keys with '@' or '.' on
// the side of the star are looked for where the text has one, others at each
// length that occurs.
type affixes struct {
	marked    map[string]int32
	plain     map[string]int32
	lengths   []int // of the keys of plain
	maxMarked int   // longest key of marked
}

func openPatterns(name string, o Options) (Set, error) {
	path := o.path(name)
	text, err := readText(path, o)
	if err != nil {
		return nil, err
	}
	rows, err := parseRows(path, text, o)
	if err != nil {
		return nil, err
	}
	return compile(path, rows), nil
}

func compile(source string, rows []row) *patterns {
	p := &patterns{source: source, rows: rows, texts: make([]string, len(rows)), next: make([]int32, len(rows)), everything: none}
	for i, r := range rows {
		p.texts[i] = collapse(fold(r.key))
	}
	popular := p.countAffixes()
	p.literal = make(map[string]int32, len(rows))
	// From the last row to the first, so that each chain's head is its first.
	for i := int32(len(rows) - 1); i >= 0; i-- {
		head, tail, stars := affixesOf(p.texts[i])
		switch {
		case stars == 0:
			p.hang(p.literal, head, i)
		case stars == 1 && tail == "" && head != "":
			p.before.add(p, head, i, false)
		case stars == 1 && head == "" && tail != "":
			p.after.add(p, tail, i, true)
		case head == "" && tail == "":
			p.next[i], p.everything = p.everything, i
		case tail == "" || head != "" && popular[head] < popular["*"+tail]:
			p.generalBefore.add(p, head, i, false)
		default:
			p.generalAfter.add(p, tail, i, true)
		}
	}
	return p
}

// countAffixes tells how many general patterns share each beginning, and each
// end (under "*"+end).
func (p *patterns) countAffixes() map[string]int {
	popular := map[string]int{}
	for _, text := range p.texts {
		if head, tail, stars := affixesOf(text); stars > 0 && head != "" && tail != "" {
			popular[head]++
			popular["*"+tail]++
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

func (p *patterns) hang(chains map[string]int32, key string, i int32) {
	if head, ok := chains[key]; ok {
		p.next[i] = head
	} else {
		p.next[i] = none
	}
	chains[key] = i
}

func isMark(c byte) bool { return c == '@' || c == '.' }

func (a *affixes) add(p *patterns, key string, i int32, atEnd bool) {
	edge := key[len(key)-1]
	if atEnd {
		edge = key[0]
	}
	if isMark(edge) {
		if a.marked == nil {
			a.marked = map[string]int32{}
		}
		a.maxMarked = max(a.maxMarked, len(key))
		p.hang(a.marked, key, i)
		return
	}
	if a.plain == nil {
		a.plain = map[string]int32{}
	}
	if _, ok := a.plain[key]; !ok {
		a.addLength(len(key))
	}
	p.hang(a.plain, key, i)
}

func (a *affixes) addLength(n int) {
	for _, have := range a.lengths {
		if have == n {
			return
		}
	}
	a.lengths = append(a.lengths, n)
}

// heads appends the first row of each chain whose key begins (or, atEnd, ends) text.
func (a *affixes) heads(to []int32, text string, atEnd bool) []int32 {
	if len(a.marked) > 0 {
		to = a.markedHeads(to, text, atEnd)
	}
	for _, n := range a.lengths {
		if n > len(text) {
			continue
		}
		part := text[:n]
		if atEnd {
			part = text[len(text)-n:]
		}
		if i, ok := a.plain[part]; ok {
			to = append(to, i)
		}
	}
	return to
}

func (a *affixes) markedHeads(to []int32, text string, atEnd bool) []int32 {
	from, end := 0, min(len(text), a.maxMarked)
	if atEnd {
		from, end = max(0, len(text)-a.maxMarked), len(text)
	}
	for at := from; at < end; at++ {
		if !isMark(text[at]) {
			continue
		}
		part := text[:at+1]
		if atEnd {
			part = text[at:]
		}
		if i, ok := a.marked[part]; ok {
			to = append(to, i)
		}
	}
	return to
}

// match calls f with each matching row in file order until f returns false.
func (p *patterns) match(text string, f func(row int32) bool) {
	text = fold(text)
	var space [32]int32
	exact := space[:0] // chains whose rows all match
	if i, ok := p.literal[text]; ok {
		exact = append(exact, i)
	}
	exact = p.before.heads(exact, text, false)
	exact = p.after.heads(exact, text, true)
	var space2 [32]int32
	general := space2[:0] // chains whose rows have to be tried
	if p.everything != none {
		general = append(general, p.everything)
	}
	general = p.generalBefore.heads(general, text, false)
	general = p.generalAfter.heads(general, text, true)
	p.merge(text, exact, general, f)
}

// merge visits the rows of several chains in file order.
func (p *patterns) merge(text string, exact, general []int32, f func(int32) bool) {
	for i, head := range general {
		general[i] = p.seek(head, text)
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
			*from = p.seek(*from, text)
		}
	}
}

// seek returns the first row from i on, along its chain, that matches.
func (p *patterns) seek(i int32, text string) int32 {
	for i != none && !matchPattern(p.texts[i], text) {
		i = p.next[i]
	}
	return i
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
	return split(p.rows[found].value, columns), nil
}

func (p *patterns) LookupAll(_ context.Context, key string, columns int, f func(Entry) bool) error {
	p.match(key, func(i int32) bool { return f(p.rows[i].entry(columns)) })
	return nil
}

func (p *patterns) Walk(ctx context.Context, f func(Entry) error) error {
	return walkRows(ctx, p.rows, f)
}

func (p *patterns) Close() error   { return nil }
func (p *patterns) Source() string { return p.source }
func (p *patterns) Len() int       { return len(p.rows) }
