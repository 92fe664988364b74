package filter_test

import (
	"strings"
	"testing"
	"time"

	"dojang/internal/filter"
	"dojang/milter"
)

// A domain's messages are deferred above its limit, tries again count once, and
// mail of our own not at all.
func TestReputationLimits(t *testing.T) {
	signer := newRig(t, signing, nil, milter.Options{}, nil)
	m := signed(t, inside(), signer.send(signer.dial(milter.ClientOptions{}), inside()))
	m.Host, m.Addr = outside().Host, outside().Addr
	unsigned := func(body string) milter.Message {
		m := outside()
		m.Raw = append(m.Raw, body...)
		return m
	}
	r := newRig(t, verifying+"ReputationLimits csl:example.com=2,unsigned=1\n", map[string]string{"dns": dns()}, milter.Options{}, nil)
	for i, step := range []struct {
		message milter.Message
		over    bool
	}{
		{m, false}, {m, false}, {m, true}, {m, true},
		{unsigned("1\r\n"), false}, {unsigned("2\r\n"), true}, {unsigned("2\r\n"), true}, {inside(), false},
	} {
		out := r.send(r.dial(milter.ClientOptions{}), step.message)
		if over := strings.HasPrefix(out.Final.Text, "450 4.7.1 "); over != step.over {
			t.Errorf("message %d: %q, want over %v", i, out.Final.Text, step.over)
		}
	}
	log := strings.Join(r.log.take(), "\n")
	for _, line := range []string{"notice JOB: blocked by reputation of example.com (ratio -1, count 3, spam 0, limit 2)", "notice JOB: blocked by reputation of NULL domain (ratio -1, count 2, spam 0, limit 1)"} {
		if strings.Count(log, line) != 2 {
			t.Errorf("not told twice: %s\n%s", line, log)
		}
	}
}

// What they do is shown in internal/reputation.
func TestReputationTimes(t *testing.T) {
	newRig(t, "Mode v\nReputationLimits csl:a=1\nReputationCacheTTL 60\nReputationTimeout 7\n", nil, milter.Options{}, func(s *filter.Snapshot) {
		if c := s.Rules.Reputation.Checker; c.Period != time.Minute || c.Timeout != 7*time.Second {
			t.Errorf("period %v, timeout %v", c.Period, c.Timeout)
		}
	})
}
