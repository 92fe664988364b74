package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dojang/internal/policy"
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

// Config holds the values of one configuration, a field for each option that is
// not historic. It is not changed after Load and Set, and may then be read by
// many goroutines.
type Config struct {
	Settings
	partial bool
}

// New returns a configuration in which every option has its default.
func New() *Config {
	c := &Config{}
	for i := range table() {
		if o := &table()[i]; o.Status != Historic {
			c.Field(o.Name).start(o)
		}
	}
	return c
}

// IsWhole reports whether every file of the configuration could be read. Of one that is
// not, nobody knows what is set.
func (c *Config) IsWhole() bool { return !c.partial }

// Field returns the setting of an option by its name as it stands in the table;
// nil for a historic option. What names an option in its own text reads the
// struct's field instead.
func (c *Config) Field(name string) Field { return c.field(name) }

// Set gives an option a value from somewhere else than a file: source is
// CommandLine or Environment. It overrides what files said.
func (c *Config) Set(name, value, source string) problem.List {
	var problems problem.List
	o := Find(name)
	if o == nil {
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

// setEnvironment sets what variables named OPENDKIM_Option say, "_" standing
// for "-". It is given os.Environ().
func (c *Config) setEnvironment(environ []string) problem.List {
	var problems problem.List
	for _, o := range ReadEnvironment(environ) {
		problems = append(problems, c.Set(o.Option, o.Value, Environment)...)
	}
	return problems
}

// ReadEnvironment returns what variables named OPENDKIM_Option say, as SetEnvironment
// takes it.
func ReadEnvironment(environ []string) (set []Override) {
	const prefix = "OPENDKIM_"
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if ok && len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			set = append(set, Override{Option: strings.ReplaceAll(name[len(prefix):], "_", "-"), Value: value})
		}
	}
	return set
}

// add reads a value and keeps it. A value that is refused is not kept.
func (c *Config) add(o *Option, v Value, problems *problem.List) {
	if o.Status == Historic {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, historicHint(o), "an option of older releases; it has no effect")
		return
	}
	if v.Text == "" {
		problems.Addf(problem.Error, v.File, v.Line, o.Name, "write "+example(o), "no value")
		return
	}
	read, found, keep := o.accept(v)
	*problems = append(*problems, found...)
	if !keep {
		return
	}
	f := c.Field(o.Name)
	if old := f.Source(); f.IsSet() && !o.Repeatable && old.File == v.File && v.Line > 0 && old.Text != v.Text {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, fmt.Sprintf("take out line %d or line %d", old.Line, v.Line),
			"given before, in line %d; the last one counts", old.Line)
	}
	if o.Repeatable && isOverride(v) && f.IsSet() && f.Source().File != v.File {
		f.forget() // the command line replaces all lines of the files
	}
	f.add(v, read)
}

func isOverride(v Value) bool { return v.File == CommandLine || v.File == Environment }

// counting returns the values of a setting that count: of Socket those that are
// listened on, of any other option the one in force; none when undefined.
func counting(f Field) []Value {
	switch {
	case f.IsSet() && f.Option().Repeatable:
		given := f.Given()
		slices.Reverse(given)
		return given[firstCounting(given):]
	case f.Text() == "":
		return nil
	}
	return []Value{f.Source()}
}

// Action returns what an On- option tells to do: its own value, else that of
// On-Default, else its default.
func (c *Config) Action(on *Setting[policy.Action]) policy.Action {
	if !on.IsSet() && c.OnDefault.IsSet() {
		return c.OnDefault.Value
	}
	return on.Value
}

// Changed returns the names of the options whose values differ, sorted; the
// place where a value was given does not matter.
func Changed(from, to *Config) []string {
	var names []string
	for _, o := range table() {
		if o.Status == Historic {
			continue
		}
		if !slices.EqualFunc(counting(from.Field(o.Name)), counting(to.Field(o.Name)), func(a, b Value) bool { return a.Text == b.Text }) {
			names = append(names, o.Name)
		}
	}
	return names
}

// Files returns the files from which values came, each once, sorted.
func (c *Config) Files() []string {
	seen := map[string]bool{}
	for _, o := range table() {
		if o.Status == Historic {
			continue
		}
		for _, v := range c.Field(o.Name).Given() {
			if v.Line > 0 {
				seen[v.File] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
