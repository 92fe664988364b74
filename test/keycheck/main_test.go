//go:build linux

package keycheck

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inside says that this is the process with a network of its own.
const inside = "DOJANG_TEST_NETWORK"

// TestMain runs the tests in a network of their own, in which port 53 of every loopback
// address is free and BIND finds the addresses on an interface. Nobody but root can.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 || os.Getenv(inside) != "" {
		if os.Getenv(inside) != "" {
			if err := addAddresses(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil: // a container without the right: the tests say what they lack
		fmt.Fprintln(os.Stderr, "no network of one's own:", err)
		os.Exit(m.Run())
	}
}

func addAddresses() error {
	commands := [][]string{{"link", "set", "lo", "up"}}
	for s := rootServer; s <= unbound; s++ {
		if s != deadServer {
			commands = append(commands, []string{"addr", "add", addr(s) + "/8", "dev", "lo"})
		}
	}
	for _, args := range commands {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}

func addr(server int) string { return fmt.Sprintf("127.53.0.%d", server) }
