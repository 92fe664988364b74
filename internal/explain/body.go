package explain

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/header"
)

// bodySearch looks for the body that was signed.
type bodySearch struct {
	ctx       context.Context
	signature *dkim.Signature
	fields    *header.List
	left      int // bytes that may still be hashed
}

// maxBodyWork bounds the work for one signature, about three seconds.
const maxBodyWork = 1<<31 - 1

// What copying a hash, starting a line and trying a body cost, in bytes hashed.
const (
	cloneCost = 512
	lineCost  = 16
)

// maxBodyBytes is the largest body that is searched.
const maxBodyBytes = 32 << 20

// step is one edit undone: the body before and after that.
type step struct {
	code  string
	args  map[string]string
	is    []byte
	was   []byte
	added bool // was is is without some lines
}

func bodyCauses(ctx context.Context, fields *header.List, body []byte, r *dkim.Result) []Cause {
	s := r.Signature
	blank := len(bytes.TrimSpace(body)) == 0
	switch {
	case blank && !fits(s):
		return []Cause{{Part: PartBody, Code: CodeBodyMissing}}
	case !blank && fits(s):
		c := Cause{Part: PartBody, Code: CodeSignedEmpty, Proved: true}
		c.keep("", string(body), 1)
		return []Cause{c}
	case s.Length > r.CanonicalBodyLength:
		return []Cause{{Part: PartBody, Code: CodeTruncated,
			Args: args("length", strconv.FormatInt(s.Length, 10), "body", strconv.FormatInt(r.CanonicalBodyLength, 10))}}
	case len(body) > maxBodyBytes:
		return []Cause{{Part: PartBody, Code: CodeTooLarge}}
	}
	b := &bodySearch{ctx: ctx, signature: s, fields: fields, left: maxBodyWork}
	if steps := b.find(body); steps != nil && fits(b.signature, steps[len(steps)-1].was) {
		return told(steps)
	}
	found := []Cause{{Part: PartBody, Code: CodeUnknown}}
	if hint, ok := rewriter(body); ok {
		found = append(found, hint)
	}
	return found
}

// told are the causes of the steps that were undone.
func told(steps []step) []Cause {
	var causes []Cause
	for _, s := range steps {
		was, is, line := difference(s.was, s.is)
		c := Cause{Part: PartBody, Code: s.code, Args: s.args, Proved: true}
		if s.added {
			shown := strings.TrimSuffix(added(s.was, s.is, is), "\r\n")
			if first := firstWords(shown); first == "" {
				c.Code, c.Args = CodeBlankLines, args("lines", strconv.Itoa(strings.Count(is, "\r\n")), "line", strconv.Itoa(line))
			} else {
				c.Args = args("lines", strconv.Itoa(strings.Count(shown, "\r\n")+1), "line", strconv.Itoa(line), "first", first)
			}
		}
		c.keep(was, is, line)
		causes = append(causes, c)
	}
	return causes
}

// added is the text that is has and was has not, of which lines has the whole lines.
func added(was, is []byte, lines string) string {
	if n := len(is) - len(was); n > 0 && n < len(lines) {
		at := 0
		for at < len(was) && was[at] == is[at] {
			at++
		}
		for at > 0 && is[at-1] == '<' && is[at+n-1] == '<' { // of two ways to see it the one that leaves tags whole
			at--
		}
		return string(is[at : at+n])
	}
	return lines
}

// difference is what two bodies differ in: whole lines, and the number of the first.
func difference(was, is []byte) (before, now string, line int) {
	w, i := bytes.SplitAfter(was, []byte("\n")), bytes.SplitAfter(is, []byte("\n"))
	line = 1
	for len(w) > 0 && len(i) > 0 && bytes.Equal(w[0], i[0]) {
		w, i = w[1:], i[1:]
		line++
	}
	for len(w) > 0 && len(i) > 0 && bytes.Equal(w[len(w)-1], i[len(i)-1]) {
		w, i = w[:len(w)-1], i[:len(i)-1]
	}
	return string(bytes.Join(w, nil)), string(bytes.Join(i, nil)), line
}

// firstWords is the first line with text in it as it stands there, cut short; a line of
// dashes only where there is no other. Tags of HTML are passed over.
func firstWords(text string) string {
	const most = 60
	dashes := ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r\n")
		if plain := strings.TrimSpace(tags.ReplaceAllString(line, "")); strings.Trim(plain, "_-=*#~ ") != "" &&
			!partLine.MatchString(plain) {
			return clip(plain, most)
		}
		if dashes == "" && strings.TrimSpace(line) != "" {
			dashes = line
		}
	}
	if len(dashes) > most {
		return clip(dashes, most)
	}
	return dashes
}

