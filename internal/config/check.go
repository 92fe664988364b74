package config

import (
	"slices"
	"strings"
	"time"

	"dojang/internal/policy"
	"dojang/internal/problem"
)

// Check finds options that contradict each other, need one another, or have no
// effect. It looks at no file and asks no server: tables and keys have their
// own checks.
//
// What makes OpenDKIM refuse to start is an Error; what it takes in silence,
// and does nothing or harm with, is a Warning. Of a configuration that is not whole it
// says nothing.
func (c *Config) Check() problem.List {
	if !c.IsWhole() {
		return nil
	}
	k := checker{config: c}
	k.keys()
	k.tablesWin()
	k.mode()
	k.sockets()
	k.companions()
	k.limits()
	k.harm()
	k.withoutEffect()
	k.problems.Sort()
	return k.problems
}

type checker struct {
	config   *Config
	problems problem.List
}

func (k *checker) add(s problem.Severity, f Field, hint, format string, args ...any) *problem.Problem {
	at := f.Source()
	return k.problems.Addf(s, at.File, at.Line, f.Option().Name, hint, format, args...)
}

func (k *checker) fail(f Field, hint, format string, args ...any) {
	k.add(problem.Error, f, hint, format, args...)
}

func (k *checker) warn(f Field, hint, format string, args ...any) *problem.Problem {
	return k.add(problem.Warning, f, hint, format, args...)
}

// leaveOut warns of a line that is to go.
func (k *checker) leaveOut(f Field, hint, format string, args ...any) {
	k.warn(f, hint, format, args...).Mend.Edit = problem.LeaveOut
}

// set reports whether every one of the options was given, Booleans with yes.
func set(fields ...Field) bool {
	for _, f := range fields {
		if yes, isBool := f.(*Setting[bool]); !f.IsSet() || isBool && !yes.Value {
			return false
		}
	}
	return true
}

// anySet reports whether one of the options was given, a Boolean with yes.
func anySet(fields ...Field) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return set(f) })
}

// Signs reports whether Mode has s in it.
func (c *Config) Signs() bool { return c.Mode.Value.Sign }

// verifies reports whether Mode has v in it.
func (c *Config) verifies() bool { return c.Mode.Value.Verify }

// keys wants one of the combinations by which keys are named.
//
// Compat(opendkim 2.11): all but the first are demanded only when Mode signs.
func (k *checker) keys() {
	c := k.config
	if set(&c.SigningTable) && !set(&c.KeyTable) {
		k.fail(&c.SigningTable, "add KeyTable refile:/etc/opendkim/KeyTable", "needs a KeyTable")
		return
	}
	if !c.Signs() {
		return
	}
	switch {
	case set(&c.KeyTable):
		if !anySet(&c.SigningTable, &c.SetupPolicyScript) {
			k.fail(&c.KeyTable, "add SigningTable refile:/etc/opendkim/SigningTable",
				"needs a SigningTable or a SetupPolicyScript: nothing says which sender gets which key")
		}
	case set(&c.Domain) && !set(&c.KeyFile, &c.Selector):
		k.fail(&c.Domain, "add "+missing(&c.KeyFile, &c.Selector), "needs KeyFile and Selector")
	case set(&c.KeyFile) && !set(&c.Selector):
		k.fail(&c.KeyFile, "add Selector and the name under which the public key is published", "needs a Selector")
	case set(&c.Selector) && !set(&c.KeyFile):
		k.fail(&c.Selector, "add KeyFile and the path of the private key", "needs a KeyFile")
	case set(&c.KeyFile) && !anySet(&c.Domain, &c.SetupPolicyScript):
		k.warn(&c.KeyFile, "add Domain and the domains to sign for", "without a Domain nothing is signed")
	}
}

// missing names those of the options that are not set.
func missing(fields ...Field) string {
	var absent []string
	for _, f := range fields {
		if !set(f) {
			absent = append(absent, f.Option().Name)
		}
	}
	return strings.Join(absent, " and ")
}

// tablesWin tells that single-key options beside tables are not looked at.
func (k *checker) tablesWin() {
	c := k.config
	if !set(&c.KeyTable, &c.SigningTable) {
		return
	}
	for _, f := range []Field{&c.Domain, &c.KeyFile, &c.Selector, &c.SubDomains} {
		if set(f) {
			k.leaveOut(f, "take the line out", "not used: KeyTable and SigningTable win")
		}
	}
}

