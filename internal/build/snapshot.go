package build

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
	"dojang/internal/event"
	"dojang/internal/filter"
	"dojang/internal/keystore"
	"dojang/internal/message"
	"dojang/internal/metrics"
	"dojang/internal/policy"
	"dojang/internal/privilege"
	"dojang/internal/problem"
	"dojang/internal/reputation"
	"dojang/internal/resolver"
	"dojang/milter"
)

// Parts are what outlives a reload: they are handed from one snapshot to the
// next.
type Parts struct {
	Version string // of dojang
	Log     *slog.Logger
	Metrics *metrics.Metrics // told of look-ups in databases; nil for none
	Account Account          // whom the filter runs as, for the safety of key files
	// Resolvers lets a reload keep the cache of keys; nil makes a new resolver.
	Resolvers *Resolvers
	// Caches lets a reload keep the rows of databases; nil starts with none.
	Caches *remote.Caches
	// Counter lets a reload keep what ReputationLimits counted; nil starts anew.
	Counter *reputation.Counter
	// Flow lets a reload keep what RateLimits counted; nil starts anew.
	Flow *reputation.Counter
	// Engine makes what signs with an RSA key; nil is the standard library.
	Engine func(key keystore.RSAKey, keep bool) crypto.Signer
	// FastRSA is message.Snapshot's; nil is the standard library.
	FastRSA func(*rsa.PublicKey) func(crypto.Hash, []byte, []byte) bool
	// KeyLintTime bounds how long keys of a table are checked; 0: no bound.
	KeyLintTime time.Duration
	// Recorder remembers what became of messages; nil for none.
	Recorder message.Recorder
	// Published are key records to answer before any name server is asked.
	Published map[string]string
}

// Built is a configuration made ready to serve.
type Built struct {
	Snapshot *filter.Snapshot
	Summary  Summary
	Files    []string // every file it was made from, for AutoReload
	Keys     *Keys
}

// Snapshot turns a configuration into a snapshot: every table opened, every key of
// a local table checked. The result is nil when a problem is an error; all
// problems are returned in either case. While it works, files are opened by the
// rights of parts.Account, whom the names of some may belong to.
func Snapshot(ctx context.Context, c *config.Config, parts Parts) (*Built, problem.List) {
	b := &builder{ctx: ctx, config: c, parts: parts, openers: Openers(c, parts)}
	b.problems = append(b.problems, c.Check()...)
	s := b.snapshotAsAccount()
	b.problems.Sort()
	if b.problems.HasErrors() {
		b.close()
		return nil, b.problems
	}
	s.OnClose(b.close)
	return &Built{Snapshot: s, Summary: b.summary, Files: b.files, Keys: b.keys}, b.problems
}

func (b *builder) snapshotAsAccount() *filter.Snapshot {
	raise, err := privilege.Lower(b.parts.Account.Rights())
	if err != nil {
		b.refuse(&b.config.UserID, "", "%s", err)
		return nil
	}
	s := b.snapshot()
	if err := raise(); err != nil {
		b.refuse(&b.config.UserID, "", "%s", err)
	}
	return s
}

func (b *builder) snapshot() *filter.Snapshot {
	c := b.config
	s := &filter.Snapshot{
		Snapshot: message.Snapshot{
			Rules:              b.rules(),
			Resolver:           b.resolver(),
			Log:                b.parts.Log,
			LogWhy:             c.LogWhy.Value,
			TemporaryDirectory: b.temporaryDirectory(),
			LogResults:         c.LogResults.Value,
			SyslogSuccess:      c.SyslogSuccess.Value,
			MaximumHeaderBytes: c.MaximumHeaders.Value,
			MessageTimeBudget:  c.MessageTimeBudget.Value,
			FixCRLF:            c.FixCRLF.Value,
			FastRSA:            b.parts.FastRSA,
			Recorder:           b.parts.Recorder,
		},
		PeerList:    b.hosts(&b.config.PeerList),
		MilterDebug: c.MilterDebug.Value,
		Actions:     milter.ActionAddHeaders | milter.ActionChangeHeaders | milter.ActionSetMacros,
	}
	s.Reporter = b.reporter(s.Rules.Reports, s.Resolver)
	for _, m := range s.Rules.MacroList {
		s.MacroNames = append(s.MacroNames, m.Name)
	}
	if name := s.Rules.SenderMacro; name != "" {
		s.MacroNames = append(s.MacroNames, strings.Trim(name, "{}"))
	}
	if s.Rules.Verdicts.Quarantines() {
		s.Actions |= milter.ActionQuarantine
	}
	if s.Rules.Verdicts.RedirectFailuresTo != "" {
		s.Actions |= milter.ActionAddRcpt | milter.ActionDelRcpt
	}
	macros, actions := scriptNeeds(s.Rules.Scripts)
	s.MacroNames = append(s.MacroNames, macros...)
	s.Actions |= actions
	// The rest of a body can be declined when nothing of ours needs all of it.
	wholeBody := c.Minimum.IsSet()
	s.Milter.SkipBody = !wholeBody && (s.Rules.Verify || s.Rules.Signing.BodyLengthDB != nil || s.Rules.Signing.MaximumSignedBytes > 0)
	return s
}

