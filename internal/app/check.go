package app

import (
	"context"
	"log/slog"
	"os"

	"dojang/internal/config"
	"dojang/internal/problem"
)

// Check does all that a start would, short of serving, and returns what is
// wrong.
func Check(ctx context.Context, c *config.Config) problem.List {
	var problems problem.List
	if dir := c.String("BaseDirectory"); dir != "" {
		if _, err := os.Stat(dir); err != nil {
			v := c.Source("BaseDirectory")
			problems.Addf(problem.Error, v.File, v.Line, "BaseDirectory", "make the folder, or leave the option out", "%s", reason(err))
		}
	}
	account := currentAccount()
	if spec := c.String("UserID"); spec != "" {
		found, err := LookupAccount(spec)
		if err != nil {
			problems = append(problems, noAccount(c, err))
		} else {
			account = found
		}
	}
	built, more := Build(ctx, c, Parts{Log: slog.New(slog.DiscardHandler), Account: account})
	if built != nil {
		built.Snapshot.Discard()
	}
	return append(problems, more...)
}

func noAccount(c *config.Config, err error) problem.Problem {
	v := c.Source("UserID")
	return problem.Problem{File: v.File, Line: v.Line, Option: "UserID", Text: err.Error(), Severity: problem.Error,
		Hint: "make it: adduser --system --group --no-create-home opendkim"}
}
