package build

import (
	"path/filepath"
	"regexp"
	"time"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/policy"
	"dojang/internal/reputation"
)

// limits reads the options that limit signing domains.
func (b *builder) limits() []policy.Limiter {
	var limits []policy.Limiter
	if l := b.reputation(); l != nil {
		limits = append(limits, l)
	}
	if rates := b.rates(); rates != nil {
		limits = append(limits, &reputation.Rates{Checker: rates})
	}
	return limits
}

// reputation reads those whose name begins with Reputation; nil when none limits.
func (b *builder) reputation() *reputation.Limits {
	c := b.config
	checker := &reputation.Checker{
		Limits:         b.set(&b.config.ReputationLimits, true),
		LimitModifiers: b.set(&b.config.ReputationLimitModifiers, true),
		Ratios:         b.set(&b.config.ReputationRatios, true),
		LowTime:        b.set(&b.config.ReputationLowTime, true),
		TimeFactor:     int64(c.ReputationTimeFactor.Value),
		Period:         c.ReputationCacheTTL.Value,
		Minimum:        int64(c.ReputationMinimum.Value),
		Timeout:        c.ReputationTimeout.Value,
		Counter:        b.parts.Counter,
	}
	if checker.Counter == nil {
		checker.Counter = new(reputation.Counter)
	}
	l := &reputation.Limits{Checker: checker, Test: c.ReputationTest.Value, Verbose: c.ReputationVerbose.Value}
	if path := c.ReputationCache.Value; path != "" {
		b.wantFolder(&b.config.ReputationCache, filepath.Dir(path))
	}
	if text := c.ReputationSpamCheck.Value; text != "" {
		match, err := regexp.CompilePOSIX(text)
		if err != nil {
			b.refuse(&b.config.ReputationSpamCheck, "write a regular expression: ^X-Spam-Flag: YES", "%s", err)
		}
		l.SpamCheck = match
	}
	if checker.Limits == nil && checker.Ratios == nil {
		return nil
	}
	return l
}

// rates reads the options that limit how fast signing domains send.
func (b *builder) rates() *reputation.Checker {
	c := b.config
	limits := b.set(&b.config.RateLimits, true)
	if limits == nil {
		return nil
	}
	switch path := FlowDataFile(c); {
	case path != "":
		b.wantFolder(&b.config.FlowData, filepath.Dir(path))
	case c.FlowData.Value != "":
		b.warn(&b.config.FlowData, "name a file: FlowData /var/lib/opendkim/flow",
			"no file: what is counted for RateLimits is forgotten at a restart")
	}
	checker := &reputation.Checker{
		Plain:      true,
		Limits:     limits,
		TimeFactor: int64(c.FlowDataFactor.Value),
		Period:     max(time.Second, c.FlowDataTTL.Value),
		Counter:    b.parts.Flow,
	}
	if checker.Counter == nil {
		checker.Counter = new(reputation.Counter)
	}
	return checker
}

// FlowDataFile is the file that FlowData names; "" when it names none.
func FlowDataFile(c *config.Config) string {
	spec, err := dataset.ParseSpec(c.FlowData.Value)
	if err != nil {
		return ""
	}
	switch spec.Type {
	case dataset.TypeFile, dataset.TypeDB, dataset.TypeMDB:
		return spec.Args
	}
	return ""
}
