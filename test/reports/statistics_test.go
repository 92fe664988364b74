package reports

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/milter"

	"github.com/google/go-cmp/cmp"
)

var received = regexp.MustCompile(`(?m)^(M(?:[^\t]*\t){4})\d{9,}\t`)

// TestStatisticsAreOpenDKIMs compares the files record by record. A
// StatisticsPrefix changes nothing in either: nothing is hashed.
func TestStatisticsAreOpenDKIMs(t *testing.T) {
	revoked := "rev._domainkey.example.com v=DKIM1; p=\n"
	theirs, ours := both(t, `Mode sv
TestDNSData file:DIR/dns
Statistics DIR/statistics
StatisticsName reporter
StatisticsPrefix salt
MaximumSignaturesToVerify 2
KeyTable csl:k=example.com:sel:DIR/key
SigningTable csl:example.com=k
`, map[string]string{
		"dns": "sel._domainkey.example.com " + keyRecord(t, "") + "\n" + revoked + "bsvpesvrudbtiqganl7jtx4ymns3a6a7._atps.author.example v=ATPS1\n",
		"key": testutil.KeyPEM(testutil.RSAKey()),
	})
	consent := [][2]string{{"atps", "author.example"}, {"atpsh", "sha1"}}
	good := signed(t, message, none, dkim.SignOptions{})
	long := time.Now().Add(-time.Hour)
	for i, c := range []struct {
		name, text string
		change     []func(*milter.Message)
	}{
		{"good", good, nil},
		{"relaxed", signed(t, message, none, dkim.SignOptions{BodyCanonicalization: dkim.Relaxed}), nil},
		{"changed body", signed(t, message, wrongBody, dkim.SignOptions{}), nil},
		{"changed header", signed(t, message, wrongHeader, dkim.SignOptions{}), nil},
		{"expired", signed(t, message, none, dkim.SignOptions{Time: long, TTL: time.Minute}), nil},
		{"revoked", signed(t, message, none, dkim.SignOptions{Selector: "rev"}), nil},
		{"three signatures", dkim.FieldName + strings.TrimPrefix(signature(good), dkim.FieldName) + signature(good) + good, nil},
		{"consent", signed(t, anothers, none, dkim.SignOptions{ExtraTags: consent}), nil},
		{"unsigned", strings.ReplaceAll(message, "\n", "\r\n"), nil},
		{"IPv6", good, []func(*milter.Message){func(m *milter.Message) { fromIPv6(m) }}},
		{"no header list", strings.Replace(good, "h=From", "h=Frum", 1), nil},
		{"signed here", strings.ReplaceAll(message, "\n", "\r\n"), []func(*milter.Message){filtertest.FromHere}},
	} {
		job := fmt.Sprintf("JOB%d", i)
		var got [2]string
		for side, f := range []*filter{theirs, ours} {
			f.send(t, c.text, append(c.change, func(m *milter.Message) { m.Macros["i"] = job })...)
			got[side] = received.ReplaceAllString(f.recordOf(t, job, c.name != "signed here"), "${1}TIME\t")
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("%s: (-opendkim +ours)\n%s", c.name, diff)
		}
	}
	data, err := os.ReadFile(filepath.Join(ours.dir, "statistics"))
	if err != nil || !strings.HasPrefix(string(data), "V3\nM") || strings.Count(string(data), "V3") != 1 {
		t.Errorf("our file begins with %.20q, %v", data, err)
	}
}

func fromIPv6(m *milter.Message) {
	m.Addr.Family, m.Addr.Addr = milter.FamilyInet6, ipv6
}

// signature is a message's first field with its line end.
func signature(text string) string {
	end := strings.Index(text, "\r\nFrom:") + 2
	return text[:end]
}

// recordOf waits for the lines of a job; none are waited for only a moment.
func (f *filter) recordOf(t *testing.T, job string, wanted bool) string {
	t.Helper()
	patience := 5 * time.Second
	if !wanted {
		patience = 100 * time.Millisecond
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		data, _ := os.ReadFile(filepath.Join(f.dir, "statistics"))
		if _, after, ok := strings.Cut(string(data), "M"+job+"\t"); ok {
			return "M" + job + "\t" + after
		}
	}
	if wanted {
		t.Fatalf("%s records nothing", f.name)
	}
	return ""
}

// TestStatisticsArePrintedAlike gives both tools the same files, those that make
// no sense too.
func TestStatisticsArePrintedAlike(t *testing.T) {
	theirs := testutil.Need(t, "opendkim-stats")
	ours := filepath.Join(t.TempDir(), "opendkim-stats")
	if err := os.Symlink(filepath.Join(testutil.Build(t), "dojang"), ours); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	all.WriteString("V3\n")
	for n := -1; n < 50; n++ {
		fmt.Fprintf(&all, "MJ%d\tvm\texample.com\t192.0.2.1\t1795453615\t30\t1\t-1\t-1\nSexample.com\t0\t0\t-1\t%d\t-1\n", n, n)
	}
	for n := -1; n < 4; n++ {
		fmt.Fprintf(&all, "MA%d\tvm\texample.com\t2001:db8::1\t%d\t30\t2\t%d\t%d\n"+
			"Sa.example\t1\t1\t5\t0\t%d\nSb.example\t1\t0\t0\t28\t-1\n",
			n, 1700000000+n, n, n, n)
	}
	good := "MJOB\tvm\texample.com\t192.0.2.1\t1795453615\t30\t1\t-1\t-1\n"
	for name, text := range map[string]string{
		"every number": all.String(), "empty": "", "version alone": "V3\n", "older": "V2\nMJ\n", "no version": good, "short message": "V3\nMJOB\tvm\n",
		"unknown record": "V3\nYfoo\n" + good, "signature first": "V3\nSexample.com\t0\t0\t-1\t0\t-1\n", "short signature": "V3\n" + good + "Sexample.com\t0\t0\n",
		"long message": "V3\nMJOB\tvm\texample.com\tU\tx\ty\t2\t-1\t-1\textra\n", "no numbers": "V3\nMJOB\tvm\texample.com\tU\tx\ty\t2\t-1\t-1\n",
		"no line end": "V3\n" + strings.TrimSuffix(good, "\n"),
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{path}, {}, {path, path}, {path + ".absent"}} {
			var got [2]string
			for i, program := range []string{theirs, ours} {
				cmd := exec.Command(program, args...)
				cmd.Stdin = strings.NewReader(text)
				var complaints strings.Builder
				cmd.Stderr = &complaints
				out, err := cmd.Output()
				got[i] = fmt.Sprintf("%s%s%v", out, strings.ReplaceAll(complaints.String(), `"`, `'`), err)
			}
			if diff := cmp.Diff(got[0], got[1]); diff != "" {
				t.Errorf("%s %q: (-opendkim +ours)\n%s", name, args, diff)
			}
		}
	}
}
