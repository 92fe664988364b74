package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"dojang/internal/testutil"
)

// host is where everything but the filters listens; filter number i is at 10.77.0.1i.
const host = "10.77.0.1"

// network makes the bridge between the namespaces, and has the name filters.test stand
// for the addresses of all filters.
const network = `ip link set lo up
ip link add br0 type bridge && ip link set br0 up && ip address add ` + host + `/24 dev br0
hosts=$(mktemp)
printf '127.0.0.1 localhost\n10.77.0.11 filters.test\n10.77.0.12 filters.test\n10.77.0.13 filters.test\n' > $hosts
chmod 644 $hosts; mount --bind $hosts /etc/hosts
rm $hosts
exec "$@"`

// TestMain runs the tests in namespaces of their own, which end with them.
func TestMain(m *testing.M) {
	const inside = "DOJANG_CLUSTER_INSIDE"
	_, err := exec.LookPath("unshare")
	if os.Getenv(inside) != "" || os.Getuid() != 0 || err != nil {
		testutil.Main(m)
	}
	cmd := exec.Command("unshare", append([]string{"--net", "--mount", "--propagation", "private", "sh", "-ec", network,
		"sh"}, os.Args...)...)
	cmd.Env = append(os.Environ(), inside+"=yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}
