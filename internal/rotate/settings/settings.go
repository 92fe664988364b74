// Package settings reads rotate.conf, which says how keys change and who publishes
// their records. It has one table of options, from which the parser, `dojang config
// explain` and the manual page rotate.conf(5) come.
package settings

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"dojang/internal/config"
	"dojang/internal/keyrecord"
	"dojang/internal/problem"
	"dojang/internal/publish"
)

//go:generate go run ./gen

// DefaultPath is the file that is read when no other is named.
const DefaultPath = "/etc/dojang/rotate.conf"

// Settings is what rotate.conf says. It is not changed after Load.
type Settings struct {
	Path           string // of the file, as it was given
	Config         string
	State          string
	Interval       time.Duration
	KeepOld        time.Duration
	KeepRevoked    time.Duration
	Margin         time.Duration
	Proofs         int
	ProofInterval  time.Duration
	MaxCredit      time.Duration
	SelectorFormat string
	KeyTypes       []KeyType // empty: those of the row that is replaced
	TTL            time.Duration
	Nameservers    []string // empty: the system's
	IgnoreServers  []string
	Publishers     []Publisher
	Zones          []Zone // in the order of the file
	Groups         []Group
	Hosts          []string         // of the form local:PATH, unix:PATH or http(s)://...; empty: that of Config
	Rate           config.Frequency // at most so many changes in which time; zero: no limit
	Day            int              // at most so many changes in a day; 0: no limit
	MaxRun         time.Duration
	Witnesses      []string

	grouped map[string]string // domains: which of Groups has them
}

// Publisher is a way to publish, by its name.
type Publisher struct {
	Name string
	Spec publish.Spec
	At   config.Value
}

// Zone says who publishes the records of the domains that a pattern fits.
type Zone struct {
	Pattern   string // example.com, *.example.com (any name below it) or *
	Publisher string // the name of one of Publishers
	// CNAME is the zone into which the aliases of the domains' selectors lead, "" when the
	// records stand in the domains themselves; Ring are the selectors that have an alias.
	CNAME string
	Ring  []string
	At    config.Value
}

// Group is the domains that share one row of the KeyTable.
type Group struct {
	Name    string // of the row
	Domains []string
}

// KeyType is a kind of key to make.
type KeyType struct {
	Type string // rsa or ed25519
	Bits int    // of an RSA key
}

// String is the KeyType as it is written.
func (k KeyType) String() string {
	if k.Bits > 0 {
		return fmt.Sprintf("%s%d", k.Type, k.Bits)
	}
	return k.Type
}

// Load reads a file. Every problem is found in one pass; the Settings hold what could be
// read and are never nil.
func Load(path string) (*Settings, problem.List) {
	s := &Settings{Path: path}
	for _, o := range rows() {
		if o.Default != "" {
			if err := o.read(s, config.Value{Text: o.Default}); err != nil {
				panic("settings: the default of " + o.Name + ": " + err.Error())
			}
		}
	}
	given := map[string]config.Value{}
	problems := config.Lines(path, func(name string, v config.Value, problems *problem.List) {
		o := find(name)
		switch {
		case o == nil:
			*problems = append(*problems, unknown(name, v))
		case v.Text == "":
			problems.Addf(problem.Error, v.File, v.Line, o.Name, "write "+o.example(), "no value")
		default:
			s.take(o, v, given, problems)
		}
	})
	s.check(&problems)
	problems.Sort()
	return s, problems
}

// take reads one value of an option.
func (s *Settings) take(o *option, v config.Value, given map[string]config.Value, problems *problem.List) {
	if old, is := given[o.Name]; is && !o.Repeatable && old.Text != v.Text {
		problems.Addf(problem.Warning, v.File, v.Line, o.Name, "take one of the lines out",
			"given before, at %s; the last one counts", old.Place())
	}
	given[o.Name] = v
	if err := o.read(s, v); err != nil {
		hint := "write " + o.example()
		var h *hinted
		if errors.As(err, &h) {
			hint = h.hint
		}
		problems.Addf(problem.Error, v.File, v.Line, o.Name, hint, "%s", err)
	}
}

