package dnssec

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
)

// testZone is one zone of a tree of our own, made and signed by BIND's tools.
type testZone struct {
	name      string // "." for the root
	records   string // without SOA and NS
	algorithm string // of its keys; "" leaves it unsigned
	sign      []string
	splitKeys bool // a key-signing and a zone-signing key
	// at the parent
	ds string // "" the zone's own, "none", "wrong", or a record's text
	// edit changes the signed zone's text.
	edit func(string) string
}

// tree is the zones being served on loopback.
type tree struct {
	t       testing.TB
	dir     string
	zones   []testZone
	digests map[string]string // zone name to DS record text
	anchor  string            // path of the root's trust anchor, DS form
	keys    string            // path of the root's trust anchor, DNSKEY form
	named   string            // authoritative server of all zones
}

func run(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// buildTree writes, signs and serves the zones; children come after their parents in
// the list and are signed before them.
func buildTree(t testing.TB, zones []testZone) *tree {
	t.Helper()
	tr := &tree{t: t, dir: t.TempDir(), zones: zones, digests: make(map[string]string)}
	for i := len(zones) - 1; i >= 0; i-- {
		tr.buildZone(zones[i])
	}
	tr.named = tr.startNamed()
	return tr
}

func fileName(zone string) string {
	if zone == "." {
		return "root"
	}
	return strings.TrimSuffix(zone, ".")
}

// children lists the zones delegated right below a zone.
func (tr *tree) children(parent string) (list []testZone) {
	for _, z := range tr.zones {
		if z.name == "." || !dns.IsSubDomain(parent, z.name) || z.name == parent {
			continue
		}
		closest := true
		for _, between := range tr.zones {
			if between.name != parent && between.name != z.name && dns.IsSubDomain(parent, between.name) &&
				dns.IsSubDomain(between.name, z.name) {
				closest = false
			}
		}
		if closest {
			list = append(list, z)
		}
	}
	return list
}

func (tr *tree) buildZone(z testZone) {
	t := tr.t
	var text strings.Builder
	ns := "ns." + z.name
	if z.name == "." {
		ns = "ns."
	}
	fmt.Fprintf(&text, "$TTL 300\n%s IN SOA %s hostmaster.%s 1 3600 600 86400 60\n%s IN NS %s\n%s IN A 127.0.0.1\n%s\n",
		z.name, ns, strings.TrimPrefix(ns, "ns."), z.name, ns, ns, z.records)
	for _, child := range tr.children(z.name) {
		fmt.Fprintf(&text, "%s IN NS ns.%s\nns.%s IN A 127.0.0.1\n", child.name, child.name, child.name)
		switch child.ds {
		case "":
			text.WriteString(tr.digests[child.name])
		case "none":
		case "wrong":
			fmt.Fprintf(&text, "%s IN DS 4711 13 2 %s\n", child.name, strings.Repeat("ab", 32))
		default:
			fmt.Fprintf(&text, "%s IN DS %s\n", child.name, child.ds)
		}
	}
	path := write(t, tr.dir, fileName(z.name), text.String())
	signed := path + ".signed"
	if z.algorithm == "" {
		write(t, tr.dir, fileName(z.name)+".signed", text.String())
		return
	}
	keyDir := path + ".keys"
	if err := os.Mkdir(keyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	keygen := testutil.Need(t, "dnssec-keygen")
	args := []string{"-q", "-K", keyDir, "-a", z.algorithm}
	if strings.HasPrefix(z.algorithm, "RSA") {
		args = append(args, "-b", "2048")
	}
	ksk := strings.TrimSpace(run(t, tr.dir, keygen, append(args, "-f", "KSK", z.name)...))
	sign := []string{"-q", "-P", "-S", "-K", keyDir, "-o", z.name, "-f", signed, "-O", "full"}
	if z.splitKeys {
		run(t, tr.dir, keygen, append(args, z.name)...)
	} else {
		sign = append(sign, "-z")
	}
	run(t, tr.dir, testutil.Need(t, "dnssec-signzone"), append(append(sign, z.sign...), path)...)
	ds := run(t, tr.dir, testutil.Need(t, "dnssec-dsfromkey"), "-2", filepath.Join(keyDir, ksk+".key"))
	tr.digests[z.name] = ds
	if z.name == "." {
		tr.anchor = write(t, tr.dir, "anchor.ds", ds)
		tr.keys = filepath.Join(keyDir, ksk+".key")
	}
	if z.edit != nil {
		tr.editFile(signed, z.edit)
	}
}

func (tr *tree) editFile(path string, edit func(string) string) {
	data, err := os.ReadFile(path)
	if err != nil {
		tr.t.Fatal(err)
	}
	changed := edit(string(data))
	if changed == string(data) {
		tr.t.Fatalf("%s: the edit changed nothing", path)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) startNamed() string {
	var zones strings.Builder
	for _, z := range tr.zones {
		fmt.Fprintf(&zones, "zone %q { type primary; file %q; };\n", z.name, fileName(z.name)+".signed")
	}
	addr, _ := startBIND(tr.t, tr.dir, "named.conf", "recursion no;", zones.String())
	return addr
}

// startForwarder is a BIND that knows nothing itself and asks the tree's server.
func (tr *tree) startForwarder() string {
	_, upstream, _ := net.SplitHostPort(tr.named)
	addr, _ := startBIND(tr.t, tr.dir, "forwarder.conf", "recursion yes; allow-recursion { any; }; empty-zones-enable no; "+
		"forward only; forwarders { 127.0.0.1 port "+upstream+"; };", "")
	return addr
}

// startUnbound is an unbound with the tree's root as its trust anchor. It asks a recursive
// server: going through the tree itself it would need port 53.
func (tr *tree) startUnbound(t testing.TB, forwarder string) string {
	return startUnbound(t, tr.dir, tr.anchor, "forward-zone:\n name: \".\"\n forward-addr: "+atPort(forwarder)+"\n")
}
