package app

import (
	"regexp"

	"dojang/internal/policy"
	"dojang/internal/reputation"
)

// reputation reads the options that limit signing domains.
func (b *builder) reputation() policy.Reputation {
	c := b.config
	checker := &reputation.Checker{
		Limits:         b.set("ReputationLimits", true),
		LimitModifiers: b.set("ReputationLimitModifiers", true),
		Ratios:         b.set("ReputationRatios", true),
		LowTime:        b.set("ReputationLowTime", true),
		TimeFactor:     int64(c.Int("ReputationTimeFactor")),
		Period:         c.Duration("ReputationCacheTTL"),
		Minimum:        int64(c.Int("ReputationMinimum")),
		Timeout:        c.Duration("ReputationTimeout"),
		Counter:        b.parts.Counter,
	}
	if checker.Counter == nil {
		checker.Counter = new(reputation.Counter)
	}
	r := policy.Reputation{Test: c.Bool("ReputationTest"), Verbose: c.Bool("ReputationVerbose")}
	if checker.Limits != nil || checker.Ratios != nil {
		r.Checker = checker
	}
	if text := c.String("ReputationSpamCheck"); text != "" {
		match, err := regexp.CompilePOSIX(text)
		if err != nil {
			b.refuse("ReputationSpamCheck", "write a regular expression: ^X-Spam-Flag: YES", "%s", err)
		}
		r.SpamCheck = match
	}
	return r
}
