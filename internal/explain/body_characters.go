package explain

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/korean"
)

// charsets are those that programs convert to UTF-8 and back.
var charsets = [...]struct {
	name string
	encoding.Encoding
}{
	{"ISO 8859-1", charmap.ISO8859_1}, {"windows-1252", charmap.Windows1252}, {"ISO 8859-15", charmap.ISO8859_15},
	{"ISO 8859-2", charmap.ISO8859_2}, {"EUC-KR", korean.EUCKR},
}

// conversions are the edits that convert a text from one charset to another.
func conversions() []bodyEdit {
	var edits []bodyEdit
	for _, c := range charsets {
		edits = append(edits,
			bodyEdit{CodeCharset, args("was", c.name, "is", "UTF-8"), converted(c.NewEncoder().Bytes)},
			bodyEdit{CodeCharset, args("was", "UTF-8", "is", c.name), converted(c.NewDecoder().Bytes)})
	}
	return edits
}

func converted(convert func([]byte) ([]byte, error)) func([]byte) [][]byte {
	return func(body []byte) [][]byte {
		was, err := convert(body)
		if err != nil || bytes.Equal(was, body) || bytes.Contains(was, []byte(string(utf8.RuneError))) {
			return nil
		}
		return [][]byte{was}
	}
}

// spellings are texts that mean the same, of which programs put one for the other.
var spellings = [...][2]string{
	{" ", "\u00a0"}, {"  ", "\u00a0 "}, {"  ", " \u00a0"}, {"&nbsp;", " "}, {"&nbsp;", "\u00a0"}, {"'", "\u2019"}, {`"`, "\u201d"},
	{"-", "\u2013"}, {"--", "\u2014"}, {"...", "\u2026"}, {`"`, "&quot;"}, {"'", "&#39;"}, {"\t", "    "},
}

var (
	plain       = strings.NewReplacer("\u2018", "'", "\u2019", "'", "\u201c", `"`, "\u201d", `"`, "\u2013", "-", "\u2014", "--", "\u2026", "...")
	beginsQuote = regexp.MustCompile(`(^|[\s(\[])"`)
)

// typographic writes quotes, dashes and dots as word processors do.
func typographic(body []byte) []byte {
	body = beginsQuote.ReplaceAll(body, []byte("$1\u201c"))
	return []byte(strings.NewReplacer(`"`, "\u201d", "'", "\u2019", "...", "\u2026", " - ", " \u2013 ", "--", "\u2014").Replace(string(body)))
}

// respellings are the edits that spell a text otherwise wherever it stands.
func respellings() []bodyEdit {
	edits := []bodyEdit{
		one(CodeCharacters, "typographic", func(x []byte) []byte { return []byte(plain.Replace(string(x))) }),
		one(CodeCharacters, "plain", typographic),
	}
	for _, s := range bothWays() {
		edits = append(edits, bodyEdit{CodeCharacters, args("was", s[0], "is", s[1]), func(x []byte) [][]byte {
			return [][]byte{replace(x, s[1], s[0])}
		}})
	}
	return edits
}

// bothWays are the spellings, what was before what is.
func bothWays() [][2]string {
	pairs := slices.Clone(spellings[:])
	for _, s := range spellings {
		pairs = append(pairs, [2]string{s[1], s[0]})
	}
	return pairs
}

// respelledSome looks for a text that is spelled otherwise in one place, or in some of a few.
func (b *bodySearch) respelledSome(body []byte) []step {
	const few, many = 8, 1000
	enough := b.left / 2
	for _, s := range bothWays() {
		pieces := bytes.SplitN(body, []byte(s[1]), many)
		places := len(pieces) - 1
		sets := 1 << places // bit by bit the places
		if places > few {
			sets = places // one place each
		}
		for set := range sets {
			var was [][]byte
			for i, p := range pieces {
				spelled := s[1]
				if places <= few && set>>i&1 == 1 || places > few && i == set {
					spelled = s[0]
				}
				was = append(was, p, []byte(spelled))
			}
			was = was[:len(was)-1]
			if b.spent(cloneCost+32*len(was)) || b.left < enough {
				return nil
			}
			if b.matches(was...) {
				return []step{{code: CodeCharacters, args: args("was", s[0], "is", s[1]), is: body, was: bytes.Join(was, nil)}}
			}
		}
	}
	return nil
}

var charsetLabel = regexp.MustCompile(`(?i)charset=("[^"\r\n]*"|[^\s;"]+)`)

// relabelled are the bodies whose parts may have named their charset otherwise.
func (b *bodySearch) relabelled(body []byte) [][]byte {
	var labels []piece
	for _, e := range entities(b.fields, body, maxDepth) {
		for _, at := range charsetLabel.FindAllSubmatchIndex(body[e.start:e.body], 1) {
			labels = append(labels, piece{from: e.start + at[2], to: e.start + at[3]})
		}
	}
	var all [][]byte
	write := func(written func(now string) string) {
		for i, l := range labels {
			labels[i].text = []byte(written(string(body[l.from:l.to])))
		}
		all = append(all, spliced(body, labels))
	}
	if len(labels) == 0 || b.spent(len(body)) {
		return nil
	}
	unquoted := func(now string) string { return strings.Trim(now, `"`) }
	write(unquoted)
	write(func(now string) string { return `"` + unquoted(now) + `"` })
	write(strings.ToLower)
	write(strings.ToUpper)
	for _, name := range charsetNames {
		write(func(string) string { return name })
		write(func(string) string { return `"` + name + `"` })
	}
	return all
}

// charsetNames are the charsets that most text is labelled with.
var charsetNames = []string{"utf-8", "UTF-8", "us-ascii", "US-ASCII", "iso-8859-1", "ISO-8859-1", "windows-1252", "Windows-1252",
	"iso-8859-15", "ISO-8859-15", "iso-8859-2", "euc-kr", "EUC-KR", "ks_c_5601-1987"}

// preambles are what mail programs write above the first part of a multipart.
var preambles = []string{
	"This is a multi-part message in MIME format.\r\n", "This is a multi-part message in MIME format.\r\n\r\n",
	"This is a multipart message in MIME format.\r\n", "This is a multipart message in MIME format.\r\n\r\n",
	"This is a MIME-formatted message.  If you see this text it means that your\r\nE-mail software does not support MIME-formatted messages.\r\n\r\n",
	"This is a MIME-encapsulated message\r\n\r\n",
	"This is a cryptographically signed message in MIME format.\r\n\r\n",
	"This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n",
	"  This message is in MIME format.  The first part should be readable text,\r\n  while the remaining parts are likely unreadable without MIME-aware tools.\r\n\r\n",
	"\r\n",
}

// withPreamble are the bodies that may have had one, which went with all above the first part.
func (b *bodySearch) withPreamble(body []byte) [][]byte {
	boundary := boundaryOf(contentType(b.fields))
	at := bytes.Index(body, []byte("--"+boundary))
	if boundary == "" || at < 0 || b.spent(len(preambles)*len(body)) {
		return nil
	}
	var all [][]byte
	for _, p := range preambles {
		all = append(all, append([]byte(p), body[at:]...))
	}
	return all
}

// withEnd is the body with the last boundary of its multipart.
func (b *bodySearch) withEnd(body []byte) []byte {
	boundary := boundaryOf(contentType(b.fields))
	end := []byte("--" + boundary + "--")
	if boundary == "" || bytes.Contains(body, end) {
		return nil
	}
	return slices.Concat(body, end, []byte("\r\n"))
}