// hinted is an error with a remedy of its own.
type hinted struct {
	error
	hint string
}

// unknown says what was written and what may have been meant.
func unknown(name string, at config.Value) problem.Problem {
	hint := "`man rotate.conf` lists all options"
	bare, _, assigned := strings.Cut(name, "=")
	switch o := find(strings.TrimRight(bare, ":")); {
	case o != nil && assigned:
		hint = "write a blank instead of the equals sign: " + o.example()
	case o != nil:
		hint = fmt.Sprintf("write %s without a colon", o.Name)
	case config.Find(name) != nil:
		hint = "it is an option of opendkim.conf: write it there"
	default:
		if near := config.NearestOf(name, Options()); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
	}
	return problem.Problem{File: at.File, Line: at.Line, Severity: problem.Error, Hint: hint, Text: "unknown option " + problem.Quote(name)}
}

// check holds what was read together.
func (s *Settings) check(problems *problem.List) {
	seen := map[string]config.Value{}
	for _, p := range s.Publishers {
		if old, is := seen[p.Name]; is {
			problems.Addf(problem.Error, p.At.File, p.At.Line, "Publisher", "give it another name",
				"%s is defined before, at %s", p.Name, old.Place())
		}
		seen[p.Name] = p.At
	}
	patterns := map[string]config.Value{}
	for _, z := range s.Zones {
		if _, is := seen[z.Publisher]; !is {
			problems.Addf(problem.Error, z.At.File, z.At.Line, "Zone",
				"define it: Publisher "+z.Publisher+" rfc2136 server=127.0.0.1 key=FILE",
				"there is no publisher %s", problem.Quote(z.Publisher))
		}
		if old, is := patterns[z.Pattern]; is {
			problems.Addf(problem.Warning, z.At.File, z.At.Line, "Zone", "take one of the lines out",
				"%s stands before, at %s; the first one counts", z.Pattern, old.Place())
		} else if old, is := patterns["*"]; is {
			problems.Addf(problem.Warning, z.At.File, z.At.Line, "Zone", "put it before that line",
				"it has no effect: the first pattern that fits counts, and * stands before, at %s", old.Place())
		} else {
			patterns[z.Pattern] = z.At
		}
	}
}

// ZoneOf returns the first Zone whose pattern fits a domain.
func (s *Settings) ZoneOf(domain string) (Zone, bool) {
	domain = keyrecord.Canonical(domain)
	for _, z := range s.Zones {
		if z.fits(domain) {
			return z, true
		}
	}
	return Zone{}, false
}

// fits reports whether the pattern fits a domain.
func (z Zone) fits(domain string) bool {
	domain = keyrecord.Canonical(domain)
	if z.Pattern == "*" {
		return true
	}
	if parent, wild := strings.CutPrefix(z.Pattern, "*"); wild {
		return strings.HasSuffix(domain, parent) && len(domain) > len(parent)
	}
	return domain == z.Pattern
}

// RecordName is where the record of a selector stands, without the final dot: at
// SELECTOR._domainkey.DOMAIN, or below CNAME where that is an alias.
func (z Zone) RecordName(selector, domain string) string {
	name := strings.ToLower(keyrecord.ASCII(selector)) + "._domainkey." + keyrecord.Canonical(domain)
	if z.CNAME != "" {
		name += "." + z.CNAME
	}
	return name
}

// Group returns the Group of a row.
func (s *Settings) Group(row string) (Group, bool) {
	for _, g := range s.Groups {
		if g.Name == row {
			return g, true
		}
	}
	return Group{}, false
}

// GroupOf returns the name of the Group that a domain is in.
func (s *Settings) GroupOf(domain string) (row string, is bool) {
	row, is = s.grouped[keyrecord.Canonical(domain)]
	return row, is
}

// Publisher returns the publisher of that name.
func (s *Settings) Publisher(name string) (Publisher, bool) {
	for _, p := range s.Publishers {
		if p.Name == name {
			return p, true
		}
	}
	return Publisher{}, false
}
