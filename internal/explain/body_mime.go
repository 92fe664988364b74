package explain

import (
	"bytes"
	"mime"
	"regexp"
	"slices"
	"strings"

	"dojang/header"
)

// maxParts and maxDepth bound what is looked at of a MIME structure, and maxCandidates the
// memory for bodies that may have been.
const (
	maxParts      = 64
	maxDepth      = 8
	maxCandidates = 64 << 20
)

func contentType(fields *header.List) string {
	f, _, ok := fields.First("Content-Type")
	if !ok {
		return ""
	}
	return unfold(string(f.Value()))
}

func unfold(value string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", ""), "\t", " "))
}

// boundaryOf is the boundary of a multipart type, "" for other types.
func boundaryOf(contentType string) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return ""
	}
	return params["boundary"]
}

// part is one part of a multipart body, as bytes of that body.
type part struct {
	start, body, end int // of its header, its body, its end
}

// entity is a MIME part at any depth, by its place in the message's body.
type entity struct {
	part
	kind     string // Content-Type
	encoding string // Content-Transfer-Encoding, in lower case
	holds    bool   // other parts
}

// entities are the parts of a body, from the top, those within multiparts and messages too.
func entities(fields *header.List, body []byte, depth int) []entity {
	var found []entity
	enter(contentType(fields), body, 0, depth, &found)
	return found
}

func enter(kind string, body []byte, offset, depth int, found *[]entity) {
	if depth == 0 {
		return
	}
	inner := parts(body, boundaryOf(kind))
	if strings.HasPrefix(strings.ToLower(kind), "message/rfc822") {
		inner = []part{newPart(body, 0, len(body))}
	}
	for _, p := range inner {
		if len(*found) >= maxParts {
			return
		}
		e := entity{part: part{offset + p.start, offset + p.body, offset + p.end}, kind: fieldOf(body, p, "Content-Type")}
		e.encoding = strings.ToLower(fieldOf(body, p, "Content-Transfer-Encoding"))
		lower := strings.ToLower(e.kind)
		e.holds = strings.HasPrefix(lower, "multipart/") || strings.HasPrefix(lower, "message/rfc822")
		*found = append(*found, e)
		if e.holds {
			enter(e.kind, body[p.body:p.end], offset+p.body, depth-1, found)
		}
	}
}

// parts finds the parts between the boundaries, byte exact.
func parts(body []byte, boundary string) []part {
	if boundary == "" {
		return nil
	}
	delimiter := []byte("--" + boundary)
	var found []part
	start, from := -1, 0
	for from <= len(body) && len(found) < maxParts {
		i := bytes.Index(body[from:], delimiter)
		if i < 0 {
			break
		}
		i += from
		from = i + len(delimiter)
		if i > 0 && body[i-1] != '\n' {
			continue
		}
		if start >= 0 {
			found = append(found, newPart(body, start, max(start, i-2)))
		}
		lineEnd := bytes.IndexByte(body[from:], '\n')
		if lineEnd < 0 || bytes.HasPrefix(body[from:], []byte("--")) {
			break
		}
		start = from + lineEnd + 1
		from = start
	}
	return found
}

func newPart(body []byte, start, end int) part {
	p := part{start: start, body: end, end: end}
	if bytes.HasPrefix(body[start:end], []byte("\r\n")) {
		p.body = start + 2
	} else if i := bytes.Index(body[start:end], []byte("\r\n\r\n")); i >= 0 {
		p.body = start + i + 4
	}
	return p
}

// fieldOf reads a field of a part's header, unfolded.
func fieldOf(body []byte, p part, name string) string {
	if p.body-p.start > maxField {
		return ""
	}
	fields := new(header.List)
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(string(body[p.start:p.body]))
	for line := range strings.SplitSeq(unfolded, "\r\n") {
		if strings.Contains(line, ":") {
			fields.AddRaw([]byte(line))
		}
	}
	f, _, ok := fields.First(name)
	if !ok {
		return ""
	}
	return strings.TrimSpace(string(f.Value()))
}

// wrapped are the bodies of all parts, which may each be the body as it was before the
// message was wrapped. A multipart within, whole, is one too.
func (b *bodySearch) wrapped(body []byte) [][]byte {
	var out [][]byte
	size := 0
	for _, e := range entities(b.fields, body, maxDepth) {
		if size += 2 * (e.end - e.body); size < maxCandidates {
			inner := body[e.body:e.end]
			out = append(out, append(bytes.Clone(inner), "\r\n"...))
			if e.encoding == "quoted-printable" {
				out = append(out, unquote(inner))
			} else if e.encoding == "base64" {
				text := unbase64(inner)
				out = append(out, text, append(bytes.Clone(text), "\r\n"...))
			}
		}
	}
	return out
}

