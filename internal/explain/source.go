package explain

import (
	"bytes"
	"regexp"

	"dojang/header"
)

// separator is the line above each message of a mailbox file (RFC 4155).
var separator = regexp.MustCompile(`^From .*\d\d:\d\d.*\d{4}.*\r?\n[!-9;-~]+[ \t]*:`)

// Parse takes a message apart as people save and paste it: a byte order mark and empty
// lines in front are passed over, and of a mailbox file the first message is taken.
// messages is how many there are. The body has CRLF line ends. The error is that of
// header.Parse.
func Parse(source []byte) (fields *header.List, body []byte, messages int, err error) {
	source = bytes.TrimLeft(bytes.TrimPrefix(source, []byte("\ufeff")), "\r\n")
	first, messages := firstOf(source)
	fields, body, err = header.Parse(first)
	return fields, WithCRLF(body), messages, err
}

// firstOf is the first message of a mailbox file, with the line above it, and how many
// there are. What is none is one message.
func firstOf(source []byte) (first []byte, messages int) {
	first, messages = source, 1
	if !separator.Match(source) {
		return first, messages
	}
	for rest := source; ; {
		i := bytes.Index(rest, []byte("\nFrom "))
		if i < 0 {
			return first, messages
		}
		above := bytes.TrimSuffix(rest[:i], []byte("\r"))
		rest = rest[i+1:]
		if !bytes.HasSuffix(above, []byte("\n")) || !separator.Match(rest) {
			continue
		}
		if messages++; messages == 2 {
			first = source[:len(source)-len(rest)]
		}
	}
}

// WithCRLF is body with every line end as an MTA hands it on.
func WithCRLF(body []byte) []byte {
	bare := bytes.Count(body, []byte("\n")) - bytes.Count(body, []byte("\r\n"))
	if bare == 0 {
		return body
	}
	out := make([]byte, 0, len(body)+bare)
	for i, c := range body {
		if c == '\n' && (i == 0 || body[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
