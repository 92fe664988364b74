// Package config reads opendkim.conf. One table of options drives the parser,
// the checks, `dojang config show` and `explain`, the manual page
// opendkim.conf(5) and docs/options.md.
package config

import (
	"sort"
	"strings"
	"sync"

	"dojang/internal/dataset"
)

//go:generate go run ./gen

// Type says how the text of a value is read.
type Type uint8

// The types of opendkim.conf(5), and those we check more closely than OpenDKIM.
const (
	Boolean       Type = iota // first byte decides: TtYy1 or FfNn0
	Integer                   // decimal, 0octal or 0xhexadecimal
	String                    // anything; Option.Allowed may narrow it
	Duration                  // seconds; our own options take s, m, h, d, w behind the number
	Octal                     // a permission mask
	Rate                      // n/t[u]: at most n in t units (s, m, h, d)
	List                      // comma-separated
	DataSet                   // see DATA SETS in opendkim(8)
	Path                      // a file or folder
	SocketAddress             // see ParseSocket
)

// String returns the word the manual shows in parentheses.
func (t Type) String() string {
	return [...]string{"Boolean", "integer", "string", "seconds", "octal", "rate", "list", "dataset", "path", "socket"}[t]
}

// Status says what setting an option does.
type Status uint8

const (
	// Active options have their effect.
	Active Status = iota
	// Ignored options were meaningful to OpenDKIM's libraries and have nothing to do here, rightly; a warning says so.
	Ignored
	// Historic options belong to older releases: a warning, otherwise ignored.
	Historic
)

func (s Status) String() string {
	return [...]string{"active", "nothing to do", "historic"}[s]
}

// Option is one row of the table.
type Option struct {
	Name         string
	Type         Type
	Default      string // as it would be written in the file; "" is undefined
	Since        string // "2.11", "2026" (upstream, unreleased), "dojang", or for Historic the release that dropped it
	NeedsRestart bool   // not obeyed by SIGUSR1, SIGHUP or `dojang reload`
	Status       Status
	Repeatable   bool             // every line counts; see Config.Sockets
	Secret       bool             // shown as [redacted]
	Negative     bool             // an Integer or Duration below zero has a meaning
	Allowed      []string         // the values there are, lower case; empty: any
	Examples     []string         // values to show; without one the Default, or one that fits the Type
	Elements     dataset.Elements // of a list: what its elements are
	Doc          string           // one paragraph: what, units, default, example
	Topic        Topic

	read     parser                       // how the text is read where Type does not tell; the zero reader: as Type tells
	check    func(text string, warn tell) // what is allowed and no good; nil: nothing
	instead  string                       // for Historic: what to use now
	standard any                          // what Default is read as
}

// Topic groups options in docs/options.md.
type Topic uint8

// Topics in the order in which the document shows them.
const (
	Signing Topic = iota
	Selection
	Verifying
	Results
	Actions
	Reporting
	Resolving
	DataSources
	Scripting
	Service
	Logging
	Testing
	Obsolete
)

// String returns the topic's heading.
func (t Topic) String() string {
	return [...]string{"Signing", "Choosing what to sign", "Verifying", "Authentication-Results",
		"What to do with a verdict", "Reports and statistics",
		"DNS", "Data sets", "Lua hooks", "The service", "Logging and metrics", "Testing and debugging", "Historic options"}[t]
}

// table is built once and never changed.
var table = sync.OnceValue(func() []Option {
	var all []Option
	for topic, rows := range [][]Option{signingOptions(), selectionOptions(), verifyingOptions(),
		resultOptions(), actionOptions(), reportOptions(), resolverOptions(),
		dataOptions(), scriptOptions(), serviceOptions(), loggingOptions(), testingOptions(), historicOptions()} {
		for _, o := range rows {
			o.Topic = Topic(topic)
			if o.Since == "" {
				o.Since = "2.11"
			}
			if o.NeedsRestart {
				o.Doc += " Not obeyed by a reload."
			}
			o.standard, _ = o.valueOf(o.Default)
			all = append(all, o)
		}
	}
	sort.Slice(all, func(i, j int) bool { return strings.ToLower(all[i].Name) < strings.ToLower(all[j].Name) })
	return all
})

var index = sync.OnceValue(func() map[string]int {
	m := make(map[string]int, len(table()))
	for i, o := range table() {
		m[strings.ToLower(o.Name)] = i
	}
	return m
})

// Options returns every option, sorted by name. The slice is the caller's; the
// Allowed lists in it are shared and must not be written to.
func Options() []Option { return append([]Option(nil), table()...) }

// rows are the rows of the table.
func rows() []*Option {
	all := make([]*Option, len(table()))
	for i := range all {
		all[i] = &table()[i]
	}
	return all
}

// Find looks an option up by name, in any case; nil when there is none. The row
// is the table's own and must not be written to.
func Find(name string) *Option {
	i, ok := index()[strings.ToLower(name)]
	if !ok {
		return nil
	}
	return &table()[i]
}

// Nearest returns the known name most like the given one, or "" when none is
// near. Historic names are offered only when nothing else is as near.
func Nearest(name string) string { return NearestOf(name, rows()) }

// NearestOf is Nearest among other options than those of opendkim.conf.
func NearestOf(name string, options []*Option) string {
	const maxNameBytes = 64 // longer text is no misspelt name
	if len(name) > maxNameBytes {
		return ""
	}
	low := strings.ToLower(name)
	best, bestDistance := "", max(1, len(low)/3)+1
	for _, o := range options {
		d := distance(low, strings.ToLower(o.Name))
		if o.Status == Historic {
			d++
		}
		if d < bestDistance {
			best, bestDistance = o.Name, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that make b of a.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, above, row := rows[0], rows[1], rows[2]
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