// decodeParts undoes the conversion of parts to quoted-printable or base64: their content
// becomes 8-bit again, and so does what their header says of it, in the ways it may have
// been said. All parts, or some of the first four.
func (b *bodySearch) decodeParts(body []byte) [][]byte {
	var coded, holders []entity
	for _, e := range entities(b.fields, body, maxDepth) {
		switch {
		case e.holds && e.encoding != "":
			holders = append(holders, e)
		case !e.holds && (e.encoding == "quoted-printable" || e.encoding == "base64"):
			coded = append(coded, e)
		}
	}
	if len(coded) == 0 {
		return nil
	}
	var out [][]byte
	for _, set := range subsets(coded) {
		for _, holding := range []string{"", "8bit", "none"} { // what Postfix made 7bit
			if holding != "" && len(holders) == 0 {
				break
			}
			for way := range len(codingWays) + 3 {
				for _, ended := range []bool{false, true} {
					if (len(out)+1)*len(body) < maxCandidates && !b.spent(len(body)) && (!ended || hasBase64(set)) {
						out = append(out, recoded(body, set, holders, way, holding, ended))
					}
				}
			}
		}
	}
	return out
}

func hasBase64(set []entity) bool {
	return slices.ContainsFunc(set, func(e entity) bool { return e.encoding == "base64" })
}

// subsets are the sets of parts that may have been converted: all, those of one encoding,
// and any of four.
func subsets(coded []entity) [][]entity {
	sets := [][]entity{coded}
	for _, encoding := range []string{"quoted-printable", "base64"} {
		some := slices.DeleteFunc(slices.Clone(coded), func(e entity) bool { return e.encoding != encoding })
		if len(some) > 0 && len(some) < len(coded) {
			sets = append(sets, some)
		}
	}
	few := coded[:min(len(coded), 4)]
	for bits := 1; bits < 1<<len(few); bits++ {
		var set []entity
		for i, e := range few {
			if bits>>i&1 == 1 {
				set = append(set, e)
			}
		}
		if len(set) < len(coded) {
			sets = append(sets, set)
		}
	}
	return sets
}

// codingWays are what a part's header may have said of 8-bit text: Content-Transfer-Encoding
// with another value, or nothing; and of text in the other encoding. Beyond them are other places of the field.
var codingWays = [...]string{"8bit", "", "8BIT", "binary", "7bit", "base64", "quoted-printable"}

var codingField = regexp.MustCompile(`(?im)^Content-Transfer-Encoding:[^\r\n]*(\r\n[ \t][^\r\n]*)*\r\n`)

// recoded is body with the parts of set as 8-bit text; ended is whether the line end that
// base64 has at its end was there beside that of the boundary.
func recoded(body []byte, set, holders []entity, way int, holding string, ended bool) []byte {
	var out []byte
	last := 0
	for _, e := range byPlace(set, holders) {
		if e.start < last {
			continue
		}
		head := body[e.start:e.body]
		out = append(out, body[last:e.start]...)
		last = e.body
		if e.holds {
			switch holding {
			case "8bit":
				head = codingField.ReplaceAll(head, []byte("Content-Transfer-Encoding: 8bit\r\n"))
			case "none":
				head = codingField.ReplaceAll(head, nil)
			}
			out = append(out, head...)
			continue
		}
		out = append(out, said8bit(head, way)...)
		content := body[e.body:e.end]
		last = e.end
		var text []byte
		if e.encoding == "base64" {
			if text = unbase64(content); !ended {
				text = bytes.TrimSuffix(text, []byte("\r\n"))
			}
		} else {
			text = unquote(content)
		}
		if text == nil {
			text = content
		} else if way < len(codingWays) {
			text = inCoding(codingWays[way], text)
		}
		out = append(out, text...)
	}
	return append(out, body[last:]...)
}

func inCoding(coding string, text []byte) []byte {
	switch coding {
	case "base64":
		return base64Lines(text, 76)
	case "quoted-printable":
		return encodeQuoted(text)
	}
	return text
}

// byPlace merges parts in the order in which they stand.
func byPlace(a, b []entity) []entity {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y entity) int { return x.start - y.start })
	return all
}

// said8bit is a part's header as it was.
func said8bit(head []byte, way int) []byte {
	if way < len(codingWays) {
		if was := codingWays[way]; was != "" {
			value := codingField.Find(head)
			before, _, ok := bytes.Cut(value, []byte{':'})
			if !ok {
				return head
			}
			return bytes.Replace(head, value, []byte(string(before)+": "+was+"\r\n"), 1)
		}
		return codingField.ReplaceAll(head, nil)
	}
	// Postfix puts the field at the end. It was behind Content-Type, before it, or first.
	rest := codingField.ReplaceAll(head, nil)
	fields := splitFields(string(bytes.TrimSuffix(rest, []byte("\r\n"))))
	at := slices.IndexFunc(fields, func(f string) bool { return len(f) > 13 && strings.EqualFold(f[:13], "Content-Type:") })
	switch way - len(codingWays) {
	case 0:
		at++
	case 2:
		at = 0
	}
	lines := slices.Insert(fields, max(at, 0), "Content-Transfer-Encoding: 8bit")
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}
