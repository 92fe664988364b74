package report

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/policy"
	"dojang/internal/resolver"
	"dojang/internal/statistics"
	"dojang/internal/testutil/proctest"
)

// TestParseRecord holds records against RFC 6651 §3.2.
func TestParseRecord(t *testing.T) {
	for _, c := range []struct {
		text string
		want *Record
	}{
		{"ra=dkim-errors", &Record{Local: "dkim-errors", Percentage: 100}},
		{"ra=dkim=2Derrors; rp=97; rr=v:x", &Record{Local: "dkim-errors", Percentage: 97, Conditions: []string{"v", "x"}}},
		{"ra=dkim-adsp-errors; rp=100; rs=come=20back", &Record{Local: "dkim-adsp-errors", Percentage: 100}},
		{"rr = all ; ra = a.b", &Record{Local: "a.b", Percentage: 100, Conditions: []string{"all"}}},
		{"ra=joe@elsewhere.example", &Record{Local: "joe", Percentage: 100}},
		{"ra=joe=40elsewhere.example", &Record{Local: "joe", Percentage: 100}},
		{"", nil},
		{"rp=100", nil},
		{"ra=", nil},
		{"ra=a; rp=101", nil},
		{"ra=a; rp=x", nil},
		{"ra=a; ra=b", nil},
		{"ra=a=20b", nil},
		{"ra=a=0D=0ABcc:x", nil},
		{"ra=-oQ/tmp", nil},
		{"ra=a,b", nil},
		{"ra=a..b", nil},
		{"ra=" + strings.Repeat("a", 65), nil},
	} {
		if diff := cmp.Diff(c.want, ParseRecord(c.text), cmp.AllowUnexported(Record{})); diff != "" {
			t.Errorf("%q (-want +got)\n%s", c.text, diff)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("ra=dkim=2Derrors; rp=97; rr=v:x")
	f.Add("ra=a=0D=0ABcc:x")
	f.Fuzz(func(t *testing.T, text string) {
		if r := ParseRecord(text); r != nil {
			if strings.ContainsAny(r.Local, " \t\r\n,;<>@\"") || r.Local == "" || r.Percentage < 0 || r.Percentage > 100 {
				t.Errorf("%q gave %+v", text, r)
			}
		}
	})
}

func TestWants(t *testing.T) {
	for record, want := range map[string]string{"ra=a": "dopsuvx", "ra=a; rr=all": "dopsuvx",
		"ra=a; rr=v:s": "sv", "ra=a; rr=unknown:x": "x"} {
		got := ""
		for _, condition := range "dopsuvx" {
			if ParseRecord(record).wants(string(condition)) {
				got += string(condition)
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", record, got, want)
		}
	}
}

// texts answers for the names given.
func texts(records map[string]string) resolver.Resolver {
	return resolver.NewLookup(func(_ context.Context, name string) (text string, found bool, err error) {
		text, found = records[name]
		return text, found, nil
	}, nil)
}

// folder is a place with a stand-in for sendmail that keeps each mail in a file.
func folder(t *testing.T) (dir, command string) {
	t.Helper()
	dir = t.TempDir()
	command = filepath.Join(dir, "mta")
	script := "#!/bin/sh\necho x >> " + dir + "/calls\ncat >> " + dir + "/mail\n"
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, command
}

func failing(domain string) *policy.FailureReport {
	return &policy.FailureReport{JobID: "JOB", Host: "mx.example.org", Domain: domain, Selector: "sel", Failure: "bodyhash", Condition: "v"}
}

func count(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// TestWhoGetsReports: what the domain's record says, and the limit for a domain,
// decide.
func TestWhoGetsReports(t *testing.T) {
	for _, c := range []struct {
		name, record string
		chance       int
		condition    string
		reports      int
		want         int
	}{
		{"asked for", "ra=a", 0, "v", 1, 1},
		{"no record", "", 0, "v", 1, 0},
		{"another condition", "ra=a; rr=x", 0, "v", 1, 0},
		{"below the percentage", "ra=a; rp=10", 9, "v", 1, 1},
		{"above the percentage", "ra=a; rp=10", 10, "v", 1, 0},
		{"rp=0", "ra=a; rp=0", 0, "v", 1, 0},
		{"too many", "ra=a", 0, "v", maxReportsPerHour + 5, maxReportsPerHour},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, command := folder(t)
			records := map[string]string{}
			if c.record != "" {
				records["_report._domainkey.example.com"] = c.record
			}
			now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
			q := New(Options{Resolver: texts(records), Mailer: Mailer{Command: command}, From: "a@b",
				Chance: func() int { return c.chance }, Now: func() time.Time { return now }})
			for range c.reports {
				q.Report(failing("example.com"))
			}
			q.Close()
			if got := count(t, filepath.Join(dir, "calls")); got != c.want {
				t.Errorf("%d reports sent, want %d", got, c.want)
			}
		})
	}
}

// TestNothingWaits: a command that hangs delays nobody, and what does not fit
// into the queue is told.
func TestNothingWaits(t *testing.T) {
	release := make(chan struct{})
	var log proctest.Output
	q := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Resolver: waiting{until: release}})
	for range 256 + 10 {
		q.Report(failing("example.com"))
	}
	if !strings.Contains(log.String(), "too many reports are waiting") {
		t.Errorf("nothing said: %s", log.String())
	}
	close(release)
	q.Close()
	q.Report(failing("example.com")) // must not panic
}

