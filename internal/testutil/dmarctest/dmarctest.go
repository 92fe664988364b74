// Package dmarctest runs Debian's OpenDMARC behind a filter under a real Postfix.
package dmarctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// Host is the name of the server, under which results are written.
const Host = "mx.dojang.example"

const patience = 20 * time.Second

// mainCF is of a server that relays for dojang.example.
const mainCF = `myhostname = ` + Host + `
relay_domains = dojang.example
milter_default_action = tempfail
smtpd_milters = `

// Start starts Postfix with our filter, in Mode v and with more lines of its
// configuration, and OpenDMARC. Mail goes to the sink; mta takes it.
func Start(t *testing.T, nameserver, configuration string) (far *smtptest.Sink, mta string) {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "opendmarc", "postfix", "unshare")
	dir := testutil.SecureDir(t)
	milters := "unix:" + startOurs(t, dir, nameserver, configuration) + ", unix:" + startOpenDMARC(t, dir, nameserver)
	far, mta = smtptest.NewSink(t), proctest.FreeAddress(t)
	smtptest.StartPostfix(t, filepath.Join(dir, "postfix"), far, mainCF+milters+"\n", mta)
	return far, mta
}

// startOurs returns the filter's socket.
func startOurs(t *testing.T, dir, nameserver, configuration string) (socket string) {
	t.Helper()
	dir = filepath.Join(dir, "dkim")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	configuration = "Mode v\nAlwaysAddARHeader yes\nUMask 000\nNameservers " + nameserver + "\n" + configuration
	return filtertest.Start(t, filtertest.Ours(t), dir, configuration, nil).Socket
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
	write(t, conf, "Syslog false\nUMask 000\nSocket local:"+socket+"\nIgnoreHosts "+ignored+
		"\nPublicSuffixList "+suffixes+"\nRejectFailures false\n")
	script := `mount --bind "$1" /etc/resolv.conf && exec "$2" -f -c "$3"`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", resolv, testutil.Need(t, "opendmarc"), conf)
	proctest.Start(t, cmd).Listens(patience, "unix", socket)
	return socket
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	fold   = regexp.MustCompile(`\r\n[ \t]+`)
	inName = "Authentication-Results: " + Host + ";"
)

// Result is the first result of a method in the fields under our host's name; "absent"
// for none.
func Result(message, method string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	assigned := regexp.MustCompile(`(?:^|[; ])` + method + `=(\w+)`)
	for line := range strings.SplitSeq(fold.ReplaceAllString(head, " "), "\r\n") {
		if value, ok := strings.CutPrefix(line, inName); ok {
			if m := assigned.FindStringSubmatch(value); m != nil {
				return m[1]
			}
		}
	}
	return "absent"
}
