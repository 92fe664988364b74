package rotate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dojang/internal/atomicfile"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// ConfRow is the name of the row that Domain, Selector and KeyFile make.
const ConfRow = "KeyFile"

// ConfTable is the key of Domain, Selector and KeyFile as a table of one row, whose
// selector and path stand in two lines of opendkim.conf.
type ConfTable struct {
	Path     string // of the configuration, which may include the file that has them
	Domain   string // one domain, or "%" for several
	Selector config.Value
	KeyFile  config.Value
}

// Row is the row.
func (t *ConfTable) Row() keystore.Row {
	return keystore.FileRow(t.Domain, t.Selector.Text, t.KeyFile.Text)
}

// Lookup implements dataset.Set: the lines as they are now.
func (t *ConfTable) Lookup(_ context.Context, key string, columns int) ([]string, error) {
	if key != ConfRow {
		return nil, dataset.ErrNotFound
	}
	if err := t.load(); err != nil {
		return nil, err
	}
	row := t.Row()
	return dataset.Split(strings.Join([]string{row.Domain, row.Selector, row.Key}, ":"), columns), nil
}

func (t *ConfTable) load() error {
	c, problems := config.Load(t.Path)
	if problems.HasErrors() {
		return problems
	}
	t.Selector, t.KeyFile = c.Selector.Source(), c.KeyFile.Source()
	return nil
}

// Walk implements dataset.Walker.
func (t *ConfTable) Walk(_ context.Context, f func(dataset.Entry) error) error {
	if err := t.load(); err != nil {
		return err
	}
	row := t.Row()
	return f(dataset.Entry{Key: ConfRow, Values: []string{row.Domain, row.Selector, row.Key}, Line: t.Selector.Line})
}

// Close implements dataset.Set.
func (t *ConfTable) Close() error { return nil }

// Swap implements dataset.Swapper: both lines at once, in one file.
func (t *ConfTable) Swap(_ context.Context, changes []dataset.Change) error {
	if t.Selector.File != t.KeyFile.File || t.Selector.Line == 0 || t.KeyFile.Line == 0 {
		return errors.New("the options Selector and KeyFile must stand in one file, each on a line of its own")
	}
	return atomicfile.Replace(t.Selector.File, atomicfile.Options{KeepOld: true}, func(old []byte) ([]byte, error) {
		lines := strings.SplitAfter(string(old), "\n")
		for _, c := range changes {
			if c.Key != ConfRow || len(c.Old) < 3 || len(c.New) < 3 {
				return nil, errors.New("the keys of Domain, Selector and KeyFile can be changed, and not added or taken out")
			}
			for _, line := range []struct {
				at        int
				name      string
				was, with string
			}{{t.Selector.Line, "Selector", c.Old[1], c.New[1]}, {t.KeyFile.Line, "KeyFile", t.KeyFile.Text, c.New[2]}} {
				if line.at > len(lines) {
					return nil, dataset.ErrChanged
				}
				changed, ok := replaceOption(lines[line.at-1], line.name, line.was, line.with)
				if !ok {
					return nil, fmt.Errorf("%s:%d: %w", t.Selector.File, line.at, dataset.ErrChanged)
				}
				lines[line.at-1] = changed
			}
		}
		return []byte(strings.Join(lines, "")), nil
	})
}

// replaceOption replaces the value of an option in its line; all else stays.
func replaceOption(line, name, was, with string) (string, bool) {
	start := len(line) - len(strings.TrimLeft(line, " \t\ufeff"))
	if len(line)-start < len(name) || !strings.EqualFold(line[start:start+len(name)], name) {
		return "", false
	}
	at := start + len(name)
	rest := strings.TrimLeft(line[at:], " \t")
	if len(rest) == len(line[at:]) || !strings.HasPrefix(rest, was) {
		return "", false
	}
	at = len(line) - len(rest)
	if after := strings.TrimLeft(line[at+len(was):], " \t\r\n"); after != "" && after[0] != '#' {
		return "", false
	}
	return line[:at] + with + line[at+len(was):], true
}