// temporaryDirectory is where KeepTemporaryFiles puts its files, "" for nowhere.
func (b *builder) temporaryDirectory() string {
	if !b.config.KeepTemporaryFiles.Value {
		return ""
	}
	dir := b.config.TemporaryDirectory.Value
	b.wantFolder(&b.config.TemporaryDirectory, dir)
	return dir
}

func (b *builder) rules() *policy.Rules {
	c := b.config
	r := &policy.Rules{
		Sign:   c.Mode.Value.Sign,
		Verify: c.Mode.Value.Verify,
		Authors: policy.Authors{
			SenderHeaders: b.names(&b.config.SenderHeaders),
			SenderMacro:   c.SenderMacro.Value,
			DefaultSender: c.DefaultSender.Value,
		},
		Origin: policy.Origin{
			InternalHosts:      b.hosts(&b.config.InternalHosts),
			ExternalIgnoreList: b.hosts(&b.config.ExternalIgnoreList),
			MTA:                b.set(&b.config.MTA, false),
			MacroList:          b.macros(),
			POPDBFile:          b.set(&b.config.POPDBFile, false),
		},
		Keys: policy.Keys{MultipleSignatures: c.MultipleSignatures.Value, SubDomains: c.SubDomains.Value},
		Malformed: policy.Malformed{
			RequiredHeaders:     c.RequiredHeaders.Value,
			StrictHeaders:       c.StrictHeaders.Value,
			IgnoreMalformedMail: c.IgnoreMalformedMail.Value,
			WeakSyntaxChecks:    c.WeakSyntaxChecks.Value,
		},
		ExemptDomains:         b.set(&b.config.ExemptDomains, true),
		DontSignMailTo:        b.set(&b.config.DontSignMailTo, true),
		RequireSenderMatch:    b.senderMatch(),
		Resign:                policy.Resign{MailTo: b.set(&b.config.ResignMailTo, true), All: c.ResignAll.Value},
		Signing:               b.signing(),
		Verdicts:              b.verdicts(),
		Results:               b.authResults(),
		Reports:               b.reports(),
		ConditionalSignatures: b.set(&b.config.ConditionalSignatures, true),
		ATPS:                  policy.ATPS{Domains: b.set(&b.config.ATPSDomains, true), Hash: c.ATPSHashAlgorithm.Value},
		VBR:                   b.vbr(),
		Scripts:               b.scripts(),
		Limits:                b.limits(),
	}
	b.signingKeys(r)
	return r
}

// signingKeys sets where signing keys come from: the tables when there are any, else
// Domain, Selector and KeyFile.
func (b *builder) signingKeys(r *policy.Rules) {
	c := b.config
	options, err := keystore.LocalOptions(c.KeyIdentities.Value, os.Getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		b.refuse(&b.config.KeyIdentities, hintFor(err), "%s", problem.Reason(err))
	}
	if path := c.KeyIdentities.Value; path != "" {
		b.files = append(b.files, path)
	}
	options.Engine, options.UID, options.RequireSafeKeys = b.parts.Engine, b.parts.Account.UID, c.RequireSafeKeys.Value
	options.CacheBytes = int64(c.KeyCacheSize.Value) << 20
	options.Warn = func(name string, u *keystore.Unsafe) {
		event.KeyUnsafe(name, u.Words, u.Remedy).Write(b.parts.Log, "")
	}
	if table := b.set(&b.config.KeyTable, false); table != nil {
		store := keystore.New(table, options)
		r.KeyTable = store
		r.SigningTable = b.set(&b.config.SigningTable, true)
		b.keys = &Keys{store: store, table: table, options: options}
		r.KeyDomains = keyDomains(b.ctx, table)
		b.lintTables(table, r, store)
		return
	}
	r.Domain = b.set(&b.config.Domain, true)
	if text, hint, unusable := keystore.JudgeSelector(c.Selector.Value); text != "" && c.Selector.Value != "" {
		if unusable {
			text += ": mail that is to be signed is deferred"
		}
		b.warn(&c.Selector, hint, "%s", text)
	}
	if c.KeyFile.Value != "" {
		r.DefaultKey = b.defaultKey(options)
	}
	b.keys = &Keys{options: options, domains: r.Domain, defaultKey: r.DefaultKey}
}

// defaultKey loads KeyFile, as whom the filter is started by: it may be read
// before root is given up.
func (b *builder) defaultKey(options keystore.Options) *keystore.SigningKey {
	row := keystore.FileRow("%", b.config.Selector.Value, b.config.KeyFile.Value)
	key, err := keystore.New(nil, options).Load(b.ctx, b.config.KeyFile.Value, row)
	if err != nil {
		b.refuse(&b.config.KeyFile, keyHint(err), "%s", err)
	}
	b.files = append(b.files, row.Key)
	return key
}

// keyHint is what to type to mend a key.
func keyHint(err error) string {
	var e *keystore.Error
	if errors.As(err, &e) && e.Hint != "" {
		return e.Hint
	}
	return hintFor(err)
}

