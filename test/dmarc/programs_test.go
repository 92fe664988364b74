package dmarc

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
)

// startOurs returns the filter's socket.
func startOurs(t *testing.T, dir, nameserver string) (socket string) {
	t.Helper()
	dir = filepath.Join(dir, "dkim")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filtertest.Start(t, filtertest.Ours(t), dir, "Mode v\nAlwaysAddARHeader yes\nUMask 000\nNameservers "+nameserver, nil).Socket
}

// startOpenDMARC gives OpenDMARC, which has no option for it, a resolv.conf of
// its own. Mail from here counts too: its standard is to let that pass unseen.
func startOpenDMARC(t *testing.T, dir, nameserver string) (socket string) {
	t.Helper()
	conf, resolv, ignored := filepath.Join(dir, "opendmarc.conf"), filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "ignored")
	socket = filepath.Join(dir, "dmarc.sock")
	write(t, resolv, "nameserver "+nameserver+"\n")
	write(t, ignored, "192.0.2.99\n")
	suffixes := filepath.Join(dir, "suffixes")
	write(t, suffixes, "example\n")
	write(t, conf, "Syslog false\nUMask 000\nSocket local:"+socket+"\nIgnoreHosts "+ignored+"\nPublicSuffixList "+suffixes+"\nRejectFailures false\n")
	script := `mount --bind "$1" /etc/resolv.conf && exec "$2" -f -c "$3"`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", resolv, testutil.Need(t, "opendmarc"), conf)
	proctest.Start(t, cmd).Listens(patience, "unix", socket)
	return socket
}

// mainCF is of a server that relays for one domain.
const mainCF = `myhostname = ` + host + `
relay_domains = dojang.example
milter_default_action = tempfail
smtpd_milters = `
