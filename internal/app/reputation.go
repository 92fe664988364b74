package app

import (
	"path/filepath"
	"regexp"
	"time"

	"dojang/internal/config"
	"dojang/internal/dataset"
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
	r := policy.Reputation{Rates: b.rates(), Test: c.Bool("ReputationTest"), Verbose: c.Bool("ReputationVerbose")}
	if checker.Limits != nil || checker.Ratios != nil {
		r.Checker = checker
	}
	if path := c.String("ReputationCache"); path != "" {
		b.wantFolder("ReputationCache", filepath.Dir(path))
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

// rates reads the options that limit how fast signing domains send.
func (b *builder) rates() *reputation.Checker {
	c := b.config
	limits := b.set("RateLimits", true)
	if limits == nil {
		return nil
	}
	switch path := flowDataFile(c); {
	case path != "":
		b.wantFolder("FlowData", filepath.Dir(path))
	case c.String("FlowData") != "":
		b.warn("FlowData", "name a file: FlowData /var/lib/opendkim/flow", "no file: what is counted for RateLimits is forgotten at a restart")
	}
	checker := &reputation.Checker{
		Plain:      true,
		Limits:     limits,
		TimeFactor: int64(c.Int("FlowDataFactor")),
		Period:     max(time.Second, c.Duration("FlowDataTTL")),
		Counter:    b.parts.Flow,
	}
	if checker.Counter == nil {
		checker.Counter = new(reputation.Counter)
	}
	return checker
}

// flowDataFile is the file that FlowData names; "" when it names none.
func flowDataFile(c *config.Config) string {
	spec, err := dataset.ParseSpec(c.String("FlowData"))
	if err != nil {
		return ""
	}
	switch spec.Type {
	case dataset.TypeFile, dataset.TypeDB, dataset.TypeMDB:
		return spec.Args
	}
	return ""
}
