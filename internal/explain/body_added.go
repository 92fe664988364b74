package explain

import (
	"bytes"
	"crypto/subtle"
	"hash"
	"regexp"
	"slices"

	"dojang/dkim"
)

var (
	tags     = regexp.MustCompile(`<[^<>]*>|&nbsp;`)
	partLine = regexp.MustCompile(`^(?i:--\S|content-[a-z-]+:|mime-version:)`) // of a part's beginning
)

// block is some lines, from the first to below the last.
type block struct {
	from, to int
	code     string
}

// lines are a canonical body's, each with its line end.
func (b *bodySearch) lines(body []byte) [][]byte {
	lines := bytes.SplitAfter(dkim.CanonicalBody(body, b.signature.BodyCanonicalization, -1), []byte("\n"))
	if len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// findAdded looks for text that was put into the body: at its end, its beginning, or at
// the end or beginning of its MIME parts, in at most depth places.
func (b *bodySearch) findAdded(body []byte, depth int) []step {
	if b.signature.Length >= 0 {
		return nil // an appended text does not matter then
	}
	lines := b.lines(body)
	if n, ok := b.prefix(lines); ok {
		return withoutBlocks(body, []block{{n, -1, CodeFooter}})
	}
	ends, starts := edges(lines)
	if found := b.without(b.newHash(), lines, 0, ends, nil, 1); found != nil {
		return withoutBlocks(body, found)
	}
	if found := b.without(b.newHash(), lines, 0, nil, starts, 1); found != nil {
		return withoutBlocks(body, found)
	}
	if found := b.inLine(body, depth); found != nil {
		return found
	}
	if depth > 1 {
		if found := b.without(b.newHash(), lines, 0, ends, nil, 2); found != nil {
			return withoutBlocks(body, found)
		}
		return withoutBlocks(body, b.without(b.newHash(), lines, 0, ends, starts, 2))
	}
	return nil
}

// withoutBlocks are the steps that take blocks out of a body, from the top.
func withoutBlocks(body []byte, blocks []block) []step {
	var steps []step
	gone := 0
	for _, k := range blocks {
		lines := bytes.SplitAfter(body, []byte("\n"))
		from, to := k.from-gone, k.to-gone
		if k.to < 0 || to > len(lines) {
			to = len(lines)
		}
		rest := bytes.Join(slices.Concat(lines[:from], lines[to:]), nil)
		steps = append(steps, step{code: k.code, is: body, was: rest, added: true})
		body, gone = rest, gone+to-from
	}
	return steps
}

func (b *bodySearch) newHash() hash.Hash { return b.signature.Algorithm.Hash().New() }

func (b *bodySearch) isSigned(h hash.Hash) bool {
	return subtle.ConstantTimeCompare(h.Sum(nil), b.signature.BodyHash) == 1
}

// prefix finds how many lines from the top were signed, in one pass.
func (b *bodySearch) prefix(lines [][]byte) (int, bool) {
	h := b.newHash()
	for i, line := range lines {
		h.Write(line)
		// Empty lines at the end are no part of a canonical body.
		if len(line) > 2 && i < len(lines)-1 && b.isSigned(h) {
			return i + 1, true
		}
		if b.spent(len(line) + lineCost) {
			break
		}
	}
	return 0, false
}

// edges are the line numbers at which added blocks end (MIME boundaries, the last tags of
// HTML) or begin (the body's first line, and the first behind the header of a part).
func edges(lines [][]byte) (ends, starts []int) {
	const most = 40
	starts = append(starts, 0)
	for i, line := range lines {
		if len(ends) >= most {
			break
		}
		if closing.Match(line[:min(len(line), 7)]) && line[0] == '<' {
			ends = append(ends, i)
		} else if lower := bytes.ToLower(line[:min(len(line), 5)]); bytes.Equal(lower, []byte("<body")) {
			starts = append(starts, i+1)
		}
		if !bytes.HasPrefix(line, []byte("--")) || len(bytes.TrimSpace(line)) < 3 {
			continue
		}
		ends = append(ends, i)
		if i > 0 && len(lines[i-1]) <= 2 { // an empty line is the part's own end
			ends = append(ends, i-1)
		}
		for j := i + 1; j < len(lines) && j < i+30; j++ {
			if len(lines[j]) <= 2 {
				starts = append(starts, j+1)
				break
			}
		}
	}
	return ends, starts
}

// maxBanner is how many lines a banner has at most.
const maxBanner = 60

// without looks for a body from which at most depth blocks are left out, each
// ending before one of ends or beginning at one of starts. h has taken in all
// lines before from. It returns the blocks from the top.
func (b *bodySearch) without(h hash.Hash, lines [][]byte, from int, ends, starts []int, depth int) []block {
	for _, end := range ends {
		if end <= from {
			continue
		}
		prefix := clone(h)
		for i := from; i < end; i++ {
			if b.spent(cloneCost) {
				return nil
			}
			if rest, ok := b.restSigned(clone(prefix), lines, end, ends, nil, depth); ok {
				code := CodeFooter
				if i == 0 {
					code = CodeBanner
				}
				return append([]block{{i, end, code}}, rest...)
			}
			prefix.Write(lines[i])
		}
	}
	for _, start := range starts {
		if start < from || start >= len(lines) {
			continue
		}
		prefix := clone(h)
		for i := from; i < start; i++ {
			prefix.Write(lines[i])
		}
		for end := start + 1; end < len(lines) && end <= start+maxBanner; end++ {
			if b.spent(cloneCost) {
				return nil
			}
			if rest, ok := b.restSigned(clone(prefix), lines, end, ends, starts, depth); ok {
				return append([]block{{start, end, CodeBanner}}, rest...)
			}
		}
	}
	return nil
}

// restSigned takes in the lines from end on, or, with blocks left to leave out,
// looks for another.
func (b *bodySearch) restSigned(h hash.Hash, lines [][]byte, end int, ends, starts []int, depth int) ([]block, bool) {
	if depth > 1 {
		found := b.without(h, lines, end, ends, starts, depth-1)
		return found, found != nil
	}
	for _, line := range lines[end:] {
		h.Write(line)
		b.left -= len(line) + lineCost
	}
	return nil, b.isSigned(h)
}

func clone(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		panic("explain: " + err.Error()) // SHA-1 and SHA-256 always can
	}
	return c
}

