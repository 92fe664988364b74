//go:build !linux

package doctor

import "dojang/internal/config"

// Processes are not looked for where there is no Linux.
func Processes() []Process { return nil }

// Listeners are not known then.
func Listeners(config.Socket, []Process) []Process { return nil }
