package app

import (
	"os"
	"regexp"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/internal/policy"
	"dojang/internal/problem"
)

// verdicts reads the options about what a signature is worth and what follows.
func (b *builder) verdicts() policy.Verdicts {
	c := b.config
	v := policy.Verdicts{
		Conditional:          c.String("ConditionalSignatures") != "",
		Quarantine:           c.Bool("Quarantine"),
		CaptureUnknownErrors: c.Bool("CaptureUnknownErrors"),
		RedirectFailuresTo:   c.String("RedirectFailuresTo"),
		ClockDrift:           exactly(time.Duration(c.Int("ClockDrift")) * time.Second),
		MinimumKeyBits:       anyIfZero(c.Int("MinimumKeyBits")),
		MaximumKeyBits:       c.Int("MaximumKeyBits"),
		AllowSHA1:            c.Bool("AllowSHA1Only"),
		MaximumSignatures:    c.Int("MaximumSignaturesToVerify"),
		MustBeSigned:         b.names("MustBeSigned"),
		BogusKey:             b.treatment("BogusKey"),
		UnprotectedKey:       b.treatment("UnprotectedKey"),
		TrustSignaturesFrom:  b.set("TrustSignaturesFrom", true),
	}
	if text := c.String("Minimum"); text != "" {
		minimum, err := dkim.ParseBodyMinimum(text)
		if err != nil {
			b.refuse("Minimum", "write a number of bytes, a percentage as 50%, or 100+", "%s", err)
		}
		v.Minimum = minimum
	}
	b.preset(&v)
	for _, condition := range policy.Conditions() {
		v.Set(condition, b.action("On-"+condition.String()))
	}
	return v
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

// action reads an On-* option.
func (b *builder) action(option string) policy.Action {
	text := b.config.Action(option)
	if text == "" {
		return policy.Accept
	}
	action, ok := policy.ParseAction(text)
	if !ok {
		b.refuse(option, "one of accept, discard, quarantine, reject, tempfail", "unknown action %.64q", text)
	}
	return action
}

func (b *builder) treatment(option string) policy.KeyTreatment {
	switch strings.ToLower(b.config.String(option)) {
	case "neutral":
		return policy.TreatNeutral
	case "fail":
		return policy.TreatFail
	}
	return policy.TreatNone
}

// preset applies VerifyPreset: what a careful receiver would set one by one.
func (b *builder) preset(v *policy.Verdicts) {
	switch strings.ToLower(b.config.String("VerifyPreset")) {
	case "strict":
		v.SingletonsSigned, v.RequireBaseFields = true, true
		v.Minimum = dkim.BodyMinimum{LimitUnsigned: true}
		fallthrough
	case "rfc8301":
		v.AllowSHA1 = false
		v.MinimumKeyBits = max(v.MinimumKeyBits, dkim.DefaultMinimumKeyBits)
	}
}

func (b *builder) authResults() policy.AuthResults {
	c := b.config
	a := policy.AuthResults{
		AuthservID:          c.String("AuthservID"),
		AuthservIDWithJobID: c.Bool("AuthservIDWithJobID"),
		AlwaysAddARHeader:   c.Bool("AlwaysAddARHeader"),
		NoHeaderB:           c.Bool("NoHeaderB"),
		KeepAuthResults:     c.Bool("KeepAuthResults"),
		RemoveARAll:         c.Bool("RemoveARAll"),
		RemoveARFrom:        b.names("RemoveARFrom"),
	}
	if a.AuthservID == "HOSTNAME" {
		name, err := os.Hostname()
		if err != nil {
			b.refuse("AuthservID", "write the name itself", "this host does not know its name: %s", err)
		}
		a.AuthservID = name
	}
	if c.Bool("X-Header") {
		b.parts.Log.Warn(`"X-Header" deprecated; use "SoftwareHeader" instead`)
	}
	if c.Bool("SoftwareHeader") || c.Bool("X-Header") {
		a.SoftwareHeader = "dojang Filter v" + b.parts.Version
	}
	return a
}

// replaceRules reads ReplaceRules: a POSIX expression, a tab, and the text that
// takes its place, one rule a line; "#" starts a comment.
func (b *builder) replaceRules(path string) []policy.ReplaceRule {
	const maxFileBytes = 1 << 20
	info, err := os.Stat(path)
	if err != nil {
		b.refuse("ReplaceRules", hintFor(err), "%s", reason(err))
		return nil
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		b.refuse("ReplaceRules", "name a text file of less than 1 MiB", "%s: not a file of rules", path)
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		b.refuse("ReplaceRules", hintFor(err), "%s", reason(err))
		return nil
	}
	b.files = append(b.files, path)
	var rules []policy.ReplaceRule
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\r"), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		expression, with, ok := strings.Cut(line, "\t")
		if !ok {
			b.problems.Addf(problem.Error, path, i+1, "ReplaceRules", "write: expression<TAB>replacement", "no tab between expression and replacement")
			continue
		}
		match, err := regexp.CompilePOSIX(expression)
		if err != nil {
			b.problems.Addf(problem.Error, path, i+1, "ReplaceRules", "", "%s", err)
			continue
		}
		rules = append(rules, policy.ReplaceRule{Match: match, With: with})
	}
	return rules
}