// find tries every whole-body edit, alone, then together with text added somewhere, and
// two of them.
func (b *bodySearch) find(body []byte) []step {
	edits := b.edits(body)
	var open []step // edits that may have been made, with more
	known, kept := map[string]bool{string(body): true}, 0
	for _, e := range edits {
		for _, was := range e.undo(body) {
			if b.spent(cloneCost) {
				return nil
			}
			if was == nil || known[string(was)] {
				continue
			}
			if len(was) < 64<<10 {
				known[string(was)] = true
			}
			s := step{code: e.code, args: e.args, is: body, was: was}
			if b.matches(was) {
				return []step{s}
			}
			if kept += len(was); len(open) < 64 && kept < maxCandidates {
				open = append(open, s)
			}
		}
	}
	if found := b.findAdded(body, 2); found != nil {
		return found
	}
	if found := b.inCoded(body); found != nil {
		return found
	}
	if found := b.anywhere(body); found != nil {
		return found
	}
	if found := b.respelledSome(body); found != nil {
		return found
	}
	for _, s := range open {
		if found := b.findAdded(s.was, 1); found != nil {
			return b.inOrder(s, found, edits)
		}
	}
	for _, s := range open {
		for _, e := range edits {
			if e.code == s.code {
				continue
			}
			for _, was := range e.undo(s.was) {
				if b.spent(cloneCost) {
					return nil
				}
				if was != nil && b.matches(was) {
					return []step{s, {code: e.code, args: e.args, is: s.was, was: was}}
				}
			}
		}
	}
	return nil
}

// inOrder tells first what was added, as the message has it, and then the other edit,
// where the two can be told apart so; else as they were found.
func (b *bodySearch) inOrder(first step, added []step, edits []bodyEdit) []step {
	body, was := first.is, added[len(added)-1].was
	lines := bytes.SplitAfter(body, []byte("\n"))
	for n := len(lines) - 1; n >= max(0, len(lines)-200); n-- {
		rest := bytes.Join(lines[:n], nil)
		for _, e := range edits {
			if e.code != first.code || b.spent(len(rest)) {
				continue
			}
			for _, undone := range e.undo(rest) {
				if undone != nil && b.matches(undone) && len(undone) >= len(was)-2 {
					return []step{{code: CodeFooter, is: body, was: rest, added: true}, {code: e.code, args: e.args, is: rest, was: undone}}
				}
			}
		}
	}
	return append([]step{first}, added...)
}

// matches reports whether a body, in pieces, is the one that was signed.
func (b *bodySearch) matches(pieces ...[]byte) bool {
	for _, p := range pieces {
		if b.spent(len(p)) {
			return false
		}
	}
	return fits(b.signature, pieces...)
}

// spent takes n bytes off the budget and reports whether it is used up.
func (b *bodySearch) spent(n int) bool {
	b.left -= n
	return b.left < 0 || b.ctx.Err() != nil
}

// rejoined undoes an empty line that cut the header in two: what was below it became the
// beginning of the body. It returns the header and the body as they were.
func rejoined(fields *header.List, body []byte, r *dkim.Result) (cut *Cause, joined *header.List, rest []byte) {
	if !r.BodyChecked || r.BodyOK || len(body) > maxBodyBytes {
		return nil, nil, nil
	}
	below, rest, err := header.Parse(body)
	if err != nil || len(rest) == len(body) || !looksLikeHeader(below) || !fits(r.Signature, rest) {
		return nil, nil, nil
	}
	joined = new(header.List)
	var names []string
	for i := range fields.Len() {
		joined.AddRaw(fields.At(i).Raw)
	}
	for i := range below.Len() {
		joined.AddRaw(below.At(i).Raw)
		if len(names) < 8 {
			names = append(names, clip(string(below.At(i).Name()), 40))
		}
	}
	cut = &Cause{Part: PartHeader, Code: CodeHeaderCut, Proved: true, Args: args("fields", strings.Join(names, ", "))}
	cut.keep("", string(body[:len(body)-len(rest)]), 1)
	return cut, joined, rest
}

// looksLikeHeader reports whether fields are of a message's header: "CAUTION: external" is
// the first line of a banner.
func looksLikeHeader(fields *header.List) bool {
	for i := range fields.Len() {
		name := strings.ToLower(string(fields.At(i).Name()))
		switch {
		case strings.HasPrefix(name, "x-"), strings.HasPrefix(name, "content-"),
			strings.HasPrefix(name, "list-"), strings.HasPrefix(name, "arc-"):
			return true
		}
		switch name {
		case "from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "sender",
			"mime-version", "received",
			"user-agent",
			"dkim-signature", "return-path", "authentication-results", "received-spf", "delivered-to", "precedence", "errors-to":
			return true
		}
	}
	return false
}
