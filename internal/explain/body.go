package explain

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"hash"
	"strings"

	"dojang/dkim"
	"dojang/header"
)

// bodySearch looks for the body that was signed.
type bodySearch struct {
	ctx       context.Context
	signature *dkim.Signature
	fields    *header.List
	budget    int64    // bytes that may still be hashed
	wrapped   [][]byte // bodies of the message's parts
}

// maxHashedBytes bounds the work for one signature, about a second.
const maxHashedBytes = 768 << 20

// What copying a hash and starting a line cost, in bytes hashed.
const (
	cloneCost = 512
	lineCost  = 16
)

// maxBodyBytes is the largest body that is searched.
const maxBodyBytes = 32 << 20

func bodyCauses(ctx context.Context, fields *header.List, body []byte, r *dkim.Result) []Cause {
	s := r.Signature
	if s.Length > r.CanonicalBodyLength {
		return []Cause{{Part: PartBody, Code: "truncated", Proved: true,
			Text: fmt.Sprintf("the body was cut: l= says %d octets were signed, and %d arrived", s.Length, r.CanonicalBodyLength)}}
	}
	if len(body) > maxBodyBytes {
		return []Cause{{Part: PartBody, Code: "unknown", Text: "the body was changed; it is too large to look for the edit"}}
	}
	b := &bodySearch{ctx: ctx, signature: s, fields: fields, budget: maxHashedBytes}
	b.wrapped = partBodies(contentType(fields), body)
	if c, ok := b.find(body); ok {
		return []Cause{c}
	}
	unknown := Cause{Part: PartBody, Code: "unknown", Text: "the body was changed, or bh= was never right; none of the known edits reproduces what was signed"}
	found := []Cause{unknown}
	if hint, ok := rewriter(body); ok {
		found = append(found, hint)
	}
	return found
}

// find tries every whole-body edit, alone and then together with text added
// somewhere.
func (b *bodySearch) find(body []byte) (Cause, bool) {
	edits := append([]bodyEdit{{undo: func(x []byte) []byte { return x }}}, b.edits()...)
	var undone [][]byte
	for _, e := range edits {
		candidate := e.undo(body)
		if candidate == nil || e.code != "" && bytes.Equal(candidate, body) {
			undone = append(undone, nil)
			continue
		}
		undone = append(undone, candidate)
		if e.code != "" && b.matches(candidate) {
			return Cause{Part: PartBody, Code: e.code, Text: e.text, Proved: true}, true
		}
	}
	for i, candidate := range undone {
		if candidate == nil || b.ctx.Err() != nil {
			continue
		}
		if c, ok := b.findAdded(candidate); ok {
			if edits[i].code != "" {
				c.Code += "+" + edits[i].code
				c.Text += "; also, " + edits[i].text
			}
			return c, true
		}
	}
	return Cause{}, false
}

func (b *bodySearch) matches(body []byte) bool {
	if b.budget -= int64(len(body)); b.budget < 0 {
		return false
	}
	return b.signature.CheckBodyHash(body)
}

// lines are a canonical body's, each with its line end.
func (b *bodySearch) lines(body []byte) [][]byte {
	return bytes.SplitAfter(dkim.CanonicalBody(body, b.signature.BodyCanonicalization, -1), []byte("\n"))
}

// findAdded looks for text that was put into the body: at its end, its
// beginning, or at the end or beginning of its MIME parts.
func (b *bodySearch) findAdded(body []byte) (Cause, bool) {
	if b.signature.Length >= 0 {
		return Cause{}, false // an appended text does not matter then
	}
	lines := b.lines(body)
	if len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	if n, ok := b.prefix(lines); ok {
		return added("footer", "at the end of the body", lines[n:]), true
	}
	ends, starts := edges(lines)
	for _, depth := range []int{1, 2} {
		if cut, ok := b.without(b.newHash(), lines, 0, ends, nil, depth); ok {
			return added("footer", "at the end of a MIME part", cut), true
		}
		if cut, ok := b.without(b.newHash(), lines, 0, nil, starts, depth); ok {
			return added("banner", "at the beginning of the body or a part of it", cut), true
		}
	}
	return Cause{}, false
}

func added(code, where string, lines [][]byte) Cause {
	return Cause{Part: PartBody, Code: code, Proved: true,
		Text: fmt.Sprintf("text was added %s: %s, beginning with %q", where, count(len(lines), "line"), firstWords(lines))}
}

func count(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// firstWords is the first line with text in it, cut short.
func firstWords(lines [][]byte) string {
	for _, line := range lines {
		if text := strings.TrimSpace(string(line)); strings.Trim(text, "_-=*# ") != "" {
			const most = 60
			if len(text) > most {
				text = strings.ToValidUTF8(text[:most], "") + "..."
			}
			return text
		}
	}
	return ""
}

func (b *bodySearch) newHash() hash.Hash { return b.signature.Algorithm.Hash().New() }

func (b *bodySearch) isSigned(h hash.Hash) bool {
	return subtle.ConstantTimeCompare(h.Sum(nil), b.signature.BodyHash) == 1
}

// prefix finds how many lines from the top were signed, in one pass.
func (b *bodySearch) prefix(lines [][]byte) (int, bool) {
	h := b.newHash()
	if b.isSigned(h) && b.signature.BodyCanonicalization == dkim.Relaxed && len(lines) > 0 {
		return 0, true // an empty body was signed
	}
	for i, line := range lines {
		h.Write(line)
		b.budget -= int64(len(line) + lineCost)
		// Empty lines at the end are no part of a canonical body.
		if len(line) > 2 && i < len(lines)-1 && b.isSigned(h) {
			return i + 1, true
		}
		if b.budget < 0 {
			break
		}
	}
	return 0, false
}

// edges are the line numbers at which added blocks end (MIME boundaries) or
// begin (the body's first line, and the first behind the header of a part).
func edges(lines [][]byte) (ends, starts []int) {
	const most = 24
	starts = append(starts, 0)
	for i, line := range lines {
		if !bytes.HasPrefix(line, []byte("--")) || len(bytes.TrimSpace(line)) < 3 || len(ends) >= most {
			continue
		}
		ends = append(ends, i)
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
// lines before from. It returns the lines of the first block.
func (b *bodySearch) without(h hash.Hash, lines [][]byte, from int, ends, starts []int, depth int) ([][]byte, bool) {
	for _, end := range ends {
		if end <= from {
			continue
		}
		prefix := clone(h)
		for i := from; i < end; i++ {
			if b.spent(cloneCost) {
				return nil, false
			}
			if b.restSigned(clone(prefix), lines, end, ends, nil, depth) {
				return lines[i:end], true
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
				return nil, false
			}
			if b.restSigned(clone(prefix), lines, end, nil, starts, depth) {
				return lines[start:end], true
			}
		}
	}
	return nil, false
}

// restSigned takes in the lines from end on, or, with blocks left to leave out,
// looks for another.
func (b *bodySearch) restSigned(h hash.Hash, lines [][]byte, end int, ends, starts []int, depth int) bool {
	if depth > 1 {
		_, ok := b.without(h, lines, end, ends, starts, depth-1)
		return ok
	}
	for _, line := range lines[end:] {
		h.Write(line)
		b.spent(len(line) + lineCost)
	}
	return b.isSigned(h)
}

// spent takes n bytes off the budget and reports whether it is used up.
func (b *bodySearch) spent(n int) bool {
	b.budget -= int64(n)
	return b.budget < 0 || b.ctx.Err() != nil
}

func clone(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		panic("explain: " + err.Error()) // SHA-1 and SHA-256 always can
	}
	return c
}
