package event

import (
	"fmt"
	"log/slog"
)

// Limits on what signing domains send.

// OverLimits: a signing domain sends more than the reputation options let it,
// or would if they were in force (ReputationTest).
func OverLimits(domain string, testing bool, t Traffic) Event {
	verb := "blocked"
	if testing {
		verb = "would be blocked"
	}
	return notice("over_limits", fmt.Sprintf("%s by reputation of %s (%s)", verb, cut(domain), t), t.counts(domain)...)
}

// WithinLimits: a signing domain sends no more than the reputation options let it.
func WithinLimits(domain string, t Traffic) Event {
	return info("within_limits", fmt.Sprintf("allowed by reputation of %s (%s)", cut(domain), t), t.counts(domain)...)
}

// NoLimits: the reputation options say nothing of a domain.
func NoLimits(domain string) Event {
	return info("no_limits", "no reputation data available for "+cut(domain), slog.String("domain", cut(domain)))
}

// ReputationFailed: nobody could say what a domain may send.
func ReputationFailed(domain string, err error) Event {
	return failure("reputation_failed", fmt.Sprintf("reputation query for %s failed: %s", cut(domain), cut(err.Error())),
		slog.String("domain", cut(domain)), because(err))
}

// RateExceeded: more is sent than RateLimits allow. Compat(opendkim 2.11): whose
// limit it is, is "'DOMAIN'" or "unsigned mail".
func RateExceeded(whose string, limit int64) Event {
	return failure("rate_exceeded", fmt.Sprintf("rate limit for %s (%d) exceeded", cut(whose), limit),
		slog.String("whose", cut(whose)), slog.Int64("limit", limit))
}

// Traffic is what a domain sent in a period, and may send. Below 0: no limit.
type Traffic struct {
	Messages, Spam, Limit int64
	Ratio                 float64
}

func (t Traffic) String() string {
	return fmt.Sprintf("ratio %g, count %d, spam %d, limit %d", t.Ratio, t.Messages, t.Spam, t.Limit)
}

func (t Traffic) counts(domain string) []slog.Attr {
	return []slog.Attr{slog.String("domain", cut(domain)), slog.Int64("count", t.Messages),
		slog.Int64("spam", t.Spam), slog.Int64("limit", t.Limit), slog.Float64("ratio", t.Ratio)}
}
