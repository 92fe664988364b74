package web

import (
	"context"
	"strings"

	"dojang/internal/resolver"
)

// publicNames is a resolver that answers for names of the public Internet alone.
type publicNames struct{ resolver.Resolver }

// PublicNames is r for strangers: key records of names that are not of the public Internet
// are not there.
func PublicNames(r resolver.Resolver) resolver.Resolver { return publicNames{r} }

func isPublicRecord(name string) bool {
	_, domain, ok := strings.Cut(strings.TrimSuffix(name, "."), "._domainkey.")
	return ok && isPublic(domain)
}

// LookupTXT implements resolver.Resolver.
func (p publicNames) LookupTXT(ctx context.Context, name string) (resolver.Answer, error) {
	if !isPublicRecord(name) {
		return resolver.Answer{}, &resolver.Error{Name: name, Kind: resolver.KindNotFound}
	}
	return p.Resolver.LookupTXT(ctx, name)
}

// Cached implements resolver.Resolver.
func (p publicNames) Cached(name string) (resolver.Answer, bool, error) {
	if !isPublicRecord(name) {
		return resolver.Answer{}, true, &resolver.Error{Name: name, Kind: resolver.KindNotFound}
	}
	return p.Resolver.Cached(name)
}
