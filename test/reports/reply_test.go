package reports

import (
	"strings"
	"testing"

	"dojang/dkim"
)

// TestRepliesAreOpenDKIMs compares what is said of a failed signature whose
// domain wishes a text (rs= of RFC 6651 §3.2). Where the two differ on purpose,
// ours is told.
func TestRepliesAreOpenDKIMs(t *testing.T) {
	asking := dkim.SignOptions{ExtraTags: [][2]string{{"r", "y"}}}
	changed := signed(t, message, wrongBody, asking)
	of := func(selector string) string {
		o := asking
		o.Selector = selector
		return signed(t, message, wrongHeader, o)
	}
	const plain = "550 5.7.0 bad DKIM signature data"
	for _, c := range []struct{ name, config, record, message, ours string }{
		{"a word", "", "rs=hello", changed, ""},
		{"quoted blanks", "", "ra=dkim; rs=see=20http://example.com/", changed, ""},
		{"changed header", "", "rs=hello", of("sel"), ""},
		{"tempfail", "On-BadSignature tempfail\n", "rs=hello", changed, ""},
		{"quarantine", "On-BadSignature quarantine\n", "rs=hello", changed, ""},
		{"accept", "On-BadSignature accept\n", "rs=hello", changed, ""},
		{"reports are sent", "SendReports yes\nMTACommand /bin/true\n", "ra=dkim; rs=hello; rr=x; rp=0", changed, ""},
		{"not asked for", "", "rs=hello", signed(t, message, wrongBody, dkim.SignOptions{}), ""},
		{"passes", "", "rs=hello", signed(t, message, none, asking), ""},
		{"key revoked", "", "rs=hello", of("rev"), ""},
		{"key under test", "", "rs=hello", of("tst"), ""},
		{"no wish", "", "ra=dkim", changed, ""},
		{"empty", "", "rs=", changed, ""},
		{"percent", "", "rs=100%=20%s%25", changed, ""},
		{"no quoting", "", "rs=a=zz", changed, ""},
		{"no list of tags", "", "junk; rs=hello", changed, ""},
		{"as long as a line", "", "rs=" + strings.Repeat("x", 475), changed, ""},

		{"blanks", "", "rs=see http://example.com/", changed, "550 5.7.0 see http://example.com/: bad DKIM signature data"},
		{"UTF-8", "", "rs=h=C3=A9llo", changed, plain},
		{"quoting cut in two", "", "rs=a=2 0b", changed, plain},
		{"bare line feed", "", "rs=a=0Ab", changed, plain},
		{"line end", "", "rs=a=0D=0A250=20ok", changed, plain},
		{"tab", "", "rs=a=09b", changed, plain},
		{"longer than a line", "", "rs=" + strings.Repeat("x", 476), changed, plain},
	} {
		theirs, ours := both(t, "Mode v\nOn-BadSignature reject\nTestDNSData file:DIR/dns\n"+c.config, map[string]string{
			"dns": "sel._domainkey.example.com " + keyRecord(t, "") + "\ntst._domainkey.example.com " + keyRecord(t, "t=y; ") +
				"\nrev._domainkey.example.com v=DKIM1; p=\n_report._domainkey.example.com " + c.record + "\n",
		})
		want, got := theirs.send(t, c.message).Final, ours.send(t, c.message).Final
		switch {
		case c.ours == "" && (got.Kind != want.Kind || got.Text != want.Text):
			t.Errorf("%s: %s, opendkim %s", c.name, got.String(), want.String())
		case c.ours != "" && got.Text != c.ours:
			t.Errorf("%s: %s, want %s", c.name, got.String(), c.ours)
		case c.ours != "" && got.Text == want.Text:
			t.Errorf("%s: opendkim replies as we do", c.name)
		}
	}
}
