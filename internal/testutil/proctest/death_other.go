//go:build !linux

package proctest

import "syscall"

// dieWithTest does nothing where a process cannot be told of its parent's end.
func dieWithTest(*syscall.SysProcAttr) {}
