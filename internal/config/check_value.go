package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"dojang/dkim"
	"dojang/internal/policy"
	"dojang/internal/problem"
	"dojang/internal/resolver"
)

// parser reads the text of a value: by the parser of the package that uses it.
type parser struct {
	parse func(text string) (any, error)
	hint  string // what to type when it cannot
}

// as is a parser for the table.
func as[T any](parse func(string) (T, error), hint string) parser {
	return parser{func(text string) (any, error) { return parse(text) }, hint}
}

// tell notes a problem with a hint on what to type.
type tell func(hint, format string, args ...any) *problem.Problem

// refusal is why the text of a value cannot be read.
type refusal struct {
	text string
	hint string // what to type, maybe an example
	mend string // the value that was meant; "" where nobody knows
}

func (e *refusal) Error() string { return e.text }

// refuse is a refusal whose hint is an example; nil for no error.
func refuse(err error, hint string) error {
	if err == nil || errors.As(err, new(*refusal)) {
		return err
	}
	return &refusal{text: err.Error(), hint: hint}
}

// accept reads one value, and says what is wrong with its text. What makes
// OpenDKIM refuse to start is an Error, and so is what it takes in silence to no
// good. With keep false the value is not to be used.
//
// Compat(opendkim 2.11): an unknown action of an On- option is taken for the
// default, so a filter that runs today keeps running; the value is not kept.
func (o *Option) accept(v Value) (read any, problems problem.List, keep bool) {
	if strings.HasPrefix(o.Name, "On-") && choice(o, v.Text) == "" {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, "one of "+strings.Join(o.Allowed, ", ")+", or its first letter",
			"%s is not known here; %s is used, as OpenDKIM does", problem.Quote(v.Text), cmp.Or(o.Default, "accept"))
		return nil, problems, false
	}
	read, err := o.valueOf(v.Text)
	var refused *refusal
	if errors.As(err, &refused) {
		p := problems.Addf(problem.Error, v.File, v.Line, o.Name, refused.hint, "%s", err)
		if refused.mend != "" {
			p.Mend = problem.Mend{Edit: problem.Rewrite, Text: refused.mend}
		}
		return nil, problems, false
	}
	o.warnings(v.Text, func(hint, format string, args ...any) *problem.Problem {
		return problems.Addf(problem.Warning, v.File, v.Line, o.Name, hint, format, args...)
	})
	return read, problems, true
}

// valueOf reads the text of a value, or returns a *refusal. The empty text is
// undefined: nil.
func (o *Option) valueOf(text string) (read any, err error) {
	if text == "" {
		return nil, nil
	}
	if len(o.Allowed) > 0 {
		word := choice(o, text)
		if word == "" {
			return nil, &refusal{text: problem.Quote(text) + " is not known here", hint: "one of " + strings.Join(o.Allowed, ", ")}
		}
		text = word
	}
	if o.read.parse != nil {
		read, err = o.read.parse(text)
		return read, refuse(err, o.read.hint)
	}
	return o.valueOfType(text)
}

func (o *Option) valueOfType(text string) (read any, err error) {
	switch o.Type {
	case Boolean:
		if read, err = parseBoolean(text); err != nil {
			err = fmt.Errorf("%s is %w", problem.Quote(text), err)
		}
		return read, refuse(err, "write yes or no")
	case Integer, Octal:
		return o.number(text)
	case Duration:
		return o.duration(text)
	case Rate:
		if read, err = parseRate(text); err != nil {
			err = fmt.Errorf("%s is no rate: %w", problem.Quote(text), err)
		}
		return read, refuse(err, "write a count, a slash and a time with s, m, h or d: "+o.Name+" 10/1h")
	case SocketAddress:
		if read, err = ParseSocket(text); err == nil {
			return read, nil
		}
		meant := socketMeant(text)
		refused := &refusal{problem.Quote(text) + ": " + err.Error(), "write " + o.Name + " " + meant, meant}
		if meant == "" {
			refused.hint = "write " + example(o)
		}
		return nil, refused
	case List:
		return parseList(text), nil
	case String, DataSet, Path:
	}
	return text, nil
}

