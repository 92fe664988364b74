//go:build !linux

package doctor

import "dojang/internal/config"

// processes are not looked for where there is no Linux.
func processes() []process { return nil }

// listeners are not known then.
func listeners(config.Socket, []process) []process { return nil }
