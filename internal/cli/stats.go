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
	"time"

	"dojang/internal/exit"
	"dojang/internal/problem"
	"dojang/internal/statistics"
)

// classicStats is opendkim-stats(8): it prints what a Statistics file tells, or
// standard input.
func classicStats(_ context.Context, s Streams, args []string) int {
	const program = "opendkim-stats"
	if len(args) > 1 {
		fmt.Fprintf(s.Err, "%s: usage: %s [statsfile]\n", program, program)
		return exit.Usage
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
			return exit.Unavailable
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
		return exit.IOErr
	}
	return exit.OK
}

// statsPrinter prints records in opendkim-stats' layout.
type statsPrinter struct {
	out        *bufio.Writer
	err        io.Writer
	program    string
	messages   int
	signatures int // of all messages
	inMessage  int // of this one
}

func (p *statsPrinter) print(in io.Reader) error {
	err := statistics.Read(in, func(l statistics.Line) {
		switch {
		case l.Problem != "":
			fmt.Fprintf(p.err, "%s: %s at input line %d\n", p.program, l.Problem, l.Number)
		case l.Kind == statistics.MessageLine:
			p.message(l.Fields)
		case l.Kind == statistics.SignatureLine:
			p.signature(l.Fields)
		case l.Kind == statistics.FigureLine:
			fmt.Fprintf(p.out, "\t%s = '%s'\n", l.Fields[0], l.Fields[1])
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s: %d message%s, %d signature%s processed\n", p.program, p.messages, plural(p.messages),
		p.signatures, plural(p.signatures))
	return nil
}

// plural is as opendkim-stats writes it: 0 message, 1 messages.
func plural(n int) string {
	if n > 0 {
		return "s"
	}
	return ""
}

// message prints an M record: job, reporter, author's domain, client, time,
// size, signatures, ATPS, spam.
func (p *statsPrinter) message(f []string) {
	if p.messages > 0 {
		fmt.Fprintln(p.out)
	}
	p.messages++
	p.inMessage = 0
	fmt.Fprintf(p.out, "Job %s at %s (size %s)\n\treceived via %s at %s\n", f[0], f[1], f[5], f[3],
		time.Unix(int64(number(f[4])), 0).Format(time.ANSIC))
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
	if statistics.IsSyntax(failure) {
		syntax = "syntax"
	}
	if failure == 22 {
		absent = "NXDOMAIN"
	}
	fmt.Fprintf(p.out, "\t\tSignature properties: %s\n\t\tKey properties: %s %s\n\t\tDNSSEC status: %s\n", future, syntax,
		absent, dnssecWord(number(f[5])))
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
