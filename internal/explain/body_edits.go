package explain

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strings"
)

// bodyEdit is an edit that programs on the way make. undo gives the bodies that may have
// been there before it, none where it cannot have been made.
type bodyEdit struct {
	code string
	args map[string]string
	undo func(body []byte) [][]byte
}

// one makes an edit of a function that gives one body, nil where it does not apply.
func one(code, how string, undo func([]byte) []byte) bodyEdit {
	return bodyEdit{code, args("how", how), func(body []byte) [][]byte {
		if was := undo(body); was != nil {
			return [][]byte{was}
		}
		return nil
	}}
}

// edits are the known edits of whole bodies, the likely ones first.
func (b *bodySearch) edits(body []byte) []bodyEdit {
	edits := []bodyEdit{
		one(CodeTransferEncoding, "to-quoted-printable", b.decodeQuoted),
		{CodeTransferEncoding, args("how", "to-base64"), b.decodeBase64},
		{CodeTransferEncoding, args("how", "parts"), b.decodeParts},
		one(CodeTransferEncoding, "from-quoted-printable", encodeQuoted),
		one(CodeTransferEncoding, "from-base64", encodeBase64),
		{CodeTransferEncoding, args("how", "again"), b.recodedAgain},
		one(CodeSignatureBlank, "", replaceLines("--\r\n", "-- \r\n")),
		one(CodeWhiteSpace, "added", trimLines),
		{CodeWhiteSpace, args("how", "cut"), flowed},
		one(CodeFromQuoting, "", replaceLines(">From ", "From ")),
		{CodeFromQuoting, nil, unquotedFrom},
		one(CodeDotStuffing, "doubled", replaceLines("..", ".")),
		one(CodeDotStuffing, "single", replaceLines(".", "..")),
		one(CodeLineEnds, "doubled", func(x []byte) []byte { return replace(x, "\r\n\r\n", "\r\n") }),
		one(CodeLineEnds, "crcrlf", func(x []byte) []byte { return replace(x, "\r\n", "\r\r\n") }),
		one(CodeLineEnds, "lf", func(x []byte) []byte { return replace(x, "\r\n", "\n") }),
		one(CodeLineEnds, "cr", func(x []byte) []byte { return replace(x, "\r\r\n", "\r\n") }),
		one(CodeLongLines, "", func(x []byte) []byte { return joinLong(x, " ") }),
		one(CodeLongLines, "", func(x []byte) []byte { return joinLong(x, "") }),
		one(CodeLongLines, "!", func(x []byte) []byte { return replace(x, "!\r\n ", "") }),
		one(CodeLongLines, "!", func(x []byte) []byte { return replace(x, "!\r\n", "") }),
		one(CodeTabs, "", func(x []byte) []byte { return replace(x, "        ", "\t") }),
		one(CodeCharset, "mark-added", withoutMark),
		one(CodeCharset, "mark-lost", withMark),
		{CodeInserted, args("what", "meta"), withoutMeta},
		{CodeLongLines, args("how", "wrap"), unwrapped},
		{CodeFrame, args("how", "preamble"), b.withPreamble},
		one(CodeFrame, "end", b.withEnd),
		{CodeCharsetLabel, nil, b.relabelled},
	}
	edits = append(append(edits, conversions()...), respellings()...)
	wrapped := b.wrapped(body)
	return append(edits, bodyEdit{CodeListWrapping, nil, func(now []byte) [][]byte {
		if !bytes.Equal(now, body) {
			return nil
		}
		return wrapped
	}})
}

// metaTag is what Exchange puts into HTML.
var metaTag = regexp.MustCompile(`(?i)<meta http-equiv="Content-Type"[^>]{0,80}>`)

func withoutMeta(body []byte) [][]byte {
	at := metaTag.FindIndex(body)
	if at == nil {
		return nil
	}
	above, below := body[:at[0]], body[at[1]:]
	var was [][]byte
	for _, before := range [][]byte{above, bytes.TrimSuffix(above, []byte("\r\n"))} {
		for _, behind := range [][]byte{below, bytes.TrimPrefix(below, []byte("\r\n"))} {
			was = append(was, slices.Concat(before, behind))
		}
	}
	return was
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

var blanksAtEnd = regexp.MustCompile(`[ \t]+(\r\n|\z)`)

func trimLines(body []byte) []byte { return blanksAtEnd.ReplaceAll(body, []byte("$1")) }

// joinLong undoes the breaking of lines at the limit of SMTP (RFC 5321 §4.5.3.1.6) or a
// little below, where lines that go on begin with indent: Postfix's with a blank.
func joinLong(body []byte, indent string) []byte {
	var out []byte
	changed, broken := false, false
	for _, line := range bytes.SplitAfter(body, []byte("\r\n")) {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		if rest, ok := bytes.CutPrefix(text, []byte(indent)); broken && ok {
			out, changed = append(out, rest...), true
		} else {
			if broken {
				out = append(out, "\r\n"...)
			}
			out = append(out, text...)
		}
		broken = ended && len(text) >= 980 && len(text) <= 1000
		if ended && !broken {
			out = append(out, "\r\n"...)
		}
	}
	if broken {
		out = append(out, "\r\n"...)
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

func (b *bodySearch) decodeBase64(body []byte) [][]byte {
	if b.encoding() != "base64" {
		return nil
	}
	text := unbase64(body)
	if text == nil {
		return nil
	}
	return [][]byte{text, append(bytes.Clone(text), "\r\n"...)}
}

func unquote(body []byte) []byte {
	out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	if err != nil {
		return nil
	}
	return WithCRLF(out)
}

func unbase64(body []byte) []byte {
	text := bytes.Join(bytes.Fields(body), nil)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	if err != nil {
		return nil
	}
	return WithCRLF(out[:n])
}

func encodeQuoted(body []byte) []byte {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	if _, err := w.Write(body); err != nil || w.Close() != nil {
		return nil
	}
	return WithCRLF(out.Bytes())
}

func encodeBase64(body []byte) []byte {
	return append(base64Lines(body, 76), "\r\n"...)
}

// rewriters are marks of services that rewrite links for good: no search undoes that.
var rewriters = [...]struct{ mark, who string }{
	{"safelinks.protection.outlook.com", "Microsoft's Safe Links"},
	{"urldefense.proofpoint.com", "Proofpoint's URL Defense"},
	{"urldefense.com/v", "Proofpoint's URL Defense"},
	{"protect-us.mimecast.com", "Mimecast's URL protection"},
	{"linkprotect.cudasvc.com", "Barracuda's link protection"},
	{"secure-web.cisco.com", "Cisco's secure web proxy"},
}

func rewriter(body []byte) (Cause, bool) {
	for _, r := range rewriters {
		if bytes.Contains(body, []byte(r.mark)) {
			return Cause{Part: PartBody, Code: CodeLinksRewritten, Args: args("who", r.who)}, true
		}
	}
	return Cause{}, false
}
