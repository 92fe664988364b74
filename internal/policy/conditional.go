package policy

import (
	"context"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/internal/dataset"
)

// maxConditions bounds how many conditional signatures one message gets.
const maxConditions = 4

// addConditional obeys ConditionalSignatures: for each recipient's domain in the
// set a weak signature by the first key is added, which counts only when that
// domain signs the message too. The set may also hold AUTHOR:RECIPIENT, the one
// form that upstream looks for.
func addConditional(ctx context.Context, set dataset.Set, p *Plan, f *Facts) error {
	if len(p.Sign) == 0 || set == nil {
		return nil
	}
	strong := p.Sign[0]
	var done []string
	for _, recipient := range f.Recipients {
		_, host, _ := strings.Cut(recipient, "@")
		domain, ok := dkim.ToASCII(host)
		if !ok || domain == "" || domain == strong.Domain || slices.Contains(done, domain) {
			continue
		}
		found, err := containsDomain(ctx, set, domain)
		if err == nil && !found {
			found, err = contains(ctx, set, p.Author.domain()+":"+domain)
		}
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if len(done) == maxConditions {
			break
		}
		done = append(done, domain)
		p.Sign = append(p.Sign, SignRequest{Key: strong.Key, Domain: strong.Domain, Condition: domain})
	}
	return nil
}

// weaken makes a conditional signature of the options: over what a mailing list
// leaves alone, and nothing of the body.
func weaken(o *dkim.SignOptions, condition string) {
	o.Condition, o.BodyLength = condition, new(int64)
	o.Sign, o.Oversign, o.ExtraTags, o.CopyHeaders = dkim.NewHeaderSet("From", "Date", "Message-ID"), nil, nil, false
	o.HeaderCanonicalization = dkim.Relaxed
}
