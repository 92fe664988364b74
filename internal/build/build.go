// Package build turns a configuration into what serves: the snapshot that the filter
// and the tools work with, or all of its problems at once. It judges tables, lists and
// keys as their users will, and alone knows both the options and the packages that
// obey them.
package build

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/policy"
	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// builder turns a configuration into what the packages want, collecting every
// problem on the way instead of stopping at the first.
type builder struct {
	ctx      context.Context
	config   *config.Config
	parts    Parts
	openers  map[string]dataset.Opener
	problems problem.List
	sets     []dataset.Set
	summary  Summary
	files    []string
	closers  []func()
	keys     *Keys
}

// refuse records a problem that keeps the filter from starting, at the place
// where the option was set.
func (b *builder) refuse(option config.Field, hint, format string, args ...any) {
	b.at(problem.Error, option, hint, format, args...)
}

func (b *builder) warn(option config.Field, hint, format string, args ...any) {
	b.at(problem.Warning, option, hint, format, args...)
}

func (b *builder) at(s problem.Severity, option config.Field, hint, format string, args ...any) {
	v := option.Source()
	b.problems.Addf(s, v.File, v.Line, option.Option().Name, hint, format, args...)
}

// close closes whatever was opened.
func (b *builder) close() {
	for _, closer := range b.closers {
		closer()
	}
	for _, s := range b.sets {
		_ = s.Close() // nothing is left to do with it
	}
}

// wantFolder warns of a folder that is not there.
func (b *builder) wantFolder(option config.Field, dir string) {
	if info, err := privilege.Stat(dir); err != nil || !info.IsDir() {
		b.warn(option, "make it, writable by the filter's user", "%s: not a folder", dir)
	}
}

// set opens the data set that an option names; nil when the option is not set.
func (b *builder) set(option *config.Setting[string], foldCase bool) dataset.Set {
	if option.Value == "" {
		return nil
	}
	s, err := dataset.Open(b.ctx, option.Value, dataset.Options{FoldCase: foldCase, Openers: b.openers})
	if err != nil {
		b.refuse(option, hintFor(err), "%s", problem.Reason(err))
		return nil
	}
	b.sets = append(b.sets, s)
	if local, ok := s.(dataset.Local); ok && local.Source() != "" {
		b.files = append(b.files, local.Source())
	}
	b.judge(option, s)
	return s
}

func hintFor(err error) string {
	var path *fs.PathError
	var set *dataset.Error
	switch {
	case errors.As(err, &set) && set.Hint != "":
		return set.Hint
	case errors.As(err, &path) && errors.Is(err, os.ErrNotExist):
		return problem.HintForFile(path.Path)
	case errors.As(err, &path) && errors.Is(err, os.ErrPermission):
		return "let the filter's user read it: namei -l " + path.Path
	}
	return ""
}

// hosts opens a set of clients; nil when the option is not set and has no default.
func (b *builder) hosts(option *config.Setting[string]) policy.HostMatcher {
	set := b.set(option, true)
	if set == nil {
		return nil
	}
	hosts, err := dataset.NewHostSet(b.ctx, set)
	if err != nil {
		b.refuse(option, "", "%s", problem.Reason(err))
		return nil
	}
	return hosts
}

// names lists the keys of a set that is read whole at start, in order.
func (b *builder) names(option *config.Setting[string]) []string {
	var names []string
	b.walk(option, func(e dataset.Entry) { names = append(names, e.Key) })
	return names
}

func (b *builder) walk(option *config.Setting[string], f func(dataset.Entry)) {
	set := b.set(option, false)
	if set == nil {
		return
	}
	walker, ok := set.(dataset.Walker)
	if !ok {
		b.refuse(option, "use a file: or a comma-separated list", "this data set cannot be listed")
		return
	}
	if err := walker.Walk(b.ctx, func(e dataset.Entry) error { f(e); return nil }); err != nil {
		b.refuse(option, "", "%s", problem.Reason(err))
	}
}

// macros reads MacroList: names, each with the values it may have, separated by
// "|".
func (b *builder) macros() []policy.MacroRule {
	var rules []policy.MacroRule
	if text := b.config.MacroList.Value; text != "" {
		if spec, err := dataset.ParseSpec(text); err == nil && spec.Type != "file" && spec.Type != "csl" {
			b.refuse(&b.config.MacroList, "name a file: or a comma-separated list", "%s: invalid data set type for MacroList", text)
			return nil
		}
	}
	b.walk(&b.config.MacroList, func(e dataset.Entry) {
		rule := policy.MacroRule{Name: strings.Trim(e.Key, "{}")}
		if value := strings.Join(e.Values, ":"); value != "" {
			rule.Values = strings.Split(value, "|")
		}
		rules = append(rules, rule)
	})
	return rules
}
