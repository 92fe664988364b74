//go:build linux

package keycheck

import (
	"crypto"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/keycheck"
	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// internet is a root and the zone test on BIND, other servers below it, each on port 53
// of an address of loopback of its own, and unbound, which begins at that root.
type internet struct {
	dir    string
	zones  map[string]string // by server and name: text of the zone file
	key    crypto.PublicKey
	right  string
	old    string
	anchor string // unbound's trust anchor, "" for none
	// processes are by server.
	processes map[int]*proctest.Process
}

// The servers, by the last octet of their addresses.
const (
	rootServer = iota + 1
	bindServer
	knotServer
	powerServer
	cacheServer // unbound: it answers for everything, without authority
	deadServer  // nobody listens
	unbound     // whom everybody asks
)

func newInternet(t *testing.T) *internet {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "ip")
	n := &internet{dir: t.TempDir(), zones: map[string]string{}, processes: map[int]*proctest.Process{}}
	if err := os.Chmod(n.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	right := testutil.ReadKey(t, "../../internal/keyrecord/testdata/s2048.private")
	n.key, n.right = right.Public(), testutil.KeyRecord(right)
	n.old = testutil.KeyRecord(testutil.ReadKey(t, "../../internal/keyrecord/testdata/s4096.private"))
	return n
}

// name is the server's name; its address is glue of the zone test.
func serverName(server int) string { return fmt.Sprintf("ns%d.test.", server) }

func (n *internet) set(server int, zone, text string) {
	n.zones[fmt.Sprintf("%d %s", server, zone)] = text
}

// of are the zones of a server.
func (n *internet) of(server int) map[string]string {
	list := map[string]string{}
	for k, text := range n.zones {
		if zone, ok := strings.CutPrefix(k, fmt.Sprintf("%d ", server)); ok {
			list[zone] = text
		}
	}
	return list
}

// zoneText is a zone file: SOA, NS and what is in it.
func zoneText(serial int, servers []int, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$TTL 60\n@ SOA ns.test. root.test. %d 3600 600 86400 77\n", serial)
	for _, s := range servers {
		fmt.Fprintf(&b, "@ NS %s\n", serverName(s))
	}
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// txt is a TXT record whose strings are cut at 255 octets.
func txt(name, text string) string {
	var strs []string
	for len(text) > 255 {
		strs, text = append(strs, `"`+text[:255]+`"`), text[255:]
	}
	return name + " TXT " + strings.Join(append(strs, `"`+text+`"`), " ")
}

// delegate makes root and test; delegations are NS lines of test.
func (n *internet) delegate(delegations []string) {
	lines := []string{}
	for s := rootServer; s <= deadServer; s++ {
		lines = append(lines, fmt.Sprintf("ns%d A %s", s, addr(s)))
	}
	n.set(rootServer, ".", zoneText(1, []int{rootServer}, "test. NS "+serverName(rootServer),
		serverName(rootServer)+" A "+addr(rootServer)))
	n.set(rootServer, "test", zoneText(1, []int{rootServer}, append(lines, delegations...)...))
}

func (n *internet) file(t *testing.T, server int, zone, text string) string {
	t.Helper()
	dir := filepath.Join(n.dir, fmt.Sprint(server))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if zone == "." {
		zone = "root"
	}
	path := filepath.Join(dir, zone)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (n *internet) bind(t *testing.T, server int, extra string) {
	t.Helper()
	program := testutil.Need(t, "named")
	dir := filepath.Join(n.dir, fmt.Sprint(server))
	conf := fmt.Sprintf(`options { directory %q; pid-file none; session-keyfile none; lock-file none; managed-keys-directory %q;
 listen-on { %s; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; check-names primary ignore;
 allow-transfer { 127.0.0.0/8; }; allow-notify { 127.0.0.0/8; }; request-ixfr no; transfer-source %s; };
controls { };
%s`, dir, dir, addr(server), addr(server), extra)
	for zone, text := range n.of(server) {
		conf += fmt.Sprintf("zone %q { type primary; file %q; };\n", zone, n.file(t, server, zone, text))
	}
	n.start(t, server, exec.Command(program, "-g", "-n", "1", "-c", n.file(t, server, "named.conf", conf)))
}

func (n *internet) knot(t *testing.T) {
	t.Helper()
	program := testutil.Need(t, "knotd")
	dir := filepath.Join(n.dir, fmt.Sprint(knotServer))
	conf := fmt.Sprintf("server:\n    rundir: %q\n    listen: %s@53\n    user: root:root\ndatabase:\n    storage: "+
		"%q\ntemplate:\n  - id: default\n    storage: %q\nzone:\n",
		dir, addr(knotServer), dir, dir)
	for zone, text := range n.of(knotServer) {
		conf += fmt.Sprintf("  - domain: %q\n    file: %q\n", zone, n.file(t, knotServer, zone, text))
	}
	n.start(t, knotServer, exec.Command(program, "-c", n.file(t, knotServer, "knot.conf", conf)))
}

func (n *internet) powerDNS(t *testing.T) {
	t.Helper()
	program, util, sqlite := testutil.Need(t, "pdns_server"), testutil.Need(t, "pdnsutil"), testutil.Need(t, "sqlite3")
	dir := filepath.Join(n.dir, fmt.Sprint(powerServer))
	tables, err := os.ReadFile("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
	if err != nil {
		t.Fatal(err)
	}
	n.file(t, powerServer, "pdns.conf", fmt.Sprintf("launch=gsqlite3\ngsqlite3-database=%s/pdns.sqlite\nlocal-address=%s\nlocal-port=53\n"+
		"socket-dir=%s\nguardian=no\ndaemon=no\nloglevel=4\n",
		dir, addr(powerServer), dir))
	proctest.Run(t, string(tables), sqlite, filepath.Join(dir, "pdns.sqlite"))
	for zone, text := range n.of(powerServer) {
		proctest.Run(t, "", util, "--config-dir", dir, "load-zone", zone, n.file(t, powerServer, zone, text))
	}
	n.start(t, powerServer, exec.Command(program, "--config-dir="+dir))
}

// recursive starts unbound at an address.
func (n *internet) recursive(t *testing.T, server int) {
	t.Helper()
	program := testutil.Need(t, "unbound")
	hints := n.file(t, server, "hints", fmt.Sprintf(". 3600000 NS %s\n%s 3600000 A %s\n",
		serverName(rootServer), serverName(rootServer), addr(rootServer)))
	modules, anchor := "iterator", ""
	if n.anchor != "" {
		modules, anchor = "validator iterator", "  trust-anchor-file: "+n.anchor+"\n"
	}
	conf := fmt.Sprintf(`server:
  interface: %s
  directory: %q
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-ip6: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow_snoop
  module-config: %q
  root-hints: %q
  num-threads: 1
  local-zone: "test." nodefault
%s`, addr(server), filepath.Dir(hints), modules, hints, anchor)
	n.start(t, server, exec.Command(program, "-d", "-c", n.file(t, server, "unbound.conf", conf)))
}

func (n *internet) start(t *testing.T, server int, cmd *exec.Cmd) {
	t.Helper()
	cmd.Dir = filepath.Join(n.dir, fmt.Sprint(server))
	p := proctest.Start(t, cmd)
	n.processes[server] = p
	zone := "."
	for zone = range n.of(server) {
		break
	}
	if err := p.Await(30*time.Second, func() bool {
		m, err := n.ask(server, zone, dns.TypeSOA, false)
		return err == nil && (m.Rcode == dns.RcodeSuccess || zone == ".")
	}); err != nil {
		t.Fatal(err)
	}
}

// ask puts a question to a server.
func (n *internet) ask(server int, name string, qtype uint16, recurse bool) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	m.RecursionDesired = recurse || server >= cacheServer && qtype == dns.TypeSOA
	m.SetEdns0(1232, false)
	c := dns.Client{Timeout: 2 * time.Second}
	r, _, err := c.Exchange(m, addr(server)+":53")
	return r, err
}

// remembers reports whether unbound keeps an answer for a name.
func (n *internet) remembers(t *testing.T, name string) bool {
	t.Helper()
	m, err := n.ask(unbound, name, dns.TypeTXT, false)
	if err != nil {
		t.Fatal(err)
	}
	return m.Rcode == dns.RcodeNameError || m.Rcode == dns.RcodeSuccess && (len(m.Answer) > 0 || hasSOA(m))
}

func hasSOA(m *dns.Msg) bool {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return true
		}
	}
	return false
}

func (n *internet) checker(t *testing.T) *keycheck.Checker {
	t.Helper()
	c, err := keycheck.New(keycheck.Options{
		Resolver: resolver.Options{Nameservers: []string{addr(unbound)}}, TryTime: 5 * time.Second, Time: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func source(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	if testutil.Long() {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
