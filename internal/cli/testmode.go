package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/message"
	"dojang/internal/trial"
)

// testMessageFiles is -t: messages from files go through the filter, and what
// it would do with them is printed.
func testMessageFiles(ctx context.Context, s Streams, c *config.Config, f *opendkimFlags) int {
	now := time.Now()
	if f.fixedTime != "" {
		seconds, err := strconv.ParseInt(f.fixedTime, 10, 64)
		if err != nil || seconds < 0 {
			fmt.Fprintf(s.Err, "opendkim: -F %q: write seconds since 1970\n", f.fixedTime)
			return exit.Usage
		}
		now = time.Unix(seconds, 0)
	}
	return exit.Status(testMessages(ctx, s, c, trial.Filter{
		Program: "opendkim", Files: strings.Split(*f.testFiles, ","), Verbose: f.verbose, Now: now,
		Log: f.verbose > 0 && (c.Syslog.Value || c.StdoutLog.Value),
		// Compat(opendkim 2.11): statistics, diagnoses and copies are written, reports are
		// not sent.
		Effects: message.Effects{Diagnoses: true, Statistics: true, TemporaryFiles: true, Counters: true},
	}))
}

// testMessages puts messages through the filter, and prints what became of them.
func testMessages(ctx context.Context, s Streams, c *config.Config, o trial.Filter) error {
	o.In, o.Out, o.Err, o.Version = s.In, s.Out, s.Err, Version
	tested, status := o.Run(ctx, c)
	switch {
	case status != exit.OK:
		return exit.Silent(status)
	case o.JSON:
		return s.printJSON(tested)
	}
	return nil
}
