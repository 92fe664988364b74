package getopt

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Option is one option of a Getopt::Long specification with "bundling".
type Option struct {
	Names   []string // the first is the one errors know it by; one letter is a short name too
	Text    *string  // "=s"
	Number  *int     // "=i"
	Flag    *bool    // "!": --no-NAME and --noNAME clear it
	Counter *int     // "+"
}

func (o *Option) takesValue() bool { return o.Text != nil || o.Number != nil }

// Perl reads a command line exactly as Perl's Getopt::Long with
// "bundling" does: one-letter names bundle and take values attached or apart,
// any name follows two hyphens, in any case, cut short as far as it stays
// unique, and whatever is no option stands anywhere and is left over.
//
// Compat(opendkim 2.11): opendkim-genkey is a Perl script, and scripts call
// it with every form Getopt::Long takes.
type Perl struct {
	Options []Option
	Err     io.Writer
	failed  bool
}

// Parse sets the options' values, tells each mistake on p.Err, and reports
// whether there was none.
func (p *Perl) Parse(args []string) (rest []string, ok bool) {
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

func (p *Perl) complain(format string, args ...any) {
	p.failed = true
	fmt.Fprintf(p.Err, format+"\n", args...)
}

// perlName is one way to write an option after two hyphens.
type perlName struct {
	option *Option
	negate bool
}

func (p *Perl) longNames() map[string]perlName {
	names := map[string]perlName{}
	for i := range p.Options {
		o := &p.Options[i]
		for _, name := range o.Names {
			names[name] = perlName{option: o}
			if o.Flag != nil {
				names["no"+name] = perlName{o, true}
				names["no-"+name] = perlName{o, true}
			}
		}
	}
	return names
}

func (p *Perl) long(arg string, args []string) []string {
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

func (p *Perl) findLong(name string) (found perlName, full string, ok bool) {
	names := p.longNames()
	if exact, ok := names[name]; ok {
		return exact, name, true
	}
	var hits []string
	options := map[*Option]bool{}
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
func (p *Perl) bundle(letters string, args []string) []string {
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
		case o.Number != nil:
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

func (p *Perl) findShort(name string) *Option {
	for i := range p.Options {
		if slices.Contains(p.Options[i].Names, name) {
			return &p.Options[i]
		}
	}
	return nil
}

func (p *Perl) set(o *Option, name, value string) {
	if o.Text != nil {
		*o.Text = value
		return
	}
	n, err := strconv.Atoi(value)
	if err != nil || numberPrefix(value) != len(value) {
		p.complain("Value %q invalid for option %s (number expected)", value, name)
		return
	}
	*o.Number = n
}

func (o *Option) turn(on bool) {
	if o.Counter != nil {
		*o.Counter++
		return
	}
	*o.Flag = on
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
