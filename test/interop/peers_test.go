package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/maildkim"
	"dojang/internal/testutil/proctest"
)

// The scripts read a list of files, one "NUMBER FIELDS..." a line with tabs, on
// standard input: one process does them all. The verifier prints "NUMBER RESULTS",
// the results of all signatures from the top joined by commas; the signer writes
// NUMBER.signed beside the message.

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
		fmt.Fprintln(&b, strings.Join([]string{fmt.Sprint(i), path, j.key.algorithm, j.canonicalization,
			j.key.domain, selector, keyPath}, "\t"))
	}
	return dir, b.String()
}

func verifyByDkimpy(t testing.TB, p *place, all []job, messages [][]byte) []string {
	t.Helper()
	_, list := files(t, all, messages)
	results := make([]string, len(messages))
	for line := range strings.Lines(proctest.Ask(t, list, debianPython, "-c", dkimpyVerify, p.publicKeys)) {
		var n int
		number, result, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if _, err := fmt.Sscan(number, &n); err != nil || n >= len(results) {
			t.Fatalf("dkimpy says %q", line)
		}
		results[n] = result
	}
	return results
}

func signByDkimpy(t testing.TB, all []job) [][]byte {
	t.Helper()
	raw := make([][]byte, len(all))
	for i := range all {
		raw[i] = all[i].raw
	}
	dir, list := files(t, all, raw)
	proctest.Ask(t, list, debianPython, "-c", dkimpySign)
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

func verifyByMailDKIM(t testing.TB, p *place, _ []job, messages [][]byte) []string {
	t.Helper()
	joined := make([]string, len(messages))
	for i, results := range maildkim.Verify(t, p.dns.Addr, messages...) {
		for j, r := range results {
			results[j], _, _ = strings.Cut(r, " d=")
		}
		joined[i] = strings.Join(results, ",")
	}
	return joined
}

func signByMailDKIM(t testing.TB, all []job) [][]byte {
	t.Helper()
	list := make([]maildkim.Signing, len(all))
	for i, j := range all {
		list[i] = maildkim.Signing{Message: j.raw, Canonicalization: j.canonicalization, Domain: j.key.domain,
			Selector: selector, KeyFile: j.key.path}
	}
	return maildkim.Sign(t, list...)
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
