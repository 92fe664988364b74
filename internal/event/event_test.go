package event

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/logging"
	"dojang/internal/problem"
	"dojang/internal/testutil"
)

// TestLevels wants the syslog priorities that opendkim 2.11 was seen to use.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  slog.Level
	}{
		{NoSignature(), slog.LevelDebug},
		{NotInternal("host", "192.0.2.1"), slog.LevelInfo},
		{Verified(Judgement{}), slog.LevelInfo},
		{Signature("s", "d", "rsa-sha256", ""), slog.LevelInfo},
		{BadSignature(Judgement{}), logging.LevelNotice},
		{NoSignatureRefused(), logging.LevelNotice},
		{KeyRevoked("s", "d", "rsa-sha256"), logging.LevelNotice},
		{ExternalHost("host", "d"), logging.LevelNotice},
		{NoJobID(), slog.LevelWarn},
		{UnparsableResults(1), slog.LevelWarn},
		{KeyNotFound("s", "d", "s._domainkey.d"), slog.LevelError},
		{UnknownKey("k"), slog.LevelError},
		{SyntaxError("why"), slog.LevelError},
		{RateExceeded("unsigned mail", 1), slog.LevelError}, // as upstream's source says
	} {
		if c.event.Level != c.want {
			t.Errorf("%q is told at level %v, want %v", c.event.Text, c.event.Level, c.want)
		}
	}
}

// written is what an event's line is, and its facts, in the form of slog's text.
func written(e Event, job string, level slog.Level) (line, facts string) {
	var out bytes.Buffer
	e.Write(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.MessageKey {
				line = a.Value.String()
			}
			if a.Key == slog.MessageKey || a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})), job)
	return line, strings.TrimSpace(out.String())
}

