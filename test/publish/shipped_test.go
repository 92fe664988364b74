package publish

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/publish"
	"dojang/internal/testutil"
	"dojang/internal/testutil/zonetest"
)

// shipped is the path of a hook, which finds dojang.
func shipped(t *testing.T, name string) string {
	t.Helper()
	t.Setenv("PATH", testutil.Build(t)+":"+os.Getenv("PATH"))
	path, err := filepath.Abs("../../packaging/hooks/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("%s: %v", path, err)
	}
	return path
}

func TestNsupdateHook(t *testing.T) {
	testutil.Need(t, "nsupdate", "dig")
	hook := shipped(t, "nsupdate")
	s := zonetest.Start(t, "bind", zones()...)
	p := open(t, "exec", hook, s.Address, s.Port, s.KeyFile)
	conformance(t, p, s, zone)
	want(t, p, zone, publish.Present(name("alias", zone), record(1), time.Minute), publish.Conflict)
	want(t, p, zone, publish.Present("www."+zone, record(1), time.Minute), publish.Refused)
	gone := open(t, "exec", hook, s.Address, "1", s.KeyFile)
	want(t, gone, zone, publish.Present(name("m9", zone), record(1), time.Minute), publish.Retry)
}

func TestKnotcHook(t *testing.T) {
	hook := shipped(t, "knotc")
	s := zonetest.Start(t, "knot", zones()...)
	p := open(t, "exec", hook, "-c", s.Config)
	conformance(t, p, s, zone)
	conformance(t, p, s, "signed.example")
	want(t, p, zone, publish.Present(name("alias", zone), record(1), time.Minute), publish.Conflict)
	want(t, p, "none.example", publish.Present(name("m1", "none.example"), record(1), time.Minute), publish.Refused)
}

func TestPdnsutilHook(t *testing.T) {
	hook := shipped(t, "pdnsutil")
	s := zonetest.Start(t, "powerdns", zones()...)
	p := open(t, "exec", hook, "--config-dir", s.Dir)
	conformance(t, p, s, zone)
	conformance(t, p, s, "signed.example")
	want(t, p, zone, publish.Present(name("alias", zone), record(1), time.Minute), publish.Conflict)
	want(t, p, "none.example", publish.Present(name("m1", "none.example"), record(1), time.Minute), publish.Refused)
}

