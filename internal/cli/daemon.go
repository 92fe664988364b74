package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"dojang/internal/app"
	"dojang/internal/config"
	"dojang/internal/problem"
)

// daemon runs the filter as a service: in the background or not, watched over
// or not, as the configuration says.
type daemon struct {
	name    string
	streams Streams
	config  *config.Config
	path    string
	args    string
	load    func() (*config.Config, problem.List)
	console slog.Handler
}

func (d *daemon) run(ctx context.Context) int {
	if dir := d.config.String("BaseDirectory"); dir != "" {
		if err := os.Chdir(dir); err != nil {
			return d.fail(exConfig, fmt.Errorf("%s: chdir(): %w", dir, err))
		}
	}
	// A service manager that waits for our word (Type=notify) or hands sockets over
	// wants the process it started, and restarts it itself.
	managed := os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("LISTEN_FDS") != ""
	watched := d.config.Bool("AutoRestart") && !managed
	switch role := app.CurrentRole(); {
	case role == app.Starter && d.config.Bool("Background") && !managed:
		next := app.Daemon
		if watched {
			next = app.Supervisor
		}
		return d.detach(next)
	case role == app.Supervisor, role == app.Starter && watched:
		return d.supervise()
	}
	return d.serve(ctx)
}

func (d *daemon) detach(role app.Role) int {
	code, err := app.Detach(role)
	if err != nil {
		return d.fail(exOSErr, err)
	}
	return code
}

func (d *daemon) supervise() int {
	log, closeLog, problems := app.OpenLog(d.config, d.console)
	if problems.HasErrors() {
		problems.Write(d.streams.Err)
		return exConfig
	}
	defer closeLog()
	if path := d.config.String("PidFile"); path != "" {
		remove := app.WritePidFile(path, log)
		defer remove()
	}
	count, period := d.config.Rate("AutoRestartRate")
	return app.Supervise(app.RestartLimits{Count: d.config.Int("AutoRestartCount"), RateCount: count, RatePeriod: period}, log)
}

// serve is the filter itself.
func (d *daemon) serve(ctx context.Context) int {
	a, problems := app.New(ctx, app.Options{
		Config: d.config, Path: d.path, Load: d.load, Args: strings.TrimSpace(d.args), Version: Version, Console: d.console,
	})
	problems.Write(d.streams.Err)
	if a == nil {
		return exConfig
	}
	if err := a.Run(ctx, app.Ready); err != nil {
		code := exUnavailable
		if errors.Is(err, app.ErrConfig) {
			code = exConfig
		}
		return d.fail(code, err)
	}
	return exOK
}

func (d *daemon) fail(code int, err error) int {
	fmt.Fprintf(d.streams.Err, "%s: %s\n", d.name, err)
	return code
}
