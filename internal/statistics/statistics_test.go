package statistics

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
)

// The numbers are those of DKIM_SIGERROR_DOMAIN, _TIMESTAMPS, _INVALID_A, _DNSSYNTAX and
// _KEYTYPEUNKNOWN in libopendkim's dkim.h. The file once had -1 for these, and scripts
// had them.
func TestNumbersOfLibopendkim(t *testing.T) {
	for reason, want := range map[dkim.Reason]int{
		dkim.ReasonNone: 0, dkim.ReasonIdentityInvalid: 2, dkim.ReasonTimestamp: 5, dkim.ReasonSHA1: 10, dkim.ReasonKeySyntax: 23, dkim.ReasonKeyEmpty: 23,
		dkim.ReasonKeyMissing: 23, dkim.ReasonKeyTypeMismatch: 41, dkim.ReasonTooManySignatures: UnknownError,
	} {
		if got := ErrorNumber(reason); got != want {
			t.Errorf("%s: %d, want %d", reason, got, want)
		}
	}
}

// What is read is what was told, whatever stands in names.
func TestFileIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "statistics")
	m := &Message{JobID: "JOB", Domain: "a\tb\nM x", Client: "192.0.2.1", Received: time.Unix(7, 0),
		BodyBytes: 30, Signatures: 1, ATPS: -1, Spam: 1,
		Each: []Signature{{Domain: "example.com", Passed: true, Length: -1, DNSSEC: 2}}, Extra: []Figure{{"name", "value"}}}
	for range 2 {
		if err := Append(path, "here", m); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	if err := Read(f, func(l Line) { got = append(got, fmt.Sprintf("%d%c%q%s", l.Number, l.Kind, l.Fields, l.Problem)) }); err != nil {
		t.Fatal(err)
	}
	message := `M["JOB" "here" "a?b?M x" "192.0.2.1" "7" "30" "1" "-1" "1"]`
	signature, figure := `S["example.com" "1" "0" "-1" "0" "2"]`, `X["name" "value"]`
	want := []string{`1V["3"]`, "2" + message, "3" + signature, "4" + figure, "5" + message, "6" + signature, "7" + figure}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const goodMessage = "Mjob\there\ta\t192.0.2.1\t7\t30\t1\t-1\t-1\n"

// TestLongLines are read up to a mebibyte.
func TestLongLines(t *testing.T) {
	for n, fits := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		if err := Read(strings.NewReader(strings.Repeat("x", n-1)+"\n"), func(Line) {}); (err == nil) != fits {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

// TestSyntaxErrors: the numbers that opendkim-stats 2.11 counts as errors of syntax.
func TestSyntaxErrors(t *testing.T) {
	want := []int{1, 2, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 25, 26, 27, 31, 32, 33, 34}
	for n := range 50 {
		if IsSyntax(n) != slices.Contains(want, n) {
			t.Errorf("%d: %v", n, IsSyntax(n))
		}
	}
}

// TestFilesThatCannotBeWritten are told of.
func TestFilesThatCannotBeWritten(t *testing.T) {
	if err := Append(filepath.Join(t.TempDir(), "none", "statistics"), "here", new(Message)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestBadLines(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "\n": `unknown record type ""`, "V2\n": "unknown version (2)", "Sa\t1\t1\t1\t1\t1\n": "signature record before message record",
		"M\n": "unexpected message field count (1)", "Xa\tb\n": "unexpected extension record", "Q\n": `unknown record type "Q"`,
		goodMessage + "Sa\t1\n": "unexpected signature field count (2)", goodMessage + "Xa\n": "unexpected extension record",
		"M\nSa\t1\t1\t1\t1\t1\n":                   "unexpected message field count (1)signature record before message record",
		goodMessage + "Sa\t1\t1\t1\t1\t1\nXa\tb\n": "", "V3\nV3\nSa\n": "signature record before message record",
	} {
		got := ""
		if err := Read(strings.NewReader(text), func(l Line) { got += l.Problem }); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestNobodyReadsThePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(path, "here", &Message{}); err == nil {
		t.Error("a message went into a pipe that nobody reads")
	}
}
