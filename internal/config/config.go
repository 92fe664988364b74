package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dojang/internal/problem"
)

// Value is one setting and where it was made.
type Value struct {
	Text string
	File string // "" for a default; "command line"; "environment"; or the path as written
	Line int    // 1-based; 0 when not from a file
}

// Place returns "file:line", the source's name, or "default".
func (v Value) Place() string {
	switch {
	case v.File == "":
		return "default"
	case v.Line == 0:
		return v.File
	}
	return fmt.Sprintf("%s:%d", v.File, v.Line)
}

// Sources of values that are not files, for Set.
const (
	CommandLine = "command line"
	Environment = "environment"
)

// Config holds the values of one configuration. It is not changed after Load
// and Set, and may then be read by many goroutines.
type Config struct {
	values map[string][]Value // by lower-case name, in the order given
}

// New returns a configuration in which every option has its default.
func New() *Config { return &Config{values: map[string][]Value{}} }

// Set gives an option a value from somewhere else than a file: source is
// CommandLine or Environment. It overrides what files said.
func (c *Config) Set(name, value, source string) problem.List {
	var problems problem.List
	o, ok := Find(name)
	if !ok {
		problems = append(problems, unknownOption(name, Value{File: source}))
		return problems
	}
	if o.Name == "Include" {
		problems.Addf(problem.Error, source, 0, o.Name, "write it into the configuration file", "obeyed in a file alone")
		return problems
	}
	c.add(o, Value{Text: trimSpace(value), File: source}, &problems)
	return problems
}

// SetEnvironment sets what variables named OPENDKIM_Option say, "_" standing
// for "-". It is given os.Environ().
func (c *Config) SetEnvironment(environ []string) problem.List {
	const prefix = "OPENDKIM_"
	var problems problem.List
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		problems = append(problems, c.Set(strings.ReplaceAll(name[len(prefix):], "_", "-"), value, Environment)...)
	}
	return problems
}

// add checks a value and keeps it. A value that is refused is not kept.
func (c *Config) add(o Option, v Value, problems *problem.List) {
	key := strings.ToLower(o.Name)
	if o.Status == Historic {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, historicHint(o), "an option of older releases; it has no effect")
		return
	}
	if v.Text == "" {
		problems.Addf(problem.Error, v.File, v.Line, o.Name, "write "+example(o), "no value")
		return
	}
	found, keep := checkValue(o, v)
	*problems = append(*problems, found...)
	if !keep {
		return
	}
	old := c.values[key]
	if n := len(old); n > 0 && !o.Repeatable && old[n-1].File == v.File && v.Line > 0 && old[n-1].Text != v.Text {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, fmt.Sprintf("take out line %d or line %d", old[n-1].Line, v.Line),
			"given before, in line %d; the last one counts", old[n-1].Line)
	}
	if o.Repeatable && len(old) > 0 && old[0].File != v.File && isOverride(v) {
		old = nil // the command line replaces all lines of the files
	}
	c.values[key] = append(old, v)
}

func isOverride(v Value) bool { return v.File == CommandLine || v.File == Environment }

// option finds the row of a name used by our own code.
func option(name string) Option {
	o, ok := Find(name)
	if !ok {
		panic("config: no such option: " + name)
	}
	return o
}

// Source returns the value in force and where it comes from: the last one
// given, or the default with an empty File.
func (c *Config) Source(name string) Value {
	o := option(name)
	if given := c.values[strings.ToLower(o.Name)]; len(given) > 0 {
		return given[len(given)-1]
	}
	return Value{Text: o.Default}
}

// IsSet reports whether the option was given at all.
func (c *Config) IsSet(name string) bool {
	return len(c.values[strings.ToLower(option(name).Name)]) > 0
}

// String returns the text of the value in force, "" when undefined.
func (c *Config) String(name string) string { return c.Source(name).Text }

