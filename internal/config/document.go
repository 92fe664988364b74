package config

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// WriteMarkdown writes docs/options.md from the table.
func WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(`# Options of opendkim.conf

This page is made from the table of options in ` + "`internal/config`" + ` (` + "`go generate ./internal/config`" + `); change them there.

A line is a name, white space and a value. Names may be written in any case. A ` + "`#`" + ` starts a comment wherever it stands, nothing quotes it,
and nothing continues a line. When an option is given several times the last one counts (` + "`Socket`" + ` has a rule of its own). What can be
checked without a file or a server is checked before the filter starts: ` + "`opendkim -n -x FILE`" + ` prints everything at once, with line and remedy.

| type | written |
|---|---|
| Boolean | the first letter decides: T, Y and 1 are yes, F, N and 0 are no |
| integer | a number; 0 in front makes it octal, 0x hexadecimal |
| seconds | a number of seconds; options of dojang's own also take ms, s, m, h, d and w behind it |
| octal | three octal digits with a 0 in front, 007; without the 0 they are read as decimal, as OpenDKIM does |
| rate | how many in which time: 10/1h; units s, m, h and d |
| list | separated by commas |
| dataset | a comma-separated list, or where one is found: file:, refile:, csl:, and the databases; see DATA SETS in opendkim(8) |
| path | a file or folder |
| socket | inet:PORT@HOST, inet6:PORT@HOST or local:PATH |

In a container each option can also be given by the environment: ` + "`OPENDKIM_Socket=inet:8891`" + `, with ` + "`_`" + ` for ` + "`-`" + `.

`)
	for topic := Signing; topic <= Obsolete; topic++ {
		fmt.Fprintf(&b, "## %s\n\n", topic)
		for _, o := range rows() {
			if o.Topic != topic {
				continue
			}
			if o.Status == Historic {
				fmt.Fprintf(&b, "- **%s** (until %s): %s%s\n", o.Name, o.Since, markdown(o.Doc), markdownInstead(o))
				continue
			}
			fmt.Fprintf(&b, "### %s\n\n%s\n\n%s\n\n", o.Name, markdownFacts(o), markdown(o.Doc))
		}
		if topic == Obsolete {
			break
		}
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

func markdownInstead(o *Option) string {
	if o.instead == "" {
		return ""
	}
	return " Use " + o.instead + "."
}

// markdownFacts is the line in small print under an option's name.
func markdownFacts(o *Option) string {
	parts := []string{o.Type.String()}
	if o.Default != "" {
		parts = append(parts, "default `"+o.Default+"`")
	}
	if o.Since != "2.11" {
		parts = append(parts, since(o))
	}
	if o.NeedsRestart {
		parts = append(parts, "needs a restart")
	}
	if o.Status == Ignored {
		parts = append(parts, "nothing to do here")
	}
	return "*" + strings.Join(parts, "; ") + "*"
}

// markdown escapes what Markdown would take for markup, and leaves `code`.
func markdown(text string) string {
	pieces := strings.Split(text, "`")
	for i := 0; i < len(pieces); i += 2 {
		pieces[i] = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "|", `\|`).Replace(pieces[i])
	}
	return strings.Join(pieces, "`")
}

// WriteMan writes opendkim.conf(5) from the table.
func WriteMan(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(`.\" Made from the table of options in internal/config by "go generate".
.TH opendkim.conf 5 "" "dojang" "File Formats"
.SH NAME
opendkim.conf \- configuration file of the dojang DKIM filter
.SH SYNOPSIS
.I /etc/opendkim.conf
.SH DESCRIPTION
.BR opendkim (8)
reads this file when it starts, and again on SIGUSR1, SIGHUP and
.BR "dojang reload" .
A line is the name of an option, in any case, white space, and its value.
A hash sign starts a comment wherever it stands; nothing quotes it, and nothing continues a line.
Of several lines for one option the last counts;
.B Socket
has a rule of its own.
.PP
An option that is not known is an error that names the nearest known one.
Options of older releases are told of and ignored.
.B opendkim \-n
prints everything that is wrong at once, with line and remedy.
.PP
The word in parentheses says how a value is read:
.TP
.B Boolean
The first letter decides: T, t, Y, y and 1 are yes; F, f, N, n and 0 are no.
.TP
.B integer
A number; 0 in front makes it octal and 0x hexadecimal.
.TP
.B seconds
A number of seconds. Options of dojang's own also take ms, s, m, h, d or w behind it.
.TP
.B octal
Octal digits with a 0 in front.
.TP
.B rate
How many in which time, as in 10/1h.
.TP
.B dataset
A list separated by commas, or the place where one is found; see DATA SETS in
.BR opendkim (8).
.SH OPTIONS
`)
	for _, o := range rows() {
		if o.Status != Historic {
			manOption(&b, o)
		}
	}
	b.WriteString(".SH HISTORIC OPTIONS\nThese are read, told of and ignored:\n")
	var names []string
	for _, o := range rows() {
		if o.Status == Historic {
			names = append(names, o.Name)
		}
	}
	b.WriteString(roff(strings.Join(names, ", ")) + ".\n")
	b.WriteString(`.SH ENVIRONMENT
.TP
.BI OPENDKIM_ Option
The value of an option, _ standing for \-. It outranks the file; the command line outranks both.
.SH SEE ALSO
.BR opendkim (8),
.BR dojang (1),
RFC 6376, RFC 8301, RFC 8463, RFC 8601
`)
	_, err := w.Write(b.Bytes())
	return err
}

// ManSection writes options of another table as a section of a manual page.
func ManSection(options []*Option) string {
	var b bytes.Buffer
	for _, o := range options {
		manOption(&b, o)
	}
	return b.String()
}

func manOption(b *bytes.Buffer, o *Option) {
	fmt.Fprintf(b, ".TP\n.BR \"%s\" \" (%s)\"\n%s\n", roff(o.Name), o.Type, roff(o.Doc))
	if o.Default != "" {
		fmt.Fprintf(b, "The default is %s.\n", roff(o.Default))
	}
	if o.Since != "2.11" {
		b.WriteString(map[string]string{"dojang": "OpenDKIM does not know it.\n", "2026": "Added to OpenDKIM in 2026.\n"}[o.Since])
	}
}

// roff escapes text for nroff, one sentence a line, `code` in bold.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	pieces := strings.Split(text, "`")
	for i := 1; i < len(pieces); i += 2 {
		pieces[i] = `\fB` + pieces[i] + `\fR`
	}
	text = sentenceEnd().ReplaceAllString(strings.Join(pieces, ""), ".\n$1")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func sentenceEnd() *regexp.Regexp { return regexp.MustCompile(`\. ([A-Z])`) }