func TestZonefileHook(t *testing.T) {
	testutil.Need(t, "dig")
	hook := shipped(t, "zonefile")
	s := zonetest.Start(t, "bind", zonetest.Zone{Name: zone, Static: true, Records: "www TXT \"stays ; as it is\"\n"})
	file := filepath.Join(s.Dir, zone)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Reading a zone again takes a moment.
	reload := fmt.Sprintf(`kill -HUP %d; want=$(sed -n 's/[^0-9]*\([0-9]*\) ; serial$/\1/p' %s)
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
 case $(dig @%s -p %s +short %s SOA) in *" $want "*) exit 0;; esac; sleep 0.1
done; exit 1`, s.Cmd.Process.Pid, file, s.Address, s.Port, zone)
	p := open(t, "exec", hook, file, "/bin/sh", "-c", reload)
	conformance(t, p, s, zone)
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// What is not dojang's is as it was, but for the number.
	if got := strings.Replace(string(after), "\t6 ; serial", "\t1 ; serial", 1); got != string(before) {
		t.Errorf("the zone file is now\n%s", after)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// stubACME is acme.sh's shell interface, whose provider is the real server of the test.
const stubACME = `#!/bin/sh
# As the real one, it is a program that shows its help without arguments.
_initpath() { . "$LE_WORKING_DIR/account.conf"; }
_err() { echo "$@" >&2; }
main() { [ "$#" -gt 0 ] || { echo "Usage: acme.sh <command> ... [parameters ...]"; return; }; }
main "$@"
`

const stubDNSAPI = `dns_stub_add() { _stub "update add $1. 60 IN TXT" "$2"; }
dns_stub_rm() { _stub "update delete $1. IN TXT" "$2"; }
_stub() {
  [ -n "$STUB_KEY" ] || { _err "no credentials"; return 1; }
  text=$(printf '%s' "$2" | sed 's/["\\]/\\&/g' | fold -b -w 200 | sed 's/.*/"&"/' | tr '\n' ' ')
  printf 'server %s\n%s %s\nsend\n' "$STUB_SERVER" "$1" "$text" | nsupdate -k "$STUB_KEY"
}
`

// What acme.sh's interface cannot tell, the name servers do.
func TestACMEHook(t *testing.T) {
	testutil.Need(t, "nsupdate")
	s := zonetest.NewInternet(t, "bind", zones()...)
	t.Setenv("DOJANG_NAMESERVERS", s.Resolver.Addr)
	hook := shipped(t, "acme.sh")
	home := t.TempDir()
	if err := os.Mkdir(home+"/dnsapi", 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("acme.sh", stubACME, 0o755)
	write("dnsapi/dns_stub.sh", stubDNSAPI, 0o755)
	write("account.conf", fmt.Sprintf("STUB_SERVER='%s %s'\nSTUB_KEY='%s'\n", s.Server.Address,
		s.Server.Port, s.Server.KeyFile), 0o600)
	p := open(t, "exec", hook, "dns_stub", home)
	m1 := name("m1", zone)
	first, second := record(1), record(2)
	want(t, p, zone, publish.Present(m1, first, time.Minute), publish.Done)
	if got := s.Server.Text(t, m1); got != first {
		t.Errorf("%q", got)
	}
	want(t, p, zone, publish.Present(m1, first, time.Minute), publish.Done)
	want(t, p, zone, publish.Present(m1, second, time.Minute), publish.Conflict)
	want(t, p, zone, publish.Absent(m1, []string{"not this"}), publish.Conflict)
	want(t, p, zone, publish.Replace(m1, second, time.Minute, []string{first[:200], first[200:]}), publish.Done)
	if got := s.Server.Text(t, m1); got != second {
		t.Errorf("%q", got)
	}
	want(t, p, zone, publish.Absent(m1, []string{second[:255], second[255:]}), publish.Done)
	want(t, p, zone, publish.Absent(m1, []string{"not this"}), publish.Done)
	if got := s.Server.Text(t, m1); got != "" {
		t.Errorf("%q", got)
	}
	want(t, open(t, "exec", hook, "dns_$(id)", home), zone, publish.Present(m1, first, time.Minute), publish.Refused)
	write("account.conf", "", 0o600)
	want(t, p, zone, publish.Present(m1, first, time.Minute), publish.Retry)
}

// stubAWS answers as aws does, with one zone, kept in a file. It takes a deletion only
// with the TTL and the value that are there, and no creation of what is there, and a batch
// whole or not at all.
const stubAWS = `#!/usr/bin/env python3
import json, os, sys
args = sys.argv[1:]
state = os.environ["STUB_STATE"]
assert args[:2] == ["--profile", "dkim"], args
args = args[2:]
if args[:2] == ["--output", "text"]: args = args[2:]
assert args[0] == "route53", args
def flag(name): return args[args.index(name) + 1]
sets = json.load(open(state)) if os.path.exists(state) else {}
if args[1] == "list-hosted-zones-by-name":
    print("/hostedzone/Z1" if flag("--dns-name") == "example.com." else "")
elif args[1] == "list-resource-record-sets":
    assert flag("--hosted-zone-id") == "/hostedzone/Z1" and flag("--start-record-type") == "TXT"
    s = sets.get(flag("--start-record-name"))
    if s: print("%d\t%s" % (s["TTL"], s["ResourceRecords"][0]["Value"]))
elif args[1] == "change-resource-record-sets":
    for c in json.loads(flag("--change-batch"))["Changes"]:
        s = c["ResourceRecordSet"]
        old = sets.get(s["Name"])
        if c["Action"] == "DELETE":
            if old != s: sys.exit("An error occurred (InvalidChangeBatch): values provided do not match the current values")
            del sets[s["Name"]]
        elif c["Action"] == "CREATE":
            if old: sys.exit("An error occurred (InvalidChangeBatch): it already exists")
            sets[s["Name"]] = s
        else: sys.exit("InvalidInput")
    json.dump(sets, open(state, "w"))
else: sys.exit(2)
`

func TestRoute53Hook(t *testing.T) {
	testutil.Need(t, "python3")
	hook := shipped(t, "route53")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(stubAWS), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("STUB_STATE", filepath.Join(dir, "state"))
	p := open(t, "exec", hook, "--profile", "dkim")
	state := func() string {
		data, _ := os.ReadFile(filepath.Join(dir, "state"))
		return string(data)
	}
	m1 := name("m1", zone)
	first := record(1)
	odd := `v=DKIM1; n="a \ b; 'c' $(d) ` + "`e`" + `"; p=`
	want(t, p, zone, publish.Present(m1, first, time.Hour), publish.Done)
	if !strings.Contains(state(), `"TTL": 3600`) || !strings.Contains(state(), `\"`+first[:255]+`\" \"`+first[255:]+`\"`) {
		t.Errorf("%s", state())
	}
	want(t, p, zone, publish.Present(m1, first, time.Hour), publish.Done)
	want(t, p, zone, publish.Present(m1, odd, time.Hour), publish.Conflict)
	want(t, p, zone, publish.Replace(m1, odd, time.Minute, []string{"not this"}), publish.Conflict)
	want(t, p, zone, publish.Replace(m1, odd, time.Minute, []string{first[:100], first[100:300], first[300:]}), publish.Done)
	want(t, p, zone, publish.Present(m1, odd, time.Hour), publish.Done)
	want(t, p, zone, publish.Absent(m1, []string{first[:255], first[255:]}), publish.Conflict)
	want(t, p, zone, publish.Absent(m1, []string{odd}), publish.Done)
	if state() != "{}" {
		t.Errorf("%s", state())
	}
	want(t, p, "other.example", publish.Present(name("m1", "other.example"), first, time.Hour), publish.Refused)
}

// POSIX shell, as the shells of Debian and BusyBox have it.
func TestHooksArePOSIX(t *testing.T) {
	shell := testutil.Need(t, "dash")
	hooks, err := filepath.Glob("../../packaging/hooks/*")
	if err != nil || len(hooks) < 6 {
		t.Fatal(hooks, err)
	}
	for _, hook := range hooks {
		if out, err := exec.Command(shell, "-n", hook).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", hook, err, out)
		}
		text, err := os.ReadFile(hook)
		if err != nil || !strings.HasPrefix(string(text), "#!/bin/sh\n") {
			t.Errorf("%s: %v", hook, err)
		}
	}
}
