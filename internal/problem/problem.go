// Package problem is how configuration mistakes are told: collected, sorted,
// and printed all at once with the place and the remedy.
package problem

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// Severity is whether a problem stops the filter from starting.
type Severity uint8

// A Warning is told and lived with; an Error stops a start or a reload.
const (
	Warning Severity = iota
	Error
)

func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Problem is one mistake in a configuration file or a table.
type Problem struct {
	File     string // path as the administrator wrote it, or "" for the command line
	Line     int    // 1-based; 0 when the whole file is meant
	Option   string // option or table the problem belongs to, or ""
	Text     string // what is wrong
	Hint     string // what to type; may be ""
	Mend     Mend   // the edit that takes it away; zero where only the administrator knows
	Severity Severity
	// Serious marks a Warning that costs mail its signature or its way: the filter
	// starts with it, and nobody should leave it so.
	Serious bool
}

// Edit is what is done with the line that a problem stands in.
type Edit uint8

// The edits.
const (
	NoEdit   Edit = iota
	Rewrite       // it gives the problem's option the value Mend.Text
	LeaveOut      // it goes
	Respell       // its first word becomes Mend.Text
)

// Mend is a Hint for programs.
type Mend struct {
	Edit Edit
	Text string
}

// String returns "file:line: option: text", leaving out what is not known.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Option != "" {
		b.WriteString(p.Option)
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Sentence is String with the hint behind it: the whole on one line.
func (p Problem) Sentence() string {
	if p.Hint == "" {
		return p.String()
	}
	return p.String() + "; " + p.Hint
}

// List is every problem found in one pass.
type List []Problem

// Addf appends a problem whose text is formatted, and returns it to be added to: it
// stays where it is until the next one.
func (l *List) Addf(s Severity, file string, line int, option, hint, format string, args ...any) *Problem {
	*l = append(*l, Problem{File: file, Line: line, Option: option, Hint: hint, Severity: s, Text: fmt.Sprintf(format, args...)})
	return &(*l)[len(*l)-1]
}

// HasErrors reports whether any problem is an Error.
func (l List) HasErrors() bool {
	for _, p := range l {
		if p.Severity == Error {
			return true
		}
	}
	return false
}

// Sort orders by file and line, keeping the order of discovery otherwise.
func (l List) Sort() {
	sort.SliceStable(l, func(i, j int) bool {
		if l[i].File != l[j].File {
			return l[i].File < l[j].File
		}
		return l[i].Line < l[j].Line
	})
}

// Write prints one line a problem, warnings marked, each hint on the next line.
func (l List) Write(w io.Writer) {
	for _, p := range l {
		text := p.String()
		if p.Severity == Warning {
			text += " (warning)"
		}
		fmt.Fprintln(w, text)
		if p.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", p.Hint)
		}
	}
}

// Error makes a List an error: its first Error's text and how many follow.
func (l List) Error() string {
	var first string
	n := 0
	for _, p := range l {
		if p.Severity != Error {
			continue
		}
		if n == 0 {
			first = p.String()
		}
		n++
	}
	if n > 1 {
		return fmt.Sprintf("%s (and %d more)", first, n-1)
	}
	return first
}

// HintForFile is what to type where a file that is named is not there.
func HintForFile(path string) string { return "make the file, or correct the path: ls -l " + path }

// Quote makes text from outside fit for a log line or an error: quoted, with
// control characters escaped, cut to 256 bytes.
func Quote(s string) string {
	const maxBytes = 256
	if len(s) > maxBytes {
		s = strings.ToValidUTF8(s[:maxBytes], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}