// mode finds options for work that Mode does not include.
func (k *checker) mode() {
	c := k.config
	if c.Mode.IsSet() && c.Signs() && !anySet(&c.KeyTable, &c.Domain, &c.KeyFile, &c.Selector, &c.SetupPolicyScript, &c.ResignMailTo) {
		k.warn(&c.Mode, "add KeyTable and SigningTable, or Domain, Selector and KeyFile",
			"there is no key to sign with: mail is only verified")
	}
	if !c.Signs() {
		for _, f := range []Field{&c.KeyTable, &c.Domain, &c.KeyFile, &c.OnSignatureError} {
			if set(f) {
				k.warn(f, "write Mode sv", "not used: Mode %s does not sign", c.Mode.Text())
			}
		}
	}
	if !c.verifies() {
		for _, f := range []Field{&c.OnBadSignature, &c.OnKeyNotFound, &c.OnNoSignature, &c.MinimumKeyBits,
			&c.Minimum, &c.MustBeSigned, &c.AlwaysAddARHeader, &c.VerifyPreset} {
			if set(f) {
				k.warn(f, "write Mode sv", "not used: Mode %s does not verify", c.Mode.Text())
			}
		}
	}
}

// sockets wants at least one, and each once.
func (k *checker) sockets() {
	c := k.config
	given, counted := c.Socket.Given(), counting(&c.Socket)
	if len(given) == 0 {
		// Compat(opendkim 2.11): -n is content without one; the start is not.
		k.warn(&c.Socket, "add "+example(c.Socket.Option()),
			"there is none, and the filter does not start without one unless systemd hands it over")
		return
	}
	if len(counted) < len(given) {
		last := counted[len(counted)-1]
		for _, v := range given[1:] {
			if v.Text != last.Text {
				k.problems.Addf(problem.Warning, v.File, v.Line, "Socket",
					"to listen on both, write a word behind one of them: Socket "+last.Text+" both",
					"not used: the one at %s wins", last.Place())
			}
		}
	}
	seen := map[string]string{}
	for i, s := range c.Sockets() {
		v := counted[i]
		key := s.Network + " " + s.Address
		if first, twice := seen[key]; twice {
			k.problems.Addf(problem.Error, v.File, v.Line, "Socket", "take one of the lines out", "the same socket as at %s", first)
		}
		seen[key] = v.Place()
		if s.Role == RoleSign && !c.Signs() || s.Role == RoleVerify && !c.verifies() {
			k.problems.Addf(problem.Warning, v.File, v.Line, "Socket", "write Mode sv",
				"Mode %s leaves nothing to do for a socket that is to %s", c.Mode.Text(), s.Role)
		}
	}
}

// companion is an option that does nothing without one of others.
type companion struct {
	option Field
	needs  []Field
}

func (c *Config) companions() []companion {
	scripts := []Field{&c.SetupPolicyScript, &c.ScreenPolicyScript, &c.FinalPolicyScript, &c.StatisticsPolicyScript}
	logs := []Field{&c.Syslog, &c.StdoutLog}
	return []companion{
		{&c.SubDomains, []Field{&c.Domain}}, {&c.MultipleSignatures, []Field{&c.SigningTable, &c.SetupPolicyScript}},
		{&c.ResignAll, []Field{&c.ResignMailTo}}, {&c.ReplaceHeaders, []Field{&c.ReplaceRules}}, {&c.IdentityHeaderRemove, []Field{&c.IdentityHeader}},
		{&c.AutoRestartCount, []Field{&c.AutoRestart}}, {&c.AutoRestartRate, []Field{&c.AutoRestart}},
		{&c.ATPSHashAlgorithm, []Field{&c.ATPSDomains}}, {&c.VBRTrustedCertifiersOnly, []Field{&c.VBRTrustedCertifiers}},
		{&c.ReportAddress, []Field{&c.SendReports}}, {&c.ReportBccAddress, []Field{&c.SendReports}}, {&c.SMTPURI, []Field{&c.SendReports}},
		{&c.SyslogFacility, []Field{&c.Syslog}}, {&c.SyslogName, []Field{&c.Syslog}},
		{&c.SyslogSuccess, logs}, {&c.LogResults, logs}, {&c.LogWhy, logs},
		{&c.TemporaryDirectory, []Field{&c.KeepTemporaryFiles}}, {&c.LDAPBindPassword, []Field{&c.LDAPBindUser}},
		{&c.StatisticsName, []Field{&c.Statistics}}, {&c.StatisticsPolicyScript, []Field{&c.Statistics}},
		{&c.FlowData, []Field{&c.RateLimits}}, {&c.FlowDataFactor, []Field{&c.RateLimits}}, {&c.FlowDataTTL, []Field{&c.RateLimits}}, {&c.ReputationLimitModifiers, []Field{&c.ReputationLimits}},
		{&c.ReputationCache, []Field{&c.ReputationLimits, &c.ReputationRatios}},
		{&c.ReputationTimeFactor, []Field{&c.ReputationLimits}}, {&c.ReputationRatios, []Field{&c.ReputationSpamCheck}}, {&c.ReputationSpamCheck, []Field{&c.ReputationRatios}}, {&c.ScriptUnsafe, scripts},
	}
}

