package sendmail

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// Sendmail's package and Postfix's exclude each other, so it is not installed.
const (
	programs = testutil.PeersDir + "sendmail/usr/libexec/sendmail/"
	macros   = testutil.PeersDir + "sendmail/usr/share/sendmail/cf/"
)

const (
	host      = "mx.example.com" // Sendmail's name, macro j
	insideIP  = "127.0.0.1"
	outsideIP = "127.0.0.9"
	outside   = "mail.example.org"
)

// mta is a Sendmail of our own: its own configuration, queue and ports.
type mta struct {
	t    testing.TB
	dir  string
	far  *smtptest.Sink
	port map[string]string // by entrance
}

// entrance is a port of Sendmail and the filter behind it, as in
// INPUT_MAIL_FILTER: "S=..., F=...".
type entrance struct{ name, filter string }

// behind is an entrance to a filter without which Sendmail defers mail.
func behind(name string, f *filter) entrance {
	return entrance{name, "S=" + f.socket + ", F=T, T=S:10s;R:10s"}
}

// entrances are the mc lines for ports with a filter each.
func (m *mta) entrances(list []entrance) string {
	var b strings.Builder
	for _, e := range list {
		m.port[e.name] = proctest.FreePort(m.t)
		fmt.Fprintf(&b, "MAIL_FILTER(`%s', `%s')dnl\n", e.name, e.filter)
		fmt.Fprintf(&b, "DAEMON_OPTIONS(`Name=%s, Family=inet, Addr=127.0.0.1, Port=%s, InputMailFilters=%[1]s')dnl\n",
			e.name, m.port[e.name])
	}
	return b.String()
}

// newMTA makes the folder of a Sendmail that has not been started.
func newMTA(t testing.TB) *mta {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, programs+"sendmail", "m4", "unshare", "hostname")
	m := &mta{t: t, dir: testutil.SecureDir(t), far: smtptest.NewPlainSink(t), port: map[string]string{}}
	for _, sub := range []string{"queue", "client"} {
		must(t, os.Mkdir(m.path(sub), 0o770))
	}
	m.write("hosts", "127.0.0.1 localhost\n"+outsideIP+" "+outside+"\n")
	m.write("resolv.conf", "nameserver 127.0.0.1\n")
	m.write("service.switch", "hosts files\naliases files\n")
	m.write("Sendmail.conf", "pwcheck_method: saslauthd\nsaslauthd_path: "+m.path("saslauthd")+"\nmech_list: PLAIN\n")
	servePasswords(t, m.path("saslauthd"))
	return m
}

func (m *mta) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mta) write(name, text string) {
	m.t.Helper()
	must(m.t, os.WriteFile(m.path(name), []byte(text), 0o644))
}

// configure has the real macros make NAME.cf of NAME.mc, in which port is where
// mail goes on to.
func (m *mta) configure(name, port, lines string) {
	m.t.Helper()
	mc, err := os.ReadFile("testdata/" + name + ".mc")
	must(m.t, err)
	m.write(name+".mc", strings.NewReplacer("@MACROS@", macros, "@DIR@", m.dir, "@PORT@", port, "@LINES@", lines).Replace(string(mc)))
	m.write(name+".cf", proctest.Ask(m.t, "", "m4", m.path(name+".mc")))
}

// start starts Sendmail with further lines in its mc file.
func (m *mta) start(lines string) {
	m.t.Helper()
	m.configure("sendmail", m.relayPort(), lines)
	cmd := m.command("-C", m.path("sendmail.cf"), "-bD", "-q1h", "-X", m.path("traffic"))
	cmd.WaitDelay = time.Second // its children may hold on to what it says
	m.t.Cleanup(func() {
		if m.t.Failed() {
			traffic, _ := os.ReadFile(m.path("traffic"))
			m.t.Logf("Sendmail's traffic:\n%s", traffic[max(0, len(traffic)-6000):])
		}
	})
	sendmail := proctest.Start(m.t, cmd)
	for _, port := range m.port {
		sendmail.Listens(patience, "tcp", "127.0.0.1:"+port)
	}
}

// relayPort is where mail goes on to.
func (m *mta) relayPort() string {
	_, port, _ := net.SplitHostPort(m.far.Address)
	return port
}

// submit hands a message to the sendmail command, which hands it to an entrance.
func (m *mta) submit(t testing.TB, entrance, from, to string, message []byte) {
	t.Helper()
	m.configure("submit", m.port[entrance], "")
	proctest.Run(t, "", "chown", "mail:mail", m.path("client"))
	cmd := m.command("-C", m.path("submit.cf"), "-i", "-f", from, to)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(string(message), "\r\n", "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sendmail: %v\n%s", err, out)
	}
}

// command is a call of Sendmail on a machine with names of its own: it asks for
// them before it reads any configuration, and waits a minute for a full one.
func (m *mta) command(args ...string) *exec.Cmd {
	script := `mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf && hostname ` + host + ` && shift && exec "$@"`
	return exec.Command("unshare", append([]string{"-m", "-u", "--propagation", "private", "sh", "-c",
		script, "sh", m.dir, programs + "sendmail"}, args...)...)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