// TestWordsAreOpenDKIMs: what log parsers look for is what the real program has in it, with
// the job's name before it or without.
func TestWordsAreOpenDKIMs(t *testing.T) {
	program, err := os.ReadFile(testutil.Need(t, "opendkim"))
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("broken")
	for _, c := range []struct {
		format string // of opendkim
		args   []any  // beside the job
		event  Event
	}{
		{"%s: %s [%s] not internal", []any{"mx", "192.0.2.1"}, NotInternal("mx", "192.0.2.1")},
		{"%s: not authenticated", nil, NotAuthenticated()},
		{"%s: no MTA name match (host=%s, MTA=%s)", []any{"mx", "smtp"}, NoMTAMatch("mx", "smtp")},
		{"%s: no macros match", nil, NoMacrosMatch()},
		{"%s: no signing domain match for '%s'", []any{"a.example"}, NoSigningDomain("a.example")},
		{"%s: no signing subdomain match for '%s'", []any{"a.example"}, NoSigningSubdomain("a.example")},
		{"%s: no signing table match for '%s@%s'", []any{"joe", "a.example"}, NoSigningTableMatch("joe", "a.example")},
		{"%s: external host %s attempted to send as %s", []any{"mx", "a.example"}, ExternalHost("mx", "a.example")},
		{"%s: domain '%s' exempted, accepting", []any{"a.example"}, Exempted("a.example")},
		{"%s: skipping signing of mail to '%s'", []any{"joe@a.example"}, SkippingRecipient("joe@a.example")},
		{"%s: BodyLengthDB matched %s, signing with l= requested", []any{"joe@a.example"}, BodyLengthMatched("joe@a.example")},
		{"%s: can't determine message sender; accepting", nil, NoSender()},
		{"%s: can't parse %s: header value '%s'", []any{"From", "x"}, UnparsableSender("From", "x")},
		{"%s: can't parse macro %s header value '%s'", []any{"f", "x"}, UnparsableSenderMacro("f", "x")},
		{"%s: RFC5322 header requirement error: %s", []any{"no Date"}, RequiredHeaders("no Date")},
		{"%s: signing table references unknown key '%s'", []any{"k"}, UnknownKey("k")},
		{"%s: error loading key '%s'", []any{"k"}, KeyError("k")},
		{"%s: error reading signing table", nil, SigningTableError(failed)},
		{"%s: failed to parse %s: header field", []any{"Authentication-Results"}, UnparsableResults(1)},
		{"%s: %s field added (s=%s, d=%s)", []any{"DKIM-Signature", "s", "d"}, Signed("DKIM-Signature", "s", "d", "a", time.Second)},
		{"%s: DKIM verification successful", nil, Verified(Judgement{})},
		{"%s: no signature data", nil, NoSignature()}, {"%s: no signature data", nil, NoSignatureRefused()},
		{"%s: bad signature data", nil, BadSignature(Judgement{})},
		{"%s: s=%s d=%s a=%s SSL %s", []any{"s", "d", "rsa-sha256", "why"}, Signature("s", "d", "rsa-sha256", "why")},
		{"%s: ignoring %u signature%s", []any{1, ""}, Ignoring(1)}, {"%s: ignoring %u signature%s", []any{2, "s"}, Ignoring(2)},
		{"%s: syntax error: %s", []any{"why"}, SyntaxError("why")},
		{"%s: key revoked (s=%s, d=%s, a=%s)", []any{"s", "d", "a"}, KeyRevoked("s", "d", "a")},
		{"%s: key retrieval failed (s=%s, d=%s)%s%s", []any{"s", "d", ": ", "'n' record not found"}, KeyNotFound("s", "d", "n")},
		{"%s: key retrieval failed (s=%s, d=%s)%s%s", []any{"s", "d", ": ", "broken"}, KeyQueryFailed("s", "d", failed)},
		{"%s: key retrieval failed (s=%s, d=%s)%s%s", []any{"s", "d", ": ", "no answer"}, KeyQueryFailed("s", "d", nil)},
		{"%s: dkimf_lua_setup_hook() failed: %s", []any{"broken"}, ScriptFailed("setup", failed)},
		{"%s: dkimf_lua_screen_hook() failed: %s", []any{"broken"}, ScriptFailed("screen", failed)},
		{"%s: dkimf_lua_final_hook() failed: %s", []any{"broken"}, ScriptFailed("final", failed)},
		{"key '%s' not found", []any{"k"}, ScriptKeyUnknown("k")},
		{"failed to load/apply default key", nil, ScriptNoDefaultKey()},
		{"WARNING: symbol 'i' not available", nil, NoJobID()},
		{"%s v%s starting%s%s%s", []any{"OpenDKIM Filter", "2.11.0", " (args: ", "-f", ")"}, Started("2.11.0", "1", "-f", "none")},
		{"%s v%s starting%s%s%s", []any{"OpenDKIM Filter", "2.11.0", "", "", ""}, Started("2.11.0", "1", "", "none")},
		{"%s v%s terminating with status %d, errno = %d", []any{"OpenDKIM Filter", "2.11.0", 1, 0}, Stopped("2.11.0", 1)},
		{"configuration reloaded from %s", []any{"/etc/x"}, Reloaded("/etc/x", "")},
		{"can't write pid to %s: %s", []any{"/run/x", "No such file or directory"}, PidFileFailed("/run/x", syscall.ENOENT)},
		{"can't enable coredumps; continuing", nil, NoCoredumps(failed)},
		{"exited with status %d, restarting", []any{1}, WorkerRestarted("exited with status 1")},
		{"maximum restart count exceeded", nil, TooManyRestarts("count")},
		{"maximum restart rate exceeded", nil, TooManyRestarts("rate")},
		{`"X-Header" deprecated; use "SoftwareHeader" instead`, nil, OptionDeprecated("X-Header", "SoftwareHeader")},
	} {
		c.event.NoJob = c.event.NoJob || !strings.HasPrefix(c.format, "%s: ")
		if !bytes.Contains(program, []byte("\x00"+c.format+"\x00")) {
			t.Errorf("opendkim has no %q", c.format)
		}
		args := c.args
		if !c.event.NoJob {
			args = append([]any{"JOB"}, args...)
		}
		want := fmt.Sprintf(strings.ReplaceAll(c.format, "%u", "%d"), args...)
		named := "event=" + c.event.Name
		if got, facts := written(c.event, "JOB", slog.LevelDebug); got != want || !strings.HasPrefix(facts, named+" job=JOB") {
			t.Errorf("%q with %s, want %q", got, facts, want)
		}
		want = strings.TrimPrefix(want, "JOB: ")
		if got, facts := written(c.event, "", slog.LevelDebug); got != want || strings.Contains(facts, "job=") {
			t.Errorf("without a job %q with %s", got, facts)
		}
	}
}

