package faults

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/filter"
	"dojang/milter"
	"dojang/test/faults/rig"
)

// TestClockSetBack sets the clock back and forth while a connection lives: t= of
// what is signed follows it, signatures from what is now the future are told as
// such, and nothing waits for the time to come again.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	c, problems := config.Load(r.Path("opendkim.conf"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	built, problems := build.Snapshot(context.Background(), c,
		build.Parts{Log: slog.New(slog.DiscardHandler), Account: build.Account{UID: os.Getuid()}, Resolvers: new(build.Resolvers)})
	if built == nil {
		t.Fatal(problems)
	}
	var offset atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) }
	f := filter.New(built.Snapshot, nil, now)
	defer f.Close()
	server := milter.NewServer(f.SessionMaker(filter.AsConfigured), milter.Options{})
	l, err := net.Listen("unix", filepath.Join(r.Dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()

	client := r.Dial()
	m := rig.Message("the clock is moved", 500)
	signed := rig.SignedBy(t, rig.Foreign(m), rig.Selector)
	outside := r.Dial()
	for _, step := range []struct {
		offset  time.Duration
		verdict string
	}{{0, "dkim=pass"}, {-48 * time.Hour, "dkim=permerror"}, {0, "dkim=pass"}, {48 * time.Hour, "dkim=pass"},
		{-20 * 365 * 24 * time.Hour, "dkim=permerror"}, {0, "dkim=pass"}} {
		offset.Store(int64(step.offset))
		begin := time.Now()
		o, err := client.Send(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Edits) != 1 {
			t.Fatalf("%v: %v", step.offset, o.Edits)
		}
		if stamp := timeOf(t, o.Edits[0].Value); stamp.Sub(now()).Abs() > 5*time.Second {
			t.Errorf("clock at %v: signed with t=%v", now(), stamp)
		}
		o, err = outside.Send(context.Background(), signed)
		if err == nil {
			err = checkVerdict(&o, step.verdict)
		}
		if err != nil {
			t.Errorf("%v: %v", step.offset, err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%v: took %v", step.offset, took)
		}
	}
}

// timeOf is t= of a signature.
func timeOf(t *testing.T, value string) time.Time {
	t.Helper()
	for tag := range strings.SplitSeq(value, ";") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(tag), "t="); ok {
			d, err := time.ParseDuration(seconds + "s")
			if err != nil {
				t.Fatal(err)
			}
			return time.Unix(0, 0).Add(d)
		}
	}
	t.Fatalf("no t= in %s", value)
	return time.Time{}
}
