package statistics

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// version begins a file. Compat(opendkim 2.11): the third form.
const version = "3"

// maxLineBytes bounds a line that is read.
const maxLineBytes = 1 << 20

// Append writes what is told of a message to the end of a file, which it makes where
// there is none. reporter is who tells it.
func Append(path, reporter string, m *Message) error {
	// A FIFO that nobody reads must not make mail wait.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text := lines(m, reporter)
	if info.Size() == 0 {
		text = "V" + version + "\n" + text
	}
	_, err = f.WriteString(text) // one write: others may append to the same file
	return err
}

// lines are an M line for the message, an S line for each signature and an X line for
// each figure of a script, fields separated by tabs.
func lines(m *Message, reporter string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n",
		field(m.JobID), field(reporter), field(m.Domain), m.Client, m.Received.Unix(), m.BodyBytes, m.Signatures, m.ATPS, m.Spam)
	for _, s := range m.Each {
		fmt.Fprintf(&b, "S%s\t%d\t%d\t%d\t%d\t%d\n", field(s.Domain), flag(s.Passed), flag(s.BodyChanged), s.Length, s.Error, s.DNSSEC)
	}
	for _, x := range m.Extra {
		fmt.Fprintf(&b, "X%s\t%s\n", field(x.Name), field(x.Value))
	}
	return b.String()
}

// field is a text that neither ends its field nor its line.
func field(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Kind is the letter that a line begins with.
type Kind byte

// The kinds of lines.
const (
	VersionLine   Kind = 'V'
	MessageLine   Kind = 'M' // job, reporter, author's domain, client, time, bytes, signatures, ATPS, spam
	SignatureLine Kind = 'S' // domain, passed, body changed, l=, error, DNSSEC
	FigureLine    Kind = 'X' // name, value; Debian's opendkim-stats knows none
)

// Line is a line of a file.
type Line struct {
	Number int
	Kind   Kind
	Fields []string
	// Problem is why it cannot be used, in the words of opendkim-stats; "" when it can.
	Problem string
}

// Read calls f with each line of a file that it has checked.
func Read(r io.Reader, f func(Line)) error {
	text := bufio.NewScanner(r)
	text.Buffer(nil, maxLineBytes)
	messages := 0
	for n := 1; text.Scan(); n++ {
		line := Line{Number: n}
		line.read(text.Text(), messages > 0)
		if line.Kind == MessageLine && line.Problem == "" {
			messages++
		}
		f(line)
	}
	return text.Err()
}

func (l *Line) read(text string, inMessage bool) {
	if text == "" {
		l.Problem = `unknown record type ""`
		return
	}
	l.Kind, l.Fields = Kind(text[0]), strings.Split(text[1:], "\t")
	switch {
	case l.Kind == VersionLine && text[1:] != version:
		l.Problem = fmt.Sprintf("unknown version (%.64s)", text[1:])
	case l.Kind == MessageLine && len(l.Fields) != 9:
		l.Problem = fmt.Sprintf("unexpected message field count (%d)", len(l.Fields))
	case l.Kind == SignatureLine && !inMessage:
		l.Problem = "signature record before message record"
	case l.Kind == SignatureLine && len(l.Fields) != 6:
		l.Problem = fmt.Sprintf("unexpected signature field count (%d)", len(l.Fields))
	case l.Kind == FigureLine && (len(l.Fields) != 2 || !inMessage):
		l.Problem = "unexpected extension record"
	case l.Kind != VersionLine && l.Kind != MessageLine && l.Kind != SignatureLine && l.Kind != FigureLine:
		l.Problem = fmt.Sprintf("unknown record type %q", text[:1])
	}
}

// IsSyntax reports whether opendkim-stats 2.11 was seen to call an error one of syntax.
func IsSyntax(number int) bool {
	switch number {
	case 1, 2, 5, 25, 26, 27:
		return true
	}
	return 7 <= number && number <= 21 || 31 <= number && number <= 34
}
