//go:build linux

package keycheck

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"dojang/internal/cli"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/zonetest"
)

// The private key of RFC 8463 appendix A.2, published by its record there.
const (
	rfc8463PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END " +
		"PRIVATE KEY-----\n"
	rfc8463Public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
)

// zoneFixture is a KeyTable of three keys and what openssl says their public
// halves are, by record name.
type zoneFixture struct {
	table string // data set name
	want  map[string]string
}

func newZoneFixture(t *testing.T, dir string) zoneFixture {
	t.Helper()
	f := zoneFixture{table: "file:" + filepath.Join(dir, "KeyTable"), want: map[string]string{"ed._domainkey.example.com.": rfc8463Public}}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rows := "ed example.com:ed:" + write("ed.pem", rfc8463PEM) + "\n"
	for _, k := range []struct{ selector, domain string }{{"s2048", "example.com"}, {"s4096", "example.org"}, {"s1024", "example.com"}} {
		data, err := os.ReadFile("../../internal/keyrecord/testdata/" + k.selector + ".private")
		if err != nil {
			t.Fatal(err)
		}
		path := write(k.selector+".private", string(data))
		der, err := exec.Command("sh", "-c", "openssl pkey -in "+path+" -pubout | grep -v ^- | tr -d '\\n'").Output()
		if err != nil {
			t.Fatal(err)
		}
		f.want[k.selector+"._domainkey."+k.domain+"."] = string(der)
		rows += fmt.Sprintf("%s %s:%s:%s\n", k.selector, k.domain, k.selector, path)
	}
	write("KeyTable", rows)
	return f
}

// tool runs a program of dojang's and returns what it writes.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}
	if code := cli.Main(t.Context(), append([]string{name}, args...), streams); code != 0 {
		t.Fatalf("%s %q: exit status %d: %s", name, args, code, &errs)
	}
	return out.String()
}

// keyOf takes p= out of a TXT record's strings.
func keyOf(texts []string) string {
	_, key, _ := strings.Cut(strings.Join(texts, ""), "p=")
	return key
}

// checkZoneKeys parses zone text and compares every key in it.
func checkZoneKeys(t *testing.T, zone string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	p := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if txt, ok := rr.(*dns.TXT); ok {
			got[txt.Hdr.Name] = keyOf(txt.Txt)
		}
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func wantOf(f zoneFixture, domain string) map[string]string {
	want := map[string]string{}
	for name, key := range f.want {
		if strings.HasSuffix(name, "._domainkey."+domain+".") {
			want[name] = key
		}
	}
	return want
}

func TestNamedCheckzoneAcceptsZones(t *testing.T) {
	check := testutil.Need(t, "named-checkzone", "openssl")
	dir := t.TempDir()
	f := newZoneFixture(t, dir)
	soa := []string{"-S", "-N", "ns.example.net,ns2.example.net", "-C", "host.master@example.net", "-t", "600"}
	zones := map[string]string{
		"classic -F":  tool(t, "opendkim-genzone", append(soa, "-F", "-d", "example.com", f.table)...),
		"classic -D":  tool(t, "opendkim-genzone", append(soa, "-D", "-d", "example.com", f.table)...),
		"modern":      tool(t, "dojang", "zone", f.table, "-d", "example.com", "--soa", "-N", "ns.example.net"),
		"modern bind": tool(t, "dojang", "zone", f.table, "-d", "example.com", "--soa", "-N", "ns.example.net", "--format", "bind"),
	}
	for name, text := range zones {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "zone")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out := proctest.Run(t, "", check, "-D", "-i", "local", "example.com", file)
			zone, _, _ := strings.Cut(out, "\nOK")
			var records []string
			for line := range strings.SplitSeq(zone, "\n") {
				if strings.Contains(line, "\tIN ") || strings.Contains(line, " IN ") {
					records = append(records, line)
				}
			}
			checkZoneKeys(t, strings.Join(records, "\n")+"\n", wantOf(f, "example.com"))
			if !strings.Contains(out, `SOA`) || strings.Contains(out, "example.net.example.com") {
				t.Errorf("zone: %s", out)
			}
		})
	}
	t.Run("atps", func(t *testing.T) {
		file := filepath.Join(dir, "atps")
		text := tool(t, "opendkim-atpszone", "-A", "-S", "-N", "ns.example.net", "-C", "me@example.net", "third.example,other.example")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		proctest.Run(t, "", check, "-i", "local", "example.com", file)
	})
}

// servedZones are the zones that the fixture's records are put into.
func servedZones() []zonetest.Zone {
	return []zonetest.Zone{{Name: "example.com"}, {Name: "example.org"}}
}

func checkServed(t *testing.T, s *zonetest.Server, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range want {
		records, _ := s.TXT(t, name)
		for _, texts := range records {
			got[name] += keyOf(texts)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +served):\n%s", diff)
	}
}

func update(t *testing.T, s *zonetest.Server, commands string) {
	t.Helper()
	proctest.Run(t, commands, testutil.Need(t, "nsupdate"), "-k", s.KeyFile, "-p", s.Port)
}

