package explain

import (
	"bytes"
	"regexp"
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
