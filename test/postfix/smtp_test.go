package postfix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil/maildkim"
	"dojang/internal/testutil/smtptest"
)

func dial(t testing.TB, address string) *smtptest.Client {
	t.Helper()
	c := smtptest.Dial(t, address, "127.0.0.1")
	c.Expect(220)
	return c
}

// dialAs is dial from another address, by Postfix's XCLIENT.
func dialAs(t testing.TB, address, name, ip string) *smtptest.Client {
	t.Helper()
	c := dial(t, address)
	c.Command(250, "EHLO test.invalid")
	c.Command(220, "XCLIENT NAME=%s ADDR=%s", name, ip)
	return c
}

// patience is for a machine with other work to do; nothing takes that long.
const patience = time.Minute

// expectSigned wants exactly these verdicts of Mail::DKIM, "result d=... s=... i=...".
func expectSigned(t testing.TB, nameserver string, message []byte, want ...string) {
	t.Helper()
	if got := maildkim.Verify(t, nameserver, message)[0]; !slices.Equal(got, want) {
		t.Errorf("Mail::DKIM says %q, want %q of:\n%s", got, want, message[:min(len(message), 3000)])
	}
}

// mail is a small message.
func mail(from, to, subject, body string) []byte {
	return []byte(fmt.Sprintf("From: Sender <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: Mon, 02 Nov 2026 09:30:00 "+
		"+0900\r\nMessage-ID: <%s@client.example>\r\n\r\n%s",
		from, to, subject, strings.ReplaceAll(subject, " ", "."), body))
}
