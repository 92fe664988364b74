package packaging

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// exposure is what systemd says of a unit made of the parts. The copy has a name of
// its own, so that nothing installed here changes it.
func exposure(t *testing.T, parts ...string) float64 {
	t.Helper()
	analyze := testutil.Need(t, "systemd-analyze")
	var unit strings.Builder
	for _, part := range parts {
		text, err := os.ReadFile(filepath.Join("../../packaging/systemd", part))
		if err != nil {
			t.Fatal(err)
		}
		unit.Write(text)
	}
	path := filepath.Join(t.TempDir(), "dojang-measured.service")
	if err := os.WriteFile(path, []byte(unit.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", path).CombinedOutput()
	level := regexp.MustCompile(`Overall exposure level for dojang-measured.service: ([0-9.]+)`).FindSubmatch(out)
	if level == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	value, err := strconv.ParseFloat(string(level[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: %.1f", parts, value)
	return value
}

func TestUnitsAreTight(t *testing.T) {
	if got := exposure(t, "opendkim.service"); got > 3.0 {
		t.Errorf("the unit for any configuration: %.1f", got)
	}
	if got := exposure(t, "opendkim.service", "hardened.conf"); got > 1.6 {
		t.Errorf("the hardened form: %.1f", got)
	}
	if got := exposure(t, "dojang-web.service"); got > 1.4 {
		t.Errorf("the pages: %.1f", got)
	}
}

// Every loosening of the unit stands below a comment that names an option.
func TestLooseningsAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../packaging/systemd/opendkim.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"CapabilityBoundingSet=CAP", "NoNewPrivileges=", "ProtectSystem=full",
		"ProtectHome=read-only", "RestrictAddressFamilies=AF", "SystemCallFilter=@system-service"} {
		before, _, found := strings.Cut(string(text), "\n"+setting)
		lines := strings.Split(before, "\n")
		if !found || !strings.HasPrefix(lines[len(lines)-1], "# ") {
			t.Errorf("%s has no comment above it", setting)
		}
	}
}

// The options by which the filter asks something of the system: each does what it
// does under the flags of both units, but for those that the hardened form says it
// is not for.
var underUnits = []struct {
	name, config string
	rootOnly     bool   // the hardened form is not for it
	check        string // of a shell in the machine, beside that mail is signed
}{
	{"as packaged", "", false, ""},
	{"state files", "Statistics /var/lib/opendkim/stats\nTemporaryDirectory /var/lib/opendkim\nDiagnosticDirectory /var/lib/opendkim\n", false, ""},
	{"metrics", "MetricsSocket inet:9890@127.0.0.1\n", false, `(echo "GET /metrics HTTP/1.0"; echo; sleep 1) | nc -w 3 127.0.0.1 9890 | grep -q dojang_signatures_total 2>/dev/null || perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("127.0.0.1:9890") or die; print $s "GET /metrics HTTP/1.0\r\n\r\n"; exit(grep(/dojang_signatures_total/, <$s>) ? 0 : 1)'`},
	{"sockets of all kinds", "Socket inet:8891@127.0.0.1 sign\nSocket inet6:8892@::1 sign\n", false, `perl -MIO::Socket::IP -e 'IO::Socket::IP->new(PeerHost => $_->[0], PeerPort => $_->[1]) or die "$_->[0]: $@" for (["127.0.0.1", 8891], ["::1", 8892])'`},
	{"a script", "SetupPolicyScript /etc/opendkim/setup.lua\nKeyTable /etc/opendkim/KeyTable\n", false, ""},
	{"tables", "InternalHosts refile:/etc/opendkim/hosts\nDomain file:/etc/opendkim/domains\n", false, ""},
	{"DNSSEC", "TrustAnchorFile /usr/share/dns/root.key\nNameservers 127.0.0.1\n", false, ""},
	{"core dumps", "EnableCoredumps yes\n", false, ""},
	{"a restarting filter", "AutoRestart yes\nBackground yes\n", false, ""},
	{"owner and group of a socket", "Socket local:/run/opendkim/other.sock mode=0660 owner=daemon group=mail sign\n", true, `test "$(stat -c '%U %G %a' /run/opendkim/other.sock)" = "daemon mail 660"`},
	{"a key of root's", "KeyFile /etc/opendkim/roots.private\n", true, ""},
	{"a chroot", "ChangeRootDirectory /\n", true, ""},
}

const unitBase = `Syslog yes
UMask 007
UserID opendkim
Mode s
Domain example.com
Selector sel
KeyFile /etc/opendkim/keys/sel.private
Socket local:/run/opendkim/opendkim.sock both
PidFile /run/opendkim/opendkim.pid
`

// postfix is the machine's mail server, which delivers to the user reports.
const postfix = `cat > /etc/postfix/main.cf <<'EOF'
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
mydestination = localhost, example.com
inet_interfaces = loopback-only
alias_maps =
smtpd_milters =
EOF
useradd --create-home reports
install -d -m 1777 /var/mail
printf '127.0.0.1 localhost\n::1 localhost\n' > /etc/hosts
postfix start
awk -F'"' '{ for (i = 2; i <= NF; i += 2) printf "%s", $i }' /etc/opendkim/keys/sel.txt | sed 's/^/sel._domainkey.example.com /' > /etc/opendkim/dns
printf '\n_report._domainkey.example.com ra=reports; rr=all\n' >> /etc/opendkim/dns
`

// reported has a signature fail that asks for a report, and waits until the mail
// server has delivered it.
func (m *machine) reported() {
	m.t.Helper()
	m.configure("Mode sv\nRequestReports yes\nSendReports yes\nReportAddress filter@example.com\nTestDNSData file:/etc/opendkim/dns\n")
	socket := m.path("/run/opendkim/opendkim.sock")
	changed := message
	changed.Addr.Addr = netip.MustParseAddr("192.0.2.1")
	signature := "DKIM-Signature:" + added(m.t, socket, message, "DKIM-Signature") + "\r\n"
	changed.Raw = []byte(strings.ReplaceAll(signature, "\n", "\r\n") + strings.Replace(string(message.Raw), "hello", "changed", 1))
	changed.Raw = []byte(strings.ReplaceAll(string(changed.Raw), "\r\r\n", "\r\n"))
	added(m.t, socket, changed, "Authentication-Results")
	m.run(`for i in $(seq 100); do grep -qs 'Feedback-Type: auth-failure' /var/mail/reports && break; sleep 0.1; done
grep -q 'Feedback-Type: auth-failure' /var/mail/reports || { journalctl --no-pager -u opendkim | tail -20; tail /var/log/postfix.log; exit 1; }
rm /var/mail/reports`)
	m.want("", "pgrep -x postdrop || true") // none that waits
}

// configure starts the filter with more than unitBase.
func (m *machine) configure(more string) {
	m.t.Helper()
	m.run("systemctl stop opendkim; systemctl reset-failed opendkim 2>/dev/null || true; cat > /etc/opendkim.conf <<'EOF'\n" +
		unitBase + more + "EOF\nsystemctl start opendkim; systemctl reload opendkim")
}

func TestOptionsUnderTheUnits(t *testing.T) {
	testutil.Need(t, "opendkim", "dpkg", "make", "deb-systemd-helper", "perl")
	m := boot(t, packages(t, "deb", "0.0.1")...)
	m.run(debian)
	m.run("dpkg -i /root/dojang_0.0.1-1_*.deb")
	m.run(`install -d -m 0755 /etc/opendkim; install -d -m 0750 -o opendkim -g opendkim /etc/opendkim/keys
opendkim-genkey -D /etc/opendkim/keys -d example.com -s sel; chown opendkim:opendkim /etc/opendkim/keys/*
cp /etc/opendkim/keys/sel.private /etc/opendkim/roots.private; chown root:root /etc/opendkim/roots.private; chmod 600 /etc/opendkim/roots.private
echo 'x = odkim.get_fromdomain(ctx) odkim.sign(ctx, "k")' > /etc/opendkim/setup.lua
echo 'k example.com:sel:/etc/opendkim/keys/sel.private' > /etc/opendkim/KeyTable
echo 127.0.0.1 > /etc/opendkim/hosts; echo example.com > /etc/opendkim/domains`)
	m.run(postfix)
	for _, form := range []string{"any configuration", "hardened"} {
		if form == "hardened" {
			m.run("install -D -m 0644 /usr/share/dojang/hardened.conf " +
				"/etc/systemd/system/opendkim.service.d/hardened.conf; systemctl daemon-reload; rm -f /var/lib/opendkim/stats")
		}
		for _, test := range underUnits {
			if test.rootOnly && form == "hardened" {
				continue
			}
			t.Run(form+"/"+test.name, func(t *testing.T) {
				m := &machine{t: t, init: m.init}
				m.configure(test.config)
				m.signs("sel")
				if test.check != "" {
					m.run(test.check)
				}
				// after the reload
				m.want("active", "for i in $(seq 50); do systemctl is-active --quiet opendkim && break; sleep 0.1; "+
					"done; systemctl is-active opendkim")
				m.want("", "journalctl --no-pager -b -u opendkim | grep -i 'operation not permitted\\|internal error\\|SIGSYS' || true")
			})
		}
		m.reported()
		m.want("opendkim", "ps -o user= $(cat /run/opendkim/opendkim.pid)")
	}
}
