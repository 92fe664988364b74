package postfix

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// mta is a Postfix of our own: its own configuration, queue and ports.
type mta struct {
	dir      string
	smtp     string // address; milter_protocol = 6
	smtpV2   string // address; milter_protocol = 2
	mailLog  string
	sendmail string
}

const mainCF = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/mail.log
maillog_file_prefixes = %[1]s
myhostname = mx.foxydog.co.kr
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = foxydog.co.kr
relay_transport = smtp
relayhost = %[2]s
disable_dns_lookups = yes
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.1
message_size_limit = 20480000
minimal_backoff_time = 1s
queue_run_delay = 1s

smtpd_milters = %[3]s
non_smtpd_milters = $smtpd_milters
milter_protocol = 6
milter_default_action = accept
`

const masterCF = `
%[1]s inet n - n - - smtpd
%[2]s inet n - n - - smtpd -o milter_protocol=2
pickup unix n - n 1 1 pickup
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

// startMTA starts Postfix with the filter at milter and everything delivered to
// the sink.
func startMTA(t testing.TB, dir, milter string, far *sink) *mta {
	t.Helper()
	m := &mta{dir: filepath.Join(dir, "postfix"), smtp: freeAddress(t), smtpV2: freeAddress(t)}
	m.mailLog = filepath.Join(m.dir, "mail.log")
	m.sendmail = testutil.Need(t, "sendmail")
	for _, sub := range []string{"queue", "data"} {
		must(t, os.MkdirAll(filepath.Join(m.dir, sub), 0o755))
	}
	must(t, os.Chown(filepath.Join(m.dir, "data"), account(t, "postfix").uid, -1))
	host, port, _ := net.SplitHostPort(far.address)
	write(t, filepath.Join(m.dir, "main.cf"), fmt.Sprintf(mainCF, m.dir, "["+host+"]:"+port, milter))
	write(t, filepath.Join(m.dir, "master.cf"), fmt.Sprintf(masterCF, m.smtp, m.smtpV2))
	t.Cleanup(func() {
		m.run(t, "stop")
		if t.Failed() {
			log, _ := os.ReadFile(m.mailLog)
			t.Logf("Postfix's log:\n%s", tail(log, 4000))
		}
	})
	if out, err := m.run(t, "start"); err != nil {
		t.Fatalf("postfix start: %v\n%s", err, out)
	}
	for _, address := range []string{m.smtp, m.smtpV2} {
		eventually(t, patience, "Postfix at "+address, func() bool {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	return m
}

func (m *mta) run(t testing.TB, command string) (string, error) {
	out, err := exec.Command(testutil.Need(t, "postfix"), "-c", m.dir, command).CombinedOutput()
	return string(out), err
}

// submit hands a message to Postfix's sendmail command.
func (m *mta) submit(t testing.TB, from, to string, message []byte) {
	t.Helper()
	cmd := exec.Command(m.sendmail, "-C", m.dir, "-i", "-f", from, to)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(string(message), "\r\n", "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sendmail: %v\n%s", err, out)
	}
}

// queueID finds in Postfix's log under which ID a recipient's mail went.
func (m *mta) queueID(t testing.TB, rcpt string) string {
	t.Helper()
	id := ""
	eventually(t, patience, "Postfix's log of "+rcpt, func() bool {
		log, _ := os.ReadFile(m.mailLog)
		before, _, found := strings.Cut(string(log), ": to=<"+rcpt+">")
		id = before[strings.LastIndexByte(before, ' ')+1:]
		return found
	})
	return id
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
