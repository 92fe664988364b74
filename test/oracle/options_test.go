package oracle

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"dojang/internal/config"
	"dojang/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

// otherwise are values by which the two filters do another thing, with a part of
// docs/differences.md.
var otherwise = map[string]string{
	"IgnoreMalformedMail yes":           "`IgnoreMalformedMail` lets mail pass",
	"MaximumHeaders 1":                  "A header above `MaximumHeaders` is told",
	"MaximumHeaders 300":                "A header above `MaximumHeaders` is told",
	"MaximumSignaturesToVerify 0":       "Of `MaximumSignaturesToVerify 0` all signatures are looked at",
	"MaximumSignedBytes 0":              "`MaximumSignedBytes 0` signs whole bodies",
	"MilterDebug 1":                     "The lines of `MilterDebug` are our own",
	"MilterDebug 300":                   "The lines of `MilterDebug` are our own",
	"MinimumKeyBits 0":                  "`MinimumKeyBits 0` accepts all keys",
	"Quarantine yes":                    "and `Quarantine yes`, quarantine by themselves",
	"SignatureAlgorithm ed25519-sha256": "or with one that the key is not for, the algorithm is the key's",
	"Syslog no":                         "With `Syslog no`, or without it, nothing goes to syslog",
	"UnprotectedKey fail":               "A key whose state nobody knows, as one from `TestPublicKeys`, counts as unprotected.",
	"UnprotectedKey neutral":            "A key whose state nobody knows, as one from `TestPublicKeys`, counts as unprotected.",
	"WeakSyntaxChecks yes":              "`WeakSyntaxChecks` lets unsigned mail",
}

// values are what is tried of an option: each that there is, or each boundary.
func values(o *config.Option) []string {
	switch {
	case o.Status == config.Historic || !strings.HasPrefix(o.Since, "2."):
		return nil
	case slices.Contains([]string{"KeepTemporaryFiles", "SendReports"}, o.Name): // leave files, or mail
		return nil
	case o.Type == config.Boolean:
		return []string{"yes", "no"}
	case o.Type == config.Integer || o.Type == config.Duration:
		return []string{"0", "1", "300"}
	case strings.HasPrefix(o.Name, "On-"): // quarantine is another thing, as documented
		return []string{"accept", "reject", "tempfail", "discard"}
	}
	return o.Allowed
}

// TestOptionsAlone: with each value of each option that decides by itself the two filters
// start, answer and log the same.
func TestOptionsAlone(t *testing.T) {
	p := ready(t)
	doc, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for value, said := range otherwise {
		if !strings.Contains(string(doc), said) {
			t.Errorf("%s: docs/differences.md does not say %q", value, said)
		}
	}
	var lines []string
	for _, o := range config.Options() {
		for _, value := range values(&o) {
			if line := o.Name + " " + value; otherwise[line] == "" {
				lines = append(lines, line)
			}
		}
	}
	r := rand.New(rand.NewPCG(seed(), 2))
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	if !testutil.Long() {
		lines = lines[:6]
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			compareLine(t, p, line)
		})
	}
}

func compareLine(t *testing.T, p *programs, line string) {
	c := &testCase{name: "option", config: signs + "Mode sv\nDomain example.com\nLogWhy yes\nSyslogSuccess yes\n" +
		"TestPublicKeys KEYS/public-keys\n" + line + "\n"}
	for _, label := range []string{"plain local", "plain auth", "pass", "bad-body", "two-subjects-signed", "no-from", "from-sub local",
		"not-found", "ar-own-dkim", "many local", "from-other", "unparsable-from", "testing-bad-body", "no-date"} {
		s, err := c.readSend(label)
		if err != nil {
			t.Fatal(err)
		}
		c.sends = append(c.sends, s)
	}
	a := newInstance(t, p, p.opendkim(), c, "").start(t)
	b := newInstance(t, p, p.dojang(), c, "").start(t)
	defer a.stop()
	defer b.stop()
	switch {
	case a.Ended() && strings.Contains(a.Process.String(), "unrecognized parameter"):
		t.Skip("Debian builds opendkim without it")
	case a.Ended() && a.Cmd.ProcessState.ExitCode() < 0:
		t.Skip("opendkim crashes: " + a.status())
	case a.Ended() != b.Ended() || a.Ended() && a.status() != b.status():
		t.Fatalf("opendkim has ended: %v, ours: %v\n%s\n%s", a.Ended(), b.Ended(), a.Process, b.Process)
	case a.Ended():
		return
	}
	settle(t, a.log, b.log, c.logged("start", a, b))
	if diff := cmp.Diff(comparable(started(a)), comparable(started(b))); diff != "" {
		t.Errorf("start: (-opendkim +ours)\n%s", diff)
	}
	for _, s := range c.sends {
		theirs, ours := c.exchange(t, s, a, b)
		if diff := cmp.Diff(comparable(theirs), comparable(ours)); diff != "" {
			t.Error(fmt.Sprintf("%s: (-opendkim +ours)\n", s.label) + diff)
		}
	}
}
