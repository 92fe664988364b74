// Package doctor breaks a whole mail server, in one way at a time, and looks
// whether `dojang doctor` finds out: the filter runs, Postfix's own postconf reads
// its settings, a name server answers.
package doctor

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const (
	name   = "sel._domainkey.example.com"
	master = "smtp      inet  n       -       n       -       -       smtpd\n"
)

// server is a mail server on which nothing is wrong until a test changes that.
type server struct {
	t        *testing.T
	dir      string
	options  map[string]string // opendkim.conf
	settings map[string]string // main.cf
	files    map[string]string
	before   []func() // the filter starts
	after    []func() // the filter has started
	dns      *dnstest.Server
	down     bool // the filter does not run
}

func newServer(t *testing.T) *server {
	testutil.NeedRoot(t)
	testutil.Need(t, "postconf")
	s := &server{t: t, dir: t.TempDir(), dns: dnstest.New(t, "")}
	// Users other than root pass through: the folders of a test are root's own.
	for dir := s.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		s.must(os.Chmod(dir, 0o755))
	}
	port := proctest.FreePort(t)
	s.dns.AddTXT(name, testutil.KeyRecord(testutil.RSAKey()))
	s.options = map[string]string{
		"Socket": "inet:" + port + "@127.0.0.1", "UserID": "opendkim", "Nameservers": s.dns.Addr, "Background": "no", "Syslog": "no",
		"KeyTable": s.path("KeyTable"), "SigningTable": "refile:" + s.path("SigningTable"), "OversignHeaders": "From",
	}
	s.settings = map[string]string{
		"smtpd_milters": "inet:127.0.0.1:" + port, "non_smtpd_milters": "$smtpd_milters", "milter_default_action": "accept",
		"queue_directory": s.path("queue"), "compatibility_level": "3.6",
	}
	s.files = map[string]string{
		"KeyTable":     "sel example.com:sel:" + s.path("keys/sel.private") + "\n",
		"SigningTable": "*@example.com sel\n",
		"master.cf":    master,
	}
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.WriteFile(s.path(name), []byte(text), mode))
	s.must(os.Chmod(s.path(name), mode))
}

// chown gives a file to somebody, as chown(1) reads it.
func (s *server) chown(to, name string) { proctest.Run(s.t, "", "chown", to, s.path(name)) }

func (s *server) chmod(mode os.FileMode, name string) { s.must(os.Chmod(s.path(name), mode)) }

// lines writes one setting a line.
func lines(settings map[string]string, between string) string {
	var b strings.Builder
	for name, value := range settings {
		b.WriteString(name + between + value + "\n")
	}
	return b.String()
}

// start writes everything and starts the filter.
func (s *server) start() {
	s.write("keys/sel.private", testutil.KeyPEM(testutil.RSAKey()), 0o600)
	s.chown("opendkim:opendkim", "keys/sel.private")
	s.write("main.cf", lines(s.settings, " = "), 0o644)
	s.write("opendkim.conf", lines(s.options, " "), 0o644)
	for name, text := range s.files {
		s.write(name, text, 0o644)
	}
	for _, do := range s.before {
		do()
	}
	if !s.down {
		cmd := exec.Command(filtertest.Ours(s.t), "-f", "-x", s.path("opendkim.conf"))
		network, address := "tcp", strings.TrimPrefix(s.settings["smtpd_milters"], "inet:")
		if path, ok := strings.CutPrefix(strings.Fields(s.options["Socket"])[0], "local:"); ok {
			network, address = "unix", path
		}
		proctest.Start(s.t, cmd).Listens(20*time.Second, network, address)
	}
	for _, do := range s.after {
		do()
	}
}

type finding struct{ Check, Status, Text, Remedy string }

// examine runs the command and returns its findings. Its exit status must be that
// of the gravest.
func (s *server) examine() []finding {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(testutil.Build(s.t), "dojang"), "doctor", "--json", "--config", s.path("opendkim.conf"))
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+s.dir)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	worst := 0
	for _, f := range report.Findings {
		worst = max(worst, map[string]int{"bad": 2, "warning": 1}[f.Status])
	}
	if code := cmd.ProcessState.ExitCode(); code != worst {
		s.t.Errorf("exit status %d, want %d", code, worst)
	}
	return report.Findings
}

