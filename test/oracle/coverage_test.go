package oracle

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Options that decide about a message. Each is set by a case.
var decisive = strings.Fields(`
	Mode Domain SubDomains KeyTable SigningTable KeyFile Selector MultipleSignatures SenderHeaders SenderMacro InternalHosts ExternalIgnoreList PeerList
	ExemptDomains DontSignMailTo MTA MacroList BodyLengthDB MaximumSignedBytes SelectCanonicalizationHeader OmitHeaders SignHeaders OversignHeaders
	SignatureTTL SignatureAlgorithm Diagnostics RemoveOldSignatures FixCRLF StrictHeaders RequiredHeaders WeakSyntaxChecks IgnoreMalformedMail MaximumHeaders
	ReplaceRules ReplaceHeaders SoftwareHeader RequireSafeKeys RequestReports Canonicalization LogWhy LogResults SyslogSuccess SyslogFacility SyslogName
	On-BadSignature On-DNSError On-InternalError On-KeyNotFound On-NoSignature On-Security On-SignatureError On-Default Quarantine CaptureUnknownErrors
	RedirectFailuresTo MinimumKeyBits Minimum MustBeSigned MaximumSignaturesToVerify TrustSignaturesFrom ClockDrift BogusKey UnprotectedKey AllowSHA1Only
	DomainKeysCompat AuthservID AuthservIDWithJobID AlwaysAddARHeader NoHeaderB RemoveARFrom RemoveARAll KeepAuthResults`)

// Not here, for Debian builds opendkim without them: ConditionalSignatures,
// DefaultSender, IdentityHeader, IdentityHeaderRemove, POPDBFile, ResignAll,
// ResignMailTo. KeepTemporaryFiles shows in files alone.

func TestOptionsAreCovered(t *testing.T) {
	set := map[string]bool{}
	for _, c := range cases(t) {
		for line := range strings.Lines(c.config) {
			if words := strings.Fields(line); len(words) > 0 {
				set[words[0]] = true
			}
		}
	}
	for _, name := range decisive {
		if !set[name] {
			t.Errorf("no case sets %s", name)
		}
	}
}

// TestDifferencesAreDocumented holds the cases and docs/differences.md together.
func TestDifferencesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^- \[([a-z0-9-]+)\] `).FindAllStringSubmatch(string(doc), -1) {
		documented[m[1]] = false
	}
	// Differences that no case shows as such: the comparison itself leaves them out.
	for _, general := range []string{"end-of-header", "leading-blank", "filter-name", "atps-neutral"} {
		if _, ok := documented[general]; !ok {
			t.Errorf("%s is not in docs/differences.md", general)
		}
		documented[general] = true
	}
	for _, c := range cases(t) {
		for label, d := range c.differs {
			if _, ok := documented[d.reason]; !ok {
				t.Errorf("%s: %s: %q is not in docs/differences.md", c.name, label, d.reason)
			}
			documented[d.reason] = true
			known := label == "start" || label == "stop" || slices.ContainsFunc(c.sends, func(s send) bool { return s.label == label }) ||
				slices.ContainsFunc(c.runs, func(r run) bool { return r.label == label })
			if !known {
				t.Errorf("%s: %q is no line of this case", c.name, label)
			}
		}
	}
	for reason, shown := range documented {
		if !shown {
			t.Errorf("no case shows %s", reason)
		}
	}
}
