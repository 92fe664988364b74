package build

import (
	"log/slog"
	"strings"
	"testing"

	"dojang/internal/policy"
	"dojang/internal/testutil/configtest"
)

// TestReportOptionsAreChecked: what would keep reports from leaving is told at
// start.
func TestReportOptionsAreChecked(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ config, want string }{
		{"SendReports yes\nMTACommand /bin/true\n", ""},
		{"SendReports yes\nMTACommand /bin/true\nReportAddress Reports <reports@example.org>\nReportBccAddress a@example.org,b@example.org\n", ""},
		{"SendReports yes\nMTACommand " + dir + "/absent\n", "MTACommand: " + dir + "/absent: not a program; reports will not be sent"},
		{"SendReports yes\nMTACommand /bin/true\nReportAddress nobody\n", `ReportAddress: "nobody" is no address`},
		{"SendReports yes\nMTACommand " + dir + "/absent\nSMTPURI smtp://localhost\n", ""},
		{"SendReports yes\nSMTPURI smtp://[::1]:2525/\n", ""},
		{"SendReports yes\nSMTPURI http://localhost\n", `SMTPURI: "http://localhost" is no address of a mail server`},
		{"SendReports yes\nSMTPURI localhost\n", `SMTPURI: "localhost" is no address of a mail server`},
		{"DiagnosticDirectory " + dir + "/absent\n", "DiagnosticDirectory: " + dir + "/absent: not a folder"},
		{"DiagnosticDirectory " + dir + "\n", ""},
	} {
		built, problems := Snapshot(t.Context(), configtest.Read(t, "Mode v\nSocket inet:0@127.0.0.1\n"+c.config),
			Parts{Log: slog.New(slog.DiscardHandler)})
		if built != nil {
			built.Snapshot.Discard()
		}
		var said []string
		for _, p := range problems {
			text := p.String()
			if _, after, ok := strings.Cut(text, ": "); ok {
				said = append(said, after)
			}
		}
		if got := strings.Join(said, "; "); got != c.want {
			t.Errorf("%q: %q, want %q", c.config, got, c.want)
		}
	}
}

// TestNothingRunsUnasked: without an option about reports there is no reporter.
func TestNothingRunsUnasked(t *testing.T) {
	b := &builder{config: configtest.Read(t, "Mode v\n"), parts: Parts{Log: slog.New(slog.DiscardHandler)}}
	if r := b.reporter(b.reports(), nil); r != nil || b.reports() != (policy.Reports{}) {
		t.Errorf("a reporter for %+v", b.reports())
	}
}

// TestTrustedCertifiersMayBeASet: a list by commas or colons, or a data set as
// OpenDKIM wants it.
func TestTrustedCertifiersMayBeASet(t *testing.T) {
	for _, text := range []string{"a.example,b.example", "a.example:b.example", "csl:a.example,b.example"} {
		b := &builder{ctx: t.Context(), config: configtest.Read(t, "VBR-TrustedCertifiers "+text+"\n")}
		if got := strings.Join(b.vbr().TrustedCertifiers, " "); got != "a.example b.example" {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestMailOfOurOwn: SMTPURI, or else MTACommand, for reports and for what the rotation of
// keys has to say.
func TestMailOfOurOwn(t *testing.T) {
	for _, c := range []struct{ config, server, command, problem string }{
		{"", "", "/usr/sbin/sendmail", ""},
		{"MTACommand /opt/send\n", "", "/opt/send", ""},
		{"MTACommand /opt/send\nSMTPURI smtp://mail.example\n", "mail.example:25", "", ""},
		{"SMTPURI smtp://[::1]:2525/\n", "[::1]:2525", "", ""},
		{"SMTPURI smtps://mail.example\n", "", "", `"smtps://mail.example" is no address of a mail server`},
		{"SMTPURI smtp://mail.example/x\n", "", "", `"smtp://mail.example/x" is no address of a mail server`},
		{"SMTPURI smtp://:25\n", "", "", `"smtp://:25" is no address of a mail server`},
	} {
		m, err := Mailer(configtest.Read(t, c.config))
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if m.SMTPServer != c.server || m.Command != c.command || problem != c.problem || m.HostName == "" {
			t.Errorf("%q: %+v, %v", c.config, m, err)
		}
	}
}