// socketWarning tells of a port or a host alone, which is the name of a file.
func socketWarning(o *Option, text string, warn tell) {
	s, err := ParseSocket(text)
	if err != nil || s.Network != "unix" || strings.Contains(s.Address, "/") {
		return
	}
	const found = "%s is taken for a file in the folder where the filter is started"
	address := problem.Quote(s.Address)
	if _, err := portNumber(s.Address); err == nil {
		o.rewrite(warn, "inet:"+s.Address+"@localhost", found, address)
		return
	}
	if port, host, _ := strings.Cut(s.Address, "@"); port != "" && host != "" {
		if _, err := ParseSocket("inet:" + s.Address); err == nil {
			o.rewrite(warn, "inet:"+s.Address, found, address)
			return
		}
	}
	warn("write the whole path, or "+example(o), found, address)
}

// rewrite notes a problem of which is known what value was meant; "" is none.
func (o *Option) rewrite(warn tell, value, format string, args ...any) *problem.Problem {
	hint, mend := "write "+o.Name+" "+value, problem.Mend{Edit: problem.Rewrite, Text: value}
	if value == "" {
		hint, mend.Edit = "take the line out", problem.LeaveOut
	}
	p := warn(hint, format, args...)
	p.Mend = mend
	return p
}

// number reads an Integer or an Octal.
func (o *Option) number(text string) (read any, err error) {
	n, err := parseInteger(text)
	switch {
	case err != nil:
		return nil, &refusal{text: fmt.Sprintf("%s is %s", problem.Quote(text), err), hint: "write a whole number: " + example(o)}
	case o.Type == Octal && (n < 0 || n > 0o777 || n != 0 && text[0] != '0' && strings.ContainsAny(text, "89")):
		return nil, &refusal{text: problem.Quote(text) + " is no permission mask", hint: "write three octal digits: " + example(o)}
	case n < 0 && !o.Negative:
		return 0, nil
	}
	return int(n), nil
}

func (o *Option) duration(text string) (read any, err error) {
	ours := o.Since == "dojang"
	d, err := parseDuration(text, ours)
	switch {
	case err != nil && ours:
		return nil, &refusal{text: problem.Quote(text) + " is no time", hint: "write a number and s, m, h or d: " + example(o)}
	case err != nil:
		refused := &refusal{text: fmt.Sprintf("%s is %s", problem.Quote(text), err), hint: "write seconds: " + example(o)}
		if d, longErr := parseDuration(text, true); longErr == nil {
			refused.mend = fmt.Sprint(int64(d.Seconds()))
			refused.hint = "write seconds: " + o.Name + " " + refused.mend
		}
		return nil, refused
	}
	if o.Negative {
		return d, nil
	}
	return max(0, d), nil
}

// warnings tells what is odd in a value that could be read.
func (o *Option) warnings(text string, warn tell) {
	switch o.Type {
	case Boolean, Rate:
	case SocketAddress:
		socketWarning(o, text, warn)
	case Integer, Duration, Octal:
		n, _ := parseInteger(text)
		switch {
		case o.Type == Octal && n != 0 && text[0] != '0':
			// Compat(opendkim 2.11): only a leading 0 makes it octal.
			octal, same := "0"+strings.TrimLeft(text, "+"), fmt.Sprintf("0%o", n)
			p := o.rewrite(warn, octal, "%s has no leading 0 and is read as decimal, which is 0%o", problem.Quote(text), n)
			if octal != same {
				p.Hint += ", or " + same + " if that is meant"
			}
		case strings.HasPrefix(text, "-") && !o.Negative:
			warn("", "%s is below zero; 0 is used", problem.Quote(text))
		}
	default:
		checkLooks(o, text, warn)
	}
	if o.check != nil {
		o.check(text, warn)
	}
}

// choice returns the word of the list that was written, or "". The actions of
// On- options may be shortened to their first letter, but to nothing else.
func choice(o *Option, text string) string {
	text = strings.ToLower(text)
	i := slices.IndexFunc(o.Allowed, func(a string) bool {
		return a == text || strings.HasPrefix(o.Name, "On-") && a[:1] == text
	})
	if i < 0 {
		return ""
	}
	return o.Allowed[i]
}