// Strings returns every value given for a Repeatable option in the order given,
// or the default when there is one; of any other option the one in force. For Socket it returns only the last line
// when no line carries an attribute of ours; see Sockets.
func (c *Config) Strings(name string) []Value {
	o := option(name)
	given := c.values[strings.ToLower(o.Name)]
	if len(given) == 0 {
		if o.Default == "" {
			return nil
		}
		return []Value{{Text: o.Default}}
	}
	if !o.Repeatable {
		return []Value{given[len(given)-1]}
	}
	if o.Type == SocketAddress && !slices.ContainsFunc(given, func(v Value) bool { return strings.ContainsAny(v.Text, space) }) {
		given = given[len(given)-1:]
	}
	return slices.Clone(given)
}

// Given returns every value given for an option, the newest first, as
// `opendkim -e` prints them.
func (c *Config) Given(name string) []Value {
	given := slices.Clone(c.values[strings.ToLower(option(name).Name)])
	slices.Reverse(given)
	return given
}

// Bool returns a Boolean option.
func (c *Config) Bool(name string) bool {
	of(name, Boolean)
	b, _ := parseBoolean(c.String(name))
	return b
}

// Int returns an Integer option, or a Duration in seconds; 0 when undefined.
// A negative value where that has no meaning is 0.
func (c *Config) Int(name string) int {
	o := of(name, Integer, Duration)
	if o.Type == Duration {
		return int(c.Duration(name) / time.Second)
	}
	n, _ := parseInteger(c.String(name))
	if n < 0 && !o.Negative {
		n = 0
	}
	return int(n)
}

// Duration returns a Duration option; 0 when undefined.
func (c *Config) Duration(name string) time.Duration {
	o := of(name, Duration)
	d, _ := parseDuration(c.String(name), o.Since == "dojang")
	if d < 0 && !o.Negative {
		d = 0
	}
	return d
}

// Octal returns a permission mask; 0 when undefined.
func (c *Config) Octal(name string) int {
	of(name, Octal)
	n, _ := parseInteger(c.String(name))
	return int(n)
}

// Rate returns how many in which time; 0, 0 when undefined.
func (c *Config) Rate(name string) (n int, per time.Duration) {
	of(name, Rate)
	n, per, _ = parseRate(c.String(name))
	return n, per
}

// List returns the parts of a comma-separated value, without white space
// around them and without empty ones.
func (c *Config) List(name string) []string {
	var parts []string
	for _, part := range strings.Split(c.String(name), ",") {
		if part = trimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// of finds an option and insists on its type.
func of(name string, types ...Type) Option {
	o := option(name)
	if !slices.Contains(types, o.Type) {
		panic(fmt.Sprintf("config: %s is of type %s", o.Name, o.Type))
	}
	return o
}

// Choice returns the value of an option that has a list of Allowed ones, in
// full and in lower case: "reject" for "On-NoSignature R"; "" when undefined.
func (c *Config) Choice(name string) string {
	o := option(name)
	if len(o.Allowed) == 0 {
		panic("config: " + o.Name + " has no list of values")
	}
	return choice(o, c.String(name))
}

// Action returns what an On- option tells to do: its own value, else that of
// On-Default, else its default; in full and in lower case.
func (c *Config) Action(name string) string {
	if !c.IsSet(name) && c.IsSet("On-Default") {
		return c.Choice("On-Default")
	}
	return c.Choice(name)
}

// Changed returns the names of the options whose values differ, sorted; the
// place where a value was given does not matter.
func Changed(from, to *Config) []string {
	var names []string
	for _, o := range table() {
		if !slices.EqualFunc(from.Strings(o.Name), to.Strings(o.Name), func(a, b Value) bool { return a.Text == b.Text }) {
			names = append(names, o.Name)
		}
	}
	return names
}

// Files returns the files from which values came, each once, sorted.
func (c *Config) Files() []string {
	seen := map[string]bool{}
	for _, values := range c.values {
		for _, v := range values {
			if v.Line > 0 {
				seen[v.File] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