func TestNSUpdateTakesOurCommands(t *testing.T) {
	for _, name := range []string{"classic", "classic -D", "modern", "genkey"} {
		t.Run(name, func(t *testing.T) {
			testutil.Need(t, "openssl")
			n := zonetest.Start(t, "bind", servedZones()...)
			f := newZoneFixture(t, t.TempDir())
			switch name {
			case "classic":
				update(t, n, tool(t, "opendkim-genzone", "-u", "-N", "127.0.0.1", f.table))
			case "classic -D":
				update(t, n, tool(t, "opendkim-genzone", "-u", "-D", "-N", "127.0.0.1", f.table))
			case "modern":
				commands := tool(t, "dojang", "zone", f.table, "--format", "nsupdate")
				update(t, n, "server 127.0.0.1\n"+commands)
				update(t, n, "server 127.0.0.1\n"+commands) // replaces, never doubles
			case "genkey":
				dir := t.TempDir()
				update(t, n, "server 127.0.0.1\n"+tool(t, "dojang", "genkey", "-q", "-d", "example.com", "-s", "new", "-D", dir, "--format", "nsupdate", "-n", `it's "a" note\`))
				public := proctest.Run(t, "", "sh", "-c", "openssl pkey -in "+dir+"/new.private -pubout | grep -v ^- | tr -d '\\n'")
				f.want = map[string]string{"new._domainkey.example.com.": public}
			}
			checkServed(t, n, f.want)
		})
	}
	t.Run("atps", func(t *testing.T) {
		n := zonetest.Start(t, "bind", servedZones()...)
		commands := tool(t, "opendkim-atpszone", "-u", "example.com", "-N", "127.0.0.1", "example.com")
		update(t, n, commands)
		got := n.Text(t, "UN42N5XOV642KXRXRQIYANHCOUPGQL5LT4WTBKYT2IJFLBWODFDQ====._atps.example.com.")
		if got != "v=ATPS1; d=example.com" {
			t.Error(got)
		}
	})
}

func TestPowerDNSTakesOurCommands(t *testing.T) {
	testutil.Need(t, "openssl")
	dir := zonetest.Start(t, "powerdns", servedZones()...).Dir
	f := newZoneFixture(t, t.TempDir())
	util := func(args ...string) string {
		return proctest.Run(t, "", "pdnsutil", append([]string{"--config-dir=" + dir}, args...)...)
	}
	commands := tool(t, "dojang", "zone", f.table, "--format", "powerdns")
	commands += tool(t, "dojang", "genkey", "-q", "-d", "example.com", "-s", "new", "-D", t.TempDir(), "--type", "ed25519", "--format", "powerdns", "-n", `it's "a" note\`)
	proctest.Run(t, "pdnsutil() { command pdnsutil --config-dir="+dir+" \"$@\"; }\nset -e\n"+commands, "sh")
	for _, zone := range []string{"example.com", "example.org"} {
		util("check-zone", zone)
		text := util("list-zone", zone)
		want := wantOf(f, zone)
		if zone == "example.com" {
			if !strings.Contains(text, `n=\"it's \"a\" note\\\"; `) {
				t.Errorf("the note is lost: %s", text)
			}
			text = dropLines(text, "new._domainkey")
		}
		checkZoneKeys(t, dropLines(text, "$ORIGIN"), want)
	}
}

func TestPowerDNSLoadsOurZones(t *testing.T) {
	testutil.Need(t, "openssl", "zone2sql")
	dir := zonetest.Start(t, "powerdns", servedZones()...).Dir
	f := newZoneFixture(t, t.TempDir())
	zones := map[string]string{
		"classic": tool(t, "opendkim-genzone", "-S", "-F", "-N", "ns.example.net", "-C", "me@example.net", "-d", "example.com", "-t", "60", f.table),
		"modern":  tool(t, "dojang", "zone", f.table, "-d", "example.com", "--soa", "-N", "ns.example.net", "-C", "me@example.net"),
	}
	for name, text := range zones {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "zone")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			proctest.Run(t, "", "pdnsutil", "--config-dir="+dir, "load-zone", "example.com", file)
			checkZoneKeys(t, dropLines(proctest.Run(t, "", "pdnsutil", "--config-dir="+dir, "list-zone", "example.com"),
				"$ORIGIN"), wantOf(f, "example.com"))
			statements := strings.ReplaceAll(proctest.Run(t, "", "zone2sql", "--gsqlite", "--zone="+file, "--zone-name=example.com"), `" "`, "")
			for name, key := range wantOf(f, "example.com") {
				if !strings.Contains(statements, strings.TrimSuffix(name, ".")) {
					t.Errorf("%s is missing: %s", name, statements)
				}
				if !strings.Contains(statements, key) {
					t.Errorf("the key of %s is cut", name)
				}
			}
		})
	}
}

func dropLines(text, with string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(line, with) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
