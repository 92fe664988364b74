package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/problem"
)

// checkValue says what is wrong with the text of one value. What makes OpenDKIM
// refuse to start is an Error, and so is what it takes in silence to no good.
//
// Compat(opendkim 2.11): an unknown action of an On- option is taken for the
// default, so a filter that runs today keeps running; the value is not kept.
func checkValue(o Option, v Value) (problems problem.List, keep bool) {
	if strings.HasPrefix(o.Name, "On-") && !isAllowed(o, v.Text) {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, "one of "+strings.Join(o.Allowed, ", ")+", or its first letter",
			"%s is not known here; %s is used, as OpenDKIM does", problem.Quote(v.Text), cmp.Or(o.Default, "accept"))
		return problems, false
	}
	refuse := func(hint, format string, args ...any) {
		problems.Addf(problem.Error, v.File, v.Line, o.Name, hint, format, args...)
	}
	warn := func(hint, format string, args ...any) {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, hint, format, args...)
	}
	checkByType(o, v.Text, refuse, warn)
	if !problems.HasErrors() {
		checkByName(o, v.Text, refuse, warn)
	}
	return problems, !problems.HasErrors()
}

// tell notes a problem with a hint on what to type.
type tell func(hint, format string, args ...any)

func checkByType(o Option, text string, refuse, warn tell) {
	switch o.Type {
	case Boolean:
		if _, err := parseBoolean(text); err != nil {
			refuse("write yes or no", "%s is %v", problem.Quote(text), err)
		}
	case Integer, Octal:
		checkNumber(o, text, refuse, warn)
	case Duration:
		checkDuration(o, text, refuse, warn)
	case Rate:
		if _, _, err := parseRate(text); err != nil {
			refuse("write a count, a slash and a time with s, m, h or d: "+o.Name+" 10/1h", "%s is no rate: %v", problem.Quote(text), err)
		}
	case SocketAddress:
		if _, err := ParseSocket(text); err != nil {
			refuse("write "+example(o), "%s: %v", problem.Quote(text), err)
		}
	default:
		if len(o.Allowed) > 0 && !isAllowed(o, text) {
			refuse("one of "+strings.Join(o.Allowed, ", "), "%s is not known here", problem.Quote(text))
		}
		checkLooks(o, text, warn)
	}
}

func checkNumber(o Option, text string, refuse, warn tell) {
	n, err := parseInteger(text)
	switch {
	case err != nil:
		refuse("write a whole number: "+example(o), "%s is %v", problem.Quote(text), err)
	case o.Type == Octal && (n < 0 || n > 0o777 || n != 0 && text[0] != '0' && strings.ContainsAny(text, "89")):
		refuse("write three octal digits: "+example(o), "%s is no permission mask", problem.Quote(text))
	case o.Type == Octal && n != 0 && text[0] != '0':
		// Compat(opendkim 2.11): only a leading 0 makes it octal.
		warn(fmt.Sprintf("write %s 0%s, or 0%o if that is meant", o.Name, strings.TrimLeft(text, "+"), n), "%s has no leading 0 and is read as decimal, which is 0%o", problem.Quote(text), n)
	case n < 0 && !o.Negative:
		warn("", "%s is below zero; 0 is used", problem.Quote(text))
	}
}

func checkDuration(o Option, text string, refuse, warn tell) {
	d, err := parseDuration(text, o.Since == "dojang")
	switch {
	case err != nil && o.Since == "dojang":
		refuse("write a number and s, m, h or d: "+example(o), "%s is no time", problem.Quote(text))
	case err != nil:
		hint := "write seconds: " + example(o)
		if d, longErr := parseDuration(text, true); longErr == nil {
			hint = fmt.Sprintf("write seconds: %s %d", o.Name, int64(d.Seconds()))
		}
		refuse(hint, "%s is %v", problem.Quote(text), err)
	case d < 0 && !o.Negative:
		warn("", "%s is below zero; 0 is used", problem.Quote(text))
	}
}

