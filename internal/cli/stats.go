package cli

import (
	"context"
	"fmt"
)

// classicStats is opendkim-stats(8).
func classicStats(_ context.Context, s Streams, _ []string) int {
	fmt.Fprintln(s.Err, "opendkim-stats: statistics files are not written by this version; read MetricsSocket instead")
	return exUnavailable
}
