package policy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/event"
)

// contains reports whether a set has a key; a nil set has none.
func contains(ctx context.Context, set dataset.Set, key string) (bool, error) {
	if set == nil || key == "" {
		return false, nil // what is not there is in no list, not even in one that names all
	}
	_, err := set.Lookup(ctx, key, 0)
	if errors.Is(err, dataset.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func matches(ctx context.Context, hosts HostMatcher, f *Facts) (bool, error) {
	if hosts == nil {
		return false, nil
	}
	return hosts.Match(ctx, f.ClientName, f.ClientAddr)
}

// Origin are the options about whose mail is signed (opendkim(8) OPERATION).
type Origin struct {
	InternalHosts      HostMatcher
	ExternalIgnoreList HostMatcher
	MTA                dataset.Set
	MacroList          []MacroRule
	POPDBFile          dataset.Set
}

// MacroRule is one row of MacroList: the macro must be set, and to one of
// Values when there are any.
type MacroRule struct {
	Name   string // without braces
	Values []string
}

// maySign reports whether the message comes from where our mail comes from: a
// daemon named in MTA, a macro of MacroList, an authenticated client, or one in
// InternalHosts. An error comes with the option whose table could not be asked.
func (o *Origin) maySign(ctx context.Context, p *Plan, f *Facts) (ours bool, option string, err error) {
	if o.MTA != nil {
		name := f.macro("daemon_name")
		ok, err := contains(ctx, o.MTA, name)
		if ok || err != nil {
			return ok, "MTA", err
		}
		p.why(event.NoMTAMatch(orUnknown(f.macro("j")), orUnknown(name)))
	}
	if len(o.MacroList) > 0 {
		if slices.ContainsFunc(o.MacroList, func(m MacroRule) bool { return m.holds(f) }) {
			return true, "", nil
		}
		p.why(event.NoMacrosMatch())
	}
	if f.macro("auth_type") != "" {
		return true, "", nil
	}
	internal, err := matches(ctx, o.InternalHosts, f)
	if internal || err != nil {
		return internal, "InternalHosts", err
	}
	if ok, err := contains(ctx, o.POPDBFile, f.ClientAddr.String()); ok || err != nil {
		return ok, "POPDBFile", err
	}
	p.why(event.NotInternal(f.ClientName, f.ClientAddr.String()))
	p.why(event.NotAuthenticated())
	return false, "", nil
}

func orUnknown(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

func (m MacroRule) holds(f *Facts) bool {
	value := f.macro(m.Name)
	return value != "" && (len(m.Values) == 0 || slices.Contains(m.Values, value))
}

// SenderMatch is RequireSenderMatch: who may sign as whom.
type SenderMatch struct {
	Required bool
	// Allowed maps a login or envelope sender to the addresses and domains it may
	// send as, separated by commas. Without it the login or the envelope sender
	// must be the author's address, or share its domain.
	Allowed dataset.Set
}

// sendersOwn reports whether all authors that a reader may be shown belong to who
// sent the message: the authenticated login when there is one, else the envelope
// sender.
func (m *SenderMatch) sendersOwn(ctx context.Context, p *Plan, f *Facts, s *Signing) (bool, error) {
	if !m.Required {
		return true, nil
	}
	login := f.macro("auth_authen")
	if login == "" {
		login = f.Sender
	}
	allows, err := m.of(ctx, login)
	if err != nil {
		return false, err
	}
	authors, problem := s.shown(p, f)
	if problem != nil {
		p.tell(*problem)
		return false, nil
	}
	for _, author := range authors {
		if !allows(author) {
			p.tell(event.NotSenders(author.String(), login))
			return false, nil
		}
	}
	return true, nil
}

// of returns what tells whom a login may send as.
func (m *SenderMatch) of(ctx context.Context, login string) (func(header.Mailbox) bool, error) {
	if m.Allowed == nil {
		_, domain, isAddress := strings.Cut(login, "@")
		return func(author header.Mailbox) bool {
			return strings.EqualFold(login, author.String()) || isAddress && strings.EqualFold(domain, author.Domain)
		}, nil
	}
	values, err := m.Allowed.Lookup(ctx, login, 1)
	if err != nil && !errors.Is(err, dataset.ErrNotFound) {
		return nil, err
	}
	var list []string
	if len(values) > 0 {
		list = strings.FieldsFunc(values[0], func(c rune) bool { return c == ',' || c == ' ' || c == ':' })
	}
	return func(author header.Mailbox) bool {
		return slices.ContainsFunc(list, func(allowed string) bool {
			allowed = strings.TrimPrefix(allowed, "@")
			return strings.EqualFold(allowed, author.String()) || strings.EqualFold(allowed, author.Domain) || allowed == "*"
		})
	}, nil
}
