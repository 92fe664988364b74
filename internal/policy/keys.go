package policy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/event"
	"dojang/internal/keystore"
)

// Keys are the options about which keys sign a message: the tables, or else one key
// for Domain.
type Keys struct {
	KeyTable           KeySource
	SigningTable       dataset.Set
	MultipleSignatures bool
	Domain             dataset.Set
	SubDomains         bool
	DefaultKey         *keystore.SigningKey // of KeyFile; its Domain is replaced by the one found in Domain
	KeyDomains         map[string]bool      // that KeyTable has keys of, in lower case; nil where they are not known
}

// KeySource gives signing keys by their KeyTable name. senderDomain replaces
// "%" in the row.
type KeySource interface {
	Key(ctx context.Context, name, senderDomain string) (*keystore.SigningKey, error)
}

// chooseKeys fills p.Sign: from SigningTable and KeyTable, or from Domain and
// the one key. It returns false when the plan has ended.
func (r *Rules) chooseKeys(ctx context.Context, p *Plan, f *Facts, ours bool) bool {
	if r.SigningTable == nil {
		return r.chooseDefaultKey(ctx, p, f, ours)
	}
	// Compat(opendkim 2.11): the table is asked only for mail that may be signed,
	// and a sender from outside is not complained about.
	if !ours || !r.checkSender(ctx, p, f) {
		return p.Reply.Action == Continue
	}
	rows, err := signingLookup(ctx, r.SigningTable, p.Author.User, p.Author.Domain, 2, r.MultipleSignatures)
	if err != nil {
		p.tell(event.SigningTableError(err))
		p.tableFailed("SigningTable", err)
		return false
	}
	if len(rows) == 0 {
		p.why(event.NoSigningTableMatch(p.Author.User, p.Author.Domain))
		return true
	}
	for _, row := range rows {
		if !r.addRow(ctx, p, row) {
			return false
		}
	}
	return true
}

func (r *Rules) checkSender(ctx context.Context, p *Plan, f *Facts) bool {
	ok, err := r.RequireSenderMatch.sendersOwn(ctx, p, f, &r.Signing)
	if err != nil {
		p.tableFailed("RequireSenderMatch", err)
	}
	return ok
}

// addRow turns one SigningTable row into signatures.
func (r *Rules) addRow(ctx context.Context, p *Plan, row dataset.Entry) bool {
	for _, k := range r.rowKeys(row, p.Author) {
		if !r.addKey(ctx, p, k.name, k.identity) {
			return false
		}
	}
	return true
}

// rowKey is what a SigningTable row asks for: a key of KeyTable and i=.
type rowKey struct{ name, identity string }

// rowKeys reads a SigningTable row. It may name several keys, separated by
// commas, when MultipleSignatures is set.
func (k *Keys) rowKeys(row dataset.Entry, author Author) []rowKey {
	name, identity := "", ""
	if len(row.Values) > 0 {
		name = row.Values[0]
	}
	if len(row.Values) > 1 {
		identity = strings.ReplaceAll(row.Values[1], "%", dataset.Fold(author.Domain))
	}
	names := []string{name}
	if k.MultipleSignatures && strings.Contains(name, ",") {
		names = strings.Split(name, ",")
	}
	keys := make([]rowKey, len(names))
	for i, name := range names {
		if name = strings.TrimSpace(name); name == "%" {
			name = author.Domain
		}
		keys[i] = rowKey{name, identity}
	}
	return keys
}

func (r *Rules) addKey(ctx context.Context, p *Plan, name, identity string) bool {
	key, err := r.KeyTable.Key(ctx, name, p.Author.domain())
	if errors.Is(err, keystore.ErrSender) {
		p.tell(event.KeyTrouble(err))
		return true // nobody can sign for such a sender: as if no key were meant for it
	}
	if err != nil {
		r.keyFailed(p, name, err)
		return false
	}
	if slices.ContainsFunc(p.Sign, func(s SignRequest) bool { return sameKey(s.Key, key) && s.Identity == identity }) {
		return true
	}
	p.Sign = append(p.Sign, SignRequest{Key: key, Domain: suitable(key.Domain, p.Author),
		Identity: suitableIdentity(agreeing(identity, key.Domain), p.Author)})
	return true
}

// sameKey reports whether two keys make the same signature. KeyTable gives a value of its
// own at each look-up.
func sameKey(a, b *keystore.SigningKey) bool {
	return a == b || a.Domain == b.Domain && a.Selector == b.Selector && a.Algorithm == b.Algorithm && a.Source == b.Source
}

// maxIdentityBytes is the longest i= that verifiers take (opendkim 2.11).
const maxIdentityBytes = 255

