package sendmail

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

func TestMain(m *testing.M) {
	status := m.Run()
	testutil.RemoveBuild()
	os.Exit(status)
}

// world is what filters and Mail::DKIM share: keys and their records.
type world struct {
	t          testing.TB
	dir        string
	dns        *dnstest.Server
	publicKeys strings.Builder
	filters    int // started
}

func newWorld(t testing.TB) *world {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "perl", "opendkim")
	w := &world{t: t, dir: testutil.SecureDir(t), dns: dnstest.New(t, "")}
	w.key("example.com", "s1")
	w.key("example.org", "org")
	w.write("KeyTable", "s1 example.com:s1:"+w.path("s1.private")+"\n")
	w.write("SigningTable", "*@example.com s1\n")
	w.write("TrustedHosts", insideIP+"\n")
	w.write("PublicKeys", w.publicKeys.String())
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	must(w.t, os.WriteFile(w.path(name), []byte(text), 0o644))
}

// key makes a key of the filter's user and publishes it.
func (w *world) key(domain, selector string) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(testutil.Build(w.t), "opendkim-genkey"), "-b", "2048", "-d", domain, "-s", selector, "-D", w.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	give(w.t, w.path(selector+".private"))
	record, err := os.ReadFile(w.path(selector + ".txt"))
	must(w.t, err)
	var text strings.Builder
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllSubmatch(record, -1) {
		text.Write(m[1])
	}
	w.dns.AddTXT(selector+"._domainkey."+domain, text.String())
	fmt.Fprintf(&w.publicKeys, "%s._domainkey.%s %s\n", selector, domain, &text)
}

// give makes user opendkim own a file.
func give(t testing.TB, path string) {
	t.Helper()
	u, err := user.Lookup("opendkim")
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	must(t, os.Chown(path, uid, gid))
}

// configuration is that of filters in these tests, and options are added to it.
// The standard Canonicalization, simple/simple, shows every octet changed on the
// way.
const configuration = `
Mode                sv
SignHeaders         From,To,Cc,Reply-To,Subject,Date,Message-ID,X-One,X-Two,X-Three,X-Four,X-Five,X-Six,X-Seven
OversignHeaders     From
KeyTable            DIR/KeyTable
SigningTable        refile:DIR/SigningTable
InternalHosts       refile:DIR/TrustedHosts
TestPublicKeys      DIR/PublicKeys
UserID              opendkim
UMask               007
Background          no
`

const ourOptions = `
Syslog              yes
SyslogSuccess       yes
LogWhy              yes
StdoutLog           yes
SyslogSocket        /dev/null
`

// filter is a running filter: ours, or OpenDKIM itself.
type filter struct {
	t       testing.TB
	program string
	conf    string
	socket  string // as in the option Socket, and in Sendmail's S=
	cmd     *exec.Cmd
	said    *output
	ended   chan struct{}
}

// output is what a program says, read while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func ours(t testing.TB) string     { return filepath.Join(testutil.Build(t), "opendkim") }
func opendkim(t testing.TB) string { return testutil.Need(t, "opendkim") }

// tcp and unix are sockets nobody listens on yet.
func (w *world) tcp() string { return "inet:" + freePort(w.t) + "@127.0.0.1" }

func (w *world) unix(name string) string {
	w.t.Helper()
	must(w.t, os.Mkdir(w.path(name), 0o750))
	give(w.t, w.path(name))
	return "local:" + w.path(name+"/filter.sock")
}

// filter starts a program as a filter with further options.
func (w *world) filter(program, socket, options string) *filter {
	w.t.Helper()
	w.filters++
	f := &filter{t: w.t, program: program, socket: socket, conf: w.path(fmt.Sprintf("%d.conf", w.filters))}
	if program == ours(w.t) {
		options += ourOptions
	}
	w.write(filepath.Base(f.conf), strings.ReplaceAll(configuration+options, "DIR", w.dir)+"Socket "+socket+"\n")
	f.start()
	w.t.Cleanup(func() {
		f.stop()
		if w.t.Failed() {
			w.t.Logf("%s at %s said:\n%s", f.program, f.socket, f.said)
		}
	})
	return f
}

func (f *filter) start() {
	f.t.Helper()
	f.cmd, f.said = exec.Command(f.program, "-f", "-x", f.conf), new(output)
	f.cmd.Stdout, f.cmd.Stderr = f.said, f.said
	must(f.t, f.cmd.Start())
	cmd, ended := f.cmd, make(chan struct{})
	f.ended = ended
	go func() { cmd.Wait(); close(ended) }()
	eventually(f.t, f.program+" at "+f.socket, func() bool {
		select {
		case <-ended:
			f.t.Fatalf("%s has ended:\n%s", f.program, f.said)
		default:
		}
		conn, err := f.dial()
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (f *filter) dial() (net.Conn, error) {
	if path, ok := strings.CutPrefix(f.socket, "local:"); ok {
		return net.Dial("unix", path)
	}
	port, ip, _ := strings.Cut(strings.TrimPrefix(f.socket, "inet:"), "@")
	return net.Dial("tcp", ip+":"+port)
}

func (f *filter) stop() {
	end := syscall.SIGTERM
	if f.program != ours(f.t) {
		end = syscall.SIGKILL // OpenDKIM takes five seconds over it
	}
	f.cmd.Process.Signal(end)
	<-f.ended
}

// logged waits for a line of the log.
func (f *filter) logged(t testing.TB, line string) {
	t.Helper()
	eventually(t, "the line "+line, func() bool { return strings.Contains("\n"+f.said.String(), "\n"+line+"\n") })
}
