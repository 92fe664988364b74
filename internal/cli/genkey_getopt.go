package cli

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// perlOption is one option of a Getopt::Long specification with "bundling".
type perlOption struct {
	names   []string // the first is the one errors know it by; one letter is a short name too
	text    *string  // "=s"
	number  *int     // "=i"
	flag    *bool    // "!": --no-NAME and --noNAME clear it
	counter *int     // "+"
}

func (o *perlOption) takesValue() bool { return o.text != nil || o.number != nil }

// perlOptions reads a command line exactly as Perl's Getopt::Long with
// "bundling" does: one-letter names bundle and take values attached or apart,
// any name follows two hyphens, in any case, cut short as far as it stays
// unique, and whatever is no option stands anywhere and is left over.
//
// Compat(opendkim 2.11): opendkim-genkey is a Perl script, and scripts call
// it with every form Getopt::Long takes.
type perlOptions struct {
	options []perlOption
	err     io.Writer
	failed  bool
}

// parse sets the options' values, tells each mistake on p.err, and reports
// whether there was none.
func (p *perlOptions) parse(args []string) (rest []string, ok bool) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return append(rest, args...), !p.failed
		case strings.HasPrefix(arg, "--"):
			args = p.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args = p.bundle(arg[1:], args)
		default:
			rest = append(rest, arg)
		}
	}
	return rest, !p.failed
}

func (p *perlOptions) complain(format string, args ...any) {
	p.failed = true
	fmt.Fprintf(p.err, format+"\n", args...)
}

// perlName is one way to write an option after two hyphens.
type perlName struct {
	option *perlOption
	negate bool
}

func (p *perlOptions) longNames() map[string]perlName {
	names := map[string]perlName{}
	for i := range p.options {
		o := &p.options[i]
		for _, name := range o.names {
			names[name] = perlName{option: o}
			if o.flag != nil {
				names["no"+name] = perlName{o, true}
				names["no-"+name] = perlName{o, true}
			}
		}
	}
	return names
}

func (p *perlOptions) long(arg string, args []string) []string {
	name, value, hasValue := strings.Cut(arg, "=")
	if name == "" {
		p.complain("Unknown option: %s", arg)
		return args
	}
	name = strings.ToLower(name)
	found, full, ok := p.findLong(name)
	if !ok {
		return args
	}
	if !found.option.takesValue() {
		if hasValue {
			p.complain("Option %s does not take an argument", full)
			return args
		}
		found.option.turn(!found.negate)
		return args
	}
	if !hasValue && len(args) > 0 {
		value, args = args[0], args[1:]
	} else if value == "" {
		p.complain("Option %s requires an argument", full)
		return args
	}
	p.set(found.option, full, value)
	return args
}

func (p *perlOptions) findLong(name string) (found perlName, full string, ok bool) {
	names := p.longNames()
	if exact, ok := names[name]; ok {
		return exact, name, true
	}
	var hits []string
	options := map[*perlOption]bool{}
	for candidate, n := range names {
		if strings.HasPrefix(candidate, name) {
			hits = append(hits, candidate)
			options[n.option] = true
		}
	}
	sort.Strings(hits)
	switch {
	case len(hits) == 0:
		p.complain("Unknown option: %s", name)
		return perlName{}, "", false
	case len(options) > 1:
		p.complain("Option %s is ambiguous (%s)", name, strings.Join(hits, ", "))
		return perlName{}, "", false
	}
	return names[hits[0]], hits[0], true
}

// bundle takes one argument of short options: "-vtb1024", "-sNAME".
func (p *perlOptions) bundle(letters string, args []string) []string {
	for letters != "" {
		name := letters[:1]
		letters = letters[1:]
		o := p.findShort(name)
		if o == nil {
			p.complain("Unknown option: %s", name)
			continue
		}
		if !o.takesValue() {
			o.turn(true)
			continue
		}
		switch {
		case letters == "" && len(args) == 0:
			p.complain("Option %s requires an argument", name)
		case letters == "":
			p.set(o, name, args[0])
			args = args[1:]
		case o.number != nil:
			n := numberPrefix(letters)
			if n == 0 {
				p.complain("Value %q invalid for option %s (number expected)", letters, name)
				continue
			}
			p.set(o, name, letters[:n])
			letters = letters[n:]
		default:
			p.set(o, name, letters)
			letters = ""
		}
	}
	return args
}

func (p *perlOptions) findShort(name string) *perlOption {
	for i := range p.options {
		for _, n := range p.options[i].names {
			if n == name {
				return &p.options[i]
			}
		}
	}
	return nil
}

func (p *perlOptions) set(o *perlOption, name, value string) {
	if o.text != nil {
		*o.text = value
		return
	}
	n, err := strconv.Atoi(value)
	if err != nil || numberPrefix(value) != len(value) {
		p.complain("Value %q invalid for option %s (number expected)", value, name)
		return
	}
	*o.number = n
}

func (o *perlOption) turn(on bool) {
	if o.counter != nil {
		*o.counter++
		return
	}
	*o.flag = on
}

// numberPrefix is the length of the decimal number s begins with, 0 for none.
func numberPrefix(s string) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	digits := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == digits {
		return 0
	}
	return i
}
