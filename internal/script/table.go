package script

import (
	"context"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dojang/internal/dataset"
)

// NewOpener opens the data sets of type lua: a script that is run for each
// look-up with the key in the global variable query. What it returns are the
// values; nothing, nil or false says that there is no such key. It has Lua's own
// libraries but not odkim.
func NewOpener(o Options) dataset.Opener {
	return func(ctx context.Context, spec dataset.Spec, _ dataset.Options) (dataset.Set, error) {
		s, err := Load(ctx, spec.Args, Table, o)
		if err != nil {
			return nil, &dataset.Error{Set: spec.String(), Err: err}
		}
		return table{s, spec.String()}, nil
	}
}

// table is a script as a data set.
type table struct {
	script *Script
	name   string
}

func (t table) Close() error { return nil }

func (t table) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	values, err := t.script.query(ctx, &key)
	if err != nil {
		return nil, &dataset.Error{Set: t.name, Err: err, Temp: true}
	}
	if values == nil {
		return nil, dataset.ErrNotFound
	}
	switch {
	case columns == 0:
		return nil, nil
	case len(values) == 1:
		return dataset.Split(values[0], columns), nil
	case len(values) > columns:
		values = append(values[:columns-1:columns-1], strings.Join(values[columns-1:], ":"))
	}
	return values, nil
}

// query runs the script for one key, nil at load, and returns nil for no answer.
func (s *Script) query(ctx context.Context, key *string) ([]string, error) {
	returned, err := s.call(ctx, nil, func(l *lua.LState, _ *run) {
		if key != nil {
			l.SetGlobal("query", lua.LString(*key))
		}
	})
	if err != nil || len(returned) == 0 || lua.LVIsFalse(returned[0]) {
		return nil, err
	}
	values := make([]string, 0, len(returned))
	for i, v := range returned {
		switch v.Type() {
		case lua.LTString, lua.LTNumber:
			values = append(values, v.String())
		case lua.LTBool: // true: the key is there, without values
			if i == 0 && len(returned) == 1 {
				return []string{}, nil
			}
			fallthrough
		default:
			return nil, &Error{File: s.path, Text: fmt.Sprintf("value %d is a %s, not a string", i+1, v.Type())}
		}
	}
	return values, nil
}