func TestNothingIsWrong(t *testing.T) {
	s := newServer(t)
	s.start()
	seen := map[string]bool{}
	for _, f := range s.examine() {
		seen[f.Check] = true
		// Whether something keeps the clock is the machine's own matter.
		if f.Status != "good" && f.Check != "clock" {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"configuration", "key", "dns", "socket", "postfix", "clock", "message"} {
		if !seen[check] {
			t.Errorf("%s was not looked at", check)
		}
	}
}

// TestOneFaultEach: each fault is named, with what to type against it; where that is a
// command, it helps.
func TestOneFaultEach(t *testing.T) {
	for _, test := range []struct {
		name   string
		breaks func(s *server)
		status string
		check  string
		text   string // of the finding
		remedy string
	}{
		{"an option misspelt", func(s *server) { s.options["SigningTabel"], s.down = "x", true }, "bad", "configuration", `unknown option "SigningTabel"`, "SigningTable"},
		{"a key that no table has", func(s *server) { s.files["SigningTable"] = "*@example.com sell\n" }, "bad", "configuration", `SigningTable: `, "KeyTable"},
		{"patterns in a plain file", func(s *server) { s.options["SigningTable"] = s.path("SigningTable") }, "bad", "configuration", "*@example.com", "refile:"},
		{"a path misspelt", func(s *server) { s.files["KeyTable"] = "sel example.com:sel:" + s.path("keys/sell.private") + "\n" }, "bad", "key", "keys/sell.private: no such file or directory", "dojang genkey"},
		{"a key that is root's", func(s *server) { s.before = append(s.before, func() { s.chown("root:root", "keys/sel.private") }) }, "bad", "key", "user opendkim may not read the key", "chown opendkim "},
		{"a key for all to read", func(s *server) { s.before = append(s.before, func() { s.chmod(0o644, "keys/sel.private") }) }, "bad", "key", "key data is not secure", "chmod"},
		{"a folder closed", func(s *server) { s.before = append(s.before, func() { s.chmod(0o700, "keys") }) }, "bad", "key", "user opendkim may not search the folder", "chmod o+x "},
		{"no record", func(s *server) { s.dns.Remove(name) }, "bad", "dns", name, ""},
		{"another key's record", func(s *server) {
			s.dns.Remove(name)
			s.dns.AddTXT(name, "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDOodTgqHplO/pOI7XLvFKWHP04PClH2n2nQtbx38QoJjE58NT3AtdQ+rTTMFetONHR4YJshBGA27FU6LAKMt5r9UTM8ejEkEV1loGEWwYuTec2CFyeKcactn6Nj6wXMa1LklklHa9THsExVi2YFT5FeTKM7DZJs9LKBk6IWCSwzQIDAQAB")
		}, "bad", "dns", "keys do not match", ""},
		{"a key revoked", func(s *server) { s.dns.Remove(name); s.dns.AddTXT(name, "v=DKIM1; p=") }, "bad", "dns", "revoked", ""},
		{"two records", func(s *server) { s.dns.AddTXT(name, "v=DKIM1; k=rsa; p=AAAA") }, "bad", "dns", "2 TXT records stand at this name", ""},
		{"a name server that is silent", func(s *server) { s.dns.SetDefaultFault(dnstest.Fault{Silent: true}) }, "bad", "dns", "does not answer", "dig @"},
		{"a name server that refuses", func(s *server) { s.dns.SetDefaultFault(dnstest.Fault{Rcode: dns.RcodeRefused}) }, "bad", "dns", "refuses to answer", "allow this host"},
		{"the filter does not run", func(s *server) { s.down = true }, "bad", "socket", "the filter does not answer on 127.0.0.1:", "systemctl start opendkim"},
		{"a socket that Postfix may not use", func(s *server) { s.unix("run/s", "mode=0600") }, "bad", "socket", "user postfix may not write to the socket", "mode=0660 group=postfix"},
		{"a socket in a closed folder", func(s *server) {
			s.unix("run/s", "mode=0666")
			s.after = append(s.after, func() { s.chmod(0o700, "run") })
		}, "bad", "socket", "user postfix may not search the folder", "chmod o+x "},
		{"no milter", func(s *server) {
			s.settings["smtpd_milters"], s.options["Socket"] = "", "inet:"+proctest.FreePort(s.t)+"@127.0.0.1"
			s.down = true
		}, "bad", "postfix", "smtpd_milters is empty", "postconf -e 'smtpd_milters = inet:127.0.0.1:"},
		{"another port", func(s *server) { s.after = append(s.after, func() { s.setting("smtpd_milters", "inet:127.0.0.1:1") }) }, "bad", "postfix", "does not name the filter's socket", "postconf -e 'smtpd_milters = inet:127.0.0.1:"},
		{"local mail passes by", func(s *server) { s.settings["non_smtpd_milters"] = "" }, "warning", "postfix", "non_smtpd_milters is empty", "postconf -e 'non_smtpd_milters = $smtpd_milters'"},
		{"OpenDMARC first", func(s *server) {
			s.after = append(s.after, func() { s.setting("smtpd_milters", "inet:127.0.0.1:8893, "+s.settings["smtpd_milters"]) })
		}, "bad", "postfix", "OpenDMARC comes before the filter", ", inet:127.0.0.1:8893' && postfix reload"},
		{"an old protocol", func(s *server) { s.settings["milter_protocol"] = "2" }, "warning", "postfix", "milter_protocol", "postconf -e 'milter_protocol = 6'"},
		{"a service without milters", func(s *server) {
			s.files["master.cf"] = master + "submission inet n - n - - smtpd\n  -o smtpd_milters=\n"
		}, "bad", "postfix", "submission/inet has no milters", "postconf -PX submission/inet/smtpd_milters"},
		{"a socket outside of Postfix's jail", func(s *server) {
			s.unix("run/s", "mode=0666")
			s.files["master.cf"] = "smtp inet n - y - - smtpd\n"
		}, "bad", "postfix", "chroot", ""},
		{"a filter that was not told", func(s *server) {
			s.files["SigningTable"] = "*@example.net sel\n"
			s.after = append(s.after, func() { s.write("SigningTable", "*@example.com sel\n", 0o644) })
		}, "bad", "message", "a message from postmaster@example.com was not signed", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			test.breaks(s)
			s.start()
			is := func(f finding) bool {
				return f.Check == test.check && f.Status == test.status && strings.Contains(f.Text, test.text)
			}
			findings := s.examine()
			i := slices.IndexFunc(findings, is)
			if i < 0 || !strings.Contains(findings[i].Remedy, test.remedy) {
				t.Fatalf("not found: %+v", findings)
			}
			if command := typed.FindStringSubmatch(findings[i].Remedy); command != nil {
				cmd := exec.Command("sh", "-ec", command[1])
				cmd.Env = append(os.Environ(), "MAIL_CONFIG="+s.dir)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", cmd, err, out)
				}
				if findings = s.examine(); slices.ContainsFunc(findings, is) {
					t.Errorf("%s does not help: %+v", cmd, findings)
				}
			}
		})
	}
}

// typed is the command at the beginning of a remedy, where it acts on the files of
// this server alone.
var typed = regexp.MustCompile(`^((?:postconf|chown|chmod) .*?)(?:   | && postfix reload|$)`)

// unix has the filter and Postfix meet at a UNIX socket.
func (s *server) unix(path, attribute string) {
	s.options["Socket"] = "local:" + s.path(path) + " " + attribute
	s.settings["smtpd_milters"] = "unix:" + s.path(path)
	s.before = append(s.before, func() {
		dir := filepath.Dir(path)
		s.must(os.MkdirAll(s.path(dir), 0o755))
		s.chown("opendkim", dir)
	})
}

// setting changes main.cf.
func (s *server) setting(name, value string) {
	s.settings[name] = value
	s.write("main.cf", lines(s.settings, " = "), 0o644)
}
