package cli

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	_ "modernc.org/sqlite"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
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
		data, err := os.ReadFile("../keyrecord/testdata/" + k.selector + ".private")
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

func runTool(t *testing.T, tool func(context.Context, Streams, []string) int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := tool(t.Context(), Streams{strings.NewReader(""), &out, &errs}, args); code != 0 {
		t.Fatalf("%q: exit status %d: %s", args, code, &errs)
	}
	return out.String()
}

func runModernTool(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	s := Streams{strings.NewReader(""), &out, &errs}
	if code := Main(t.Context(), append([]string{"dojang"}, args...), s); code != 0 {
		t.Fatalf("%q: exit status %d: %s", args, code, &errs)
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
		"classic -F":  runTool(t, classicGenzone, append(soa, "-F", "-d", "example.com", f.table)...),
		"classic -D":  runTool(t, classicGenzone, append(soa, "-D", "-d", "example.com", f.table)...),
		"modern":      runModernTool(t, "zone", f.table, "-d", "example.com", "--soa", "-N", "ns.example.net"),
		"modern bind": runModernTool(t, "zone", f.table, "-d", "example.com", "--soa", "-N", "ns.example.net", "--format", "bind"),
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
		text := runTool(t, classicATPSZone, "-A", "-S", "-N", "ns.example.net", "-C", "me@example.net", "third.example,other.example")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		proctest.Run(t, "", check, "-i", "local", "example.com", file)
	})
}

// named is a running name server with two zones that may be changed with a
// TSIG key.
type named struct {
	port    string
	keyFile string
}

func startNamed(t *testing.T) named {
	program := testutil.Need(t, "named", "nsupdate", "openssl")
	dir := t.TempDir()
	n := named{port: proctest.FreePort(t), keyFile: filepath.Join(dir, "key")}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := `key "dojang" { algorithm hmac-sha256; secret "c2VjcmV0LW9mLXRoZS10ZXN0cy1vbmx5"; };` + "\n"
	write("key", key)
	conf := key + fmt.Sprintf(`options {
	directory %q; pid-file none; session-keyfile none; lock-file none;
	listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; allow-transfer { none; }; notify no;
};
controls { };
`, dir, n.port)
	for _, zone := range []string{"example.com", "example.org"} {
		write(zone, "$TTL 60\n@ SOA ns.example.net. root.example.net. 1 60 60 60 60\n@ NS ns.example.net.\n")
		conf += fmt.Sprintf("zone %q { type primary; file %q; allow-update { key dojang; }; };\n", zone, zone)
	}
	write("named.conf", conf)
	p := proctest.Start(t, exec.Command(program, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf")))
	if err := p.Await(10*time.Second, func() bool {
		r, err := n.ask("example.org.", dns.TypeSOA)
		return err == nil && r.Rcode == dns.RcodeSuccess
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n named) ask(name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	c := dns.Client{Net: "tcp", Timeout: 2 * time.Second}
	r, _, err := c.Exchange(m, net.JoinHostPort("127.0.0.1", n.port))
	return r, err
}

func (n named) checkKeys(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range want {
		r, err := n.ask(name, dns.TypeTXT)
		if err != nil {
			t.Fatal(err)
		}
		for _, rr := range r.Answer {
			got[name] += keyOf(rr.(*dns.TXT).Txt)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +named):\n%s", diff)
	}
}

func TestNSUpdateTakesOurCommands(t *testing.T) {
	for _, name := range []string{"classic", "classic -D", "modern", "genkey"} {
		t.Run(name, func(t *testing.T) {
			n := startNamed(t)
			f := newZoneFixture(t, t.TempDir())
			update := func(commands string) { proctest.Run(t, commands, "nsupdate", "-k", n.keyFile, "-p", n.port) }
			switch name {
			case "classic":
				update(runTool(t, classicGenzone, "-u", "-N", "127.0.0.1", f.table))
			case "classic -D":
				update(runTool(t, classicGenzone, "-u", "-D", "-N", "127.0.0.1", f.table))
			case "modern":
				commands := runModernTool(t, "zone", f.table, "--format", "nsupdate")
				update("server 127.0.0.1\n" + commands)
				update("server 127.0.0.1\n" + commands) // replaces, never doubles
			case "genkey":
				dir := t.TempDir()
				update("server 127.0.0.1\n" + runModernTool(t, "genkey", "-q", "-d", "example.com", "-s", "new", "-D", dir, "--format", "nsupdate", "-n", `it's "a" note\`))
				public := proctest.Run(t, "", "sh", "-c", "openssl pkey -in "+dir+"/new.private -pubout | grep -v ^- | tr -d '\\n'")
				f.want = map[string]string{"new._domainkey.example.com.": public}
			}
			n.checkKeys(t, f.want)
		})
	}
	t.Run("atps", func(t *testing.T) {
		n := startNamed(t)
		commands := runTool(t, classicATPSZone, "-u", "example.com", "-N", "127.0.0.1", "example.com")
		proctest.Run(t, commands, "nsupdate", "-k", n.keyFile, "-p", n.port)
		r, err := n.ask("UN42N5XOV642KXRXRQIYANHCOUPGQL5LT4WTBKYT2IJFLBWODFDQ====._atps.example.com.", dns.TypeTXT)
		if err != nil || len(r.Answer) != 1 || r.Answer[0].(*dns.TXT).Txt[0] != "v=ATPS1; d=example.com" {
			t.Errorf("%v %v", r, err)
		}
	})
}

// newPowerDNS makes a PowerDNS database with the zone example.com and example.org, and returns its
// configuration folder.
func newPowerDNS(t *testing.T) string {
	t.Helper()
	const schema = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"
	testutil.Need(t, "pdnsutil", "zone2sql", "openssl")
	statements, err := os.ReadFile(schema)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "pdns.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(string(statements))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	conf := "launch=gsqlite3\ngsqlite3-database=" + filepath.Join(dir, "pdns.db") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "pdns.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPowerDNSTakesOurCommands(t *testing.T) {
	dir := newPowerDNS(t)
	f := newZoneFixture(t, t.TempDir())
	util := func(args ...string) string {
		return proctest.Run(t, "", "pdnsutil", append([]string{"--config-dir=" + dir}, args...)...)
	}
	for _, zone := range []string{"example.com", "example.org"} {
		util("create-zone", zone, "ns.example.net")
	}
	commands := runModernTool(t, "zone", f.table, "--format", "powerdns")
	commands += runModernTool(t, "genkey", "-q", "-d", "example.com", "-s", "new", "-D", t.TempDir(), "--type", "ed25519", "--format", "powerdns", "-n", `it's "a" note\`)
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
	dir := newPowerDNS(t)
	f := newZoneFixture(t, t.TempDir())
	zones := map[string]string{
		"classic": runTool(t, classicGenzone, "-S", "-F", "-N", "ns.example.net", "-C", "me@example.net", "-d", "example.com", "-t", "60", f.table),
		"modern":  runModernTool(t, "zone", f.table, "-d", "example.com", "--soa", "-N", "ns.example.net", "-C", "me@example.net"),
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
