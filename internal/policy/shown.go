package policy

import (
	"regexp"
	"slices"
	"strings"

	"dojang/header"
	"dojang/internal/event"
)

// Bounds of what is judged of the fields that name authors. Mail of people has one
// author and a few hundred octets.
const (
	maxShownBytes  = 16 << 10
	maxShownFields = 16
	maxHostText    = 1024 // looked at for a domain
	maxShown       = 100
)

// shown are all mailboxes as whose mail a message may be seen: the author's, those
// that From names in every field of that name, and whatever in it looks like an
// address to some reader: display names, comments, words before "<", encoded
// words. ReplaceRules come first, as the field is signed. A problem says that
// nobody knows, and that the message is not to be signed as anybody's.
//
// It is the one judge of this for whatever depends on who sent a message, wherever
// the author was found.
func (s *Signing) shown(p *Plan, f *Facts) ([]header.Mailbox, *event.Event) {
	if p.authors == nil {
		p.authors = &authors{}
		p.authors.all, p.authors.problem = s.findShown(p, f)
	}
	return p.authors.all, p.authors.problem
}

// authors are what shown found, once for a message.
type authors struct {
	all     []header.Mailbox
	problem *event.Event
}

func (s *Signing) findShown(p *Plan, f *Facts) ([]header.Mailbox, *event.Event) {
	all := []header.Mailbox{{Local: p.Author.User, Domain: p.Author.Domain}}
	bytes, count := 0, 0
	for i := range f.Fields.Len() {
		field := f.Fields.At(i)
		author, identity := p.Author.Field != "" && field.Is(p.Author.Field), s.IdentityHeader != "" && field.Is(s.IdentityHeader)
		if !field.Is("From") && !author && !identity {
			continue
		}
		value := s.replacedValue(field)
		name := string(field.Name())
		unknown := func() ([]header.Mailbox, *event.Event) {
			e := event.UnparsableSender(name, string(value))
			return nil, &e
		}
		count++
		if bytes += len(value); bytes > maxShownBytes || count > maxShownFields {
			return unknown()
		}
		strict, err := header.Addresses(value)
		if field.Is("From") && err != nil || author && err != nil && !isURLField(name) {
			return unknown()
		}
		looks, ok := lookalikes(string(value), strict)
		if !ok || len(looks) > maxShown {
			return unknown()
		}
		for _, m := range append(strict, looks...) {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
		if len(all) > maxShown {
			return unknown()
		}
	}
	return all, nil
}

// lookalikes are the addresses that some reader may find in a text which strict
// ones are in: every one is read that differs in what is done with quotes,
// backslashes, comments and encoded words. ok is false when an encoded word is of a
// character set in which it cannot be told.
//
// A domain without a dot counts only where a strict address has it too: "Sales @ Example"
// is a name.
func lookalikes(written string, strict []header.Mailbox) (found []header.Mailbox, ok bool) {
	texts := []string{written, wordMarks.ReplaceAllString(written, "")}
	for _, words := range [...]*regexp.Regexp{outerWord, innerWord} {
		for _, joined := range []bool{true, false} {
			once, ok1 := decodeWords(written, words, joined)
			twice, ok2 := decodeWords(once, words, joined)
			if !ok1 || !ok2 {
				return nil, false
			}
			texts = append(texts, once, twice, wordMarks.ReplaceAllString(once, ""))
		}
	}
	slices.Sort(texts)
	for _, text := range slices.Compact(texts) {
		raw := text == written
		text = marks.Replace(text)
		for _, c := range [...]comments{kept, cutAsWritten, cutBlindly} {
			for _, joined := range []bool{false, true} {
				found = appendTokens(found, flat(text, c, joined, raw), strict, true)
			}
			if len(found) > maxShown {
				return found, true
			}
		}
		found = appendTokens(found, flat(wrappings.Replace(text), kept, true, raw), strict, false)
	}
	return found, true
}

// marks makes the forms of "@" and "." that convert alike (UTS #46) alike, and
// takes out what is not seen.
var marks = strings.NewReplacer("\uff20", "@", "\ufe6b", "@", "\u3002", ".", "\uff0e", ".", "\uff61", ".", "\x00", "",
	"\u00ad", "", "\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "", "\u00a0", " ", "\r\n", "",
	"\u2018", " ", "\u2019", " ", "\u201c", " ", "\u201d", " ", "\u00ab", " ", "\u00bb", " ")

// wrappings are marks that some readers pass over.
var wrappings = strings.NewReplacer("(", "", ")", "")

// comments is what a reader does with comments.
type comments uint8

const (
	kept         comments = iota // they are words
	cutAsWritten                 // quotes and backslashes count (RFC 5322 §3.2.2)
	cutBlindly                   // they do not
)

// flat is a text as blanks, words and ends of lines. Quotes and backslashes become
// blanks or, when joined, nothing; whatever else divides becomes the end of a line, and
// so does a blank within quotes of a raw text. A comment without an end is kept.
func flat(text string, c comments, joined, raw bool) string {
	out := make([]byte, 0, len(text))
	depth, opened, inQuotes := 0, 0, false
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case b == '\\' && c == cutAsWritten && i+1 < len(text) && (depth > 0 || inQuotes):
			i++ // what follows is no mark
			if depth == 0 {
				out = append(out, text[i])
			}
			continue
		case b == '"' && depth == 0:
			inQuotes = !inQuotes
		case b == '(' && c != kept && !(inQuotes && c == cutAsWritten):
			if depth == 0 {
				opened = i
			}
			depth++
		case b == ')' && depth > 0:
			depth--
			continue
		case b == ' ' && raw && inQuotes && depth == 0:
			b = '\n'
		}
		if depth == 0 {
			out = appendFlat(out, b, joined)
		}
	}
	if depth > 0 {
		for i := opened; i < len(text); i++ {
			out = appendFlat(out, text[i], joined)
		}
	}
	return string(out)
}

