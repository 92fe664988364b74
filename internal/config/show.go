package config

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"dojang/internal/problem"
)

// Dump writes the options that were given, and then those at their defaults,
// each with the place where it was set. Passwords are shown as [redacted].
func (c *Config) Dump(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, given := range []bool{true, false} {
		for _, o := range rows() {
			if o.Status == Historic || o.Name == "Include" || c.Field(o.Name).IsSet() != given {
				continue
			}
			for _, v := range counting(c.Field(o.Name)) {
				fmt.Fprintf(tw, "%s\t%s\t# %s\n", o.Name, redact(o, v.Text), v.Place())
			}
		}
	}
	return tw.Flush()
}

// Extract returns what `opendkim -e NAME` prints: every value given, the newest
// first; none when the option was not given (OpenDKIM then exits with 78).
// Unlike Dump it shows passwords.
func (c *Config) Extract(name string) []string {
	o := Find(name)
	if o == nil || o.Status == Historic {
		return nil
	}
	var lines []string
	for _, v := range c.Field(o.Name).Given() {
		text := v.Text
		switch o.Type {
		case Boolean:
			text = "False"
			if b, _ := parseBoolean(v.Text); b {
				text = "True"
			}
		case Integer, Octal:
			n, _ := parseInteger(v.Text)
			text = fmt.Sprint(n)
		case Duration:
			if o.Since != "dojang" {
				n, _ := parseInteger(v.Text)
				text = fmt.Sprint(n)
			}
		}
		lines = append(lines, text)
	}
	return lines
}

// redact hides what is secret in a value: the whole of a password option, the
// passwords in the addresses of databases, and keys that stand in the value.
func redact(o *Option, text string) string {
	if o.Secret {
		return problem.Redacted
	}
	if o.Name == "KeyTable" {
		text = problem.RedactKeys(text)
	}
	return problem.Redact(text)
}

// Explain writes what one option is and does; without that option it says
// which name is nearest. It reports whether the option exists.
func Explain(w io.Writer, name string) (bool, error) {
	o := Find(name)
	if o == nil {
		text := "There is no option " + fmt.Sprintf("%q", name) + "."
		if near := Nearest(name); near != "" {
			text += " Did you mean " + near + "?"
		}
		_, err := fmt.Fprintln(w, text)
		return false, err
	}
	return true, o.Explain(w)
}

// Explain writes what the option is and does.
func (o *Option) Explain(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n\n%s\n\n", o.Name, o.Type, wrap(o.Doc, 76, "  "))
	for _, line := range facts(o) {
		fmt.Fprintf(&b, "  %-9s %s\n", line[0]+":", line[1])
	}
	if o.Status != Historic {
		fmt.Fprintf(&b, "  %-9s %s\n", "example:", example(o))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// facts are what the table says besides the documentation.
func facts(o *Option) [][2]string {
	var rows [][2]string
	row := func(name, value string) { rows = append(rows, [2]string{name, value}) }
	if o.Status == Historic {
		row("status", "historic; read, told of and ignored")
		row("until", "OpenDKIM "+o.Since)
		if o.instead != "" {
			row("instead", o.instead)
		}
		return rows
	}
	if o.Default != "" {
		row("default", o.Default)
	}
	if len(o.Allowed) > 0 {
		row("values", strings.Join(o.Allowed, ", "))
	}
	if o.Since != "" { // of opendkim.conf
		row("since", since(o))
		row("reload", map[bool]string{false: "obeyed", true: "not obeyed: restart the filter"}[o.NeedsRestart])
	}
	if o.Status == Ignored {
		row("status", "read; there is nothing to do for it here")
	}
	return rows
}

func since(o *Option) string {
	switch o.Since {
	case "dojang":
		return "dojang; OpenDKIM does not know it"
	case "2026":
		return "OpenDKIM's additions of 2026"
	}
	return "OpenDKIM " + o.Since
}

// wrap breaks text at blanks so that no line, indented, is longer than width.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
