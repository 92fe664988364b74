package app

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"dojang/internal/build"
)

// become gives up root for the account, on every thread of the process. Asked
// to become who it already is, it does nothing.
func become(a build.Account) error {
	if os.Geteuid() == a.UID && os.Getegid() == a.GID {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("only root can become user %s", a.Name)
	}
	if err := syscall.Setgroups(a.Groups); err != nil {
		return fmt.Errorf("setgroups(): %w", err)
	}
	if err := syscall.Setgid(a.GID); err != nil {
		return fmt.Errorf("setgid(): %w", err)
	}
	if err := syscall.Setuid(a.UID); err != nil {
		return fmt.Errorf("setuid(): %w", err)
	}
	if a.UID != 0 && syscall.Setuid(0) == nil {
		return errors.New("root privileges could be taken back")
	}
	return nil
}
