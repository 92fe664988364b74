package app

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
	"dojang/internal/filter"
	"dojang/internal/keystore"
	"dojang/internal/metrics"
	"dojang/internal/policy"
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
	Engine func(crypto.Signer) (crypto.Signer, error)
	// FastRSA is filter.Snapshot's; nil is the standard library.
	FastRSA func(*rsa.PublicKey) func(crypto.Hash, []byte, []byte) bool
	// Starting makes wrong table rows warnings: see builder.tableProblems.
	Starting bool
	// Known are the table problems of the snapshot in force.
	Known map[string]bool
	// KeyLintTime bounds how long keys of a table are checked; 0: no bound.
	KeyLintTime time.Duration
	// Published are key records to answer before any name server is asked.
	Published map[string]string
}

// Built is a configuration made ready to serve.
type Built struct {
	Snapshot *filter.Snapshot
	summary  summary
	files    []string // every file it was made from, for AutoReload
	known    map[string]bool
}

// Build turns a configuration into a snapshot: every table opened, every key of
// a local table checked. The result is nil when a problem is an error; all
// problems are returned in either case.
func Build(ctx context.Context, c *config.Config, parts Parts) (*Built, problem.List) {
	b := &builder{ctx: ctx, config: c, parts: parts, openers: Openers(c, parts)}
	b.problems = append(b.problems, c.Check()...)
	s := b.snapshot()
	b.problems.Sort()
	if b.problems.HasErrors() {
		b.close()
		return nil, b.problems
	}
	s.OnClose(b.close)
	return &Built{Snapshot: s, summary: b.summary, files: b.files, known: setOf(b.known)}, b.problems
}

func setOf(texts []string) map[string]bool {
	set := make(map[string]bool, len(texts))
	for _, text := range texts {
		set[text] = true
	}
	return set
}