var (
	closing = regexp.MustCompile(`(?i)</(body|html)\b`)
	opening = regexp.MustCompile(`(?i)<body\b[^>]*>`)
	cutting = regexp.MustCompile(`<|\r\n`)
)

// inLine looks for text that was put before the last tags of HTML, or behind the first,
// without a line of its own; with depth, together with whole lines in another part.
func (b *bodySearch) inLine(body []byte, depth int) []step {
	cuts := tagCuts(body, 160)
	for _, c := range cuts {
		if b.matches(body[:c.from], body[c.to:]) {
			return []step{c.undone(body)}
		}
	}
	if depth < 2 {
		return nil
	}
	for _, c := range cuts {
		s := c.undone(body)
		lines := b.lines(s.was)
		ends, starts := edges(lines)
		if found := b.without(b.newHash(), lines, 0, ends[:min(len(ends), 4)], starts[:min(len(starts), 4)], 1); found != nil {
			return append([]step{s}, withoutBlocks(s.was, found)...)
		}
		// A copy and its lines are work too.
		if b.spent(4*len(body)+cutLineCost*len(lines)) || b.left < maxBodyWork/4 {
			return nil
		}
	}
	return nil
}

// cutLineCost is what splitting off a line of a copy costs, in bytes hashed.
const cutLineCost = 64

// cut is a text within lines that may have been put in, by its place. Bodies are large and
// cuts many: none is made before it is looked at.
type cut struct {
	code     string
	from, to int
}

// tagCuts are the texts before the last tags of HTML and behind the first, at most so many
// of each.
func tagCuts(body []byte, most int) []cut {
	const window = 16 << 10
	var cuts []cut
	for _, end := range closing.FindAllIndex(body, 4) {
		begin := max(0, end[0]-window)
		at := cutting.FindAllIndex(body[begin:end[0]], -1)
		for i := len(at) - 1; i >= max(0, len(at)-most); i-- {
			cuts = append(cuts, cut{CodeFooter, begin + at[i][0], end[0]})
		}
	}
	for _, start := range opening.FindAllIndex(body, 2) {
		for _, at := range cutting.FindAllIndex(body[start[1]:min(len(body), start[1]+window)], most) {
			cuts = append(cuts, cut{CodeBanner, start[1], start[1] + at[0]}, cut{CodeBanner, start[1], start[1] + at[1]})
		}
	}
	return cuts
}

func (c cut) undone(body []byte) step {
	return step{code: c.code, is: body, was: slices.Concat(body[:c.from], body[c.to:]), added: true}
}
