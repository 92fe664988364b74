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
	return testMessages(ctx, s, c, filterTest{
		program: "opendkim", files: strings.Split(*f.testFiles, ","), verbose: f.verbose, now: now,
		log: f.verbose > 0 && (c.Syslog.Value || c.StdoutLog.Value),
		// Compat(opendkim 2.11): statistics, diagnoses and copies are written, reports are
		// not sent.
		effects: message.Effects{Diagnoses: true, Statistics: true, TemporaryFiles: true, Counters: true},
	})
}
