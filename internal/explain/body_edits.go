package explain

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

// bodyEdit is an edit that programs on the way make, and how to undo it. undo
// returns nil when it cannot apply.
type bodyEdit struct {
	code, text string
	undo       func(body []byte) []byte
}

// edits are the known edits of whole bodies, the likely ones first.
func (b *bodySearch) edits() []bodyEdit {
	edits := []bodyEdit{
		{"transfer-encoding", "the body was converted to quoted-printable on the way", b.decodeQuoted},
		{"transfer-encoding", "the body was converted to base64 on the way", b.decodeBase64},
		{"transfer-encoding", "parts of the body were converted to quoted-printable or base64 on the way", b.decodeParts},
		{"transfer-encoding", "the body was quoted-printable when signed and was decoded on the way", encodeQuoted},
		{"transfer-encoding", "the body was base64 when signed and was decoded on the way", encodeBase64},
		{"signature-blank", `the blank behind the "--" of a mail signature was cut off`, replaceLines("--\r\n", "-- \r\n")},
		{"white-space", "blanks at line ends were cut off or added", trimLines},
		{"from-quoting", `">" was put before lines that begin with "From "`, replaceLines(">From ", "From ")},
		{"dot-stuffing", "dots at the beginning of lines were doubled", replaceLines("..", ".")},
		{"dot-stuffing", "doubled dots at the beginning of lines were made one", replaceLines(".", "..")},
		{"line-ends", "line ends were doubled", func(x []byte) []byte { return replace(x, "\r\n\r\n", "\r\n") }},
		{"line-ends", "the body had CR CR LF as line ends when signed", func(x []byte) []byte { return replace(x, "\r\n", "\r\r\n") }},
		{"line-ends", "CR was put before line ends that had none when signed", func(x []byte) []byte { return replace(x, "\r\n", "\n") }},
		{"line-ends", "a bare CR became a line end", func(x []byte) []byte { return replace(x, "\r\r\n", "\r\n") }},
		{"long-lines", "long lines were broken", joinLong},
		{"long-lines", `long lines were broken with "!"`, func(x []byte) []byte { return replace(x, "!\r\n ", "") }},
		{"tabs", "tabs became blanks", func(x []byte) []byte { return replace(x, "        ", "\t") }},
		{"charset", "the text was converted from ISO 8859-1 to UTF-8", toLatin1},
		{"charset", "the text was converted from UTF-8 to ISO 8859-1", fromLatin1},
	}
	for _, part := range b.wrapped {
		edits = append(edits, bodyEdit{"list-wrapping", "the message was wrapped as a part of another one, as mailing lists do that add a footer",
			func([]byte) []byte { return part }})
	}
	return edits
}

func replace(body []byte, old, with string) []byte {
	if !bytes.Contains(body, []byte(old)) {
		return nil
	}
	return bytes.ReplaceAll(body, []byte(old), []byte(with))
}

// replaceLines replaces the beginning of lines.
func replaceLines(old, with string) func([]byte) []byte {
	return func(body []byte) []byte {
		out := replace(append([]byte("\r\n"), body...), "\r\n"+old, "\r\n"+with)
		if out == nil {
			return nil
		}
		return out[2:]
	}
}

func trimLines(body []byte) []byte {
	lines := bytes.SplitAfter(body, []byte("\r\n"))
	var out []byte
	for _, line := range lines {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		out = append(out, bytes.TrimRight(text, " \t")...)
		if ended {
			out = append(out, "\r\n"...)
		}
	}
	return out
}

// joinLong undoes the breaking of lines at the limit of SMTP (RFC 5321
// §4.5.3.1.6) or a little below.
func joinLong(body []byte) []byte {
	var out []byte
	changed := false
	for _, line := range bytes.SplitAfter(body, []byte("\r\n")) {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		out = append(out, text...)
		if ended && len(text) >= 980 && len(text) <= 1000 {
			changed = true
			continue
		}
		if ended {
			out = append(out, "\r\n"...)
		}
	}
	if !changed {
		return nil
	}
	return out
}

func (b *bodySearch) encoding() string {
	f, _, ok := b.fields.Last("Content-Transfer-Encoding")
	if !ok {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(string(f.Value())))
}

func (b *bodySearch) decodeQuoted(body []byte) []byte {
	if b.encoding() != "quoted-printable" {
		return nil
	}
	return unquote(body)
}

func (b *bodySearch) decodeBase64(body []byte) []byte {
	if b.encoding() != "base64" {
		return nil
	}
	return unbase64(body)
}

func unquote(body []byte) []byte {
	out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	if err != nil {
		return nil
	}
	return toCRLF(out)
}

func unbase64(body []byte) []byte {
	text := bytes.Join(bytes.Fields(body), nil)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	if err != nil {
		return nil
	}
	return toCRLF(out[:n])
}

func encodeQuoted(body []byte) []byte {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	if _, err := w.Write(body); err != nil || w.Close() != nil {
		return nil
	}
	return toCRLF(out.Bytes())
}

func encodeBase64(body []byte) []byte {
	text := base64.StdEncoding.EncodeToString(body)
	var out []byte
	for len(text) > 76 {
		out = append(append(out, text[:76]...), "\r\n"...)
		text = text[76:]
	}
	return append(append(out, text...), "\r\n"...)
}

func toCRLF(text []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

func toLatin1(body []byte) []byte {
	if !utf8.Valid(body) {
		return nil
	}
	out := make([]byte, 0, len(body))
	changed := false
	for _, r := range string(body) {
		if r > 0xff {
			return nil
		}
		changed = changed || r >= 0x80
		out = append(out, byte(r))
	}
	if !changed {
		return nil
	}
	return out
}

func fromLatin1(body []byte) []byte {
	var out []byte
	changed := false
	for _, c := range body {
		changed = changed || c >= 0x80
		out = utf8.AppendRune(out, rune(c))
	}
	if !changed {
		return nil
	}
	return out
}

// rewriter recognizes what rewrites bodies for good: no search undoes it.
func rewriter(body []byte) (Cause, bool) {
	for mark, who := range map[string]string{
		"safelinks.protection.outlook.com": "Microsoft's Safe Links",
		"urldefense.proofpoint.com":        "Proofpoint's URL Defense",
		"urldefense.com/v":                 "Proofpoint's URL Defense",
		"protect-us.mimecast.com":          "Mimecast's URL protection",
		"linkprotect.cudasvc.com":          "Barracuda's link protection",
		"secure-web.cisco.com":             "Cisco's secure web proxy",
	} {
		if bytes.Contains(body, []byte(mark)) {
			return Cause{Part: PartBody, Code: "links-rewritten", Text: "links in the body were rewritten by " + who + ": that changes every body it touches; verify before it"}, true
		}
	}
	return Cause{}, false
}
