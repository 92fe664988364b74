package postfix

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// mta is a Postfix of our own: its own configuration, queue and ports.
type mta struct {
	dir      string
	smtp     string // address; milter_protocol = 6
	smtpV2   string // address; milter_protocol = 2
	sendmail string
}

const mainCF = `myhostname = mx.foxydog.co.kr
relay_domains = foxydog.co.kr
smtpd_authorized_xclient_hosts = 127.0.0.1
message_size_limit = 20480000
minimal_backoff_time = 1s
queue_run_delay = 1s
non_smtpd_milters = $smtpd_milters
milter_protocol = 6
milter_default_action = accept
smtpd_milters = `

// startMTA starts Postfix with the filter at milter and everything delivered to
// the sink.
func startMTA(t testing.TB, dir, milter string, far *smtptest.Sink) *mta {
	t.Helper()
	m := &mta{dir: filepath.Join(dir, "postfix"), smtp: proctest.FreeAddress(t), smtpV2: proctest.FreeAddress(t),
		sendmail: testutil.Need(t, "sendmail")}
	smtptest.StartPostfix(t, m.dir, far, mainCF+milter+"\n", m.smtp, m.smtpV2+" -o milter_protocol=2")
	return m
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
	proctest.Until(t, patience, "Postfix's log of "+rcpt, func() bool {
		log, _ := os.ReadFile(filepath.Join(m.dir, "mail.log"))
		before, _, found := strings.Cut(string(log), ": to=<"+rcpt+">")
		id = before[strings.LastIndexByte(before, ' ')+1:]
		return found
	})
	return id
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
