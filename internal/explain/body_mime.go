package explain

import (
	"bytes"
	"mime"
	"strings"

	"dojang/header"
)

// maxParts and maxDepth bound what is looked at of a MIME structure.
const (
	maxParts = 64
	maxDepth = 8
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
	fields := new(header.List)
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(string(body[p.start:p.body]), "\r\n ", " "), "\r\n\t", " "), "\r\n") {
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

// partBodies are the bodies of all parts, which may each be the body as it was
// before the message was wrapped. A multipart within, whole, is one too.
func partBodies(contentType string, body []byte) [][]byte {
	var out [][]byte
	collect(contentType, body, maxDepth, &out)
	return out
}

func collect(contentType string, body []byte, depth int, out *[][]byte) {
	if depth == 0 {
		return
	}
	for _, p := range parts(body, boundaryOf(contentType)) {
		if len(*out) >= maxParts {
			return
		}
		inner := body[p.body:p.end]
		*out = append(*out, append(append([]byte(nil), inner...), "\r\n"...))
		collect(fieldOf(body, p, "Content-Type"), inner, depth-1, out)
	}
}

// decodeParts undoes the conversion of parts: their content becomes 8-bit
// again, and so does what their header says of it.
func (b *bodySearch) decodeParts(body []byte) []byte {
	boundary := boundaryOf(contentType(b.fields))
	if boundary == "" {
		return nil
	}
	out := recode(body, boundary, maxDepth)
	if bytes.Equal(out, body) {
		return nil
	}
	return out
}

func recode(body []byte, boundary string, depth int) []byte {
	var out []byte
	last := 0
	for _, p := range parts(body, boundary) {
		head, content := body[p.start:p.body], body[p.body:p.end]
		var decoded []byte
		encoding := strings.ToLower(fieldOf(body, p, "Content-Transfer-Encoding"))
		switch encoding {
		case "quoted-printable":
			decoded = unquote(content)
		case "base64":
			decoded = unbase64(content)
		default:
			if inner := boundaryOf(fieldOf(body, p, "Content-Type")); inner != "" && depth > 0 {
				decoded = recode(content, inner, depth-1)
			}
		}
		if decoded == nil {
			continue
		}
		out = append(out, body[last:p.start]...)
		out = append(out, bytes.Replace(head, []byte(encoding), []byte("8bit"), 1)...)
		out = append(out, decoded...)
		last = p.end
	}
	return append(out, body[last:]...)
}
