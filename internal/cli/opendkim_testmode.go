package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dojang/internal/config"
)

// testMessageFiles is -t: messages from files go through the filter, and what
// it would do with them is printed.
func testMessageFiles(ctx context.Context, s Streams, c *config.Config, f *opendkimFlags) int {
	now := time.Now()
	if f.fixedTime != "" {
		seconds, err := strconv.ParseInt(f.fixedTime, 10, 64)
		if err != nil || seconds < 0 {
			fmt.Fprintf(s.Err, "opendkim: -F %q: write seconds since 1970\n", f.fixedTime)
			return exUsage
		}
		now = time.Unix(seconds, 0)
	}
	return testMessages(ctx, s, c, filterTest{program: "opendkim", files: strings.Split(*f.testFiles, ","), verbose: f.verbose, now: now})
}