func (b *builder) snapshot() *filter.Snapshot {
	c := b.config
	s := &filter.Snapshot{
		Rules:              b.rules(),
		PeerList:           b.hosts("PeerList"),
		Resolver:           b.resolver(),
		Log:                b.parts.Log,
		LogWhy:             c.Bool("LogWhy"),
		MilterDebug:        c.Int("MilterDebug"),
		TemporaryDirectory: b.temporaryDirectory(),
		LogResults:         c.Bool("LogResults"),
		SyslogSuccess:      c.Bool("SyslogSuccess"),
		MaximumHeaderBytes: c.Int("MaximumHeaders"),
		MessageTimeBudget:  c.Duration("MessageTimeBudget"),
		FixCRLF:            c.Bool("FixCRLF"),
		FastRSA:            b.parts.FastRSA,
		Actions:            milter.ActionAddHeaders | milter.ActionChangeHeaders | milter.ActionSetMacros,
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
	wholeBody := c.String("Minimum") != ""
	s.Milter.SkipBody = !wholeBody && (s.Rules.Verify || s.Rules.Signing.BodyLengthDB != nil || s.Rules.Signing.MaximumSignedBytes > 0)
	return s
}

// temporaryDirectory is where KeepTemporaryFiles puts its files, "" for nowhere.
func (b *builder) temporaryDirectory() string {
	if !b.config.Bool("KeepTemporaryFiles") {
		return ""
	}
	dir := b.config.String("TemporaryDirectory")
	b.wantFolder("TemporaryDirectory", dir)
	return dir
}

func (b *builder) rules() *policy.Rules {
	c := b.config
	mode := strings.ToLower(c.String("Mode"))
	r := &policy.Rules{
		Sign:                  strings.Contains(mode, "s"),
		Verify:                strings.Contains(mode, "v"),
		SenderHeaders:         b.names("SenderHeaders"),
		SenderMacro:           c.String("SenderMacro"),
		DefaultSender:         c.String("DefaultSender"),
		InternalHosts:         b.hosts("InternalHosts"),
		ExternalIgnoreList:    b.hosts("ExternalIgnoreList"),
		MTA:                   b.set("MTA", false),
		MacroList:             b.macros(),
		POPDBFile:             b.set("POPDBFile", false),
		ExemptDomains:         b.set("ExemptDomains", true),
		DontSignMailTo:        b.set("DontSignMailTo", true),
		RequireSenderMatch:    b.senderMatch(),
		MultipleSignatures:    c.Bool("MultipleSignatures"),
		SubDomains:            c.Bool("SubDomains"),
		ResignMailTo:          b.set("ResignMailTo", true),
		ResignAll:             c.Bool("ResignAll"),
		RequiredHeaders:       c.Bool("RequiredHeaders"),
		StrictHeaders:         c.Bool("StrictHeaders"),
		IgnoreMalformedMail:   c.Bool("IgnoreMalformedMail"),
		WeakSyntaxChecks:      c.Bool("WeakSyntaxChecks"),
		Signing:               b.signing(),
		Verdicts:              b.verdicts(),
		Results:               b.authResults(),
		Reports:               b.reports(),
		ConditionalSignatures: b.set("ConditionalSignatures", true),
		ATPS:                  policy.ATPS{Domains: b.set("ATPSDomains", true), Hash: c.String("ATPSHashAlgorithm")},
		VBR:                   b.vbr(),
		Scripts:               b.scripts(),
		Reputation:            b.reputation(),
	}
	b.keys(r)
	return r
}

// keys sets where signing keys come from: the tables when there are any, else
// Domain, Selector and KeyFile.
func (b *builder) keys(r *policy.Rules) {
	c := b.config
	options, err := keystore.LocalOptions(c.String("KeyIdentities"), os.Getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		b.refuse("KeyIdentities", hintFor(err), "%s", reason(err))
	}
	if path := c.String("KeyIdentities"); path != "" {
		b.files = append(b.files, path)
	}
	options.Engine, options.UID, options.RequireSafeKeys = b.parts.Engine, b.parts.Account.UID, c.Bool("RequireSafeKeys")
	options.Warn = func(name string, u *keystore.Unsafe) {
		b.parts.Log.Warn(fmt.Sprintf("%s: key data is not secure: %s", name, u.Words), "event", "key_unsafe", "remedy", u.Remedy)
	}
	if table := b.set("KeyTable", false); table != nil {
		store := keystore.New(table, options)
		r.KeyTable = store
		r.SigningTable = b.set("SigningTable", true)
		b.lintTables(table, r, store)
		return
	}
	r.Domain = b.set("Domain", true)
	if c.String("KeyFile") != "" {
		r.DefaultKey = b.defaultKey(options)
	}
}

// defaultKey loads KeyFile, as whom the filter is started by: it may be read
// before root is given up.
func (b *builder) defaultKey(options keystore.Options) *keystore.SigningKey {
	row := keystore.FileRow("%", b.config.String("Selector"), b.config.String("KeyFile"))
	key, err := keystore.New(nil, options).Load(b.ctx, b.config.String("KeyFile"), row)
	if err != nil {
		b.refuse("KeyFile", keyHint(err), "%s", err)
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
	value := b.config.String("RequireSenderMatch")
	switch strings.ToLower(value) {
	case "", "no", "false", "0":
		return policy.SenderMatch{}
	case "yes", "true", "1":
		return policy.SenderMatch{Required: true}
	}
	return policy.SenderMatch{Required: true, Allowed: b.set("RequireSenderMatch", true)}
}

func (b *builder) signing() policy.Signing {
	c := b.config
	s := policy.Signing{
		SelectCanonicalizationHeader: c.String("SelectCanonicalizationHeader"),
		SignHeaders:                  b.headerSet("SignHeaders", dkim.DefaultSignHeaders()),
		OmitHeaders:                  b.headerSet("OmitHeaders", dkim.DefaultOmitHeaders()),
		OversignHeaders:              b.headerSet("OversignHeaders", nil),
		SignatureTTL:                 time.Duration(c.Int("SignatureTTL")) * time.Second,
		MaximumSignedBytes:           int64(c.Int("MaximumSignedBytes")),
		BodyLengthDB:                 b.set("BodyLengthDB", true),
		Diagnostics:                  c.Bool("Diagnostics"),
		RequestReports:               c.Bool("RequestReports"),
		RemoveOldSignatures:          c.Bool("RemoveOldSignatures"),
		IdentityHeader:               c.String("IdentityHeader"),
		IdentityHeaderRemove:         c.Bool("IdentityHeaderRemove"),
	}
	if text := c.String("SignatureAlgorithm"); text != "" {
		algorithm, err := dkim.ParseAlgorithm(text)
		if err != nil {
			b.refuse("SignatureAlgorithm", "leave it out: the key decides", "%s", err)
		}
		s.SignatureAlgorithm = algorithm
	}
	header, body, err := dkim.ParseCanonicalizations(c.String("Canonicalization"))
	if err != nil {
		b.refuse("Canonicalization", "write relaxed/simple, or one of the two words", "%s", err)
	}
	s.HeaderCanonicalization, s.BodyCanonicalization = header, body
	if path := c.String("ReplaceRules"); path != "" {
		s.ReplaceRules = b.replaceRules(path)
	}
	s.ReplaceHeaders = b.names("ReplaceHeaders")
	return s
}

// headerSet reads an option that names header fields; "*,+x,-y" changes base.
func (b *builder) headerSet(option string, base []string) *dkim.HeaderSet {
	return dkim.NewHeaderSet(base, strings.Join(b.names(option), ","))
}

// resolver looks up keys and whatever else a message asks for. The name servers are
// behind it in any case: test data hold texts alone.
func (b *builder) resolver() resolver.Resolver {
	c := b.config
	if path := c.String("TrustAnchorFile"); path != "" {
		if _, err := os.Stat(path); err != nil {
			b.refuse("TrustAnchorFile", hintFor(err), "%s", reason(err))
			return nil
		}
	}
	dns, err := b.parts.nameServers(resolver.Options{
		Nameservers:     c.List("Nameservers"),
		Timeout:         c.Duration("DNSTimeout"),
		UseTCP:          c.Bool("DNSConnect"),
		TrustAnchorFile: c.String("TrustAnchorFile"),
	})
	if err != nil {
		option := "Nameservers"
		if c.IsSet("TrustAnchorFile") {
			option = "TrustAnchorFile"
		}
		b.refuse(option, hintFor(err), "%s", reason(err))
		return nil
	}
	if path := c.String("TestPublicKeys"); path != "" {
		r, err := resolver.NewFile(path, dns)
		if err != nil {
			b.refuse("TestPublicKeys", hintFor(err), "%s", reason(err))
			return nil
		}
		b.files = append(b.files, path)
		return r
	}
	if set := b.set("TestDNSData", true); set != nil {
		return resolver.NewLookup(firstValue(set), dns)
	}
	if len(b.parts.Published) > 0 {
		return resolver.NewOverlay(b.parts.Published, dns)
	}
	return dns
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
