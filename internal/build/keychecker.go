package build

import (
	"context"

	"dojang/internal/config"
	"dojang/internal/keycheck"
	"dojang/internal/problem"
	"dojang/internal/resolver"
)

// KeyChecker returns what checks published keys against the DNS, or the test data, that
// a configuration describes; nil when a problem is an error. done closes what it reads.
func KeyChecker(ctx context.Context, c *config.Config, parts Parts) (k *keycheck.Checker, done func(), problems problem.List) {
	r, done, problems := lookups(ctx, c, parts)
	if r == nil {
		return nil, done, problems
	}
	// People look at what comes of it: an answer is better than none.
	o := keycheck.Options{Resolver: dnsOptions(c), AskAnyway: true}
	if _, isDNS := r.(*resolver.DNS); !isDNS {
		o.Texts = r
	}
	k, err := keycheck.New(o)
	if err != nil {
		problems.Addf(problem.Error, "", 0, "", "", "%s", problem.Reason(err))
		return nil, done, problems
	}
	return k, done, problems
}
