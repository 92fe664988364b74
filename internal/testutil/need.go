// Package testutil holds what the tests of several packages share: checks for real
// programs, the program itself, folders and keys. Below it are dnstest, a name server;
// proctest, which runs programs; filtertest, filters and their messages; smtptest, both
// ends of an MTA, and Postfix; maildkim, another verifier and signer; and dmarctest, OpenDMARC
// behind the filter.
package testutil

import (
	"os"
	"os/exec"
	"testing"
)

// PeersRequired reports whether a missing real program fails a test instead of
// skipping it. `make check` sets DOJANG_PEERS=required; a laptop does not.
func PeersRequired() bool { return os.Getenv("DOJANG_PEERS") == "required" }

// PeersDir is where `make peers` puts programs that cannot be installed beside
// others; Need takes their paths.
const PeersDir = "/opt/dojang-peers/"

// Need skips the test when one of the named programs is not on this machine
// (with /usr/sbin and /sbin searched too), or fails it when peers are required.
// It returns the path of the first.
func Need(t testing.TB, programs ...string) string {
	t.Helper()
	first := ""
	for _, name := range programs {
		path := find(name)
		if path == "" {
			if PeersRequired() {
				t.Fatalf("%s is not installed: run `make peers`", name)
			}
			t.Skipf("%s is not installed: run `make peers` to include this test", name)
		}
		if first == "" {
			first = path
		}
	}
	return first
}

func find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/lib/postfix/sbin/"} {
		if info, err := os.Stat(dir + name); err == nil && !info.IsDir() {
			return dir + name
		}
	}
	return ""
}
