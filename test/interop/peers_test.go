package interop

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

// The scripts read a list of files, one "NUMBER FIELDS..." a line with tabs, on
// standard input: one process does them all. Verifiers print "NUMBER RESULTS",
// the results of all signatures from the top joined by commas; signers write
// NUMBER.signed beside the message.

const mailDKIMVerify = `
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $ARGV[0], recurse => 1));
while (my $line = <STDIN>) {
	chomp $line;
	my ($n, $file) = split /\t/, $line;
	open(my $in, '<:raw', $file) or die "$file: $!";
	my $v = Mail::DKIM::Verifier->new;
	while (<$in>) { $v->PRINT($_) }
	$v->CLOSE;
	print $n, "\t", join(',', map { $_->result } $v->signatures), "\n";
}`

const mailDKIMSign = `
use strict; use Mail::DKIM::Signer;
while (my $line = <STDIN>) {
	chomp $line;
	my ($n, $file, $algorithm, $method, $domain, $selector, $key) = split /\t/, $line;
	open(my $in, '<:raw', $file) or die "$file: $!";
	my $message = do { local $/; <$in> };
	my $s = Mail::DKIM::Signer->new(Algorithm => $algorithm, Method => $method, Domain => $domain, Selector => $selector, KeyFile => $key);
	$s->PRINT($message);
	$s->CLOSE;
	open(my $out, '>:raw', "$file.signed") or die "$file: $!";
	print $out $s->signature->as_string, "\r\n", $message;
	close $out or die;
}`

const dkimpyVerify = `
import sys, dkim
keys = dict(line.rstrip("\n").split(" ", 1) for line in open(sys.argv[1]))
def txt(name, timeout=5):
    return keys[name.decode().rstrip(".")].encode()
for line in sys.stdin:
    n, path = line.rstrip("\n").split("\t")[:2]
    message = dkim.DKIM(open(path, "rb").read())
    count = sum(1 for name, _ in message.headers if name.lower() == b"dkim-signature")
    results = []
    for i in range(count):
        try:
            results.append("pass" if message.verify(idx=i, dnsfunc=txt) else "fail")
        except dkim.ValidationError as e:
            results.append("fail " + str(e).replace(",", ";"))
    print(n, ",".join(results), sep="\t")
`

const dkimpySign = `
import sys, dkim
for line in sys.stdin:
    n, path, algorithm, method, domain, selector, key = line.rstrip("\n").split("\t")
    message = open(path, "rb").read()
    header, body = method.encode().split(b"/")
    field = dkim.sign(message, selector.encode(), domain.encode(), open(key, "rb").read(), canonicalize=(header, body), signature_algorithm=algorithm.encode())
    open(path + ".signed", "wb").write(field + message)
`

// files writes messages and the list for a script.
func files(t testing.TB, all []job, messages [][]byte) (dir, list string) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	for i, m := range messages {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, m, 0o600); err != nil {
			t.Fatal(err)
		}
		j := all[i]
		keyPath := j.key.path
		if j.key.seedPath != "" {
			keyPath = j.key.seedPath
		}
		fmt.Fprintln(&b, strings.Join([]string{fmt.Sprint(i), path, j.key.algorithm, j.canonicalization, j.key.domain, selector, keyPath}, "\t"))
	}
	return dir, b.String()
}

func run(t testing.TB, input string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, errors.String())
	}
	return string(out)
}

// verifyBy runs a verifying script over messages.
func verifyBy(t testing.TB, all []job, messages [][]byte, command ...string) []string {
	t.Helper()
	_, list := files(t, all, messages)
	results := make([]string, len(messages))
	for line := range strings.Lines(run(t, list, command[0], command[1:]...)) {
		var n int
		number, result, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if _, err := fmt.Sscan(number, &n); err != nil || n >= len(results) {
			t.Fatalf("%s says %q", command[0], line)
		}
		results[n] = result
	}
	return results
}

// signBy runs a signing script over messages.
func signBy(t testing.TB, all []job, command ...string) [][]byte {
	t.Helper()
	raw := make([][]byte, len(all))
	for i := range all {
		raw[i] = all[i].raw
	}
	dir, list := files(t, all, raw)
	run(t, list, command[0], command[1:]...)
	messages := make([][]byte, len(all))
	for i := range all {
		m, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)+".signed"))
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = m
	}
	return messages
}

// debianPython has the packaged dkim module; another python3 may come first in PATH.
const debianPython = "/usr/bin/python3"

func needDkimpy(t testing.TB) {
	t.Helper()
	needModule(t, "python3-dkim", debianPython, "-c", "import dkim, nacl")
}

func needMailDKIM(t testing.TB) {
	t.Helper()
	needModule(t, "libmail-dkim-perl", testutil.Need(t, "perl"), "-MMail::DKIM", "-e", "1")
}

func needModule(t testing.TB, debianPackage string, command ...string) {
	t.Helper()
	if err := exec.Command(command[0], command[1:]...).Run(); err == nil {
		return
	}
	if testutil.PeersRequired() {
		t.Fatalf("%s is not installed: run `make peers`", debianPackage)
	}
	t.Skipf("%s is not installed: run `make peers` to include this test", debianPackage)
}

func (p *place) port(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(p.dns.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
