package explain

import (
	"io"
	"mime"
	"regexp"
	"strings"
)

var (
	bracketTag = regexp.MustCompile(`[\[({][^\])}]{1,60}[\])}]:?[ \t]*`)
	starTag    = regexp.MustCompile(`\*{2,}[^*]{1,40}\*{2,}:?[ \t]*`)
	wordTag    = regexp.MustCompile(`(?i)\b(external|spam|caution|warning|ext|suspect|junk|virus)\b[ \t]*[:!-]+[ \t]*`)
	replyTag   = regexp.MustCompile(`^[ \t]*((?i:re|fwd?|aw|sv|vs|wg)(\[\d+\])?:[ \t]*)+`)
	bareParam  = regexp.MustCompile(`=([^";\s]+)`)
)

// decoder takes what Python calls unknown-8bit, and any other charset, for what it is.
var decoder = mime.WordDecoder{CharsetReader: func(_ string, input io.Reader) (io.Reader, error) { return input, nil }}

// replies are what a "Re: " of Mailman's may have been.
var replies = []string{"Re: ", "RE: ", "re: ", "AW: ", "Aw: ", "SV: ", "Sv: ", "VS: ", "Vs: ",
	"Re[2]: ", "Re: Re: ", "RE: RE: ", "Re:", "RE:", ""}

// maxTagWords is how many words a tag without brackets has at most.
const maxTagWords = 6

// subject: tags of lists, virus scanners and "external" warnings.
func (h *headerSearch) subject(n *namedFields, at int) {
	value := unfold(valueOf(n.now[at]))
	h.untag(n, at, value, func(was string) []string { return []string{was} })
	if raw := valueOf(n.now[at]); h.simple() && strings.Contains(raw, "\r\n") { // its folding left as it is
		for _, found := range bracketTag.FindAllStringIndex(raw, 6) {
			e := fieldEdit{code: CodeSubjectTag, cost: 1, args: args("tag", strings.TrimSpace(raw[found[0]:found[1]]))}
			h.replace(n, at, raw[:found[0]]+raw[found[1]:], e)
		}
	}
	decoded, err := decoder.DecodeHeader(value)
	if err == nil && decoded != value || !isASCII(value) {
		h.untag(n, at, decoded, encodings)
		h.untag(n, at, value, spelled)
	}
}

// untag takes tags and prefixes off a subject; written are the ways to write what is left.
func (h *headerSearch) untag(n *namedFields, at int, value string, written func(string) []string) {
	add := func(cost int, tag, was string) {
		e := fieldEdit{code: CodeSubjectTag, cost: cost, args: args("tag", strings.TrimSpace(tag))}
		for i, form := range written(was) {
			e.cost = cost + min(i, 1)
			h.lay(n, at, form, e)
		}
	}
	for _, pattern := range []*regexp.Regexp{bracketTag, starTag, wordTag} {
		for _, found := range pattern.FindAllStringIndex(value, 6) {
			before, tag, behind := value[:found[0]], value[found[0]:found[1]], value[found[1]:]
			add(1, tag, before+behind)
			add(1, tag, strings.TrimRight(before, " ")+behind)
			rest := strings.TrimSpace(behind)
			add(1, tag, rest) // "Re: [tag] Re: x" was "Re: x"
			if strings.TrimSpace(before) == "" && strings.HasPrefix(tag, "[") {
				h.unreplied(rest, func(was string) { add(2, tag, was) })
			} else if replyTag.MatchString(before + " ") {
				h.unreplied(before+rest, func(was string) { add(2, tag, was) })
			}
		}
	}
	for at, words := 0, 0; words < maxTagWords; words++ { // tags in no brackets
		n := strings.IndexByte(value[at:], ' ') + 1
		if n == 0 {
			break
		}
		at += n
		add(3, value[:at], value[at:])
	}
	for _, reply := range replies[:6] { // a "Re: " that was cut off
		if !replyTag.MatchString(value) {
			add(3, "", reply+value)
		}
	}
	if prefix := replyTag.FindString(value); prefix != "" {
		add(2, prefix, value[len(prefix):])
		h.unreplied(value, func(was string) { add(3, prefix, was) })
	}
}

// unreplied calls add with the subject behind each prefix that may have stood there
// before Mailman wrote "Re: ".
func (h *headerSearch) unreplied(subject string, add func(string)) {
	rest := subject[len(replyTag.FindString(subject)):]
	if rest == subject {
		return
	}
	for _, reply := range replies {
		add(reply + rest)
	}
}

// encoded: encoded words (RFC 2047) were made or taken apart.
func (h *headerSearch) encoded(n *namedFields, at int) {
	value := unfold(valueOf(n.now[at]))
	decoded, err := decoder.DecodeHeader(value)
	if err != nil || decoded == value && isASCII(value) {
		return
	}
	for _, was := range encodings(decoded) {
		h.lay(n, at, was, fieldEdit{code: CodeEncoding, cost: 2})
	}
}

// spelled are other ways to spell the same encoded words.
func spelled(text string) []string {
	lower := strings.NewReplacer("?Q?", "?q?", "?B?", "?b?", "=?UTF-8?", "=?utf-8?").Replace(text)
	upper := strings.NewReplacer("?q?", "?Q?", "?b?", "?B?").Replace(text)
	capital := strings.NewReplacer("=?utf-8?", "=?UTF-8?")
	return []string{upper, lower, capital.Replace(upper), capital.Replace(lower)}
}

// encodings are ways to write a text that is not ASCII alone in a header.
func encodings(text string) []string {
	if isASCII(text) {
		return []string{text}
	}
	ways := []string{text}
	add := func(way string) {
		ways = append(ways, way, strings.NewReplacer("?q?", "?Q?", "?b?", "?B?").Replace(way))
	}
	for _, charset := range []string{"UTF-8", "utf-8"} {
		add(mime.QEncoding.Encode(charset, text))
		add(mime.BEncoding.Encode(charset, text))
	}
	parts := strings.Fields(text)
	for _, encoder := range []mime.WordEncoder{mime.QEncoding, mime.BEncoding} { // those words alone that need it
		for _, charset := range []string{"utf-8", "UTF-8"} {
			each := make([]string, len(parts))
			for i, w := range parts {
				each[i] = w
				if !isASCII(w) {
					each[i] = encoder.Encode(charset, w)
				}
			}
			add(strings.Join(each, " "))
		}
	}
	return ways
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
