package report

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/policy"
	"dojang/internal/testutil/proctest"
)

// TestMessage has net/mail and mime/multipart read a report as RFC 5965 and RFC 6591 §3 want
// it, whatever the length of the names in its boundary.
func TestMessage(t *testing.T) {
	arrived := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	q := New(Options{From: "Reports <r@here.example>", Bcc: "copy@here.example", Software: "dojang/1",
		Now: func() time.Time { return arrived.Add(time.Second) }})
	r := &policy.FailureReport{JobID: strings.Repeat("J", 50), Host: strings.Repeat("h", 50), Sender: "s@example.net", Client: "192.0.2.1",
		MessageID: " <1@example.net> ", Arrived: arrived, Domain: "example.com", Selector: "sel", Identity: "@example.com",
		Failure: "signature", Reason: "bad signature", CanonicalHeader: bytes.Repeat([]byte("from:a\r\n"), 20), CanonicalBody: []byte{},
		Header: []byte("From: a\nSubject: b\n")}
	m, err := mail.ReadMessage(bytes.NewReader(q.message(r, "to@example.com")))
	if err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || parameters["report-type"] != "feedback-report" || len(parameters["boundary"]) != 70 {
		t.Errorf("%s, %v, %v", kind, parameters, err)
	}
	delete(m.Header, "Content-Type")
	if diff := cmp.Diff(mail.Header{"From": {q.o.From}, "To": {"to@example.com"}, "Bcc": {q.o.Bcc}, "Mime-Version": {"1.0"},
		"Date": {"Fri, 2 Jan 2026 03:04:06 +0000 (UTC)"}, "Subject": {"DKIM failure report for " + r.JobID}}, m.Header); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for _, kind := range []string{"text/plain", "message/feedback-report", "text/rfc822-headers"} {
		part, err := parts.NextPart()
		if err != nil || part.Header.Get("Content-Type") != kind {
			t.Fatalf("%v, %v, want %s", part, err, kind)
		}
		text, err := io.ReadAll(part)
		switch {
		case err != nil:
			t.Error(err)
		case kind == "text/plain" && !strings.HasPrefix(string(text), "DKIM failure report for job "+r.JobID+" on "+r.Host+"\n"):
			t.Errorf("%q", text)
		case kind == "message/feedback-report":
			checkFeedback(t, string(text), r)
		case kind == "text/rfc822-headers" && string(text) != string(r.Header):
			t.Errorf("%q", text)
		}
	}
	if part, err := parts.NextPart(); err != io.EOF {
		t.Errorf("one part more: %v, %v", part, err)
	}
	r = failing("example.com")
	if text := string(q.message(r, "to@example.com")); strings.Contains(text, "Canonicalized-") || strings.Contains(text, "Message-ID") ||
		!strings.Contains(text, "\nAuth-Failure: bodyhash\n") {
		t.Errorf("what is not there is told:\n%s", text)
	}
}

func checkFeedback(t *testing.T, text string, r *policy.FailureReport) {
	t.Helper()
	for line := range strings.Lines(text) {
		if len(line) > 79 { // RFC 5322 §2.1.1: 78 and the line's end
			t.Errorf("a line of %d octets: %q", len(line), line)
		}
	}
	fields, err := textproto.NewReader(bufio.NewReader(strings.NewReader(text + "\n\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	encoded := strings.ReplaceAll(fields.Get("Dkim-Canonicalized-Header"), " ", "")
	if got, err := base64.StdEncoding.DecodeString(encoded); err != nil || !bytes.Equal(got, r.CanonicalHeader) {
		t.Errorf("%q, %v", got, err)
	}
	delete(fields, "Dkim-Canonicalized-Header")
	want := textproto.MIMEHeader{"User-Agent": {"dojang/1"}, "Version": {"1"}, "Original-Envelope-Id": {r.JobID},
		"Original-Mail-From": {r.Sender}, "Reporting-Mta": {r.Host}, "Source-Ip": {r.Client}, "Message-Id": {"<1@example.net>"},
		"Arrival-Date": {"Fri, 2 Jan 2026 03:04:05 +0000 (UTC)"}, "Reported-Domain": {r.Domain}, "Delivery-Result": {"other"},
		"Feedback-Type": {"auth-failure"}, "Auth-Failure": {"signature (bad signature)"}, "Dkim-Failure": {"signature"},
		"Dkim-Domain": {r.Domain}, "Dkim-Selector": {r.Selector}, "Dkim-Identity": {r.Identity}, "Dkim-Canonicalized-Body": {""}}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestLocalParts are of atext and dots (RFC 5322 §3.2.3), of 64 octets at most (RFC 5321
// §4.5.3.1.1), and names of files and boundaries of what RFC 2046 §5.1.1 and a folder take.
func TestLocalParts(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for c := range 128 {
		if c == '@' {
			continue // what is behind it is passed over
		}
		text := fmt.Sprintf("ra=a=%02Xb", c)
		if wanted := strings.ContainsRune(letters+"!#$%&'*+-/=?^_`{|}~.", rune(c)); (ParseRecord(text) != nil) != wanted {
			t.Errorf("%s is taken: %v", text, !wanted)
		}
		if kept := strings.ContainsRune(letters+"-._()", rune(c)); (atom(string(rune(c))) == string(rune(c))) != kept && c != '_' {
			t.Errorf("%q is kept: %v", rune(c), !kept)
		}
	}
	for text, want := range map[string]bool{"ra=" + strings.Repeat("a", 64): true, "ra=a=4": false, "ra=.a": false, "ra=a.": false} {
		if (ParseRecord(text) != nil) != want {
			t.Errorf("%s is taken: %v", text, !want)
		}
	}
	for from, want := range map[string]string{"R <r@here.example>": "r@here.example", "nobody": ""} {
		if got := New(Options{From: from}).sender(); got != want {
			t.Errorf("%s sends as %q", from, got)
		}
	}
}

// TestFilesThatAreNotWritten: the log says why, but for those beyond the thousand of an hour.
func TestFilesThatAreNotWritten(t *testing.T) {
	dir := t.TempDir()
	var log proctest.Output
	logger := slog.New(slog.NewTextHandler(&log, nil))
	now := func() time.Time { return time.Unix(1e9, 0) }
	q := New(Options{DiagnosticDirectory: filepath.Join(dir, "none"), Log: logger, Now: now})
	q.files.add(func(context.Context) { panic("by design") })
	q.Diagnose(&policy.Diagnosis{JobID: "JOB"})
	q.Close()
	q.Diagnose(&policy.Diagnosis{JobID: "LATE"})
	for _, want := range []string{"by design", "JOB: ", "no such file or directory", "LATE: ", "too much is waiting to be written"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
	before := log.String()
	q = New(Options{DiagnosticDirectory: dir, Log: logger, Now: now})
	for range 999 {
		q.diagnosed.allow("", now())
	}
	q.Diagnose(&policy.Diagnosis{JobID: "LAST"})
	q.Diagnose(&policy.Diagnosis{JobID: "BEYOND"})
	q.Close()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "LAST" || log.String() != before {
		t.Errorf("%v, %v, %s", entries, err, log.String())
	}
}
