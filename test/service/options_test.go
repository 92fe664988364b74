package service

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/config"
)

// shown names for each option in force the test that shows its effect, as
// FILE:TEST; options that a case of test/oracle sets, and those in
// TestOptionsHaveTheirEffects of internal/filter, need no line.
var shown = map[string]string{
	"AutoReload":            "test/service/reload_test.go:TestAutoReload",
	"AutoRestart":           "test/service/restart_test.go:TestAutoRestart",
	"AutoRestartCount":      "test/service/restart_test.go:TestAutoRestartLimits",
	"AutoRestartRate":       "test/service/restart_test.go:TestAutoRestartLimits",
	"Background":            "test/service/start_test.go:TestBackgroundReturnsWhenTheSocketListens",
	"EnableCoredumps":       "test/service/folders_test.go:TestEnableCoredumps",
	"Include":               "test/service/reload_test.go:TestAutoReload",
	"LogFormat":             "test/service/log_test.go:TestJSONLog",
	"MessageTimeBudget":     "internal/filter/options_test.go:TestMessageTimeBudgetIsTheSnapshots",
	"MilterDebug":           "internal/filter/options_test.go:TestMilterDebug",
	"FlowData":              "internal/app/reputation_test.go:TestCountsOutliveARestart",
	"FlowDataFactor":        "internal/filter/reputation_test.go:TestRateLimits",
	"FlowDataTTL":           "internal/filter/reputation_test.go:TestReputationTimes",
	"RemoveARMethods":       "test/attackdmarc/attackdmarc_test.go:TestResultsOfOthersInOurName",
	"StatusSocket":          "internal/app/status_test.go:TestStatusTellsWhyWithoutLogWhy",
	"StatusFile":            "internal/app/status_test.go:TestStatusOutlivesARestart",
	"StatusMessages":        "internal/status/status_test.go:TestRingKeepsTheLatest",
	"StatusDomains":         "internal/status/status_test.go:TestDomainsBeyondTheBoundAreOthers",
	"StatusAddresses":       "internal/status/status_test.go:TestStrangersAreNotCountedByName",
	"ReputationCache":       "internal/app/reputation_test.go:TestCountsOutliveARestart",
	"ReputationCacheTTL":    "internal/filter/reputation_test.go:TestReputationTimes",
	"ReputationTimeout":     "internal/filter/reputation_test.go:TestReputationTimes",
	"SMTPURI":               "internal/filter/options_test.go:TestSMTPURI",
	"DNSConnect":            "internal/build/options_test.go:TestDNSConnect",
	"TrustAnchorFile":       "internal/build/options_test.go:TestTrustAnchorFile",
	"SoftStart":             "internal/build/options_test.go:TestSoftStart",
	"DataSetCacheTTL":       "internal/build/backends_test.go:TestDataSetTimes",
	"DataSetNegativeTTL":    "internal/build/backends_test.go:TestDataSetTimes",
	"KeyCacheSize":          "internal/build/backends_test.go:TestKeyCacheSize",
	"DataSetCacheSize":      "internal/build/backends_test.go:TestDataSetCacheSize",
	"LDAPTimeout":           "internal/build/options_test.go:TestLDAPTimeout",
	"LDAPDisableCache":      "internal/build/backend_ldap_test.go:TestLDAPDisableCache",
	"LDAPAuthMechanism":     "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPAuthName":          "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPAuthRealm":         "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPAuthUser":          "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPBindUser":          "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPBindPassword":      "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPKeepaliveIdle":     "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPKeepaliveInterval": "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPKeepaliveProbes":   "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"LDAPUseTLS":            "internal/build/backend_ldap_test.go:TestLDAPOptions",
	"MetricsSocket":         "internal/app/app_test.go:TestMetricsSocketAnswers",
	"PidFile":               "test/service/start_test.go:TestPidFile",
	"StdoutLog":             "test/service/log_test.go:TestClassicLog",
	"StrictTestMode":        "test/service/flags_test.go:TestFlagsThatEnd",
	"Syslog":                "test/service/log_test.go:TestClassicLog",
	"SyslogSocket":          "test/service/log_test.go:TestSyslogNameAndFacility",
	"TestDNSData":           "internal/filter/options_test.go:TestTestDNSData",
	"ChangeRootDirectory":   "test/service/folders_test.go:TestChangeRootDirectory",
	"BaseDirectory":         "test/service/folders_test.go:TestBaseDirectory",
	"UserID":                "test/service/start_test.go:TestUserIDGivesAllRightsAway",
	"UMask":                 "test/service/start_test.go:TestUMaskOnTheSocket",
	"Socket":                "test/service/start_test.go:TestSocketAttributes",
	"ConditionalSignatures": "test/reports/conditional_test.go:TestConditionalMail",
	"KeyIdentities":         "test/databases/sign_test.go:TestPostgreSQL",
	"SigningEngine":         "test/service/options_test.go:TestSigningEngine",
}

