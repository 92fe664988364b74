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
	if dir := c.BaseDirectory.Value; dir != "" {
		if _, err := os.Stat(dir); err != nil {
			v := c.BaseDirectory.Source()
			problems.Addf(problem.Error, v.File, v.Line, "BaseDirectory", "make the folder, or leave the option out", "%s", reason(err))
		}
	}
	account, more := AccountOf(c)
	problems = append(problems, more...)
	built, more := Build(ctx, c, Parts{Log: slog.New(slog.DiscardHandler), Account: account})
	if built != nil {
		built.Snapshot.Discard()
	}
	return append(problems, more...)
}

// AccountOf is whom the filter would run as: UserID, or who starts it.
func AccountOf(c *config.Config) (Account, problem.List) {
	spec := c.UserID.Value
	if spec == "" {
		return currentAccount(), nil
	}
	account, err := LookupAccount(spec)
	if err != nil {
		return currentAccount(), problem.List{noAccount(c, err)}
	}
	return account, nil
}

func noAccount(c *config.Config, err error) problem.Problem {
	v := c.UserID.Source()
	return problem.Problem{File: v.File, Line: v.Line, Option: "UserID", Text: err.Error(), Severity: problem.Error,
		Hint: "make it: adduser --system --group --no-create-home opendkim"}
}