func (k *checker) companions() {
	c := k.config
	json := c.LogFormat.Value == "json" // then to standard error, if nowhere else
	for _, x := range c.companions() {
		if !set(x.option) || anySet(x.needs...) || json && slices.Contains(x.needs, Field(&c.StdoutLog)) {
			continue
		}
		var names []string
		for _, f := range x.needs {
			names = append(names, f.Option().Name)
		}
		hint := names[0]
		if x.needs[0].Option().Type == Boolean {
			hint += " yes"
		}
		k.warn(x.option, "add "+hint, "has no effect without %s", strings.Join(names, " or "))
	}
	if set(&c.ChangeRootDirectory) && !set(&c.UserID) {
		k.warn(&c.ChangeRootDirectory, "add UserID opendkim", "without UserID the process stays root, and root gets out of a chroot")
	}
}

// limits compares numbers with each other.
func (k *checker) limits() {
	c := k.config
	if low, high := c.MinimumKeyBits.Value, c.MaximumKeyBits.Value; high > 0 && low > high {
		k.fail(&c.MaximumKeyBits, "", "no key can be at least %d and at most %d bits long", low, high)
	}
	if c.DataSetCacheSize.Value < 1 {
		k.fail(&c.DataSetCacheSize, "write 1 or more; DataSetCacheTTL 0 asks the server each time",
			"the answers for a message must have room")
	}
	if c.KeyCacheSize.Value < 1 {
		k.fail(&c.KeyCacheSize, "write 1 or more", "the keys of a message must have room")
	}
	if budget := c.MessageTimeBudget.Value; set(&c.DNSTimeout) && c.DNSTimeout.Value > budget {
		k.warn(&c.DNSTimeout, "make it smaller, or MessageTimeBudget larger",
			"longer than the %v that a message's look-ups may take together (MessageTimeBudget)", budget)
	}
}

// shortestTTL is less than mail waits in ordinary queues.
const shortestTTL = 24 * time.Hour

// harm tells of settings that lose mail or deceive.
func (k *checker) harm() {
	c := k.config
	for _, f := range []*Setting[policy.Action]{&c.OnDNSError, &c.OnInternalError, &c.OnDefault} {
		if set(f) && c.Action(f) == policy.Discard {
			k.warn(f, "write tempfail", "discard loses good mail whenever something is out of order for a moment")
		}
	}
	if ttl := c.SignatureTTL.Value; ttl > 0 && ttl < shortestTTL {
		const week = "604800"
		k.warn(&c.SignatureTTL, "write SignatureTTL "+week, "mail that waits in a queue arrives with a signature that has expired: "+
			"MTAs try for days").Mend = problem.Mend{Edit: problem.Rewrite, Text: week}
	}
	for _, f := range []Field{&c.TestPublicKeys, &c.TestDNSData} {
		if set(f) {
			k.leaveOut(f, "for tests only", "public keys come from it and not from DNS")
		}
	}
}

// withoutEffect tells of options that are read and not obeyed.
func (k *checker) withoutEffect() {
	for _, o := range rows() {
		if o.Status != Ignored {
			continue
		}
		if f := k.config.Field(o.Name); set(f) && !strings.EqualFold(f.Text(), o.Default) {
			k.leaveOut(f, "take the line out", "there is nothing to do for it here")
		}
	}
}
