package sendmail

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

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
	w.key("example.com", "s1", testutil.RSAKey())
	w.key("example.org", "org", outsideKey())
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

// outsideKey is the key of example.org, which must not be ours.
var outsideKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// key publishes a key and gives it to the filter's user.
func (w *world) key(domain, selector string, key *rsa.PrivateKey) {
	w.t.Helper()
	name, file := selector+"._domainkey."+domain, selector+".private"
	must(w.t, os.WriteFile(w.path(file), []byte(testutil.KeyPEM(key)), 0o600))
	w.give(file)
	w.dns.AddTXT(name, testutil.KeyRecord(key))
	fmt.Fprintf(&w.publicKeys, "%s %s\n", name, testutil.KeyRecord(key))
}

// give makes user opendkim own a file.
func (w *world) give(name string) {
	w.t.Helper()
	proctest.Run(w.t, "", "chown", "opendkim:opendkim", w.path(name))
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
	*proctest.Process
	t       testing.TB
	program string
	conf    string
	socket  string // as in the option Socket, and in Sendmail's S=
}

func opendkim(t testing.TB) string { return testutil.Need(t, "opendkim") }

// tcp and unix are sockets nobody listens on yet.
func (w *world) tcp() string { return "inet:" + proctest.FreePort(w.t) + "@127.0.0.1" }

func (w *world) unix(name string) string {
	w.t.Helper()
	must(w.t, os.Mkdir(w.path(name), 0o750))
	w.give(name)
	return "local:" + w.path(name+"/filter.sock")
}

// filter starts a program as a filter with further options.
func (w *world) filter(program, socket, options string) *filter {
	w.t.Helper()
	w.filters++
	name := fmt.Sprintf("%d.conf", w.filters)
	if program == filtertest.Ours(w.t) {
		options += ourOptions
	}
	w.write(name, strings.ReplaceAll(configuration+options, "DIR", w.dir)+"Socket "+socket+"\n")
	f := &filter{t: w.t, program: program, socket: socket, conf: w.path(name)}
	f.start()
	return f
}

func (f *filter) start() {
	f.t.Helper()
	network, address := f.address()
	f.Process = proctest.Start(f.t, exec.Command(f.program, "-f", "-x", f.conf)).Listens(patience, network, address)
}

// address is the socket's as net.Dial takes it.
func (f *filter) address() (network, address string) {
	if path, ok := strings.CutPrefix(f.socket, "local:"); ok {
		return "unix", path
	}
	port, ip, _ := strings.Cut(strings.TrimPrefix(f.socket, "inet:"), "@")
	return "tcp", ip + ":" + port
}

func (f *filter) dial() (net.Conn, error) {
	network, address := f.address()
	return net.Dial(network, address)
}

// logged waits for a line of the log.
func (f *filter) logged(t testing.TB, line string) {
	t.Helper()
	proctest.Until(t, patience, "the line "+line, func() bool { return strings.Contains("\n"+f.String(), "\n"+line+"\n") })
}
