package policy

import (
	"context"
	"errors"
	"strings"

	"dojang/internal/dataset"
)

// Resign are the options about mail that is verified and then signed anew.
type Resign struct {
	MailTo dataset.Set // ResignMailTo: the recipients of such mail
	All    bool        // ResignAll: whether it verified or not
}

// plan has a message verified and signed anew.
func (x *Resign) plan(p *Plan) { p.Verify, p.resigned, p.SignOnlyIfVerified = true, true, !x.All }

// resign obeys ResignMailTo: mail that is verified for certain recipients is
// signed anew, always with ResignAll, else when it verified.
func (r *Rules) resign(ctx context.Context, p *Plan, f *Facts) error {
	if r.Resign.MailTo == nil || len(p.Sign) > 0 {
		return nil
	}
	for _, recipient := range f.Recipients {
		name, found, err := resignKey(ctx, r.Resign.MailTo, recipient)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		r.Resign.plan(p)
		if r.KeyTable == nil || name == "" {
			if r.DefaultKey != nil {
				p.Sign = append(p.Sign, SignRequest{Key: r.DefaultKey, Domain: r.DefaultKey.Domain})
			}
			return nil
		}
		r.addKey(ctx, p, name, "")
		return nil
	}
	return nil
}

// resignKey looks a recipient up: the address, the host, then each domain above
// it after a dot.
func resignKey(ctx context.Context, set dataset.Set, recipient string) (key string, found bool, err error) {
	user, host, _ := strings.Cut(recipient, "@")
	if !isName(host) || len(user) > dataset.MaxUserBytes {
		return "", false, nil
	}
	forms := []string{recipient, host}
	if other, ok := otherForm(host); ok {
		forms = append(forms, user+"@"+other, other)
	}
	for i := strings.IndexByte(host, '.'); i >= 0; {
		forms = append(forms, host[i:])
		next := strings.IndexByte(host[i+1:], '.')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	_, values, err := dataset.LookupFirst(ctx, set, forms, 1)
	if errors.Is(err, dataset.ErrNotFound) {
		return "", false, nil
	}
	if err == nil && len(values) > 0 {
		key = values[0]
	}
	return key, err == nil, err
}
