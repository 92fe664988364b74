package build

import (
	"errors"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/policy"
	"dojang/internal/problem"
	"dojang/internal/script"
	"dojang/milter"
)

// scripts compiles the administrator's scripts and runs each once without a
// message; nil when there are none.
func (b *builder) scripts() *policy.Scripts {
	o := script.Options{Unsafe: b.config.ScriptUnsafe.Value, Data: dataset.Options{Openers: b.openers}}
	var all policy.Scripts
	for _, s := range []struct {
		option *config.Setting[string]
		hook   script.Hook
		at     *policy.Script
	}{
		{&b.config.SetupPolicyScript, script.Setup, &all.Setup},
		{&b.config.ScreenPolicyScript, script.Screen, &all.Screen},
		{&b.config.StatisticsPolicyScript, script.Statistics, &all.Statistics},
		{&b.config.FinalPolicyScript, script.Final, &all.Final},
	} {
		path := s.option.Value
		if path == "" {
			continue
		}
		b.files = append(b.files, path)
		loaded, err := script.Load(b.ctx, path, s.hook, o)
		if err != nil {
			b.scriptProblem(s.option, err)
			continue
		}
		*s.at = loaded
	}
	if all == (policy.Scripts{}) {
		return nil
	}
	return &all
}

// scriptProblem tells of a script that cannot be used, at the line of its
// mistake.
func (b *builder) scriptProblem(option config.Field, err error) {
	var e *script.Error
	if errors.As(err, &e) {
		b.problems.Addf(problem.Error, e.File, e.Line, option.Option().Name,
			"correct the script there, or leave the option out", "%s", e.Text)
		return
	}
	b.refuse(option, hintFor(err), "%s", problem.Reason(err))
}

// scriptNeeds lists the macros and edits that scripts may need of the MTA.
func scriptNeeds(s *policy.Scripts) (macros []string, actions milter.ActionMask) {
	if s == nil {
		return nil, 0
	}
	for _, x := range []policy.Script{s.Setup, s.Screen, s.Statistics, s.Final} {
		if m, ok := x.(interface{ Macros() []string }); ok {
			macros = append(macros, m.Macros()...)
		}
	}
	if s.Final != nil {
		actions = milter.ActionQuarantine | milter.ActionAddRcpt | milter.ActionDelRcpt
	}
	return macros, actions
}

// scriptOpener opens data sets that are scripts.
func scriptOpener(c *config.Config) dataset.Opener {
	return script.NewOpener(script.Options{Unsafe: c.ScriptUnsafe.Value})
}
