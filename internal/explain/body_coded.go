package explain

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// codedPart is content in quoted-printable or base64 that we would encode alike, so that
// it can be encoded again without what was put into it.
type codedPart struct {
	from, to int // of the body
	content  []byte
	encode   func([]byte) []byte
}

// codedParts are those of a body: the body itself, or its parts.
func (b *bodySearch) codedParts(body []byte) []codedPart {
	const most = 6
	var found []codedPart
	for _, e := range b.leaves(body) {
		p := codedPart{from: e.body, to: e.end}
		raw := body[p.from:p.to]
		switch {
		case len(found) == most || b.spent(len(raw)):
			continue
		case e.encoding == "quoted-printable":
			p.content, p.encode = unquote(raw), encodeQuoted
		case e.encoding == "base64":
			p.content, p.encode = unbase64(raw), asBase64(raw)
		}
		if p.content != nil && bytes.Equal(p.encode(p.content), raw) {
			found = append(found, p)
		}
	}
	return found
}

// leaves are the parts that hold no others: the body itself, where it has none.
func (b *bodySearch) leaves(body []byte) []entity {
	inner := entities(b.fields, body, maxDepth)
	if len(inner) == 0 {
		return []entity{{part: part{end: len(body)}, encoding: b.encoding()}}
	}
	return slices.DeleteFunc(inner, func(e entity) bool { return e.holds })
}

// asBase64 encodes with lines as long as those of raw, and its end.
func asBase64(raw []byte) func([]byte) []byte {
	text := bytes.TrimRight(raw, "\r\n")
	width := max(4, len(bytes.SplitN(text, []byte("\r\n"), 2)[0]))
	return func(content []byte) []byte { return append(base64Lines(content, width), raw[len(text):]...) }
}

// base64Lines is base64 in lines of a width, without the last line's end.
func base64Lines(content []byte, width int) []byte {
	return brokenAt(width, base64.StdEncoding.AppendEncode(nil, content))
}

func brokenAt(width int, text []byte) []byte {
	return bytes.Join(slices.Collect(slices.Chunk(text, width)), []byte("\r\n"))
}

// inCoded looks for text that was put into encoded content, at its end, at its beginning
// or beside the tags of HTML: in one part, or in one place each of two.
func (b *bodySearch) inCoded(body []byte) []step {
	parts := b.codedParts(body)
	cuts := make([][]cut, len(parts))
	were := make([][][]byte, len(parts))
	made := 0
	for i, p := range parts {
		for _, c := range slices.Concat(lineCuts(p.content), tagCuts(p.content, 40)) {
			if made += len(p.content); made > maxCandidates || b.spent(len(p.content)) {
				break
			}
			was := p.encode(slices.Concat(p.content[:c.from], p.content[c.to:]))
			if b.matches(body[:p.from], was, body[p.to:]) {
				return []step{p.step(body, c, was)}
			}
			cuts[i], were[i] = append(cuts[i], c), append(were[i], was)
		}
	}
	for i, p := range parts {
		for j := i + 1; j < len(parts); j++ {
			q := parts[j]
			for k, was := range were[i] {
				for l, other := range were[j] {
					if b.left < maxBodyWork/2 {
						return nil
					}
					if b.matches(body[:p.from], was, body[p.to:q.from], other, body[q.to:]) {
						second := q.step(body, cuts[j][l], other)
						return []step{second, p.step(second.was, cuts[i][k], was)}
					}
				}
			}
		}
	}
	return nil
}

// step tells that c was put into the part, which was encoded as was.
func (p codedPart) step(body []byte, c cut, was []byte) step {
	text := string(p.content[c.from:c.to])
	lines := strings.Count(strings.TrimSuffix(text, "\r\n"), "\r\n") + 1
	line := bytes.Count(body[:p.from], []byte("\n")) + 1
	return step{code: c.code, is: body, was: slices.Concat(body[:p.from], was, body[p.to:]),
		args: args("lines", strconv.Itoa(lines), "line", strconv.Itoa(line), "first", firstWords(text))}
}

