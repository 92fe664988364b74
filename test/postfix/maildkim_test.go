package postfix

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// Mail::DKIM is the other end's DKIM: it shares no code with ours.

const verifyScript = `
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS;
my ($port, $file) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 1));
open(my $in, '<:raw', $file) or die "$file: $!";
my $v = Mail::DKIM::Verifier->new;
while (<$in>) { $v->PRINT($_) }
$v->CLOSE;
for my $s ($v->signatures) { printf "%s d=%s s=%s i=%s\n", $s->result, $s->domain, $s->selector, $s->identity }
`

const signScript = `
use strict; use Mail::DKIM::Signer;
my ($domain, $selector, $key, $file) = @ARGV;
open(my $in, '<:raw', $file) or die "$file: $!";
my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => 'relaxed/relaxed', Domain => $domain, Selector => $selector, KeyFile => $key);
while (<$in>) { $s->PRINT($_) }
$s->CLOSE;
binmode STDOUT; print $s->signature->as_string, "\r\n";
`

func perl(t testing.TB, script string, message []byte, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "message.eml")
	must(t, os.WriteFile(file, message, 0o600))
	cmd := exec.Command(testutil.Need(t, "perl"), append(append([]string{"-e", script}, args...), file)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Mail::DKIM: %v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	return string(out)
}

// expectSigned wants exactly these verdicts of Mail::DKIM, "result d=... s=... i=...".
func expectSigned(t testing.TB, nameserver string, message []byte, want ...string) {
	t.Helper()
	_, port, err := net.SplitHostPort(nameserver)
	must(t, err)
	got := strings.TrimSpace(perl(t, verifyScript, message, port))
	if got != strings.Join(want, "\n") {
		t.Errorf("Mail::DKIM says %q, want %q of:\n%s", got, want, message[:min(len(message), 3000)])
	}
}

// sign has Mail::DKIM sign a message.
func sign(t testing.TB, domain, selector, key string, message []byte) []byte {
	t.Helper()
	return append([]byte(perl(t, signScript, message, domain, selector, key)), message...)
}

// mail is a small message.
func mail(from, to, subject, body string) []byte {
	return []byte(fmt.Sprintf("From: Sender <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: Mon, 02 Nov 2026 09:30:00 +0900\r\nMessage-ID: <%s@client.example>\r\n\r\n%s",
		from, to, subject, strings.ReplaceAll(subject, " ", "."), body))
}
