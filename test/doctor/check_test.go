package doctor

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dojang/internal/status"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
	"dojang/milter"
)

// line is what Icinga and Nagios read (https://www.monitoring-plugins.org/doc/guidelines.html):
// one line, performance data behind a bar, each of them 'label'=value[UOM];[warn];[crit].
var line = regexp.MustCompile(`^DOJANG (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+) \| bad=\d+;;0 warning=\d+;0 good=\d+ skipped=\d+ time=\d+\.\d+s\n$`)

// TestCheck: one line and an exit status that monitors understand.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(*server)
		state string
		code  int
		words string
	}{
		{"broken", inMain("smtpd_milters", ""), "CRITICAL", 2, "smtpd_milters is empty"},
		{"to be looked at", inMain("milter_default_action", "reject"), "WARNING", 1, ""},
		{"down", func(s *server) { s.down = true }, "CRITICAL", 2, "the filter does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			c.make(s)
			s.start()
			out, code := s.doctor("--check")
			m := line.FindStringSubmatch(string(out))
			if m == nil || m[1] != c.state || code != c.code || !strings.Contains(m[2], c.words) {
				t.Errorf("%d %q", code, out)
			}
		})
	}
}

// TestNoNameServer: while none answers, no record is asked for, whatever there are of them.
func TestNoNameServer(t *testing.T) {
	s := newServer(t)
	s.files["SigningTable"] = "*@example.com sel\n*@example.net net\n"
	s.files["KeyTable"] += "net example.net:sel:" + s.path("keys/sel.private") + "\n"
	s.dns.SetDefaultFault(dnstest.Fault{Silent: true})
	s.start()
	wrong, _ := s.examine()
	var codes []string
	for _, w := range wrong {
		codes = append(codes, w.Code)
	}
	if !slices.Equal(codes, []string{"dns-silent", "keys-unasked", "unverified"}) {
		t.Error(wrong)
	}
}

// TestUnsignedFirst: mail of ours that left without a signature is the first line.
func TestUnsignedFirst(t *testing.T) {
	s := newServer(t)
	s.option("DontSignMailTo", "list@example.org")
	s.start()
	client, err := milter.Dial("tcp", "127.0.0.1:"+s.port, milter.ClientOptions{})
	s.must(err)
	defer client.Close()
	m := filtertest.Outside("From: joe@example.com\r\nTo: list@example.org\r\nSubject: hi\r\n\r\nhi\r\n")
	filtertest.FromHere(&m)
	m.Envelope.From, m.Envelope.Rcpts = "joe@example.com", []string{"list@example.org"}
	_, err = client.Send(t.Context(), m)
	s.must(err)
	var all []finding
	proctest.Until(t, patience, "the count of what left unsigned", func() bool {
		_, all = s.examine()
		return all[0].Code == "mail-unsigned"
	})
	if f := all[0]; f.Code != "mail-unsigned" || !strings.HasPrefix(f.Text,
		"mail of example.com left unsigned in the last 24 hours: 1, and 0 signed") {
		t.Errorf("the first is %v", f)
	}
}

// TestCountsNothing: the message that is sent is none of the server's own.
func TestCountsNothing(t *testing.T) {
	s := newServer(t)
	metrics := proctest.FreeAddress(t)
	s.option("MetricsSocket", "inet:"+metrics[strings.LastIndexByte(metrics, ':')+1:]+"@127.0.0.1")
	s.option("Statistics", s.path("run/statistics"))
	s.start()
	s.isGood()
	response, err := http.Get("http://" + metrics + "/metrics")
	s.must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	s.must(err)
	counted := regexp.MustCompile(`(?m)^dojang_(messages|signed|verified|signatures|key_lookups)[a-z_]*_total(\{.*\})? [1-9].*$`)
	if !strings.Contains(string(text), "dojang_connections_total ") {
		t.Errorf("no metrics:\n%s", text)
	}
	if found := counted.FindAllString(string(text), -1); found != nil {
		t.Error(found)
	}
	if text, err := os.ReadFile(s.path("run/statistics")); err == nil && len(text) > 0 {
		t.Errorf("Statistics: %q", text)
	}
	if now := s.running().Totals; now != (status.Totals{}) {
		t.Errorf("the status counts %+v", now)
	}
}

// TestUnitOfAFilterThatIsDown: what its unit starts it with counts, as systemd shows it.
func TestUnitOfAFilterThatIsDown(t *testing.T) {
	s := newServer(t)
	s.setting("virtual_mailbox_domains", "tcp:127.0.0.1:"+s.other)
	startedWith("-p ", "", "127.0.0.1", "FREE")(s)
	s.down = true
	s.before = append(s.before, func() {
		show := fmt.Sprintf(`[ "$1" = show ] && { echo "ExecStart={ path=/usr/sbin/opendkim ; argv[]=/usr/sbin/opendkim -f -x %s `+
			`-p inet:%s@127.0.0.1 ; ignore_errors=no ; start_time=[n/a] }"; exit; }`, s.path("opendkim.conf"), s.other)
		s.write("bin/systemctl", strings.Replace(s.read("bin/systemctl"), "\n", "\n"+show+"\n", 1), 0o755)
	})
	s.start()
	wrong, _ := s.examine()
	text := fmt.Sprint(wrong)
	const mute = "the filter does not answer on 127.0.0.1:"
	if !strings.Contains(text, mute+s.other) || strings.Contains(text, mute+s.port) {
		t.Error(text)
	}
	if !strings.Contains(text, "domains-unlisted: Postfix has domains in tables that cannot be listed, tcp:127.0.0.1:"+s.other) {
		t.Error(text)
	}
}

// TestAnotherInstance: a second Postfix that takes mail from others is looked at too. It
// does not run here: it would listen beyond loopback.
func TestAnotherInstance(t *testing.T) {
	s := newServer(t)
	dir := s.path("postfix-other")
	s.setting("multi_instance_directories", dir)
	s.before = append(s.before, func() {
		smtptest.WritePostfix(t, dir, s.sink, "multi_instance_enable = yes\ninet_interfaces = all\n", "smtp inet n - n - - smtpd\n")
	})
	s.start()
	main := s.read("main.cf")
	for range 3 {
		wrong, _ := s.examine()
		if len(wrong) == 0 {
			break
		}
		change, reload, _ := strings.Cut(wrong[0].Remedy, " && ")
		if wrong[0].Code != "milter-missing" || !strings.HasPrefix(change, "postconf -c "+dir+" -e ") ||
			reload != "postfix -c "+dir+" reload" {
			t.Fatal(wrong[0])
		}
		s.type_(change)
	}
	s.isGood()
	if s.read("main.cf") != main {
		t.Error("the first instance was changed")
	}
}
