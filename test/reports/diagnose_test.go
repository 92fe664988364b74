package reports

import (
	"strings"
	"testing"

	"dojang/dkim"

	"github.com/google/go-cmp/cmp"
)

// TestDiagnosesAreOpenDKIMs compares the files in DiagnosticDirectory. Ours go
// on where theirs end: with the differences.
func TestDiagnosesAreOpenDKIMs(t *testing.T) {
	theirs, ours := both(t, "Mode v\nTestDNSData file:DIR/dns\nDiagnosticDirectory DIR/diagnoses\n", map[string]string{
		"dns":               "sel._domainkey.example.com " + keyRecord(t, ""),
		"diagnoses/.placed": "",
	})
	text := signed(t, message, wrongHeader, dkim.SignOptions{CopyHeaders: true})
	var got [2]string
	for i, f := range []*filter{theirs, ours} {
		f.send(t, text)
		got[i] = f.await(t, "diagnoses/JOB", "\n")
	}
	end := "--------------------\n\nDifferences:\n\nSubject was changed after it was signed\n\tthen: as it was\n\tnow:  a test\n"
	if diff := cmp.Diff(got[0]+end, got[1]); diff != "" {
		t.Errorf("(-opendkim +ours)\n%s", diff)
	}
	if !strings.HasPrefix(got[0], "z tag headers:\n\nFrom: User One") {
		t.Errorf("opendkim writes something else now: %q", got[0])
	}
}
