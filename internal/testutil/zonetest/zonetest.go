// Package zonetest starts real name servers for tests, BIND, PowerDNS and Knot, with
// zones that may be changed below _domainkey with a TSIG key (RFC 2136), with BIND below
// _atps too.
package zonetest

import (
	"errors"
	"fmt"
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

// Secret is the key's, and KeyName its name; its algorithm is hmac-sha256.
const (
	Secret  = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vbmx5"
	KeyName = "rotate"
)

// Kinds are the servers there are.
var Kinds = []string{"bind", "powerdns", "knot"}

// Zone is one zone of a server.
type Zone struct {
	Name    string // without the final dot
	Records string // lines of a zone file below the name, beside SOA and NS
	Minimum int    // of the SOA, and every TTL that is not written, in seconds; 0 means 60
	Signed  bool   // the server signs it
	Static  bool   // BIND alone: it changes with its file, when the server is told to read it
}

// Server is a running name server.
type Server struct {
	Kind    string
	Addr    string // 127.0.0.1:port, UDP and TCP
	Dir     string // its files
	KeyFile string // the TSIG key, as tsig-keygen writes it, 0400
	Config  string // its configuration file

	// Public is where StartOnPort53 has it, "" else.
	Public string

	// PowerDNS alone:
	URL        string // of the API
	APIKeyFile string

	// Address and Port are the parts of Addr.
	Address, Port string
	*proctest.Process
	relay *relay
}

// Start starts a server of the kind with the zones, until the test ends.
func Start(t testing.TB, kind string, zones ...Zone) *Server {
	t.Helper()
	return start(t, kind, "127.0.0.1", zones...)
}

// StartOnPort53 starts a server that is also reached on port 53 of an address of
// loopback, Public, where the zones' NS records lead. It needs root.
func StartOnPort53(t testing.TB, kind string, zones ...Zone) *Server {
	t.Helper()
	testutil.NeedRoot(t)
	r := newRelay(t)
	s := start(t, kind, r.address, zones...)
	s.Public, s.relay = r.address, r
	r.run(t, s.Addr)
	return s
}

func start(t testing.TB, kind, public string, zones ...Zone) *Server {
	t.Helper()
	s := &Server{Kind: kind, Address: "127.0.0.1", Port: proctest.FreePort(t), Dir: t.TempDir()}
	s.Addr = s.Address + ":" + s.Port
	s.KeyFile = s.write(t, "rotate.key", fmt.Sprintf("key %q {\n\talgorithm hmac-sha256;\n\tsecret %q;\n};\n", KeyName, Secret))
	if err := os.Chmod(s.KeyFile, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, z := range zones {
		s.write(t, z.Name, z.text(public))
	}
	var cmd *exec.Cmd
	switch kind {
	case "bind":
		cmd = s.bind(t, zones)
	case "powerdns":
		cmd = s.powerDNS(t, zones)
	case "knot":
		cmd = s.knot(t, zones)
	default:
		t.Fatalf("zonetest: %q is none of %q", kind, Kinds)
	}
	cmd.Dir = s.Dir
	s.Process = proctest.Start(t, cmd)
	if err := s.Await(30*time.Second, func() bool { return s.serves(zones) }); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Server) write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (z Zone) text(address string) string {
	minimum := z.Minimum
	if minimum == 0 {
		minimum = 60
	}
	return fmt.Sprintf("$ORIGIN %[1]s.\n$TTL %[2]d\n@ SOA ns.%[1]s. root.%[1]s. (\n\t1 ; serial\n\t3600 600 86400 %[2]d "+
		")\n@ NS ns.%[1]s.\nns A %[4]s\n%[3]s\n", z.Name, minimum, z.Records, address)
}

// serves reports whether every zone is served, and signed.
func (s *Server) serves(zones []Zone) bool {
	for _, z := range zones {
		r, err := s.Ask(z.Name, dns.TypeSOA)
		if err != nil || r.Rcode != dns.RcodeSuccess || len(r.Answer) == 0 {
			return false
		}
		if z.Signed && len(r.Answer) < 2 {
			return false
		}
	}
	return true
}

// Ask puts a question to the server over TCP, with the wish for signatures.
func (s *Server) Ask(name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	m.RecursionDesired = false
	m.SetEdns0(4096, true)
	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	r, _, err := c.Exchange(m, s.Addr)
	return r, err
}

// TXT returns the strings of each TXT record at a name, as they are written in a zone
// file without their quotes, and the TTL of the first.
func (s *Server) TXT(t testing.TB, name string) (records [][]string, ttl uint32) {
	t.Helper()
	r, err := s.Ask(name, dns.TypeTXT)
	if err == nil && r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		err = errors.New(dns.RcodeToString[r.Rcode])
	}
	if err != nil {
		t.Fatalf("%s: %s: %v", s.Kind, name, err)
	}
	for _, rr := range r.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			if len(records) == 0 {
				ttl = txt.Hdr.Ttl
			}
			records = append(records, txt.Txt)
		}
	}
	return records, ttl
}

