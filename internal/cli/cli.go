// Package cli is the command line: the classic OpenDKIM tools by their own
// names, flags and output, and the same work behind `dojang <command>`.
package cli

import (
	"encoding/json"
	"io"
	"os"

	"golang.org/x/term"

	"dojang/internal/exit"
	"dojang/internal/plain"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// message returns where a message goes, octet by octet.
func (s Streams) message() io.Writer {
	if w, ok := s.Out.(*plain.Writer); ok {
		return w.Unescaped()
	}
	return s.Out
}

func (s Streams) printJSON(v any) error {
	e := json.NewEncoder(s.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	return nil
}

func isTerminal(w io.Writer) bool { return terminal(w) != nil }

// terminal is the terminal that a stream ends at, nil where it ends elsewhere. What is
// written there is not escaped.
func terminal(w io.Writer) *os.File {
	if escaped, ok := w.(*plain.Writer); ok {
		w = escaped.Destination()
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}
