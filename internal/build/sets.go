package build

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/exit"
)

// ToolParts are those of a configuration that a tool works with: what would be logged is
// not, and what is wrong with rows of tables stops it no more than it stops the filter.
func ToolParts(version string) Parts {
	return Parts{Version: version, Log: slog.New(slog.DiscardHandler)}
}

// OpenSet opens a data set as the filter does under a configuration.
func OpenSet(ctx context.Context, c *config.Config, spec string) (dataset.Set, error) {
	return dataset.Open(ctx, spec, dataset.Options{Openers: Openers(c, Parts{})})
}

// WalkSet reads every row of a data set that can tell its rows. place is where a row
// stands: "FILE:LINE", or the set's name.
func WalkSet(ctx context.Context, c *config.Config, spec string, f func(e dataset.Entry, place string) error) error {
	set, err := OpenSet(ctx, c, spec)
	if err != nil {
		return err
	}
	defer set.Close()
	file := ""
	if local, ok := set.(dataset.Local); ok {
		file = local.Source()
	}
	return dataset.Walk(ctx, set, func(e dataset.Entry) error {
		place := dataset.Shown(spec)
		if file != "" && e.Line > 0 {
			place = fmt.Sprintf("%s:%d", file, e.Line)
		}
		return f(e, place)
	})
}

// StatusAddress is how a client of the status pages is told of their socket.
func StatusAddress(s config.Socket) string {
	if s.Network == "unix" {
		return s.Address
	}
	return "http://" + s.DialAddress()
}

// ToolConfig is the configuration a tool works with: the file named, which must be right,
// or the default one if it is there.
func ToolConfig(path string) (*config.Config, error) {
	if path == "" {
		if _, err := os.Stat(config.DefaultPath); err != nil {
			return config.New(), nil
		}
		// A mistake in a file nobody named is not this tool's to complain of.
		cfg, _ := config.Load(config.DefaultPath)
		return cfg, nil
	}
	cfg, problems := config.Load(path)
	if problems.HasErrors() {
		return cfg, exit.With(exit.Config, problems)
	}
	return cfg, nil
}
