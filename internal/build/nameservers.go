package build

import (
	"context"
	"fmt"
	"os"
	"sync"

	"dojang/internal/config"
	"dojang/internal/event"
	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/internal/problem"
	"dojang/internal/resolver"
)

// lookups returns the resolver that a configuration describes, for whoever needs no more
// of it; nil when a problem is an error. done closes what it reads.
func lookups(ctx context.Context, c *config.Config, parts Parts) (r resolver.Resolver, done func(), problems problem.List) {
	b := &builder{ctx: ctx, config: c, parts: parts, openers: Openers(c, parts)}
	r = b.resolver()
	if b.problems.HasErrors() {
		b.close()
		return nil, func() {}, b.problems
	}
	return r, b.close, b.problems
}

// Verifying returns what signatures are verified by under a configuration, for whoever
// asks for no more of it: look-ups and rules, and none of what signing needs. It is nil
// when a problem is an error. done closes what it reads.
func Verifying(ctx context.Context, c *config.Config, parts Parts) (s *message.Snapshot, done func(), problems problem.List) {
	b := &builder{ctx: ctx, config: c, parts: parts, openers: Openers(c, parts)}
	s = &message.Snapshot{
		Rules:             &policy.Rules{Verdicts: b.verdicts()},
		Resolver:          b.resolver(),
		Log:               parts.Log,
		MessageTimeBudget: c.MessageTimeBudget.Value,
		FixCRLF:           c.FixCRLF.Value,
		FastRSA:           parts.FastRSA,
	}
	if b.problems.HasErrors() {
		b.close()
		return nil, func() {}, b.problems
	}
	return s, b.close, b.problems
}

// Resolvers keeps the resolver of one snapshot for the next: a reload that does
// not touch DNS keeps the keys in its cache.
type Resolvers struct {
	mu   sync.Mutex
	made string // the options it was made from
	dns  *resolver.DNS
}

// nameServers returns a resolver for the options: the one in use when they are
// the same.
func (p *Parts) nameServers(o resolver.Options) (*resolver.DNS, error) {
	log := p.Log
	o.Warn = func(text string) { event.Resolver(text).Write(log, "") }
	if p.Resolvers == nil {
		return resolver.New(o)
	}
	p.Resolvers.mu.Lock()
	defer p.Resolvers.mu.Unlock()
	made := fmt.Sprint(o.Nameservers, o.Timeout, o.UseTCP, o.TrustAnchorFile, fileVersion(o.TrustAnchorFile))
	if p.Resolvers.dns != nil && p.Resolvers.made == made {
		return p.Resolvers.dns, nil
	}
	dns, err := resolver.New(o)
	if err != nil {
		return nil, err
	}
	p.Resolvers.made, p.Resolvers.dns = made, dns
	return dns, nil
}

// fileVersion reports whether a file has changed since it was last looked at.
func fileVersion(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime(), info.Size())
}