// isAllowed compares with the list, in any case.
func isAllowed(o Option, text string) bool { return choice(o, text) != "" }

// choice returns the word of the list that was written, or "". The actions of
// On- options may be shortened to their first letter, but to nothing else.
func choice(o Option, text string) string {
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
func checkLooks(o Option, text string, warn tell) {
	last := len(text) - 1
	switch {
	case last > 0 && (text[0] == '"' || text[0] == '\'') && text[last] == text[0]:
		warn(fmt.Sprintf("write %s %s", o.Name, text[1:last]), "the quotation marks are part of the value")
	case strings.HasPrefix(text, "=") && o.Type != DataSet:
		warn(fmt.Sprintf("write %s %s", o.Name, trimSpace(text[1:])), "the equals sign is part of the value")
	case text[last] == '\\':
		warn("write all of it in one line", "a backslash at the end does not continue the line")
	}
}

func checkByName(o Option, text string, refuse, warn tell) {
	switch o.Name {
	case "Mode":
		if strings.Trim(text, "sv") != "" {
			refuse("write s to sign, v to verify, sv for both", "unknown mode %s", problem.Quote(strings.Trim(text, "sv")))
		}
	case "Canonicalization":
		checkCanonicalization(text, refuse)
	case "Minimum":
		if _, err := ParseMinimum(text); err != nil {
			refuse("write bytes, a percentage or bytes with +: 1024, 75% or 512+", "%v", err)
		}
	case "Nameservers":
		for _, part := range strings.Split(text, ",") {
			if part = trimSpace(part); part != "" && !isNameserver(part) {
				refuse("write addresses: Nameservers 192.0.2.1,2001:db8::1", "%s is no IP address", problem.Quote(part))
			}
		}
	case "UserID":
		if user, group, found := strings.Cut(text, ":"); user == "" || found && group == "" {
			refuse("write a user, or user:group", "%s lacks a name", problem.Quote(text))
		}
	case "MinimumKeyBits":
		if n, err := parseInteger(text); err == nil && n < 1024 {
			warn("RFC 8301 §3.2 forbids RSA keys below 1024 bits", "keys of %d bits can be forged", max(n, 0))
		}
	case "SignatureAlgorithm":
		if strings.EqualFold(text, "rsa-sha1") {
			warn("leave the option out: the key decides", "RFC 8301 §3.1 forbids signing with SHA-1")
		}
	}
}

// checkCanonicalization wants one or two algorithms.
func checkCanonicalization(text string, refuse tell) {
	header, body, found := strings.Cut(text, "/")
	parts := []string{header}
	if found {
		parts = append(parts, body)
	}
	for _, part := range parts {
		if !strings.EqualFold(part, "simple") && !strings.EqualFold(part, "relaxed") {
			refuse("write simple or relaxed, or two of them: Canonicalization relaxed/simple", "unknown canonicalization %s", problem.Quote(part))
			return
		}
	}
}

// isNameserver accepts an address, with brackets and port if need be.
func isNameserver(text string) bool {
	if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(text)
	return err == nil
}

// Minimum is how much of a body a signature must cover.
type Minimum struct {
	Bytes    int64 // at least so many, or all of a shorter body
	Percent  int   // at least so many percent; 0 when not given so
	Unsigned int64 // at most so many bytes after the signed part; -1 when not given so
}

// ParseMinimum reads min, min% or min+.
func ParseMinimum(text string) (Minimum, error) {
	m := Minimum{Unsigned: -1}
	number, unit := text, byte(0)
	if n := len(text); n > 0 && (text[n-1] == '%' || text[n-1] == '+') {
		number, unit = text[:n-1], text[n-1]
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 0 || number[0] == '+' {
		return m, fmt.Errorf("%s is no amount", problem.Quote(text))
	}
	switch {
	case unit == '%' && n > 100:
		return m, fmt.Errorf("%s is more than there is", problem.Quote(text))
	case unit == '%':
		m.Percent = int(n)
	case unit == '+':
		m.Unsigned = n
	default:
		m.Bytes = n
	}
	return m, nil
}
