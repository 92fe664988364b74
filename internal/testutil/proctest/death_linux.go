package proctest

import "syscall"

// dieWithTest has a program end with the test that started it, whatever ends that.
func dieWithTest(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
