//go:build !linux

package rotate

import "time"

// bootTime is not known here.
func bootTime() time.Duration { return 0 }
