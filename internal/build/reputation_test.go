package build

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"dojang/header"
	"dojang/internal/policy"
	"dojang/internal/reputation"
	"dojang/internal/testutil/configtest"
)

// Counts outlive a reload, or it would let everybody begin anew.
func TestReputationOutlivesReload(t *testing.T) {
	parts := Parts{Log: slog.New(slog.DiscardHandler), Counter: new(reputation.Counter)}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i, over := range []bool{false, true} {
		built, problems := Snapshot(t.Context(), configtest.Read(t, "Mode v\nReputationLimits csl:example.com=1\n"), parts)
		if built == nil {
			t.Fatal(problems)
		}
		sent := policy.Sent{Time: now, Domains: []string{"example.com"}, Fields: new(header.List), Body: []byte{byte(i)}}
		found := built.Snapshot.Rules.Limits[0].Judge(t.Context(), sent, true)
		if over != (found.Reply.Action == policy.TempFail) || found.Failed {
			t.Errorf("after %d reloads: %+v", i, found)
		}
		built.Snapshot.Discard()
	}
}

func TestReputationSpamCheckIsAnExpression(t *testing.T) {
	built, problems := Snapshot(t.Context(), configtest.Read(t, "Mode v\nReputationRatios csl:*=0.5\nReputationSpamCheck (\n"),
		Parts{Log: slog.New(slog.DiscardHandler)})
	if built != nil || !problems.HasErrors() {
		t.Errorf("taken: %v", problems)
	}
}

// A folder that is not there is told at the start and not when the first count
// is to be written.
func TestCountsWantAFolder(t *testing.T) {
	dir := t.TempDir()
	for _, option := range []string{"FlowData", "ReputationCache"} {
		for path, want := range map[string]bool{dir + "/counts": false, dir + "/absent/counts": true} {
			built, problems := Snapshot(t.Context(),
				configtest.Read(t, "Mode v\nRateLimits csl:.=1\nReputationLimits csl:a=1\n"+option+" "+path+"\n"),
				Parts{Log: slog.New(slog.DiscardHandler)})
			if built == nil {
				t.Fatal(problems)
			}
			built.Snapshot.Discard()
			var b strings.Builder
			problems.Write(&b)
			if told := strings.Contains(b.String(), option+": "+dir+"/absent: not a folder"); told != want {
				t.Errorf("%s %s: %s", option, path, b.String())
			}
		}
	}
}

func TestFlowDataFile(t *testing.T) {
	for text, want := range map[string]string{
		"/var/lib/opendkim/flow": "/var/lib/opendkim/flow", "db:/x/y": "/x/y", "/x/y.db": "/x/y.db", "file:/x": "/x", "mdb:/x": "/x",
		"refile:/x": "", "csl:a=b": "", "a": "", "dsn:mysql://u:p@h/d": "", "redis://h": "",
	} {
		c := configtest.Read(t, "Mode v\nRateLimits csl:.=1\nFlowData "+text+"\n")
		if got := FlowDataFile(c); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		built, problems := Snapshot(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
		if built == nil {
			t.Fatal(problems)
		}
		built.Snapshot.Discard()
		var b strings.Builder
		problems.Write(&b)
		if told := strings.Contains(b.String(), "FlowData: no file"); told != (want == "") {
			t.Errorf("%s: %s", text, b.String())
		}
	}
}