// TestEveryOptionHasATest fails for an option in force of which no test shows
// the effect.
func TestEveryOptionHasATest(t *testing.T) {
	set := optionsOfCases(t)
	effects := read(t, "internal/filter/options_test.go")
	for _, o := range config.Options() {
		where, named := shown[o.Name]
		switch {
		case o.Status != config.Active:
			if named {
				t.Errorf("%s is %s, and yet %s is to show its effect", o.Name, o.Status, where)
			}
		case named:
			holds(t, o.Name, where)
		case set[strings.ToLower(o.Name)], strings.Contains(effects, `{option: "`+o.Name+`", `):
		default:
			t.Errorf("%s: no test shows its effect", o.Name)
		}
	}
	for name := range shown {
		if config.Find(name) == nil {
			t.Errorf("%s is no option", name)
		}
	}
}

// holds checks that a test is there and speaks of the option.
func holds(t *testing.T, option, where string) {
	t.Helper()
	file, test, _ := strings.Cut(where, ":")
	text := read(t, file)
	if !strings.Contains(text, "\nfunc "+test+"(t *testing.T) {") {
		t.Errorf("%s: %s is not there", option, where)
	}
	if !strings.Contains(text, option) {
		t.Errorf("%s: %s does not speak of it", option, file)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	must(t, err)
	return string(text)
}

// optionsOfCases returns the options that the cases of test/oracle set, in lower
// case.
func optionsOfCases(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("../../test/oracle/testdata/cases/*.txtar")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d cases, %v", len(paths), err)
	}
	section := regexp.MustCompile(`(?ms)^-- config --\n(.*?)(?:^-- |\z)`)
	set := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		m := section.FindSubmatch(text)
		if m == nil || strings.HasPrefix(filepath.Base(path), "exit-") {
			continue
		}
		for line := range strings.Lines(string(m[1])) {
			if words := strings.Fields(line); len(words) > 1 {
				set[strings.ToLower(words[0])] = true
			}
		}
	}
	return set
}

func TestSigningEngine(t *testing.T) {
	w := newWorld(t)
	cpu, err := os.ReadFile("/proc/cpuinfo")
	must(t, err)
	flags := strings.Fields(string(cpu))
	for _, engine := range []struct{ name, flag string }{{"go", ""}, {"ifma", "avx512ifma"}, {"adx", "adx"}} {
		w.configure("SigningEngine " + engine.name + "\n")
		if engine.flag != "" && !slices.Contains(flags, engine.flag) {
			if r := w.run("", "opendkim", "-f", "-x", "DIR/opendkim.conf"); r.code != 78 || !strings.Contains(r.err, "SigningEngine: ") {
				t.Errorf("%s, which the processor lacks: exit %d: %s", engine.name, r.code, r.err)
			}
			continue
		}
		p := w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
		w.signs()
		p.Signal(syscall.SIGKILL)
		p.Wait(patience)
	}
}
