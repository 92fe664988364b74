package explain

import (
	"bytes"
	"hash"
	"regexp"
	"slices"

	"dojang/dkim"
)

// maxLines is how many lines a body has at most of which any few may have been put in.
const maxLines = 600

// anywhere looks for lines that were put into the middle of a short body, and for an empty
// line that was lost.
func (b *bodySearch) anywhere(body []byte) []step {
	lines := b.lines(body)
	if len(lines) > maxLines || b.signature.Length >= 0 {
		return nil
	}
	enough := b.left / 2
	prefix := b.newHash()
	for i, line := range lines {
		lost := clone(prefix)
		lost.Write([]byte("\r\n"))
		if _, ok := b.restSigned(lost, lines, i, nil, nil, 1); ok {
			return []step{emptyLineLost(body, i)}
		}
		if was := b.otherEnd(prefix, lines, i); was != nil {
			return []step{withLine(body, i, was)}
		}
		for end := i + 1; end < len(lines) && end <= i+maxBanner; end++ {
			if b.spent(cloneCost) || b.left < enough {
				return nil
			}
			if _, ok := b.restSigned(clone(prefix), lines, end, nil, nil, 1); ok {
				return withoutBlocks(body, []block{{i, end, CodeInserted}})
			}
		}
		prefix.Write(line)
	}
	return nil
}

// otherEnd is line n as it was, where it had a blank at its end that it has not, or none.
func (b *bodySearch) otherEnd(prefix hash.Hash, lines [][]byte, n int) []byte {
	if b.signature.BodyCanonicalization != dkim.Simple {
		return nil
	}
	text := bytes.TrimSuffix(lines[n], []byte("\r\n"))
	for _, was := range [][]byte{bytes.TrimRight(text, " \t"), append(bytes.Clone(text), ' ')} {
		was = append(was[:len(was):len(was)], "\r\n"...)
		h := clone(prefix)
		h.Write(was)
		if _, ok := b.restSigned(h, lines, n+1, nil, nil, 1); ok {
			return was
		}
	}
	return nil
}

// withLine is the step that gives a body another line n.
func withLine(body []byte, n int, was []byte) step {
	lines := bytes.SplitAfter(body, []byte("\n"))
	how := "added"
	if len(was) > len(lines[n]) {
		how = "cut"
	}
	before := bytes.Join(slices.Concat(lines[:n], [][]byte{was}, lines[n+1:]), nil)
	return step{code: CodeWhiteSpace, args: args("how", how), is: body, was: before}
}

// flowed are the bodies whose lines that go on (RFC 3676 §4.2) may have ended in a blank:
// all that another of the same depth of quoting follows, or those of them that are full.
func flowed(body []byte) [][]byte {
	const full = 60
	lines := bytes.SplitAfter(body, []byte("\r\n"))
	quoting := func(line []byte) int { return len(line) - len(bytes.TrimLeft(line, ">")) }
	var all, long []byte
	for i, line := range lines {
		text := bytes.TrimSuffix(line, []byte("\r\n"))
		all, long = append(all, text...), append(long, text...)
		if i+1 < len(lines) && len(lines[i+1]) > 2 && quoting(lines[i+1]) == quoting(line) && len(bytes.TrimLeft(text, "> ")) > 0 &&
			text[len(text)-1] != ' ' {
			all = append(all, ' ')
			if len(text) > full {
				long = append(long, ' ')
			}
		}
		end := line[len(text):]
		all, long = append(all, end...), append(long, end...)
	}
	return [][]byte{all, long}
}

// emptyLineLost is the step that gives a body an empty line before line n.
func emptyLineLost(body []byte, n int) step {
	at := 0
	for range n {
		at += bytes.IndexByte(body[at:], '\n') + 1
	}
	was := append(append(bytes.Clone(body[:at]), "\r\n"...), body[at:]...)
	return step{code: CodeBlankLines, args: args("how", "lost"), is: body, was: was}
}

var quotedFrom = regexp.MustCompile(`(?m)^>(>*From )`)

// unquotedFrom are the bodies of which ">" before From may have been missing: at all lines,
// those that begin with several too, or at one of a few.
func unquotedFrom(body []byte) [][]byte {
	const most = 8
	found := quotedFrom.FindAllIndex(body, -1)
	if len(found) == 0 {
		return nil
	}
	was := [][]byte{quotedFrom.ReplaceAll(body, []byte("$1"))}
	for i := 0; i < len(found) && i < most && len(found) > 1; i++ {
		at := found[i][0]
		was = append(was, append(bytes.Clone(body[:at]), body[at+1:]...))
	}
	return was
}

// unwrapped are the bodies whose lines may have been longer before they were broken at a
// width between words.
func unwrapped(body []byte) [][]byte {
	var was [][]byte
	for _, width := range []int{72, 76, 78, 80} {
		var out []byte
		changed := false
		lines := bytes.SplitAfter(body, []byte("\r\n"))
		for i, line := range lines {
			text := bytes.TrimSuffix(line, []byte("\r\n"))
			var next []byte
			if i+1 < len(lines) {
				next, _, _ = bytes.Cut(bytes.TrimSuffix(lines[i+1], []byte("\r\n")), []byte(" "))
			}
			if len(next) == 0 || len(text) == 0 || len(text) > width || len(text)+1+len(next) <= width {
				out = append(out, line...)
				continue
			}
			changed = true
			if out = append(out, text...); text[len(text)-1] != ' ' {
				out = append(out, ' ')
			}
		}
		if changed {
			was = append(was, out)
		}
	}
	return was
}

var byteOrderMark = []byte("\ufeff")

func withMark(body []byte) []byte {
	if bytes.HasPrefix(body, byteOrderMark) {
		return nil
	}
	return append(bytes.Clone(byteOrderMark), body...)
}

func withoutMark(body []byte) []byte {
	if rest, ok := bytes.CutPrefix(body, byteOrderMark); ok {
		return rest
	}
	return nil
}
