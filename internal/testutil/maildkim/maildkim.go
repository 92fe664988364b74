// Package maildkim verifies and signs for tests by Perl's Mail::DKIM, which shares no
// code with ours. Perl starts slowly, so that one call does all messages.
package maildkim

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// The scripts read one message a line on standard input: its file, and what is to be
// done with it, between tabs.

const verifyScript = `
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$ARGV[0]], port => $ARGV[1], recurse => 1));
while (my $file = <STDIN>) {
	chomp $file;
	open(my $in, '<:raw', $file) or die "$file: $!";
	my $v = Mail::DKIM::Verifier->new;
	while (<$in>) { $v->PRINT($_) }
	$v->CLOSE;
	print join("\t", map { sprintf "%s d=%s s=%s i=%s", $_->result, $_->domain, $_->selector, $_->identity } $v->signatures), "\n";
}`

const signScript = `
use strict; use Mail::DKIM::Signer;
while (my $line = <STDIN>) {
	chomp $line;
	my ($file, $method, $domain, $selector, $key, $headers) = split /\t/, $line;
	open(my $in, '<:raw', $file) or die "$file: $!";
	my $message = do { local $/; <$in> };
	my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $method, Domain => $domain, Selector => $selector, KeyFile => $key, Headers => $headers);
	$s->PRINT($message);
	$s->CLOSE;
	open(my $out, '>:raw', "$file.signed") or die "$file: $!";
	print $out $s->signature->as_string, "\r\n", $message;
	close $out or die;
}`

// Verify are the results of each message's signatures from the top, by keys that a name
// server has: "RESULT d=DOMAIN s=SELECTOR i=IDENTITY".
func Verify(t testing.TB, nameserver string, messages ...[]byte) [][]string {
	t.Helper()
	ip, port, err := net.SplitHostPort(nameserver)
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	dir := t.TempDir()
	for i, m := range messages {
		list.WriteString(save(t, dir, i, m) + "\n")
	}
	said := proctest.Ask(t, list.String(), testutil.Need(t, "perl"), "-e", verifyScript, ip, port)
	var results [][]string
	for line := range strings.Lines(said) {
		results = append(results, strings.FieldsFunc(line, func(r rune) bool { return r == '\t' || r == '\n' }))
	}
	if len(results) != len(messages) {
		t.Fatalf("Mail::DKIM says %q of %d messages", said, len(messages))
	}
	return results
}

// Signing is a message and how to sign it, by rsa-sha256.
type Signing struct {
	Message          []byte
	Canonicalization string // "relaxed/simple"
	Domain, Selector string
	KeyFile          string
	Headers          string // signed beside the usual fields, "X-One:X-Two"
}

// Sign returns the messages with their signatures.
func Sign(t testing.TB, all ...Signing) [][]byte {
	t.Helper()
	var list strings.Builder
	dir := t.TempDir()
	for i, s := range all {
		list.WriteString(strings.Join([]string{save(t, dir, i, s.Message), s.Canonicalization, s.Domain,
			s.Selector, s.KeyFile, s.Headers}, "\t") + "\n")
	}
	proctest.Ask(t, list.String(), testutil.Need(t, "perl"), "-e", signScript)
	messages := make([][]byte, len(all))
	for i := range all {
		var err error
		if messages[i], err = os.ReadFile(path(dir, i) + ".signed"); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

func path(dir string, i int) string { return filepath.Join(dir, fmt.Sprint(i)) }

func save(t testing.TB, dir string, i int, message []byte) string {
	t.Helper()
	if err := os.WriteFile(path(dir, i), message, 0o600); err != nil {
		t.Fatal(err)
	}
	return path(dir, i)
}