// TestOwnWords: lines that OpenDKIM has not, and what they tell in numbers.
func TestOwnWords(t *testing.T) {
	failed := errors.New("broken")
	for _, c := range []struct {
		event Event
		want  string // the line, and its facts
	}{
		{TooMuchHeader("X", 9), `too much header data: field "X" exceeds MaximumHeaders 9 field=X limit=9`},
		{More("signed", 3), "and 3 more lines of this kind (signed) of=signed count=3"},
		{UnparsableResults(2), "failed to parse Authentication-Results: header field and 1 more count=2"},
		{FieldDiffers("changed", "X", "a", "b"),
			`header field X was changed after signing, then: "a", now: "b" field=X kind=changed then=a now=b`},
		{FieldDiffers("added", "X", "", "b"), `header field X was added after signing, now: "b" field=X kind=added then="" now=b`},
		{FieldDiffers("removed", "X", "a", ""), `header field X was removed after signing, then: "a" field=X kind=removed then=a now=""`},
		{RemovedResults(2), "removed 2 Authentication-Results fields that bear our name count=2"},
		{DatasetError("PeerList", failed), "PeerList: broken option=PeerList error=broken"},
		{NotSenders("a@b", "joe"), "'joe' may not send as 'a@b', not signing author=a@b login=joe"},
		{ReportSent("d", "a@d"), "failure report for d sent to a@d domain=d to=a@d"},
		{ReportFailed("d", failed), "failure report for d not sent: broken domain=d error=broken"},
		{ReportDropped("d", "too many"), `failure report for d not sent: too many domain=d why="too many"`},
		{OverLimits("d", false, Traffic{Messages: 3, Spam: 2, Limit: 1, Ratio: 0.5}),
			"blocked by reputation of d (ratio 0.5, count 3, spam 2, limit 1) domain=d count=3 spam=2 limit=1 ratio=0.5"},
		{OverLimits("d", true, Traffic{Messages: 3, Spam: 2, Limit: 1, Ratio: -1}),
			"would be blocked by reputation of d (ratio -1, count 3, spam 2, limit 1) domain=d count=3 spam=2 limit=1 ratio=-1"},
		{ScriptSays("one line\nof a script"), "one line of a script"},
		{FileFailed(failed), "broken error=broken"},
		{KeyTrouble(failed), "broken error=broken"},
		{ConfigurationWarning(problem.Problem{File: "/etc/x", Line: 3, Option: "Mode", Text: "odd", Hint: "write v"}),
			`/etc/x:3: Mode: odd; write v file=/etc/x line=3 option=Mode problem=odd hint="write v"`},
		{StartProblem(problem.Problem{Text: "odd"}), `odd problem=odd hint=""`},
	} {
		line, facts := written(c.event, "", logging.LevelDetail)
		if got := strings.TrimSpace(line + strings.TrimPrefix(facts, "event="+c.event.Name)); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	if line, _ := written(ScriptSays("x"), "JOB", slog.LevelDebug); line != "x" {
		t.Errorf("a script's line became %q", line)
	}
	for level, e := range map[slog.Level]Event{slog.LevelDebug: RemovedResults(1), slog.LevelWarn: Exempted("d")} {
		if line, facts := written(e, "", level); line+facts != "" {
			t.Errorf("told though nobody asked for it: %s", line)
		}
	}
}

// TestStrangersTextIsBounded: 256 octets of what somebody else wrote are told, and that it
// was more, in the line and in each of its facts.
func TestStrangersTextIsBounded(t *testing.T) {
	for n, want := range map[int]int{0: 0, 255: 255, 256: 256, 257: 259, 10_000: 259} {
		if got := Cut(strings.Repeat("x", n)); len(got) != want || strings.HasSuffix(got, "...") != (n > 256) {
			t.Errorf("%d octets are cut to %d", n, len(got))
		}
	}
	long := strings.Repeat("x", 100_000)
	failed := errors.New(long)
	for _, e := range []Event{
		NotInternal(long, "a"), NoMTAMatch(long, long), NoSigningDomain(long), NoSigningSubdomain(long),
		NoSigningTableMatch(long, long),
		ExternalHost(long, long), Exempted(long), SkippingRecipient(long), BodyLengthMatched(long), UnparsableSender("From", long),
		UnparsableSenderMacro("f", long), TooMuchHeader(long, 1), UnknownKey(long), KeyError(long), KeyTrouble(failed),
		UndecodableWhy(failed), SigningTableError(failed), DatasetError("O", failed), SigningFailed(failed), NotSenders(long, long),
		NotSignedAnew(long), Signature(long, long, "a", "why"), FieldDiffers("changed", long, long, long), EditsFailed(failed),
		SignaturesFrom([]string{long, long}), SyntaxError(long), KeyRevoked(long, long, "a"), KeyNotFound(long, long, long),
		KeyQueryFailed(long, long, failed), SeveralKeys(long, long), ReportSent(long, long), ReportFailed(long, failed),
		ReportDropped(long, "why"), FileFailed(failed), TemporaryFileFailed(failed), OverLimits(long, true, Traffic{}),
		WithinLimits(long, Traffic{}), NoLimits(long), ReputationFailed(long, failed), RateExceeded(long, 1), ScriptFailed("final", failed),
		ScriptKeyUnknown(long), ScriptSays(long),
	} {
		if n := len(e.Text); n > 3*259+100 && e.Name != "script" || n > 1024+3 {
			t.Errorf("%s: a line of %d octets", e.Name, n)
		}
		for _, a := range e.Attrs {
			if n := len(a.Value.String()); n > 2*259+1 {
				t.Errorf("%s: %s has %d octets", e.Name, a.Key, n)
			}
		}
	}
	for n, want := range map[int]int{1024: 1024, 1025: 1027} {
		if got := len(ScriptSays(strings.Repeat("x", n)).Text); got != want {
			t.Errorf("%d octets of a script: %d", n, got)
		}
	}
}
