package policy

import (
	"context"
	"strings"

	"dojang/internal/dataset"
)

// SignsFor reports whether the author's domain is one that the tables in memory
// sign for by name, wherever its mail comes from, or have a key of: a row that is lost
// makes no stranger of it. Tables on servers are not asked,
// nor does a row for every domain count: this is asked for strangers' mail too.
func (r *Rules) SignsFor(ctx context.Context, author Author) bool {
	if !r.Sign || author.Domain == "" {
		return false
	}
	if r.KeyDomains[author.domain()] {
		return true
	}
	if r.SigningTable == nil {
		if _, local := r.Domain.(dataset.Local); !local || r.DefaultKey == nil {
			return false
		}
		found, err := containsDomain(ctx, r.Domain, author.domain())
		return err == nil && found
	}
	if _, local := r.SigningTable.(dataset.Local); !local {
		return false
	}
	rows, err := signingLookup(ctx, r.SigningTable, author.User, author.Domain, 0, true)
	if err != nil {
		return false
	}
	for _, row := range rows {
		if host := row.Key[strings.LastIndexByte(row.Key, '@')+1:]; strings.Trim(host, "*.") != "" {
			return true
		}
	}
	return false
}
