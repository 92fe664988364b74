package sendmail

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

// Mail::DKIM is the other end's DKIM: it shares no code with ours. Perl starts
// slowly, so that one call does all messages.

const verifyScript = `
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => shift(@ARGV), recurse => 1));
for my $file (@ARGV) {
  open(my $in, '<:raw', $file) or die "$file: $!";
  my $v = Mail::DKIM::Verifier->new;
  while (<$in>) { $v->PRINT($_) }
  $v->CLOSE;
  print join(', ', map { sprintf "%s d=%s s=%s", $_->result, $_->domain, $_->selector } $v->signatures), "\n";
}
`

const signScript = `
use strict; use Mail::DKIM::Signer;
my $key = shift(@ARGV);
while (my ($method, $file) = splice(@ARGV, 0, 2)) {
  open(my $in, '<:raw', $file) or die "$file: $!";
  my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $method, Domain => 'example.org', Selector => 'org', KeyFile => $key,
    Headers => 'From:To:Subject:Date:Message-ID:X-One:X-Two:X-Three:X-Four:X-Five:X-Six:X-Seven');
  while (<$in>) { $s->PRINT($_) }
  $s->CLOSE;
  print $s->signature->as_string, "\n";
}
`

// perl runs a script and returns the lines it prints.
func perl(t testing.TB, script string, args ...string) []string {
	t.Helper()
	out, err := exec.Command(testutil.Need(t, "perl"), append([]string{"-e", script}, args...)...).Output()
	if err != nil {
		t.Fatalf("Mail::DKIM: %v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func saved(t testing.TB, dir string, n int, message []byte) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprint(n))
	must(t, os.WriteFile(path, message, 0o600))
	return path
}

// verdicts are what Mail::DKIM says of the signatures of each message.
func (w *world) verdicts(t testing.TB, messages ...[]byte) []string {
	t.Helper()
	_, port, _ := net.SplitHostPort(w.dns.Addr)
	args, dir := []string{port}, t.TempDir()
	for i, message := range messages {
		args = append(args, saved(t, dir, i, message))
	}
	return perl(t, verifyScript, args...)
}

// signOutside has Mail::DKIM sign a message for example.org by each of the
// methods.
func (w *world) signOutside(t testing.TB, message []byte, methods ...string) (signed [][]byte) {
	t.Helper()
	args, file := []string{w.path("org.private")}, saved(t, t.TempDir(), 0, message)
	for _, method := range methods {
		args = append(args, method, file)
	}
	for _, field := range perl(t, signScript, args...) {
		signed = append(signed, append([]byte(field+"\r\n"), message...))
	}
	return signed
}
