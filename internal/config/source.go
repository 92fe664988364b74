package config

import (
	"os"
	"path/filepath"

	"dojang/internal/problem"
)

// DefaultPath is the file that is read when no other is named, and it is there.
const DefaultPath = "/etc/opendkim.conf"

// Override is an option that a flag sets.
type Override struct{ Option, Value string }

// Source is where a configuration comes from: a file, then the environment, then the
// command line, each over the one before.
type Source struct {
	// File is the file's path; Load sets it to DefaultPath where none is named and that
	// one is there.
	File      string
	Overrides []Override
}

// Load reads the configuration.
func (s *Source) Load() (*Config, problem.List) {
	if s.File == "" {
		if _, err := os.Stat(DefaultPath); err == nil {
			s.File = DefaultPath
		}
	}
	return s.load(s.File, s.Overrides)
}

func (s *Source) load(path string, overrides []Override) (*Config, problem.List) {
	c, problems := Load(path)
	problems = append(problems, c.setEnvironment(os.Environ())...)
	for _, o := range overrides {
		problems = append(problems, c.Set(o.Option, o.Value, CommandLine)...)
	}
	return c, problems
}

// Reload returns what reads the file again, wherever BaseDirectory takes us; nil without
// a file: there is nothing to reload. Compat(opendkim 2.11): the command line is lost
// then, except for what a reload never changes.
func (s *Source) Reload() func() (*Config, problem.List) {
	if s.File == "" {
		return nil
	}
	path, err := filepath.Abs(s.File)
	if err != nil {
		path = s.File
	}
	var stay []Override
	for _, o := range s.Overrides {
		if option := Find(o.Option); option != nil && option.NeedsRestart {
			stay = append(stay, o)
		}
	}
	return func() (*Config, problem.List) { return s.load(path, stay) }
}
