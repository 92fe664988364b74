package config

import "io"

// Dump writes the effective values with their places.
func (c *Config) Dump(w io.Writer) {}

// Explain writes what one option does; false when there is none of that name.
func Explain(w io.Writer, name string) bool { return false }

// WriteMarkdown writes docs/options.md.
func WriteMarkdown(w io.Writer) error { return nil }

// WriteMan writes opendkim.conf(5).
func WriteMan(w io.Writer) error { return nil }