// Text returns the strings of the TXT records at a name joined, and records by a bar.
func (s *Server) Text(t testing.TB, name string) string {
	t.Helper()
	records, _ := s.TXT(t, name)
	var texts []string
	for _, strs := range records {
		texts = append(texts, strings.Join(strs, ""))
	}
	return strings.Join(texts, " | ")
}

func (s *Server) bind(t testing.TB, zones []Zone) *exec.Cmd {
	program := testutil.Need(t, "named")
	conf := fmt.Sprintf(`include %q;
options { directory %q; pid-file none; session-keyfile none; lock-file none; managed-keys-directory %q;
 listen-on port %s { %s; }; listen-on-v6 { none; }; recursion no; dnssec-validation no;
 allow-transfer { key %s; }; notify no; check-names primary ignore; };
controls { };
`, s.KeyFile, s.Dir, s.Dir, s.Port, s.Address, KeyName)
	for _, z := range zones {
		signing := ""
		if z.Signed {
			signing = "dnssec-policy default; "
		}
		if z.Static {
			conf += fmt.Sprintf("zone %[1]q { type primary; file %[1]q; };\n", z.Name)
			continue
		}
		conf += fmt.Sprintf("zone %[1]q { type primary; file %[1]q; %[2]supdate-policy { grant %[3]s wildcard "+
			"*._domainkey.%[1]s. TXT; grant %[3]s wildcard *._atps.%[1]s. TXT; }; };\n", z.Name, signing, KeyName)
	}
	s.Config = s.write(t, "named.conf", conf)
	return exec.Command(program, "-g", "-n", "1", "-c", s.Config)
}

func (s *Server) knot(t testing.TB, zones []Zone) *exec.Cmd {
	program := testutil.Need(t, "knotd", "knotc")
	conf := fmt.Sprintf(`server:
    rundir: %q
    listen: %s@%s
    user: root:root
log:
  - target: stderr
    any: info
database:
    storage: %q
key:
  - id: %s
    algorithm: hmac-sha256
    secret: %s
acl:
  - id: rotate
    key: rotate
    action: update
    update-type: [TXT]
    update-owner: name
    update-owner-match: sub
    update-owner-name: [_domainkey]
  - id: transfer
    key: rotate
    action: transfer
template:
  - id: default
    storage: %q
    acl: [rotate, transfer]
    zonefile-sync: -1
    journal-content: all
    zonefile-load: difference-no-serial
zone:
`, s.Dir, s.Address, s.Port, s.Dir, KeyName, Secret, s.Dir)
	for _, z := range zones {
		signing := "off"
		if z.Signed {
			signing = "on"
		}
		conf += fmt.Sprintf("  - domain: %[1]s\n    file: %[1]q\n    dnssec-signing: %[2]s\n", z.Name, signing)
	}
	s.Config = s.write(t, "knot.conf", conf)
	return exec.Command(program, "-c", s.Config)
}
