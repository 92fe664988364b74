package app

import (
	"context"
	"os"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/event"
	"dojang/internal/problem"
)

// watchSignals reloads at USR1 and HUP, and when AutoReload finds a file
// changed.
func (a *App) watchSignals(ctx context.Context, reloads <-chan os.Signal) {
	ticker := time.NewTicker(a.o.AutoReloadInterval)
	defer ticker.Stop()
	seen := a.watchedFiles()
	for {
		select {
		case <-ctx.Done():
			return
		case <-reloads:
			a.Reload(ctx)
		case <-ticker.C:
			// A file counts as changed once it has been left alone from one tick to
			// the next: half a table must not be read.
			was := seen
			if seen = a.watchedFiles(); seen.other && seen.times.equal(was.times) {
				a.Reload(ctx)
			}
		}
	}
}

// look is what the watched files are at one moment.
type look struct {
	times fileTimes
	other bool // than when they were read
}

// watchedFiles looks at the files for AutoReload; it finds nothing when that is
// not set.
func (a *App) watchedFiles() look {
	a.reload.Lock()
	defer a.reload.Unlock()
	if !a.config.AutoReload.Value {
		return look{}
	}
	now := a.watched.again()
	return look{now, !now.equal(a.watched)}
}

// Reload reads the configuration, its tables and keys anew. Everything that can
// fail is done first; then one pointer changes. On an error nothing changes,
// and the log says why. Connections in hand keep what they started with.
func (a *App) Reload(ctx context.Context) problem.List {
	a.reload.Lock()
	defer a.reload.Unlock()
	if a.o.Load == nil {
		event.ReloadIgnored().Write(a.log, "")
		return nil
	}
	a.manager.reloading()
	defer a.manager.tell("READY=1")
	next, problems := a.o.Load()
	if problems.HasErrors() {
		return a.reloadFailed(problems)
	}
	built, more := build.Snapshot(ctx, next, a.parts)
	problems = append(problems, more...)
	if built == nil {
		return a.reloadFailed(problems)
	}
	a.warn(problems)
	difference := a.summary.Difference(built.Summary)
	if changed := fixedChanges(a.config, next); len(changed) > 0 {
		event.RestartNeeded(changed).Write(a.log, "")
	}
	a.filter.Swap(built.Snapshot)
	a.config, a.summary, a.watched = next, built.Summary, statFiles(append(built.Files, a.configFiles(next)...))
	a.metrics.Reloaded(true)
	a.status.loaded(built.Keys, next)
	a.status.reloaded(true, problems)
	if a.recorder != nil {
		a.recorder.Configure(recorderOptions(next))
	}
	event.Reloaded(a.o.Path, difference).Write(a.log, "")
	if difference != "" {
		event.ReloadDifference(difference).Write(a.log, "")
	}
	return problems
}

// warn logs what should be mended in the configuration in force.
func (a *App) warn(problems problem.List) {
	for _, p := range problems {
		event.ConfigurationWarning(p).Write(a.log, "")
	}
}

func (a *App) reloadFailed(problems problem.List) problem.List {
	// What changed is not looked at again until it changes once more.
	a.watched = a.watched.again()
	a.metrics.Reloaded(false)
	a.status.reloaded(false, problems)
	for _, p := range problems {
		event.ReloadProblem(p).Write(a.log, "")
	}
	event.ReloadFailed().Write(a.log, "")
	return problems
}

// fixedChanges lists options that changed and that a reload cannot change.
func fixedChanges(from, to *config.Config) []string {
	var names []string
	for _, name := range config.Changed(from, to) {
		if config.Find(name).NeedsRestart {
			names = append(names, name)
		}
	}
	return names
}

// keepWatchdog tells systemd that the filter lives, as often as it wants.
func (a *App) keepWatchdog(ctx context.Context) {
	interval := watchdogInterval()
	if interval == 0 {
		return
	}
	every(ctx, interval, func() { a.manager.tell("WATCHDOG=1") })
}

// every does something again and again until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
