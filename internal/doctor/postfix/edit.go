package postfix

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// A command that mends one setting is made here, and only here: the new value is the old
// one, as it was written, with one change.

// Quote writes a word for the shell.
func Quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// Reload is the command that makes Postfix read its settings anew.
func (s *Setup) Reload() string {
	return s.program("postfix") + "reload"
}

func (s *Setup) command(flags string) string { return s.program("postconf") + flags }

// program is one of Postfix's programs for this instance, with a blank behind it.
func (s *Setup) program(name string) string {
	if s.Dir != "" {
		return name + " -c " + s.Dir + " "
	}
	return name + " "
}

// place is where a parameter of a service is set.
type place struct {
	service *Service // nil: main.cf
	name    string
	raw     string
}

// variable is how one parameter names another.
var variable = regexp.MustCompile(`\$(?:(\w+)|\{(\w+)[}?:]|\((\w+)[)?:])`)

// find is where the text of a parameter stands which is, for a service, in the value of
// name: in name itself, or in a parameter that it names.
func (s *Setup) find(svc *Service, name, text string, depth int) (place, bool) {
	p := s.placeOf(svc, name)
	if text == "" || strings.Contains(p.raw, text) {
		return p, true
	}
	if depth == 0 {
		return p, false
	}
	for _, m := range variable.FindAllStringSubmatch(p.raw, -1) {
		if found, ok := s.find(svc, m[1]+m[2]+m[3], text, depth-1); ok {
			return found, true
		}
	}
	return p, false
}

func (s *Setup) placeOf(svc *Service, name string) place {
	if svc != nil {
		if raw, ok := svc.Override[name]; ok {
			return place{svc, name, raw}
		}
	}
	raw, ok := s.Raw[name]
	if !ok {
		raw = s.lookup(name)
	}
	return place{nil, name, raw}
}

// Emptied is a parameter that a service overrides with nothing, and that the value of
// name in main.cf stands on; "" for none.
func (s *Setup) Emptied(svc *Service, name string) string {
	if _, ok := svc.Override[name]; ok {
		return ""
	}
	for _, m := range variable.FindAllStringSubmatch(s.Raw[name], -1) {
		inner := m[1] + m[2] + m[3]
		if value, ok := svc.Override[inner]; ok && value == "" {
			return inner
		}
	}
	return ""
}

// set is the command that gives the parameter a value; "" where none can be typed.
func (s *Setup) set(p place, value string) string {
	if p.service == nil {
		return s.command("-e ") + Quote(p.name+" = "+value) + " && " + s.Reload()
	}
	value, ok := compact(value)
	if !ok {
		return ""
	}
	return s.command("-P ") + Quote(p.service.ID()+"/"+p.name+"="+value) + " && " + s.Reload()
}

// Set is the command that gives a parameter a value where it is set for the service,
// nil for main.cf.
func (s *Setup) Set(svc *Service, name, value string) string {
	return s.set(s.placeOf(svc, name), value)
}

// Override is the command that gives a parameter a value in master.cf.
func (s *Setup) Override(svc *Service, name, value string) string {
	return s.set(place{svc, name, ""}, value)
}

// Replace is the command that puts new in the place of old in a parameter's value.
func (s *Setup) Replace(svc *Service, name, old, replacement string) string {
	p, ok := s.find(svc, name, old, 5)
	if !ok {
		return ""
	}
	return s.set(p, strings.Replace(p.raw, old, replacement, 1))
}

// CutAt is the command that takes a member out of a parameter's value, and all behind it.
func (s *Setup) CutAt(svc *Service, name, member string) string {
	p, ok := s.find(svc, name, member, 5)
	if !ok {
		return ""
	}
	kept, _, _ := strings.Cut(p.raw, member)
	if kept = strings.TrimRight(kept, separators); kept == "" {
		return s.Unset(p.service, p.name)
	}
	return s.set(p, kept)
}

// Append is the command that adds a member to a list of milters: before the member
// called before, where there is one.
func (s *Setup) Append(svc *Service, name, member, before string) string {
	p := s.placeOf(svc, name)
	switch {
	case p.raw == "":
		return s.set(p, member)
	case before == "":
		return s.set(p, p.raw+", "+member)
	}
	if i := strings.Index(p.raw, before); i >= 0 {
		return s.set(p, p.raw[:i]+member+", "+p.raw[i:])
	}
	return s.set(p, member+", "+p.raw)
}

// Unset is the command that takes a parameter out: of master.cf for a service that
// overrides it, else of main.cf.
func (s *Setup) Unset(svc *Service, name string) string {
	if svc != nil {
		if _, ok := svc.Override[name]; ok {
			return s.command("-PX ") + Quote(svc.ID()+"/"+name) + " && " + s.Reload()
		}
	}
	return s.command("-X "+name) + " && " + s.Reload()
}

// Rename is the command that gives the value of a parameter to another one of main.cf.
func (s *Setup) Rename(svc *Service, name, to string) string {
	return s.command("-e ") + Quote(to+" = "+s.placeOf(svc, name).raw) + " && " + s.Unset(svc, name)
}

// edit is the command that changes the members of a list in which text stands; "" where
// change gives nil.
func (s *Setup) edit(svc *Service, name, text string, change func(members []string) []string) string {
	p, ok := s.find(svc, name, text, 5)
	members, err := split(p.raw)
	if !ok || err != nil {
		return ""
	}
	switch members = change(members); {
	case members == nil:
		return ""
	case len(members) == 0 && (p.service == nil || s.Raw[name] == ""):
		return s.Unset(p.service, p.name)
	}
	return s.set(p, strings.Join(members, ", "))
}

// DropWord is the command that takes a word out of a list such as
// receive_override_options.
func (s *Setup) DropWord(svc *Service, name, word string) string {
	return s.edit(svc, name, word, func(members []string) []string {
		return slices.DeleteFunc(members, func(m string) bool { return m == word })
	})
}

// DropLast is the command that takes a member out of a list of milters: the last of
// several that are equal.
func (s *Setup) DropLast(svc *Service, name, member string) string {
	return s.edit(svc, name, member, func(members []string) []string {
		for i, m := range slices.Backward(members) {
			if m == member {
				return slices.Delete(members, i, i+1)
			}
		}
		return nil
	})
}

// AddWord is the command that adds a word to a list such as receive_override_options of
// a service.
func (s *Setup) AddWord(svc *Service, name, word string) string {
	value := word
	if had, ok := svc.Override[name]; ok && had != "" {
		value = had + "," + word
	}
	return s.Override(svc, name, value)
}

// Move is the command that puts a member of a list of milters before another, the rest
// as it is.
func (s *Setup) Move(svc *Service, name, member, before string) string {
	return s.edit(svc, name, member, func(members []string) []string {
		rest := slices.DeleteFunc(members, func(m string) bool { return m == member })
		i := slices.Index(rest, before)
		if i < 0 {
			return nil
		}
		return slices.Insert(rest, i, member)
	})
}

// LinesOf are the words at the begin of a file's lines.
func LinesOf(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var words []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			words = append(words, f[0])
		}
	}
	return words
}
