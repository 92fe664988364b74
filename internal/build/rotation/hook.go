package rotation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"dojang/internal/keycheck"
)

// LookAtServers tells what the authoritative servers have at a name, when they agree.
func LookAtServers(ctx context.Context, name string) ([]string, error) {
	var o keycheck.Options
	if list := os.Getenv(nameserversVariable); list != "" {
		o.Resolver.Nameservers = strings.Split(list, ",")
	}
	checker, err := keycheck.New(o)
	if err != nil {
		return nil, err
	}
	selector, domain, found := strings.Cut(name, "._domainkey.")
	if !found {
		return nil, fmt.Errorf("%s is not below _domainkey", name)
	}
	r := checker.Check(ctx, keycheck.Check{Domain: domain, Selector: selector})
	switch {
	case r.Publication == keycheck.NotPublished:
		return nil, nil
	case r.Publication != keycheck.Published && r.Publication != keycheck.ServerUnsigned:
		return nil, fmt.Errorf("%w: %s: %s", errServers, name, r.Publication)
	}
	var texts []string
	for _, t := range r.Texts {
		texts = append(texts, t.Text)
	}
	return texts, nil
}

var errServers = errors.New("the name servers do not tell alike what stands there")
