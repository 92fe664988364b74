package reports

import (
	"regexp"
	"strings"
	"testing"

	"dojang/dkim"

	"github.com/google/go-cmp/cmp"
)

// mta stands in for sendmail: what it is called with and what it is given.
const mta = "#!/bin/sh\n(echo \"called: $*\"; cat) > DIR/mail.new && mv DIR/mail.new DIR/mail\n"

var dates = regexp.MustCompile(`(?m)^((?:Arrival-)?Date: )\w{3}, +\d.*\(\w+\)$`)

// TestReportsAreOpenDKIMs compares reports byte for byte. What differs on
// purpose is put right in theirs first: the empty line that ends the header, the
// version of RFC 5965, and who wrote it.
func TestReportsAreOpenDKIMs(t *testing.T) {
	long := message + strings.Repeat("Some more words in some more lines.\n", 20)
	ask := [][2]string{{"r", "y"}}
	for _, c := range []struct{ name, config, record, message string }{
		{"changed body", "", "ra=dkim-errors; rp=100; rr=all", signed(t, message, wrongBody, dkim.SignOptions{ExtraTags: ask})},
		{"changed header", "", "ra=dkim-errors", signed(t, message, wrongHeader, dkim.SignOptions{ExtraTags: ask, HeaderCanonicalization: dkim.Relaxed, BodyCanonicalization: dkim.Relaxed})},
		{"identity", "", "ra=a=2Bb", signed(t, message, wrongHeader, dkim.SignOptions{ExtraTags: ask, Identity: "joe@sub.example.com"})},
		{"long body", "", "ra=dkim-errors@example.com", signed(t, long, wrongBody, dkim.SignOptions{ExtraTags: ask, BodyCanonicalization: dkim.Relaxed})},
		{"addresses", "ReportAddress DKIM reports <reports@here.example>\nReportBccAddress one@here.example,two@here.example\n", "ra=dkim-errors; rr=v", signed(t, message, wrongBody, dkim.SignOptions{ExtraTags: ask})},
	} {
		t.Run(c.name, func(t *testing.T) {
			theirs, ours := both(t, "Mode v\nSendReports yes\nMTACommand DIR/mta\nTestDNSData file:DIR/dns\n"+c.config, map[string]string{
				"dns": "sel._domainkey.example.com " + keyRecord(t, "") + "\n_report._domainkey.example.com " + c.record + "\n",
			})
			var got [2]string
			for i, f := range []*filter{theirs, ours} {
				f.Write(t, "mta", strings.ReplaceAll(mta, "DIR", f.dir))
				f.send(t, c.message)
				got[i] = dates.ReplaceAllString(f.await(t, "mail", "--\n"), "${1}DATE")
			}
			want := strings.Replace(got[0], "JOB\"\n--dkimreport", "JOB\"\n\n--dkimreport", 1)
			want = strings.Replace(want, "\nVersion: 0.1\n", "\nVersion: 1\n", 1)
			mine := regexp.MustCompile(`User-Agent: dojang-Filter/\S+`).ReplaceAllString(got[1], "User-Agent: OpenDKIM-Filter/2.11.0")
			if diff := cmp.Diff(want, mine); diff != "" {
				t.Errorf("(-opendkim +ours)\n%s", diff)
			}
		})
	}
}