func appendFlat(out []byte, b byte, joined bool) []byte {
	switch b {
	case '"', '\\', '>':
		if joined {
			return out
		}
		return append(out, ' ')
	case '(', ')', '<', '[', ']', ':', ';', ',', '\n':
		return append(out, '\n')
	case '\t', '\r':
		return append(out, ' ')
	}
	return append(out, b)
}

// appendTokens appends what stands around each "@" of a flat text, blanks beside it
// passed over, and when blanks are none, with the words behind it as one.
func appendTokens(found []header.Mailbox, text string, strict []header.Mailbox, joined bool) []header.Mailbox {
	add := func(local, domain string) {
		domain = strings.Trim(domain, ".-")
		m := header.Mailbox{Local: strings.TrimLeft(local, "'`"), Domain: domain}
		dotless := func(s header.Mailbox) bool { return strings.EqualFold(s.Domain, domain) }
		if domain == "" || !strings.Contains(domain, ".") && !slices.ContainsFunc(strict, dotless) || slices.Contains(found, m) {
			return
		}
		found = append(found, m)
	}
	for from := 0; len(found) <= maxShown; {
		at := strings.IndexByte(text[from:], '@')
		if at < 0 {
			break
		}
		before, behind := text[max(0, from+at-maxHostText):from+at], text[from+at+1:]
		from += at + 1
		before = strings.TrimRight(before, " \n")
		local := before[strings.LastIndexAny(before, " \n")+1:]
		behind = strings.TrimLeft(behind, " \n@")
		add(local, behind[:hostEnd(behind)])
		if !joined {
			continue
		}
		// "ours . example" is a domain too (RFC 5322 §4.4), to some readers "our s.example".
		line, _, _ := strings.Cut(behind[:min(len(behind), maxHostText)], "\n")
		line = strings.ReplaceAll(line, " ", "")
		add(local, line[:hostEnd(line)])
	}
	return found
}

// hostEnd is the length of what may be part of a domain at the start of a text.
func hostEnd(text string) int {
	for i := range len(text) {
		c := text[i]
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '_' || c == '.' || c >= 0x80) {
			return i
		}
	}
	return len(text)
}
