package cli

import (
	"context"
	"fmt"

	"dojang/internal/config"
)

// testMessageFiles is -t: verify messages from files.
func testMessageFiles(_ context.Context, s Streams, _ *config.Config, _ *opendkimFlags) int {
	fmt.Fprintln(s.Err, "opendkim: -t is not available yet")
	return exUnavailable
}
