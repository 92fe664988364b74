package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"dojang/internal/problem"
)

// classicStats is opendkim-stats(8): it prints what a Statistics file tells, or
// standard input.
func classicStats(_ context.Context, s Streams, args []string) int {
	const program = "opendkim-stats"
	if len(args) > 1 {
		fmt.Fprintf(s.Err, "%s: usage: %s [statsfile]\n", program, program)
		return exUsage
	}
	in := s.In
	if len(args) == 1 {
		file, err := os.Open(args[0])
		if err != nil {
			var path *fs.PathError
			if errors.As(err, &path) {
				err = errors.New(problem.Strerror(path.Err))
			}
			fmt.Fprintf(s.Err, "%s: %s: fopen(): %s\n", program, args[0], err)
			return exUnavailable
		}
		defer file.Close()
		in = file
	}
	p := statsPrinter{out: bufio.NewWriter(s.Out), err: s.Err, program: program}
	err := p.print(in)
	if flushErr := p.out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		fmt.Fprintf(s.Err, "%s: %v\n", program, err)
		return exIOErr
	}
	return exOK
}

// statsPrinter prints records in opendkim-stats' layout.
type statsPrinter struct {
	out        *bufio.Writer
	err        io.Writer
	program    string
	line       int
	messages   int
	signatures int // of all messages
	inMessage  int // of this one
}

func (p *statsPrinter) print(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.line++
		p.record(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s: %d message%s, %d signature%s processed\n", p.program, p.messages, plural(p.messages), p.signatures, plural(p.signatures))
	return nil
}

// plural is as opendkim-stats writes it: 0 message, 1 messages.
func plural(n int) string {
	if n > 0 {
		return "s"
	}
	return ""
}

func (p *statsPrinter) complain(format string, args ...any) {
	fmt.Fprintf(p.err, "%s: %s at input line %d\n", p.program, fmt.Sprintf(format, args...), p.line)
}

func (p *statsPrinter) record(line string) {
	if line == "" {
		p.complain("unknown record type %q", "")
		return
	}
	fields := strings.Split(line[1:], "\t")
	switch line[0] {
	case 'V':
		if line[1:] != "3" {
			p.complain("unknown version (%.64s)", line[1:])
		}
	case 'M':
		if len(fields) != 9 {
			p.complain("unexpected message field count (%d)", len(fields))
			return
		}
		p.message(fields)
	case 'S':
		switch {
		case p.messages == 0:
			p.complain("signature record before message record")
		case len(fields) != 6:
			p.complain("unexpected signature field count (%d)", len(fields))
		default:
			p.signature(fields)
		}
	case 'X': // of a StatisticsPolicyScript; Debian's opendkim-stats knows none
		if len(fields) != 2 || p.messages == 0 {
			p.complain("unexpected extension record")
			return
		}
		fmt.Fprintf(p.out, "\t%s = '%s'\n", fields[0], fields[1])
	default:
		p.complain("unknown record type %q", line[:1])
	}
}

// message prints an M record: job, reporter, author's domain, client, time,
// size, signatures, ATPS, spam.
func (p *statsPrinter) message(f []string) {
	if p.messages > 0 {
		fmt.Fprintln(p.out)
	}
	p.messages++
	p.inMessage = 0
	fmt.Fprintf(p.out, "Job %s at %s (size %s)\n\treceived via %s at %s\n", f[0], f[1], f[5], f[3], time.Unix(int64(number(f[4])), 0).Format(time.ANSIC))
	fmt.Fprintf(p.out, "\tfrom domain = '%s'\n", f[2])
	consent := "not checked"
	switch number(f[7]) {
	case 0:
		consent = "no match"
	case 1:
		consent = "match"
	}
	fmt.Fprintf(p.out, "\tATPS %s\n", consent)
}

// number reads as atoi(3) does: what is no number is 0.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// signature prints an S record: domain, passed, body changed, l=, error, DNSSEC.
func (p *statsPrinter) signature(f []string) {
	p.signatures++
	p.inMessage++
	failure := number(f[4])
	result := "ERROR"
	switch {
	case number(f[1]) == 1:
		result = "PASSED"
	case failure == 0:
		result = "UNKNOWN"
	case failure == 42:
		result = "REVOKED"
	}
	length := f[3]
	if number(length) == -1 {
		length = "(whole message)"
	}
	fmt.Fprintf(p.out, "\tSignature %d from %s\n\t\t%s\n\t\tsigned bytes: %s\n", p.inMessage, f[0], result, length)
	future := ""
	if failure == 4 {
		future = "t=future"
	}
	syntax, absent := "", ""
	if isSyntaxNumber(failure) {
		syntax = "syntax"
	}
	if failure == 22 {
		absent = "NXDOMAIN"
	}
	fmt.Fprintf(p.out, "\t\tSignature properties: %s\n\t\tKey properties: %s %s\n\t\tDNSSEC status: %s\n", future, syntax, absent, dnssecWord(number(f[5])))
}

// isSyntaxNumber tells the errors that opendkim-stats 2.11 was seen to call
// syntax.
func isSyntaxNumber(n int) bool {
	switch n {
	case 1, 2, 5, 25, 26, 27:
		return true
	}
	return 7 <= n && n <= 21 || 31 <= n && n <= 34
}

func dnssecWord(state int) string {
	switch state {
	case 0:
		return "BOGUS"
	case 1:
		return "INSECURE"
	case 2:
		return "SECURE"
	}
	return "UNKNOWN"
}