// TestMailHoldsNoFilesUp: they do not wait for each other.
func TestMailHoldsNoFilesUp(t *testing.T) {
	release := make(chan struct{})
	path := filepath.Join(t.TempDir(), "statistics")
	q := New(Options{Resolver: waiting{until: release}, StatisticsFile: path, StatisticsName: "here"})
	q.Report(failing("example.com"))
	q.Record(&statistics.Message{JobID: "JOB", Domain: "a\tb", Received: time.Unix(1, 0), ATPS: -1, Spam: -1,
		Each: []statistics.Signature{{Domain: "example.com", Passed: true, Length: -1, DNSSEC: 2}}})
	const want = "V3\nMJOB\there\ta?b\t\t1\t0\t0\t-1\t-1\nSexample.com\t1\t0\t-1\t0\t2\n"
	got := ""
	for end := time.Now().Add(time.Minute); got != want && time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(path)
		got = string(text)
	}
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	close(release)
	q.Close()
}

// TestReportsAreLimitedInAll: many domains are one sender's affair easily.
func TestReportsAreLimitedInAll(t *testing.T) {
	l := limiter{perHour: 2, inAll: 5}
	now := time.Unix(1_700_000_000, 0)
	allowed := 0
	for i := range 100 {
		if l.allow(fmt.Sprint(i%10), now) {
			allowed++
		}
	}
	if allowed != 5 || !l.allow("1", now.Add(time.Hour)) {
		t.Errorf("%d allowed", allowed)
	}
	q := New(Options{Resolver: texts(nil)})
	defer q.Close()
	if q.sent.perHour != 10 || q.sent.inAll != 1000 {
		t.Errorf("%d to one domain, %d in all", q.sent.perHour, q.sent.inAll)
	}
}

type waiting struct {
	resolver.Resolver
	until chan struct{}
}

func (w waiting) LookupTXT(ctx context.Context, name string) (resolver.Answer, error) {
	select {
	case <-w.until:
	case <-ctx.Done():
	}
	return resolver.Answer{}, &resolver.Error{Name: name, Kind: resolver.KindNotFound}
}

// TestFailuresAreTold: the log says what MTACommand said.
func TestFailuresAreTold(t *testing.T) {
	_, command := folder(t)
	if err := os.WriteFile(command, []byte("#!/bin/sh\necho 'no such user' >&2\nexit 67\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log proctest.Output
	q := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)),
		Resolver: texts(map[string]string{"_report._domainkey.example.com": "ra=a"}), Mailer: Mailer{Command: command}})
	q.Report(failing("example.com"))
	q.Close()
	for _, want := range []string{"level=ERROR", "JOB: failure report for example.com not sent", "exit status 67", "no such user"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

// TestSMTP wants a report to reach a mail server as RFC 5321 has it, the blind
// copies in the envelope alone.
func TestSMTP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan []string, 1)
	go serveSMTP(l, got)
	q := New(Options{Resolver: texts(map[string]string{"_report._domainkey.example.com": "ra=dkim"}),
		Mailer: Mailer{SMTPServer: l.Addr().String(), HostName: "here.example"},
		From:   "Reports <reports@here.example>", Bcc: "one@here.example, two@here.example", Software: "test"})
	q.Report(failing("example.com"))
	q.Close()
	l.Close()
	heard := <-got
	want := []string{"EHLO here.example", "MAIL FROM:<reports@here.example>", "RCPT TO:<dkim@example.com>",
		"RCPT TO:<one@here.example>", "RCPT TO:<two@here.example>", "DATA"}
	if len(heard) < len(want) {
		t.Fatalf("heard only %q", heard)
	}
	if diff := cmp.Diff(want, heard[:len(want)]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text := strings.Join(heard, "\n")
	if strings.Contains(text, "Bcc:") || !strings.Contains(text, "\nTo: dkim@example.com\nDate: ") || !strings.HasSuffix(text, "QUIT") {
		t.Errorf("heard %s", text)
	}
}

func serveSMTP(l net.Listener, got chan<- []string) {
	var heard []string
	defer func() { got <- heard }()
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "220 mx.example ESMTP\r\n")
	data := false
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		heard = append(heard, line)
		switch {
		case line == ".":
			data = false
			fmt.Fprint(conn, "250 ok\r\n")
		case data:
		case line == "DATA":
			data = true
			fmt.Fprint(conn, "354 go on\r\n")
		case line == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

// TestHostileTextEndsNoField: names and addresses come from outside.
func TestHostileTextEndsNoField(t *testing.T) {
	q := New(Options{From: "a@b", Software: "test"})
	evil := "x\r\nBcc: victim@example.com\r\n\r\n--"
	r := &policy.FailureReport{JobID: evil, Host: evil, Sender: evil, MessageID: evil, Domain: evil,
		Selector: evil, Identity: evil, Reason: evil, Failure: "signature"}
	if text := string(q.message(r, "a@b")); strings.Contains(text, "\nBcc") || strings.Contains(text, "\r") {
		t.Errorf("a field was broken out of:\n%s", text)
	}
}

// TestDiagnosticFilesStayInTheirFolder: a job's name is the MTA's word.
func TestDiagnosticFilesStayInTheirFolder(t *testing.T) {
	dir := t.TempDir()
	q := New(Options{DiagnosticDirectory: dir})
	for _, job := range []string{"../../../etc/evil", "..", "", ".hidden", "a/b", "JOB", strings.Repeat("x", 400)} {
		q.Diagnose(&policy.Diagnosis{JobID: job, Text: []byte("text")})
	}
	q.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"JOB", "_", "_..", "_.._.._.._etc_evil", "_.hidden", "a_b", strings.Repeat("x", 60)}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
