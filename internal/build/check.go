package build

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
			problems.Addf(problem.Error, v.File, v.Line, "BaseDirectory", "make the folder, or leave the option out",
				"%s", problem.Reason(err))
		}
	}
	account, more := AccountOf(c)
	problems = append(problems, more...)
	built, more := Snapshot(ctx, c, Parts{Log: slog.New(slog.DiscardHandler), Account: account})
	if built != nil {
		built.Snapshot.Discard()
	}
	return append(problems, more...)
}
