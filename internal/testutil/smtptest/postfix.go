package smtptest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// mainCF keeps a Postfix to its folder and to loopback, and has it send everything to
// the sink.
const mainCF = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/mail.log
maillog_file_prefixes = %[1]s
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
relay_transport = smtp
relayhost = [%[2]s]:%[3]s
disable_dns_lookups = yes
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
`

const services = `pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// StartPostfix starts a Postfix of its own in a new folder, with more lines of main.cf,
// which takes mail at addresses, each with options of its own behind a blank, and
// delivers to the sink. It stops when the test ends; its log is printed when that
// failed. It needs root.
func StartPostfix(t testing.TB, dir string, far *Sink, more string, smtpd ...string) {
	t.Helper()
	var masterCF strings.Builder
	for _, s := range smtpd {
		address, options, _ := strings.Cut(s, " ")
		fmt.Fprintf(&masterCF, "%s inet n - n - - smtpd %s\n", address, options)
	}
	WritePostfix(t, dir, far, more, masterCF.String())
	RunPostfix(t, dir)
	for _, s := range smtpd {
		address, _, _ := strings.Cut(s, " ")
		proctest.Until(t, patience, "Postfix at "+address, proctest.Dials("tcp", address))
	}
}

// WritePostfix writes the configuration of StartPostfix, with lines of master.cf for the
// services that take mail.
func WritePostfix(t testing.TB, dir string, far *Sink, more, master string) {
	t.Helper()
	testutil.NeedRoot(t)
	account, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"queue", "data"} {
		must(os.MkdirAll(filepath.Join(dir, sub), 0o755))
		must(os.Chmod(filepath.Join(dir, sub), 0o755)) // whatever the umask is
	}
	must(os.Chown(filepath.Join(dir, "data"), uid, -1))
	host, port, _ := net.SplitHostPort(far.Address)
	must(os.WriteFile(filepath.Join(dir, "main.cf"), []byte(fmt.Sprintf(mainCF, dir, host, port)+more), 0o644))
	must(os.WriteFile(filepath.Join(dir, "master.cf"), []byte(master+services), 0o644))
}

// RunPostfix starts the Postfix that is configured in a folder, and stops it when the
// test ends.
func RunPostfix(t testing.TB, dir string) {
	t.Helper()
	postfix := testutil.Need(t, "postfix")
	log := filepath.Join(dir, "mail.log")
	t.Cleanup(func() {
		_ = exec.Command(postfix, "-c", dir, "stop").Run()
		if text, _ := os.ReadFile(log); t.Failed() {
			t.Logf("Postfix's log:\n%s", text[max(0, len(text)-4000):])
		}
	})
	proctest.Run(t, "", postfix, "-c", dir, "start")
}
