package policy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/event"
	"dojang/internal/keystore"
)

// ErrNoKeyTable says that a key was asked for by name where there is no table.
var ErrNoKeyTable = errors.New("request requires KeyTable")

// Sign asks for a signature by a key of KeyTable, or by KeyFile when keyName is
// "". identity becomes i= if it lies in the signing domain; bodyLength, if not
// nil, bounds l=. It reports whether the key could be had; why not is told.
func (s *Scripted) Sign(ctx context.Context, keyName, identity string, bodyLength *int64) (bool, error) {
	r, p := s.Rules, s.Plan
	if keyName == "" {
		return s.signByDefault(ctx, identity, bodyLength)
	}
	if r.KeyTable == nil {
		return false, ErrNoKeyTable
	}
	key, err := r.KeyTable.Key(ctx, keyName, p.Author.domain())
	if errors.Is(err, dataset.ErrNotFound) {
		s.Tell(event.ScriptKeyUnknown(keyName))
		return false, nil
	}
	if err != nil {
		s.Tell(event.KeyTrouble(err))
		s.Tell(event.KeyError(keyName))
		return false, nil
	}
	s.request(key, suitable(key.Domain, p.Author), suitableIdentity(agreeing(identity, key.Domain), p.Author), bodyLength)
	return true, nil
}

func (s *Scripted) signByDefault(ctx context.Context, identity string, bodyLength *int64) (bool, error) {
	r, p := s.Rules, s.Plan
	if r.DefaultKey == nil {
		s.Tell(event.ScriptNoDefaultKey())
		return false, nil
	}
	domain := p.Author.domain() // Compat(opendkim 2.11): in Domain or not
	if r.Domain != nil && r.SubDomains {
		found, err := r.signingDomain(ctx, &Plan{Author: p.Author})
		if err != nil {
			return false, err
		}
		if found != "" {
			domain = found
		}
	}
	if identity = agreeing(identity, domain); identity == "" && domain != p.Author.domain() {
		identity = "@" + domain
	}
	s.request(r.DefaultKey, domain, identity, bodyLength)
	return true, nil
}

// request adds a signature, once: the same one may be asked for by SigningTable
// and by a script, and the script knows better how long and as whom.
func (s *Scripted) request(key *keystore.SigningKey, domain, identity string, bodyLength *int64) {
	wanted := SignRequest{Key: key, Domain: domain, Identity: identity, BodyLength: bodyLength}
	for i, have := range s.Plan.Sign {
		if sameKey(have.Key, key) && have.Domain == domain && (have.Identity == identity || identity == "") {
			if bodyLength != nil {
				s.Plan.Sign[i].BodyLength = bodyLength
			}
			return
		}
	}
	s.Plan.Sign = append(s.Plan.Sign, wanted)
}

// SignFor asks for the signatures that SigningTable has for an address, with
// several for each match and else for the first. It returns for how many there is a
// key; those already asked for are not made twice.
func (s *Scripted) SignFor(ctx context.Context, user, host string, several bool) (int, error) {
	r := s.Rules
	if r.SigningTable == nil {
		return 0, nil
	}
	rows, err := signingLookup(ctx, r.SigningTable, user, host, 2, several)
	if err != nil {
		s.Tell(event.SigningTableError(err))
		return 0, err
	}
	author, n := Author{User: user, Domain: host}, 0
	for _, row := range rows {
		for _, k := range r.rowKeys(row, author) {
			ok, err := s.Sign(ctx, k.name, k.identity, nil)
			if err != nil {
				return 0, err
			}
			if ok {
				n++
			}
		}
	}
	return n, nil
}

// Resign has the message verified and signed anew, by the keys that are asked
// for or else by those that ResignMailTo or KeyFile would give. It reports
// whether there is a key.
func (s *Scripted) Resign() bool {
	r, p := s.Rules, s.Plan
	if len(p.Sign) == 0 && r.DefaultKey != nil {
		p.Sign = append(p.Sign, SignRequest{Key: r.DefaultKey, Domain: r.DefaultKey.Domain})
	}
	if len(p.Sign) == 0 {
		return false
	}
	r.Resign.plan(p)
	return true
}

// AddTag adds a tag to every signature that is made and returns how many those
// are by now, or -1: the tag is one of RFC 6376 or another of ours, is there
// already, or no tag at all.
func (s *Scripted) AddTag(name, value string) int {
	p, r := s.Plan, s.Rules
	ours := name == "r" && r.Signing.RequestReports || (name == "atps" || name == "atpsh") && r.ATPS.Domains != nil
	if ours || !dkim.ValidTag(name, value) {
		return -1
	}
	for _, t := range p.ExtraTags {
		if t[0] == name {
			return -1
		}
	}
	p.ExtraTags = slices.Insert(p.ExtraTags, 0, [2]string{name, value}) // Compat(opendkim 2.11): the latest first
	return len(p.Sign)
}

// Header is the header as it will be signed and verified.
func (p *Plan) Header(asReceived *header.List) *header.List {
	if p.Fields != nil {
		return p.Fields
	}
	return asReceived
}

// ReplaceField gives the field at an index another value for signing and
// verifying. The message itself keeps the one it has.
func (s *Scripted) ReplaceField(index int, value string) {
	old := s.Plan.Header(s.Facts.Fields)
	fields := new(header.List)
	for i := range old.Len() {
		field := old.At(i)
		if i == index {
			fields.Add(field.Name(), []byte(value), strings.HasPrefix(value, " ") || strings.HasPrefix(value, "\t"))
		} else {
			fields.AddRaw(field.Raw)
		}
	}
	s.Plan.Fields = fields
}
