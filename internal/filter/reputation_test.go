package filter_test

import (
	"strings"
	"testing"
	"time"

	"dojang/internal/filter"
	"dojang/internal/reputation"
	"dojang/milter"
)

// fromOutside is a message signed by example.com, and unsigned one of any body.
func fromOutside(t *testing.T) (m milter.Message, unsigned func(body string) milter.Message) {
	t.Helper()
	signer := newRig(t, signing, nil, milter.Options{}, nil)
	m = signed(t, inside(), signer.send(signer.dial(milter.ClientOptions{}), inside()))
	m.Host, m.Addr = outside().Host, outside().Addr
	return m, func(body string) milter.Message {
		m := outside()
		m.Raw = append(m.Raw, body...)
		return m
	}
}

// A domain's messages are deferred above its limit, tries again count once, and
// mail of our own not at all.
func TestReputationLimits(t *testing.T) {
	m, unsigned := fromOutside(t)
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
	for _, line := range []string{"notice JOB: blocked by reputation of example.com (ratio -1, count 3, spam 0, limit 2)",
		"notice JOB: blocked by reputation of NULL domain (ratio -1, count 2, spam 0, limit 1)"} {
		if strings.Count(log, line) != 2 {
			t.Errorf("not told twice: %s\n%s", line, log)
		}
	}
}

// RateLimits count for themselves: a row for the domain alone, a dot for mail
// without a passing signature. The line is upstream's, and so is that the MTA
// says its own words.
func TestRateLimits(t *testing.T) {
	m, unsigned := fromOutside(t)
	spoiltOnce := m
	spoiltOnce.Raw = append(append([]byte(nil), m.Raw...), "more\r\n"...)
	r := newRig(t, verifying+"RateLimits csl:example.com=3,.=2,*=0,low-time=0,unsigned=0\nFlowDataFactor "+
		"2\nReputationLimits csl:example.com=100\n", map[string]string{"dns": dns()}, milter.Options{}, nil)
	for i, step := range []struct {
		message milter.Message
		over    bool
	}{
		{m, false}, {m, false}, {m, true}, {m, true}, // a half of 3 is 2
		{unsigned("1\r\n"), false}, {spoiltOnce, true}, {unsigned("2\r\n"), true}, {unsigned("2\r\n"), true},
	} {
		out := r.send(r.dial(milter.ClientOptions{}), step.message)
		if over := out.Final.Kind == milter.ReplyTempFail; over != step.over || out.Final.Text != "" {
			t.Errorf("message %d: %s, want over %v", i, out.Final.String(), step.over)
		}
	}
	log := strings.Join(r.log.take(), "\n")
	for line, times := range map[string]int{"err JOB: rate limit for 'example.com' (2) exceeded": 2,
		"err JOB: rate limit for unsigned mail (1) exceeded": 3} {
		if strings.Count(log, line) != times {
			t.Errorf("not told %d times: %s\n%s", times, line, log)
		}
	}
}

// A limit that cannot be had is none.
func TestRateLimitsWithAWrongRow(t *testing.T) {
	m, _ := fromOutside(t)
	r := newRig(t, verifying+"RateLimits csl:example.com=many\nOn-ReputationError reject\n",
		map[string]string{"dns": dns()}, milter.Options{}, nil)
	if out := r.send(r.dial(milter.ClientOptions{}), m); out.Final.Kind != milter.ReplyAccept {
		t.Errorf("%s", out.Final.String())
	}
	if log := strings.Join(r.log.take(), "\n"); !strings.Contains(log, `err JOB: RateLimits: limit of "example.com": "many" is no number of messages`) {
		t.Error(log)
	}
}

// What they do is shown in internal/reputation.
func TestReputationTimes(t *testing.T) {
	newRig(t, "Mode v\nReputationLimits csl:a=1\nReputationCacheTTL 60\nReputationTimeout 7\nRateLimits "+
		"csl:a=1\nFlowDataTTL 30\n", nil, milter.Options{}, func(s *filter.Snapshot) {
		if c := s.Rules.Limits[0].(*reputation.Limits).Checker; c.Period != time.Minute || c.Timeout != 7*time.Second {
			t.Errorf("period %v, timeout %v", c.Period, c.Timeout)
		}
		if got := s.Rules.Limits[1].(*reputation.Rates).Checker.Period; got != 30*time.Second {
			t.Errorf("FlowDataTTL: %v", got)
		}
	})
}
