package zonetest

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// StartSecondary starts a BIND on port 53 of an address of its own that has zones from
// primary, as they are now: nobody tells it of changes but Notify.
func StartSecondary(t testing.TB, primary *Server, zones ...Zone) *Server {
	t.Helper()
	r := newRelay(t)
	s := &Server{Kind: "bind", Address: "127.0.0.1", Port: proctest.FreePort(t), Dir: t.TempDir(), Public: r.address, relay: r}
	s.Addr = s.Address + ":" + s.Port
	conf := fmt.Sprintf("include %q;\noptions { directory %q; pid-file none; session-keyfile none; lock-file none;\n"+
		" managed-keys-directory %q; listen-on port %s { %s; }; listen-on-v6 { none; };\n"+
		" recursion no; dnssec-validation no; notify no; min-refresh-time 3600; };\ncontrols { };\n",
		primary.KeyFile, s.Dir, s.Dir, s.Port, s.Address)
	for _, z := range zones {
		conf += fmt.Sprintf("zone %[1]q { type secondary; file %[1]q; primaries { %[2]s port %[3]s key %[4]s; }; };\n",
			z.Name, primary.Address, primary.Port, KeyName)
	}
	s.Config = s.write(t, "named.conf", conf)
	cmd := exec.Command(testutil.Need(t, "named"), "-g", "-n", "1", "-c", s.Config)
	cmd.Dir = s.Dir
	s.Process = proctest.Start(t, cmd)
	if err := s.Await(30*time.Second, func() bool { return s.serves(zones) }); err != nil {
		t.Fatal(err)
	}
	r.run(t, s.Addr)
	return s
}

// Notify tells a secondary that a zone has changed (RFC 1996).
func (s *Server) Notify(t testing.TB, zone string) {
	t.Helper()
	m := new(dns.Msg)
	m.SetNotify(dns.Fqdn(zone))
	if r, _, err := new(dns.Client).Exchange(m, s.Addr); err != nil || r.Rcode != dns.RcodeSuccess {
		t.Fatalf("NOTIFY %s: %v", zone, err)
	}
}
