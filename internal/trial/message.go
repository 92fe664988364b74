// Package trial puts messages that are there whole, as files hold them, through what the
// filter does, and says what came of it: to opendkim -t, opendkim-testmsg, and to people
// who ask why. Nothing of its own decides, verifies or looks up.
package trial

import (
	"fmt"
	"io"
	"os"

	"dojang/header"
	"dojang/internal/exit"
	"dojang/internal/explain"
)

// maxBytes bounds a message read into memory by the tools.
const maxBytes = 256 << 20

// read reads a message whole.
func read(r io.Reader) ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(message) > maxBytes {
		return nil, fmt.Errorf("the message has more than %d MiB", maxBytes>>20)
	}
	return message, nil
}

// readFile reads the message at path, "-" being standard input.
func readFile(stdin io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return read(stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f)
}

// ParseFile is the message at path, whole and in its parts, the body with CRLF.
func ParseFile(stdin io.Reader, path string) (message []byte, fields *header.List, body []byte, err error) {
	if message, err = readFile(stdin, path); err != nil {
		return nil, nil, nil, exit.Errorf(exit.NoInput, "%w", err)
	}
	if fields, body, err = header.Parse(message); err != nil {
		return nil, nil, nil, exit.Errorf(exit.DataErr, "%s: %w", path, err)
	}
	return message, fields, explain.WithCRLF(body), nil
}

// ParseSource is ParseFile for what people saved: see explain.Parse.
func ParseSource(stdin io.Reader, path string) (fields *header.List, body []byte, messages int, err error) {
	source, err := readFile(stdin, path)
	if err != nil {
		return nil, nil, 0, exit.Errorf(exit.NoInput, "%w", err)
	}
	if fields, body, messages, err = explain.Parse(source); err != nil {
		return nil, nil, 0, exit.Errorf(exit.DataErr, "%s: %w", path, err)
	}
	return fields, body, messages, nil
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
