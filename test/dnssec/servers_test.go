package dnssec

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// servers serve a world.
type servers struct {
	fresh, stale string // authoritative for all zones: addresses
	unbound      string // validates, and asks the fresh ones alone
	beset        string // an unbound that asks both
	anchor       string // file
}

func serve(t testing.TB, w *world) servers {
	t.Helper()
	dir := t.TempDir()
	s := servers{anchor: write(t, dir, "anchor", w.anchor+"\n")}
	s.fresh = startNamed(t, filepath.Join(dir, "fresh"), w, func(z *zone) []dns.RR { return z.records })
	s.stale = startNamed(t, filepath.Join(dir, "stale"), w, func(z *zone) []dns.RR {
		if z.stale {
			return z.old
		}
		return z.records
	})
	s.unbound = s.startUnbound(t, dir, w, false)
	s.beset = s.startUnbound(t, dir, w, true)
	return s
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t testing.TB, addr, program string, args ...string) *proctest.Process {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(".", dns.TypeSOA)
	m.CheckingDisabled = true // unbound is up, whatever it would think of the answer
	client := dns.Client{Timeout: time.Second}
	cmd := exec.Command(testutil.Need(t, program), args...)
	p := proctest.Start(t, cmd)
	if err := p.Await(30*time.Second, func() bool {
		r, _, err := client.Exchange(m, addr)
		return err == nil && r.Rcode == dns.RcodeSuccess
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

func startNamed(t testing.TB, dir string, w *world, records func(*zone) []dns.RR) string {
	t.Helper()
	return runNamed(t, dir, w, records).addr
}

// named is a BIND with a world's zones.
type named struct {
	addr, dir string
	*proctest.Process
}

// zoneFile writes a zone for the server to read.
func (n named) zoneFile(t testing.TB, i int, records []dns.RR) string {
	t.Helper()
	var text strings.Builder
	for _, rr := range records {
		text.WriteString(rr.String() + "\n")
	}
	return write(t, n.dir, fmt.Sprint(i), text.String())
}

func runNamed(t testing.TB, dir string, w *world, records func(*zone) []dns.RR) named {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	n := named{dir: dir}
	var zones strings.Builder
	for i, z := range w.zones {
		fmt.Fprintf(&zones, "zone %q { type primary; file %q; };\n", z.name, n.zoneFile(t, i, records(z)))
	}
	n.addr, n.Process = startBIND(t, dir, "named.conf", "recursion no;", zones.String())
	return n
}

// startBIND starts a BIND with more options and with zones, and returns its address.
func startBIND(t testing.TB, dir, file, options, zones string) (string, *proctest.Process) {
	t.Helper()
	addr := proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	conf := fmt.Sprintf(`options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none;
 session-keyfile none; lock-file none; managed-keys-directory %q; notify no; minimal-responses no; check-names primary ignore;
 check-integrity no; dnssec-validation no; %s };
controls { };
%s`, dir, port, dir, options, zones)
	return addr, start(t, addr, "named", "-g", "-n", "1", "-c", write(t, dir, file, conf))
}

// startUnbound starts a validating unbound. It is told of each zone's servers: NS records
// could only lead it to port 53.
func (s servers) startUnbound(t testing.TB, dir string, w *world, beset bool) string {
	var ways strings.Builder
	for _, z := range w.zones {
		fmt.Fprintf(&ways, "stub-zone:\n name: %q\n stub-addr: %s\n", z.name, atPort(s.fresh))
		if z.stale && beset {
			fmt.Fprintf(&ways, " stub-addr: %s\n", atPort(s.stale))
		}
	}
	return startUnbound(t, dir, s.anchor, ways.String())
}

// atPort is an address as unbound is told it.
func atPort(addr string) string { return strings.Replace(addr, ":", "@", 1) }

// startUnbound starts a validating unbound that takes the ways to other servers. It forgets
// at once that one was late: on a busy machine it would wait up to two minutes for each
// answer from then on.
func startUnbound(t testing.TB, dir, anchor, ways string) string {
	t.Helper()
	addr := proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	conf := fmt.Sprintf(`server:
 interface: 127.0.0.1
 port: %s
 directory: %q
 chroot: ""
 username: ""
 pidfile: ""
 use-syslog: no
 do-ip6: no
 do-not-query-localhost: no
 trust-anchor-file: %q
 val-log-level: 2
 val-sig-skew-min: 0
 val-sig-skew-max: 0
 qname-minimisation: no
 aggressive-nsec: no
 infra-host-ttl: 1
 infra-keep-probing: yes
 outbound-msg-retry: 16
 local-zone: "test." nodefault
remote-control:
 control-enable: no
%s`, port, dir, anchor, ways)
	start(t, addr, "unbound", "-d", "-c", write(t, dir, "unbound."+port, conf))
	return addr
}
