// Package cli is the command line: the classic OpenDKIM tools by their own
// names, flags and output, and the same work behind `dojang <command>`.
package cli

import "io"

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}
