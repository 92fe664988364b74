package testutil

import "os"

// Long reports whether long suites run whole: the environment's SCALE is "long". Else a
// seeded part of each kind runs, for seconds.
func Long() bool { return os.Getenv("SCALE") == "long" }
