package doctor

import (
	"strings"
	"testing"

	"dojang/internal/config"
)

// TestForgedResultsAdvice: where a filter behind ours may believe a stranger's spf=pass,
// and nobody before us writes one.
func TestForgedResultsAdvice(t *testing.T) {
	for _, c := range []struct {
		name, configuration, parameter, value string
		advised                               bool
	}{
		{"OpenDMARC behind", "", "", "", true},
		{"methods named", "RemoveARMethods spf", "", "", false},
		{"all go", "RemoveARAll yes", "", "", false},
		{"kept", "KeepAuthResults yes", "", "", false},
		{"only signs", "Mode s", "", "", false},
		{"alone", "", "smtpd_milters", "inet:127.0.0.1:8891", false},
		{"alone, with options", "", "smtpd_milters", "{ inet:127.0.0.1:8891, connect_timeout=10s }", false},
		{"behind another", "", "smtpd_milters", "inet:127.0.0.1:8890, inet:127.0.0.1:8891, inet:127.0.0.1:8893", false},
		{"a policy server", "", "smtpd_recipient_restrictions", "reject_unauth_destination, check_policy_service unix:private/policyd-spf", false},
		{"a policy server in master.cf", "", "-P", "smtp/inet/smtpd_sender_restrictions = check_policy_service inet:127.0.0.1:10040\n", false},
	} {
		settings := config.New()
		if name, value, ok := strings.Cut(c.configuration, " "); ok {
			if problems := settings.Set(name, value, config.CommandLine); problems.HasErrors() {
				t.Fatal(problems)
			}
		}
		set := good()
		if c.parameter != "" {
			set[c.parameter] = c.value
		}
		var r Report
		r.ForgedResults(t.Context(), postconf(set), settings, []config.Socket{socket8891})
		if advised := len(r) == 1 && r[0].Status == Warning && strings.HasPrefix(r[0].Remedy, "RemoveARMethods"); advised != c.advised || len(r) > 1 {
			t.Errorf("%s:\n%s", c.name, show(r))
		}
	}
}