func (b *builder) senderMatch() policy.SenderMatch {
	value := b.config.RequireSenderMatch.Value
	switch strings.ToLower(value) {
	case "", "no", "false", "0":
		return policy.SenderMatch{}
	case "yes", "true", "1":
		return policy.SenderMatch{Required: true}
	}
	return policy.SenderMatch{Required: true, Allowed: b.set(&b.config.RequireSenderMatch, true)}
}

func (b *builder) signing() policy.Signing {
	c := b.config
	s := policy.Signing{
		SignatureAlgorithm:           c.SignatureAlgorithm.Value,
		HeaderCanonicalization:       c.Canonicalization.Value.Header,
		BodyCanonicalization:         c.Canonicalization.Value.Body,
		SelectCanonicalizationHeader: c.SelectCanonicalizationHeader.Value,
		SignHeaders:                  b.headerSet(&b.config.SignHeaders, dkim.DefaultSignHeaders()),
		OmitHeaders:                  b.headerSet(&b.config.OmitHeaders, dkim.DefaultOmitHeaders()),
		OversignHeaders:              b.headerSet(&b.config.OversignHeaders, nil),
		SignatureTTL:                 c.SignatureTTL.Value,
		MaximumSignedBytes:           int64(c.MaximumSignedBytes.Value),
		BodyLengthDB:                 b.set(&b.config.BodyLengthDB, true),
		Diagnostics:                  c.Diagnostics.Value,
		RequestReports:               c.RequestReports.Value,
		RemoveOldSignatures:          c.RemoveOldSignatures.Value,
		IdentityHeader:               c.IdentityHeader.Value,
		IdentityHeaderRemove:         c.IdentityHeaderRemove.Value,
	}
	if path := c.ReplaceRules.Value; path != "" {
		s.ReplaceRules = b.replaceRules(path)
	}
	s.ReplaceHeaders = b.names(&b.config.ReplaceHeaders)
	b.tellOmitted(s.SignHeaders, s.OmitHeaders)
	return s
}

// tellOmitted warns of fields that SignHeaders asks for and OmitHeaders leaves out.
//
// Compat(opendkim 2.11): there Bcc, Resent-Bcc and DKIM-Signature, which opendkim.conf(5)
// lists with the others, are not in the default.
func (b *builder) tellOmitted(sign, omit *dkim.HeaderSet) {
	option := &b.config.SignHeaders
	if !option.IsSet() {
		return
	}
	for _, name := range sign.Names() {
		if strings.EqualFold(name, "From") || strings.Contains(name, "*") || !omit.Contains([]byte(name)) {
			continue
		}
		hint := "write OmitHeaders *,-" + name + " to sign it all the same"
		if b.config.OmitHeaders.IsSet() {
			hint = "take it out of one of them"
		}
		b.warn(option, hint, "%s is not signed: OmitHeaders has it", problem.Quote(name))
	}
}

// headerSet reads an option that names header fields; "*,+x,-y" changes base.
func (b *builder) headerSet(option *config.Setting[string], base []string) *dkim.HeaderSet {
	return dkim.NewHeaderSet(policy.HeaderNames(base, strings.Join(b.names(option), ","))...)
}

// resolver looks up keys and whatever else a message asks for. The name servers are
// behind it in any case: test data hold texts alone.
func (b *builder) resolver() resolver.Resolver {
	c := b.config
	if path := c.TrustAnchorFile.Value; path != "" {
		if _, err := privilege.Stat(path); err != nil {
			b.refuse(&b.config.TrustAnchorFile, hintFor(err), "%s", problem.Reason(err))
			return nil
		}
	}
	dns, err := b.parts.nameServers(dnsOptions(c))
	if err != nil {
		var option config.Field = &c.Nameservers
		if c.TrustAnchorFile.IsSet() {
			option = &c.TrustAnchorFile
		}
		b.refuse(option, hintFor(err), "%s", problem.Reason(err))
		return nil
	}
	if path := c.TestPublicKeys.Value; path != "" {
		r, err := resolver.NewFile(path, dns)
		if err != nil {
			b.refuse(&b.config.TestPublicKeys, hintFor(err), "%s", problem.Reason(err))
			return nil
		}
		b.files = append(b.files, path)
		return r
	}
	if set := b.set(&b.config.TestDNSData, true); set != nil {
		return resolver.NewLookup(firstValue(set), dns)
	}
	if len(b.parts.Published) > 0 {
		return resolver.NewOverlay(b.parts.Published, dns)
	}
	return dns
}

func dnsOptions(c *config.Config) resolver.Options {
	return resolver.Options{
		Nameservers:     c.Nameservers.Value,
		Timeout:         c.DNSTimeout.Value,
		UseTCP:          c.DNSConnect.Value,
		TrustAnchorFile: c.TrustAnchorFile.Value,
	}
}

// firstValue finds the texts of TestDNSData.
func firstValue(set dataset.Set) resolver.LookupFunc {
	return func(ctx context.Context, name string) (string, bool, error) {
		values, err := set.Lookup(ctx, name, 1)
		if errors.Is(err, dataset.ErrNotFound) || err == nil && len(values) == 0 {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		return values[0], true, nil
	}
}
