// Package doctor breaks a whole mail server, in one way at a time, and looks whether
// `dojang doctor` finds out, and whether what it says to type mends that and nothing
// else: the filter runs, Postfix runs, a name server answers.
package doctor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dojang/internal/status"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const record = "sel._domainkey.example.com"

// server is a mail server on which nothing is wrong until a test changes that.
type server struct {
	t       *testing.T
	dir     string
	address string // of loopback, this server's own
	port    string // of the filter
	other   string // a port where nobody listens
	listens string // where the filter does, other than at its port of 127.0.0.1
	options []option
	main    []option
	master  string
	files   map[string]string
	before  []func() // the filter starts
	after   []func() // the filter and Postfix have started
	dns     *dnstest.Server
	sink    *smtptest.Sink
	down    bool         // the filter does not run
	mta     bool         // Postfix runs, and not its configuration alone is there
	foreign net.Listener // at the port of the filter
}

// option is one line of a file: a name and its value.
type option struct{ name, value string }

var servers atomic.Int32

// services are the lines of master.cf that take mail; a port is bound on loopback alone.
func (s *server) services() string {
	return s.address + ":25 inet n - n - - smtpd\n" + s.submission()
}

func (s *server) submission(options ...string) string {
	return s.address + ":587 inet n - n - - smtpd\n  -o syslog_name=submission\n" + strings.Join(append(options, ""), "\n")
}

func newServer(t *testing.T) *server {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "postfix")
	s := &server{t: t, dir: t.TempDir(), dns: dnstest.New(t, ""), sink: smtptest.NewSink(t)}
	s.port, s.other = proctest.FreePort(t), proctest.FreePort(t)
	n := servers.Add(1)
	s.address = fmt.Sprintf("127.%d.%d.%d", 40+os.Getpid()%200, n/250, 1+n%250)
	// Users other than root pass through: the folders of a test are root's own.
	for dir := s.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		s.must(os.Chmod(dir, 0o755))
	}
	s.master = s.services()
	s.dns.AddTXT(record, testutil.KeyRecord(testutil.RSAKey()))
	s.dns.AddTXT("_dmarc.example.com", "v=DMARC1; p=none")
	s.options = []option{
		{"Socket", "inet:" + s.port + "@127.0.0.1"}, {"UserID", "opendkim"}, {"Nameservers", s.dns.Addr}, {"Background", "no"}, {"Syslog", "no"},
		{"KeyTable", s.path("KeyTable")}, {"SigningTable", "refile:" + s.path("SigningTable")}, {"OversignHeaders", "From"},
		{"StatusSocket", "local:" + s.path("run/status")},
	}
	s.main = []option{
		{"myhostname", "mail.example.com"}, {"smtpd_sasl_type", "dovecot"},
		{"smtpd_milters", "inet:127.0.0.1:" + s.port}, {"non_smtpd_milters", "$smtpd_milters"}, {"milter_default_action", "accept"},
	}
	s.files = map[string]string{
		"KeyTable":     "sel example.com:sel:" + s.path("keys/sel.private") + "\n",
		"SigningTable": "*@example.com sel\n",
	}
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.WriteFile(s.path(name), []byte(text), mode))
	s.must(os.Chmod(s.path(name), mode))
}

// chown gives a file to somebody, as chown(1) reads it.
func (s *server) chown(to, name string) { proctest.Run(s.t, "", "chown", to, s.path(name)) }

func (s *server) chmod(mode os.FileMode, name string) { s.must(os.Chmod(s.path(name), mode)) }

// set changes a line, or adds one.
func set(list *[]option, name, value string) {
	for i, o := range *list {
		if o.name == name {
			(*list)[i].value = value
			return
		}
	}
	*list = append(*list, option{name, value})
}

func get(list []option, name string) string {
	for _, o := range list {
		if o.name == name {
			return o.value
		}
	}
	return ""
}

func (s *server) option(name, value string)  { set(&s.options, name, value) }
func (s *server) setting(name, value string) { set(&s.main, name, value) }

func lines(list []option, between string) string {
	var b strings.Builder
	for _, o := range list {
		b.WriteString(o.name + between + o.value + "\n")
	}
	return b.String()
}

// systemctl does what systemd's would with the one service of this server.
const systemctl = `#!/bin/sh
cd %[1]q || exit 1
case "$1" in restart | start) ;; *) exit 1 ;; esac
if pid=$(cat filter.pid 2>/dev/null); then
	kill "$pid" 2>/dev/null
	for i in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
fi
setsid %[2]q -f -x %[1]q/opendkim.conf >>filter.log 2>&1 </dev/null &
echo $! >filter.pid
sleep 0.5
`

