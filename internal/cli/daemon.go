package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"dojang/internal/app"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/problem"
)

// daemon runs the filter as a service: in the background or not, watched over
// or not, as the configuration says.
type daemon struct {
	name    string
	streams Streams
	config  *config.Config
	// warnings are what reading the configuration found.
	warnings problem.List
	path     string
	args     string
	load     func() (*config.Config, problem.List)
	console  slog.Handler
}

func (d *daemon) run(ctx context.Context) int {
	app.KeepName()
	// A service manager that waits for our word (Type=notify) or hands sockets over
	// wants the process it started, and restarts it itself.
	managed := os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("LISTEN_FDS") != ""
	watched := d.config.AutoRestart.Value && !managed
	switch role := app.CurrentRole(); {
	case role == app.Starter && d.config.Background.Value && !managed:
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
	path := d.config.PidFile.Value
	if dir := d.config.BaseDirectory.Value; path != "" && !filepath.IsAbs(path) {
		path = filepath.Join(dir, path) // each worker goes there itself
	}
	account, _ := build.AccountOf(d.config) // whom no user is named by, the worker tells
	pid := app.OpenPidFile(app.PidFileOptions{Path: path, Account: account}, log)
	defer pid.Remove()
	rate := d.config.AutoRestartRate.Value
	return app.Supervise(app.RestartLimits{Count: d.config.AutoRestartCount.Value, RateCount: rate.Count, RatePeriod: rate.Per}, pid, log)
}

// serve is the filter itself.
func (d *daemon) serve(ctx context.Context) int {
	d.warnings.Write(d.streams.Err)
	if dir := d.config.BaseDirectory.Value; dir != "" {
		if err := os.Chdir(dir); err != nil {
			v := d.config.BaseDirectory.Source()
			d.problem(v, "BaseDirectory", fmt.Sprintf("%s: chdir(): %s", dir, problem.Strerror(err)))
			return exConfig
		}
	}
	a, problems := app.New(ctx, app.Options{
		Config: d.config, Path: d.path, Load: d.load, Args: strings.TrimSpace(d.args), Version: Version, Console: d.console,
	})
	problems.Write(d.streams.Err)
	if a == nil {
		return app.ProblemStatus(problems)
	}
	if err := a.Run(ctx, app.Ready); err != nil {
		return d.fail(app.ExitStatus(err), err)
	}
	return exOK
}

// problem tells of an option that cannot be obeyed.
func (d *daemon) problem(v config.Value, option, text string) {
	problems := problem.List{{File: v.File, Line: v.Line, Option: option, Text: text, Severity: problem.Error}}
	problems.Write(d.streams.Err)
}

func (d *daemon) fail(code int, err error) int {
	fmt.Fprintf(d.streams.Err, "%s: %s\n", d.name, err)
	return code
}
