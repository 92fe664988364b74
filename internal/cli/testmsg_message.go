package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"dojang/header"
	"dojang/internal/exit"
)

// maxMessageBytes bounds a message read into memory by the tools.
const maxMessageBytes = 256 << 20

// readMessage reads a message whole.
func readMessage(r io.Reader) ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(r, maxMessageBytes+1))
	if err != nil {
		return nil, err
	}
	if len(message) > maxMessageBytes {
		return nil, fmt.Errorf("the message has more than %d MiB", maxMessageBytes>>20)
	}
	return message, nil
}

// readMessageFile reads the message at path, "-" being standard input.
func readMessageFile(stdin io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return readMessage(stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMessage(f)
}

// parseMessageFile is the message at path, whole and in its parts, the body with CRLF.
func parseMessageFile(stdin io.Reader, path string) (message []byte, fields *header.List, body []byte, err error) {
	if message, err = readMessageFile(stdin, path); err != nil {
		return nil, nil, nil, exit.Errorf(exit.NoInput, "%w", err)
	}
	if fields, body, err = header.Parse(message); err != nil {
		return nil, nil, nil, exit.Errorf(exit.DataErr, "%s: %w", path, err)
	}
	return message, fields, withCRLF(body), nil
}

// withCRLF is body with every line end as an MTA hands it on.
func withCRLF(body []byte) []byte {
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

// singleFields are those a message has at most once (RFC 5322 §3.6).
var singleFields = [...]string{
	"Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To", "References", "Subject",
}

// wellFormed reports whether the header has what RFC 5322 demands of every
// message, which OpenDKIM's library checks before anything else.
func wellFormed(fields *header.List) bool {
	for _, name := range singleFields {
		if fields.Count(name) > 1 {
			return false
		}
	}
	from, _, ok := fields.First("From")
	if !ok || fields.Count("Date") == 0 {
		return false
	}
	_, _, err := header.Address(from.Value())
	return err == nil
}