// start writes everything and starts the filter and Postfix.
func (s *server) start() {
	s.t.Helper()
	s.write("keys/sel.private", testutil.KeyPEM(testutil.RSAKey()), 0o600)
	s.chown("opendkim:opendkim", "keys/sel.private")
	s.must(os.MkdirAll(s.path("run"), 0o755))
	s.chown("opendkim", "run")
	s.write("opendkim.conf", lines(s.options, " "), 0o644)
	for name, text := range s.files {
		s.write(name, text, 0o644)
	}
	s.write("bin/systemctl", fmt.Sprintf(systemctl, s.dir, filtertest.Ours(s.t)), 0o755)
	smtptest.WritePostfix(s.t, s.dir, s.sink, lines(s.main, " = "), s.master)
	for _, do := range s.before {
		do()
	}
	if s.mta {
		smtptest.RunPostfix(s.t, s.dir)
	}
	s.t.Cleanup(s.stopFilter)
	if !s.down {
		s.type_("systemctl start opendkim")
		s.awaitFilter()
	}
	for _, do := range s.after {
		do()
	}
}

// awaitFilter waits for the socket that the configuration names.
func (s *server) awaitFilter() {
	s.t.Helper()
	network, address := "tcp", cmp.Or(s.listens, "127.0.0.1:"+s.port)
	if path, ok := strings.CutPrefix(strings.Fields(get(s.options, "Socket"))[0], "local:"); ok {
		network, address = "unix", path
	}
	for end := time.Now().Add(patience); !proctest.Dials(network, address)(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(s.path("filter.log"))
			s.t.Fatalf("the filter does not listen on %s: %s", address, text)
		}
	}
}

func (s *server) stopFilter() {
	if text, err := os.ReadFile(s.path("filter.pid")); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	}
}

func (s *server) environment() []string {
	return append(os.Environ(), "MAIL_CONFIG="+s.dir, "PATH="+s.path("bin")+":"+testutil.Build(s.t)+":"+os.Getenv("PATH"))
}

// type_ types a command as the administrator would.
func (s *server) type_(command string) {
	s.t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Env, cmd.Dir = s.environment(), s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

type finding struct{ Check, Code, Status, Text, Remedy, Advice string }

func (f finding) String() string {
	return fmt.Sprintf("%s %s %s: %s\n     -> %s\n     -- %s", f.Status, f.Check, f.Code, f.Text, f.Remedy, f.Advice)
}

// doctor runs the command, and returns what it prints and its exit status.
func (s *server) doctor(args ...string) (out []byte, code int) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(testutil.Build(s.t), "dojang"),
		append([]string{"doctor", "--config", s.path("opendkim.conf")}, args...)...)
	cmd.Env = s.environment()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out, cmd.ProcessState.ExitCode()
}

// examine returns what the command finds to be wrong. Its exit status must be that of
// the gravest; whether something keeps the clock is the machine's own matter.
func (s *server) examine() (wrong, all []finding) {
	s.t.Helper()
	out, code := s.doctor("--json")
	var report struct{ Findings []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	worst := 0
	for _, f := range report.Findings {
		grave := map[string]int{"bad": 2, "warning": 1}[f.Status]
		worst = max(worst, grave)
		if f.Check != "clock" && (grave > 0 || f.Status == "skipped") {
			wrong = append(wrong, f)
		}
	}
	if code != worst {
		s.t.Errorf("exit status %d, want %d", code, worst)
	}
	return wrong, report.Findings
}

// patience is how long something may take that comes for certain: a reload, say. Nothing
// is decided by it on a server that works.
const patience = time.Minute

// isGood waits until nothing is wrong: a reload takes its time.
func (s *server) isGood() {
	s.t.Helper()
	var wrong []finding
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if wrong, _ = s.examine(); len(wrong) == 0 {
			return
		}
	}
	for _, f := range wrong {
		s.t.Error(f)
	}
}

// next waits for a finding of code with a command that was not typed; false where nothing
// is wrong any more.
func (s *server) next(code string, typed map[string]bool) (f finding, found bool) {
	s.t.Helper()
	var wrong []finding
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if wrong, _ = s.examine(); len(wrong) == 0 {
			return f, false
		}
		for _, w := range wrong {
			if w.Code == code && w.Remedy != "" && !typed[w.Remedy] {
				return w, true
			}
		}
	}
	s.t.Fatalf("what was typed (%d) does not mend it, and no command of %s is left: %v", len(typed), code, wrong)
	return f, false
}

// running is what the filter that runs says of itself.
func (s *server) running() status.Server {
	s.t.Helper()
	client, err := status.NewClient(s.path("run/status"))
	s.must(err)
	now, err := client.Server(s.t.Context())
	s.must(err)
	return now
}

func (s *server) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	s.must(err)
	return string(text)
}
