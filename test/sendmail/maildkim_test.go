package sendmail

import (
	"strings"
	"testing"

	"dojang/internal/testutil/maildkim"
)

// verdicts are what Mail::DKIM says of the signatures of each message.
func (w *world) verdicts(t testing.TB, messages ...[]byte) []string {
	t.Helper()
	verdicts := make([]string, len(messages))
	for i, results := range maildkim.Verify(t, w.dns.Addr, messages...) {
		verdicts[i] = strings.Join(results, ", ")
	}
	return verdicts
}

// signOutside has Mail::DKIM sign a message for example.org in each of the
// canonicalizations.
func (w *world) signOutside(t testing.TB, message []byte, canonicalizations ...string) [][]byte {
	t.Helper()
	var list []maildkim.Signing
	for _, c := range canonicalizations {
		list = append(list, maildkim.Signing{Message: message, Canonicalization: c, Domain: "example.org",
			Selector: "org", KeyFile: w.path("org.private"),
			Headers: "From:To:Subject:Date:Message-ID:X-One:X-Two:X-Three:X-Four:X-Five:X-Six:X-Seven"})
	}
	return maildkim.Sign(t, list...)
}