// checkLooks finds marks of other configuration languages in a text value.
func checkLooks(o *Option, text string, warn tell) {
	last := len(text) - 1
	switch {
	case last > 0 && (text[0] == '"' || text[0] == '\'') && text[last] == text[0]:
		o.rewrite(warn, text[1:last], "the quotation marks are part of the value")
	case strings.HasPrefix(text, "="):
		o.rewrite(warn, trimSpace(text[1:]), "the equals sign is part of the value")
	case text[last] == '\\':
		warn("write all of it in one line", "a backslash at the end does not continue the line")
	}
}

// asWritten is for a value that is read by what uses it.
func asWritten(text string) (string, error) { return text, nil }

// modes are what Mode tells to do.
type modes struct{ Sign, Verify bool }

// parseMode reads the letters of Mode.
func parseMode(text string) (modes, error) {
	if unknown := strings.Trim(text, "sv"); unknown != "" {
		return modes{}, fmt.Errorf("unknown mode %s", problem.Quote(unknown))
	}
	return modes{Sign: strings.Contains(text, "s"), Verify: strings.Contains(text, "v")}, nil
}

// Canonicalizations are those of a header and of a body.
type Canonicalizations struct{ Header, Body dkim.Canonicalization }

func parseCanonicalizations(text string) (c Canonicalizations, err error) {
	c.Header, c.Body, err = dkim.ParseCanonicalizations(text)
	return c, err
}

func parseAction(text string) (policy.Action, error) {
	action, ok := policy.ParseAction(text)
	if !ok {
		return 0, fmt.Errorf("%s is no action", problem.Quote(text))
	}
	return action, nil
}

// parseNameservers reads addresses, with brackets and port if need be, or as
// libunbound writes a port. Compat(opendkim 2.11): 127.0.0.1@5353.
func parseNameservers(text string) ([]string, error) {
	list := parseList(text)
	for i, server := range list {
		plain, name, hasName := strings.Cut(server, "#")
		if hasName {
			return nil, fmt.Errorf("%s asks for DNS over TLS with the name %s, which is not spoken here: name a "+
				"resolver that does, at an address without #",
				problem.Quote(server), problem.Quote(name))
		}
		if _, err := resolver.ParseServer(plain); err != nil {
			meant := serversIn(text)
			hint := "write addresses: Nameservers 192.0.2.1,2001:db8::1"
			if meant != "" {
				hint = "write Nameservers " + meant
			}
			return nil, &refusal{problem.Quote(server) + " is no IP address", hint, meant}
		}
		list[i] = plain
	}
	return list, nil
}

// parseAuthservID takes off what belongs to the field and not to the name: quotes
// around it, and a semicolon behind it.
func parseAuthservID(text string) (string, error) {
	name := strings.TrimRight(text, "; \t")
	if n := len(name); n > 2 && name[0] == '"' && name[n-1] == '"' {
		name = strings.TrimSpace(name[1 : n-1])
	}
	return name, nil
}

func checkAuthservID(text string, warn tell) {
	if name, _ := parseAuthservID(text); name != text {
		p := warn("write AuthservID "+name, "the name is written without quotes or semicolon, and is taken for %s", problem.Quote(name))
		p.Mend = problem.Mend{Edit: problem.Rewrite, Text: name}
	}
}

// methodNames reads names of authentication methods (RFC 8601 §2.2).
func methodNames(text string) ([]string, error) {
	list := parseList(text)
	for _, name := range list {
		if strings.ContainsFunc(name, func(r rune) bool {
			return r != '-' && r != '_' && (r >= 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r))
		}) {
			return nil, fmt.Errorf("%s is no method of authentication", problem.Quote(name))
		}
	}
	return list, nil
}

func parseUser(text string) (string, error) {
	if user, group, found := strings.Cut(text, ":"); user == "" || found && group == "" {
		return "", fmt.Errorf("%s lacks a name", problem.Quote(text))
	}
	return text, nil
}

func warnOfWeakKeys(text string, warn tell) {
	if n, err := parseInteger(text); err == nil && n < 1024 {
		warn("RFC 8301 §3.2 forbids RSA keys below 1024 bits", "keys of %d bits can be forged", max(n, 0))
	}
}

func warnOfSHA1(text string, warn tell) {
	if strings.EqualFold(text, dkim.RSASHA1.String()) {
		warn("leave the option out: the key decides", "RFC 8301 §3.1 forbids signing with SHA-1").Mend.Edit = problem.LeaveOut
	}
}
