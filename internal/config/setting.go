package config

import "slices"

// Setting is an option of one configuration: its value, which was read once when
// it was given, and where that was.
type Setting[T any] struct {
	// Value is the one in force: the last one given, else the default; the zero
	// value when there is neither.
	Value T

	option *Option
	given  []Value // in the order given
	read   []T     // what those were read as, for a Repeatable option
}

// Field is a Setting of any type.
type Field interface {
	// Option is the setting's row of the table.
	Option() *Option
	// IsSet reports whether the option was given at all.
	IsSet() bool
	// Text is how the value in force was written, "" when undefined.
	Text() string
	// Source is the value in force and where it comes from: the last one given, or
	// the default with an empty File.
	Source() Value
	// Given is every value given, the newest first, as `opendkim -e` prints them.
	Given() []Value

	start(o *Option)
	add(v Value, read any)
	forget()
}

func (s *Setting[T]) Option() *Option { return s.option }
func (s *Setting[T]) IsSet() bool     { return len(s.given) > 0 }
func (s *Setting[T]) Text() string    { return s.Source().Text }

func (s *Setting[T]) Source() Value {
	if n := len(s.given); n > 0 {
		return s.given[n-1]
	}
	return Value{Text: s.option.Default}
}

func (s *Setting[T]) Given() []Value {
	given := slices.Clone(s.given)
	slices.Reverse(given)
	return given
}

// start makes it the setting of an option that is not given.
func (s *Setting[T]) start(o *Option) {
	s.option = o
	s.Value, _ = o.standard.(T) // nil when there is no default
}

// add gives it a value, read by Option.valueOf.
func (s *Setting[T]) add(v Value, read any) {
	s.Value = read.(T)
	s.given = append(s.given, v)
	if s.option.Repeatable {
		s.read = append(s.read, s.Value)
	}
}

// forget makes it not given.
func (s *Setting[T]) forget() {
	s.given, s.read = nil, nil
	s.start(s.option)
}