// lineCuts are the last lines of a text and its first ones, where each may have been put in.
func lineCuts(text []byte) []cut {
	var cuts []cut
	for at := len(text); at > 0 && len(cuts) < 2*maxBanner; {
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
		cuts = append(cuts, cut{CodeFooter, at, len(text)})
		if before := bytes.TrimSuffix(text[:at], []byte("\r\n")); len(before) < at { // there was no last line end
			cuts = append(cuts, cut{CodeFooter, len(before), len(text)})
		}
	}
	for at := 0; len(cuts) < 3*maxBanner; {
		n := bytes.IndexByte(text[at:], '\n') + 1
		if n == 0 || at+n == len(text) {
			break
		}
		at += n
		cuts = append(cuts, cut{CodeBanner, 0, at})
	}
	return cuts
}

// codings are the ways in which programs write the same content in an encoding: in lines
// of another length, with other letters, or in the other encoding. Each gives nil for what
// is no such text.
var codings = [...]struct {
	encoding string
	write    func(raw []byte) []byte
}{
	{"base64", inWidth(76)}, {"base64", inWidth(72)}, {"base64", inWidth(64)}, {"base64", inWidth(60)}, {"base64", inWidth(1 << 30)},
	{"base64", func(raw []byte) []byte { return through(unbase64, encodeQuoted, raw) }},
	{"quoted-printable", func(raw []byte) []byte { return through(unquote, encodeBase64, raw) }},
	{"quoted-printable", softBroken(76)}, {"quoted-printable", softBroken(75)}, {"quoted-printable", softBroken(74)},
	{"quoted-printable", softBroken(73)}, {"quoted-printable", softBroken(72)},
	{"quoted-printable", func(raw []byte) []byte { return escape.ReplaceAllFunc(raw, bytes.ToLower) }},
	{"quoted-printable", func(raw []byte) []byte { return escape.ReplaceAllFunc(raw, bytes.ToUpper) }},
}

var escape = regexp.MustCompile(`=[0-9A-Fa-f]{2}`)

func through(decode, encode func([]byte) []byte, raw []byte) []byte {
	if text := decode(raw); text != nil {
		return encode(text)
	}
	return nil
}

// inWidth writes base64 in lines of a width, with the end that it has.
func inWidth(width int) func([]byte) []byte {
	return func(raw []byte) []byte {
		return append(brokenAt(width, bytes.Join(bytes.Fields(raw), nil)), raw[len(bytes.TrimRight(raw, "\r\n")):]...)
	}
}

// recodedAgain are the bodies whose encoded parts may have been written otherwise.
func (b *bodySearch) recodedAgain(body []byte) [][]byte {
	leaves := b.leaves(body)
	var out [][]byte
	for _, c := range codings {
		if b.spent(len(body)) {
			break
		}
		var others []piece
		for _, e := range leaves {
			if e.encoding == c.encoding {
				if text := c.write(body[e.body:e.end]); text != nil {
					others = append(others, piece{e.body, e.end, text})
				}
			}
		}
		if others != nil {
			out = append(out, spliced(body, others))
		}
	}
	return out
}

// piece is a piece of a body with another text.
type piece struct {
	from, to int
	text     []byte
}

// spliced is a body with other pieces, from the top.
func spliced(body []byte, others []piece) (out []byte) {
	last := 0
	for _, p := range others {
		out = append(append(out, body[last:p.from]...), p.text...)
		last = p.to
	}
	return append(out, body[last:]...)
}

// softBroken breaks lines of quoted-printable anew, so that none is longer than width (RFC
// 2045 §6.7, rule 5).
func softBroken(width int) func([]byte) []byte {
	return func(raw []byte) []byte {
		var out []byte
		for line := range bytes.SplitAfterSeq(bytes.ReplaceAll(raw, []byte("=\r\n"), nil), []byte("\r\n")) {
			text := bytes.TrimSuffix(line, []byte("\r\n"))
			end := line[len(text):]
			for len(text) > width {
				n := width - 1
				if at := bytes.LastIndexByte(text[n-2:n], '='); at >= 0 {
					n += at - 2
				}
				out = append(append(out, text[:n]...), "=\r\n"...)
				text = text[n:]
			}
			out = append(append(out, text...), end...)
		}
		return out
	}
}