// agreeing returns the identity when it lies in the signing domain, else "".
// Compat(opendkim 2.11): an i= that conflicts with d= is left out.
func agreeing(identity, domain string) string {
	at := strings.LastIndexByte(identity, '@')
	if at < 0 || len(identity) > maxIdentityBytes {
		return ""
	}
	host, ok1 := dkim.ToASCII(identity[at+1:])
	domain, ok2 := dkim.ToASCII(domain)
	if ok1 && ok2 && (host == domain || strings.HasSuffix(host, "."+domain)) {
		return identity
	}
	return ""
}

// keyFailed ends the plan: mail of ours without its signature is worse than
// mail a little later.
func (r *Rules) keyFailed(p *Plan, name string, err error) {
	var failure *keystore.Error
	var size *keystore.SizeError
	switch {
	case errors.Is(err, dataset.ErrNotFound):
		p.tell(event.UnknownKey(name))
	case errors.As(err, &size):
		p.tell(event.SigningFailed(size))
		p.end(r.Verdicts.reply(SignatureError))
		return
	case errors.As(err, &failure) && failure.Undecodable:
		p.tell(event.UndecodableWhy(err))
		p.tell(event.Undecodable())
		p.end(r.Verdicts.reply(InternalError))
		return
	default:
		p.tell(event.KeyTrouble(err))
		p.tell(event.KeyError(name))
	}
	p.end(Reply{Action: TempFail})
}

// chooseDefaultKey obeys Domain, SubDomains, Selector and KeyFile.
func (r *Rules) chooseDefaultKey(ctx context.Context, p *Plan, f *Facts, ours bool) bool {
	if r.Domain == nil || r.DefaultKey == nil && r.Sign {
		return true
	}
	domain, err := r.signingDomain(ctx, p)
	if err != nil {
		p.tableFailed("Domain", err)
		return false
	}
	if domain == "" {
		return true
	}
	if !ours {
		ignored, err := matches(ctx, r.ExternalIgnoreList, f)
		if err != nil {
			p.tableFailed("ExternalIgnoreList", err)
			return false
		}
		if !ignored {
			p.tell(event.ExternalHost(f.ClientName, p.Author.domain()))
		}
		return true
	}
	if !r.checkSender(ctx, p, f) {
		return p.Reply.Action == Continue
	}
	request := SignRequest{Key: r.DefaultKey, Domain: domain}
	if domain != p.Author.domain() {
		request.Identity = "@" + domain // Compat(opendkim 2.11)
	}
	p.Sign = append(p.Sign, request)
	return true
}

// signingDomain returns the domain to sign for: the author's when Domain has it
// or "*", or with SubDomains one above it; "" for none.
func (k *Keys) signingDomain(ctx context.Context, p *Plan) (string, error) {
	author := strings.TrimSuffix(p.Author.domain(), ".")
	if !dkim.ValidDomain(author) {
		p.why(event.NoSigningDomain(author))
		return "", nil // an address literal, for one: nobody can sign for it
	}
	for _, key := range []string{author, "*"} {
		if ok, err := containsDomain(ctx, k.Domain, key); ok || err != nil {
			return author, err
		}
	}
	p.why(event.NoSigningDomain(author))
	if k.SubDomains {
		if above, err := k.domainAbove(ctx, author); above != "" || err != nil {
			return above, err
		}
	}
	p.why(event.NoSigningSubdomain(author))
	return "", nil
}

// domainAbove returns the lowest domain above a valid one that Domain has, in either
// form; "" for none.
func (k *Keys) domainAbove(ctx context.Context, domain string) (string, error) {
	other, twofold := otherForm(domain)
	twofold = twofold && strings.Count(other, ".") == strings.Count(domain, ".")
	var above, keys []string
	for _, rest, ok := strings.Cut(domain, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
		above, keys = append(above, rest), append(keys, rest)
		if !twofold {
			continue
		}
		if _, other, _ = strings.Cut(other, "."); other != rest {
			above, keys = append(above, rest), append(keys, other)
		}
	}
	i, _, err := dataset.LookupFirst(ctx, k.Domain, keys, 0)
	if errors.Is(err, dataset.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return above[i], nil
}

// wantBodyLength sets p.BodyLength when a recipient is in BodyLengthDB, by the
// forms in which SigningTable is asked.
func (s *Signing) wantBodyLength(ctx context.Context, p *Plan, f *Facts) bool {
	p.BodyLength = p.BodyLength || s.MaximumSignedBytes > 0
	if s.BodyLengthDB == nil {
		return true
	}
	for _, recipient := range f.Recipients {
		user, host, _ := strings.Cut(recipient, "@")
		rows, err := signingLookup(ctx, s.BodyLengthDB, user, host, 0, false)
		if err != nil {
			p.tableFailed("BodyLengthDB", err)
			return false
		}
		if len(rows) == 0 {
			continue
		}
		p.why(event.BodyLengthMatched(recipient))
		p.BodyLength = true
		return true
	}
	return true
}

var _ KeySource = (*keystore.Store)(nil)
