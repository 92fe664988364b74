package app

import (
	"context"
	"os"
	"time"

	"dojang/internal/build"
	"dojang/internal/event"
	"dojang/internal/kept"
	"dojang/internal/problem"
	"dojang/internal/reputation"
)

// countFile is the file of an option that keeps counts over a restart.
type countFile struct {
	option string
	file   *kept.File
	failed string // what was told last of a write
	stale  bool   // an old file tells what is no longer so: it goes when it cannot be written
}

// readCounts takes over what was counted before the start, as the user that
// will write it. A failure is told, and no more: mail matters more.
func (a *App) readCounts() {
	for _, f := range []*countFile{
		{option: "ReputationCache", file: reputation.File(a.config.ReputationCache.Value, a.parts.Counter, time.Now())},
		{option: "FlowData", file: reputation.File(build.FlowDataFile(a.config), a.parts.Flow, time.Now())},
	} {
		if f.file.Path == "" {
			continue
		}
		if err := f.file.Read(); err != nil {
			event.CountsNotRead(f.option, err).Write(a.log, "")
		}
		a.counts = append(a.counts, f)
	}
	a.readStatus()
}

// keepCounts writes them now and then, so that a crash loses little.
func (a *App) keepCounts(ctx context.Context) {
	if len(a.counts) > 0 {
		every(ctx, a.o.KeepInterval, a.writeCounts)
	}
}

// writeCounts tells of a failure once, until it is another one.
func (a *App) writeCounts() {
	for _, f := range a.counts {
		words := ""
		if err := f.file.Write(); err != nil {
			words = problem.Reason(err)
			if f.stale {
				_ = os.Remove(f.file.Path) // or it would tell of keys that they were not used since
			}
		}
		if words != "" && words != f.failed {
			event.CountsNotWritten(f.option, words).Write(a.log, "")
		}
		f.failed = words
	}
}
