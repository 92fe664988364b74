package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/problem"
)

// Service runs the filter as a service: in the background or not, watched over
// or not, as the configuration says.
type Service struct {
	Options
	Name string    // what errors begin with
	Err  io.Writer // of the terminal that starts it
	// Warnings are what reading the configuration found.
	Warnings problem.List
}

// Run is the service's whole life. It returns its exit status.
func (d *Service) Run(ctx context.Context) int {
	keepName()
	// A service manager that waits for our word (Type=notify) or hands sockets over
	// wants the process it started, and restarts it itself.
	managed := os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("LISTEN_FDS") != ""
	watched := d.Config.AutoRestart.Value && !managed
	switch role := currentRole(); {
	case role == starter && d.Config.Background.Value && !managed:
		next := daemon
		if watched {
			next = supervisor
		}
		return d.detach(next)
	case role == supervisor, role == starter && watched:
		return d.supervise()
	}
	return d.serve(ctx)
}

func (d *Service) detach(role role) int {
	code, err := detach(role)
	if err != nil {
		return d.fail(exit.OSErr, err)
	}
	return code
}

func (d *Service) supervise() int {
	log, closeLog, problems := openLog(d.Config, d.Console)
	if problems.HasErrors() {
		problems.Write(d.Err)
		return exit.Config
	}
	defer closeLog()
	path := d.Config.PidFile.Value
	if dir := d.Config.BaseDirectory.Value; path != "" && !filepath.IsAbs(path) {
		path = filepath.Join(dir, path) // each worker goes there itself
	}
	account, _ := build.AccountOf(d.Config) // whom no user is named by, the worker tells
	pid := openPidFile(pidFileOptions{Path: path, Account: account}, log)
	defer pid.Remove()
	rate := d.Config.AutoRestartRate.Value
	return supervise(restartLimits{Count: d.Config.AutoRestartCount.Value, RateCount: rate.Count, RatePeriod: rate.Per}, pid, log)
}

// serve is the filter itself.
func (d *Service) serve(ctx context.Context) int {
	json := d.Config.LogFormat.Value == "json"
	told := d.Err
	if json && !d.Config.Syslog.Value && !d.Config.StdoutLog.Value {
		told = io.Discard // the log is there, and no text may stand between its objects
	}
	d.Warnings.Write(told)
	if dir := d.Config.BaseDirectory.Value; dir != "" {
		if err := os.Chdir(dir); err != nil {
			v := d.Config.BaseDirectory.Source()
			d.problem(v, "BaseDirectory", fmt.Sprintf("%s: chdir(): %s", dir, problem.Strerror(err)))
			return exit.Config
		}
	}
	a, problems := New(ctx, d.Options)
	if a == nil {
		if told == io.Discard {
			d.Warnings.Write(d.Err)
		}
		problems.Write(d.Err)
		return problemStatus(problems)
	}
	problems.Write(told)
	if json {
		a.warn(append(slices.Clone(d.Warnings), problems...))
	}
	if err := a.Run(ctx, Ready); err != nil {
		status := exit.Unavailable
		if exit.Named(err) {
			status = exit.Status(err)
		}
		return d.fail(status, err)
	}
	return exit.OK
}

// problem tells of an option that cannot be obeyed.
func (d *Service) problem(v config.Value, option, text string) {
	problems := problem.List{{File: v.File, Line: v.Line, Option: option, Text: text, Severity: problem.Error}}
	problems.Write(d.Err)
}

func (d *Service) fail(code int, err error) int {
	fmt.Fprintf(d.Err, "%s: %s\n", d.Name, err)
	return code
}

// problemStatus returns the exit status for the problems that New found.
// Compat(opendkim 2.11): an unknown user has its own.
func problemStatus(problems problem.List) int {
	for _, p := range problems {
		if p.Severity == problem.Error && p.Option == "UserID" {
			return exit.DataErr
		}
		if p.Severity == problem.Error {
			break
		}
	}
	return exit.Config
}
