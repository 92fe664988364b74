package postfix

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// filter is a running filter and the folder it was set up in.
type filter struct {
	t       testing.TB
	bin     string // folder of the programs
	dir     string
	socket  string // "127.0.0.1:port"
	pidFile string
	log     *syslog
}

// configuration is the opendkim.conf of the classic walk.
const configuration = `
Mode                sv
SendReports         yes
KeyTable            %[1]s/KeyTable
SigningTable        refile:%[1]s/SigningTable
ExternalIgnoreList  refile:%[1]s/TrustedHosts
InternalHosts       refile:%[1]s/TrustedHosts
Socket              inet:%[2]s
Syslog              yes
SyslogSuccess       yes
LogWhy              yes
UserID              opendkim
UMask               002
PidFile             %[1]s/run/opendkim.pid
Nameservers         %[3]s
SyslogSocket        %[1]s/run/log
`

// newFilter writes the classic set-up, without keys and without starting.
func newFilter(t testing.TB, nameserver, moreOptions string) *filter {
	t.Helper()
	f := &filter{t: t, bin: testutil.Build(t), dir: testutil.SecureDir(t), socket: proctest.FreeAddress(t)}
	f.pidFile = f.path("run/opendkim.pid")
	for _, sub := range []string{"run", "keys"} {
		must(t, os.Mkdir(f.path(sub), 0o750))
		f.give(sub)
	}
	f.log = &syslog{Syslog: proctest.ListenSyslog(t, f.path("run/log"))}
	f.give("run/log")
	host, port, _ := net.SplitHostPort(f.socket)
	write(t, f.path("opendkim.conf"), fmt.Sprintf(configuration, f.dir, port+"@"+host, nameserver)+moreOptions)
	write(t, f.path("TrustedHosts"), "127.0.0.1\n::1\nlocalhost\n")
	return f
}

func (f *filter) path(name string) string { return filepath.Join(f.dir, name) }

// give makes user opendkim own a file, as `chown opendkim:opendkim` does.
func (f *filter) give(name string) {
	f.t.Helper()
	a := account(f.t, "opendkim")
	must(f.t, os.Chown(f.path(name), a.uid, a.gid))
}

// genkey makes a key as the walk does and returns the name of its table row.
func (f *filter) genkey(domain, selector string) string {
	f.t.Helper()
	f.tool(0, "opendkim-genkey", "-b", "2048", "-d", domain, "-D", f.path("keys"), "-s", selector, "-v")
	f.give("keys/" + selector + ".private")
	f.give("keys/" + selector + ".txt")
	return selector + "._domainkey." + domain
}

// zone is the record that genkey wrote, as a zone file.
func (f *filter) zone(domain, selector string) string {
	f.t.Helper()
	text, err := os.ReadFile(f.path("keys/" + selector + ".txt"))
	must(f.t, err)
	return "$ORIGIN " + domain + ".\n" + string(text)
}

// tool runs one of the programs, wants an exit status, and returns what it said.
func (f *filter) tool(status int, name string, args ...string) string {
	f.t.Helper()
	cmd := exec.Command(filepath.Join(f.bin, name), args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
		f.t.Fatalf("%s %s: %v, want status %d\n%s", name, strings.Join(args, " "), err, status, out)
	}
	return string(out)
}

// start is `opendkim -x FILE`, which returns when the filter is in the background.
func (f *filter) start() {
	f.t.Helper()
	f.t.Cleanup(func() {
		if pid := f.pid(); pid > 0 {
			syscall.Kill(pid, syscall.SIGTERM)
		}
		if f.t.Failed() {
			f.t.Logf("the filter's log:\n%s", strings.Join(f.log.all(), "\n"))
		}
	})
	f.tool(0, "opendkim", "-x", f.path("opendkim.conf"))
}

// pid is what the pid file says, 0 without one.
func (f *filter) pid() int {
	text, err := os.ReadFile(f.pidFile)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func (f *filter) signal(s syscall.Signal) {
	f.t.Helper()
	must(f.t, syscall.Kill(f.pid(), s))
}

// reload is USR1, and the wait until it is done.
func (f *filter) reload(logged string) {
	f.t.Helper()
	f.log.forget()
	f.signal(syscall.SIGUSR1)
	f.log.wait(f.t, regexp.QuoteMeta(logged))
}

// identity is an account's numbers.
type identity struct{ uid, gid int }

func account(t testing.TB, name string) identity {
	t.Helper()
	u, err := user.Lookup(name)
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return identity{uid, gid}
}

// syslog is /dev/log for the filter.
type syslog struct {
	*proctest.Syslog
	forgotten int // packets
}

var syslogLine = regexp.MustCompile(`(?s)^<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d opendkim\[\d+\]: (.*)$`)

// all are the lines, "priority text" without date, name and process.
func (s *syslog) all() []string {
	lines := s.Packets(s.forgotten)
	for i, packet := range lines {
		if m := syslogLine.FindStringSubmatch(packet); m != nil {
			lines[i] = m[1] + " " + m[2]
		} else {
			lines[i] = "malformed: " + packet
		}
	}
	return lines
}

func (s *syslog) forget() { s.forgotten = len(s.Packets(0)) }

// wait waits for a line that matches.
func (s *syslog) wait(t testing.TB, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	proctest.Until(t, patience, "the log line "+pattern, func() bool {
		return slices.ContainsFunc(s.all(), re.MatchString)
	})
}

// Priorities: facility mail, severity err, notice and info.
const (
	errLine    = "19 "
	noticeLine = "21 "
	infoLine   = "22 "
)

// expect wants exactly these lines of one message, each a priority and what
// follows the job's ID.
func (s *syslog) expect(t testing.TB, job string, want ...string) {
	t.Helper()
	last := want[len(want)-1]
	s.wait(t, "^"+last[:3]+regexp.QuoteMeta(job+": "+last[3:])+"$")
	time.Sleep(20 * time.Millisecond) // for a line too many
	var got []string
	for _, line := range s.all() {
		if priority, text, ok := strings.Cut(line, " "+job+": "); ok {
			got = append(got, priority+" "+text)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log of %s (-want +got):\n%s", job, diff)
	}
}
