package build

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"dojang/dkim"
	"dojang/internal/bre"
	"dojang/internal/config"
	"dojang/internal/event"
	"dojang/internal/policy"
	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// verdicts reads the options about what a signature is worth and what follows.
func (b *builder) verdicts() policy.Verdicts {
	c := b.config
	v := policy.Verdicts{
		Conditional:          c.ConditionalSignatures.Value != "",
		Quarantine:           c.Quarantine.Value,
		CaptureUnknownErrors: c.CaptureUnknownErrors.Value,
		RedirectFailuresTo:   c.RedirectFailuresTo.Value,
		ClockDrift:           exactly(c.ClockDrift.Value),
		MinimumKeyBits:       anyIfZero(c.MinimumKeyBits.Value),
		MaximumKeyBits:       c.MaximumKeyBits.Value,
		AllowSHA1:            c.AllowSHA1Only.Value,
		MaximumSignatures:    c.MaximumSignaturesToVerify.Value,
		Minimum:              c.Minimum.Value,
		MustBeSigned:         b.names(&b.config.MustBeSigned),
		BogusKey:             c.BogusKey.Value,
		UnprotectedKey:       c.UnprotectedKey.Value,
		TrustSignaturesFrom:  b.set(&b.config.TrustSignaturesFrom, true),
	}
	b.preset(&v)
	for condition, on := range conditions(c) {
		v.Set(condition, c.Action(on))
	}
	return v
}

// conditions has the option of each condition.
func conditions(c *config.Config) map[policy.Condition]*config.Setting[policy.Action] {
	return map[policy.Condition]*config.Setting[policy.Action]{
		policy.BadSignature:    &c.OnBadSignature,
		policy.DNSError:        &c.OnDNSError,
		policy.InternalError:   &c.OnInternalError,
		policy.KeyNotFound:     &c.OnKeyNotFound,
		policy.NoSignature:     &c.OnNoSignature,
		policy.ReputationError: &c.OnReputationError,
		policy.Security:        &c.OnSecurity,
		policy.SignatureError:  &c.OnSignatureError,
	}
}

// exactly makes a configured 0 mean 0 to dkim, which takes 0 for its default.
func exactly(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// anyIfZero makes MinimumKeyBits 0 accept every key (opendkim.conf(5)).
func anyIfZero(bits int) int {
	if bits == 0 {
		return -1
	}
	return bits
}

// preset applies VerifyPreset: what a careful receiver would set one by one.
func (b *builder) preset(v *policy.Verdicts) {
	switch b.config.VerifyPreset.Value {
	case "strict":
		v.SingletonsSigned, v.RequireBaseFields = true, true
		v.Minimum = policy.Minimum{LimitUnsigned: true}
		fallthrough
	case "rfc8301":
		v.AllowSHA1 = false
		v.MinimumKeyBits = max(v.MinimumKeyBits, dkim.DefaultMinimumKeyBits)
	}
}

func (b *builder) authResults() policy.AuthResults {
	c := b.config
	a := policy.AuthResults{
		AuthservID:          c.AuthservID.Value,
		AuthservIDWithJobID: c.AuthservIDWithJobID.Value,
		AlwaysAddARHeader:   c.AlwaysAddARHeader.Value,
		NoHeaderB:           c.NoHeaderB.Value,
		KeepAuthResults:     c.KeepAuthResults.Value,
		RemoveARAll:         c.RemoveARAll.Value,
		RemoveARFrom:        b.names(&b.config.RemoveARFrom),
		RemoveARMethods:     c.RemoveARMethods.Value,
	}
	if a.AuthservID == "HOSTNAME" {
		name, err := os.Hostname()
		if err != nil {
			b.refuse(&b.config.AuthservID, "write the name itself", "this host does not know its name: %s", err)
		}
		a.AuthservID = name
	}
	if c.XHeader.Value {
		event.OptionDeprecated("X-Header", "SoftwareHeader").Write(b.parts.Log, "")
	}
	if c.SoftwareHeader.Value || c.XHeader.Value {
		a.SoftwareHeader = "dojang Filter v" + b.parts.Version
	}
	return a
}

// replaceHint says what to type where an expression is refused.
func replaceHint(err error) string {
	if errors.Is(err, bre.ErrUnsupported) {
		return "write it without: a rule for each text that may stand there"
	}
	return `expressions are basic ones, as OpenDKIM has them: \(a\), a\{2\}, a\|b, and a bare ( { | means itself`
}

// replaceRules reads ReplaceRules: a basic POSIX expression, a tab, and the text that
// takes its place, one rule a line; "#" starts a comment.
//
// Compat(opendkim 2.11): the last tab divides, and the last rule comes first.
func (b *builder) replaceRules(path string) []policy.ReplaceRule {
	const maxFileBytes = 1 << 20
	text, err := privilege.ReadFile(path)
	if err == nil && len(text) > maxFileBytes {
		err = &fs.PathError{Op: "read", Path: path, Err: syscall.EFBIG}
	}
	if err != nil {
		b.refuse(&b.config.ReplaceRules, cmp.Or(hintFor(err), "name a text file of at most 1 MiB"), "%s", problem.Reason(err))
		return nil
	}
	b.files = append(b.files, path)
	var rules []policy.ReplaceRule
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\r"), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		tab := strings.LastIndexByte(line, '\t')
		if tab < 0 {
			b.problems.Addf(problem.Error, path, i+1, "ReplaceRules", "write: expression<TAB>replacement",
				"no tab between expression and replacement")
			continue
		}
		match, err := bre.Compile(line[:tab])
		if err != nil {
			b.problems.Addf(problem.Error, path, i+1, "ReplaceRules", replaceHint(err), "%s", err)
			continue
		}
		rules = append(rules, policy.ReplaceRule{Match: match, With: line[tab+1:]})
	}
	slices.Reverse(rules)
	return rules
}
