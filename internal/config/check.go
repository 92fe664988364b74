package config

import (
	"slices"
	"strings"

	"dojang/internal/problem"
)

// Check finds options that contradict each other, need one another, or have no
// effect. It looks at no file and asks no server: tables and keys have their
// own checks.
//
// What makes OpenDKIM refuse to start is an Error; what it takes in silence,
// and does nothing or harm with, is a Warning.
func (c *Config) Check() problem.List {
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

func (k *checker) add(s problem.Severity, name, hint, format string, args ...any) {
	at := k.config.Source(name)
	k.problems.Addf(s, at.File, at.Line, name, hint, format, args...)
}

func (k *checker) fail(name, hint, format string, args ...any) {
	k.add(problem.Error, name, hint, format, args...)
}

func (k *checker) warn(name, hint, format string, args ...any) {
	k.add(problem.Warning, name, hint, format, args...)
}

// set reports whether every one of the options was given, Booleans with yes.
func (k *checker) set(names ...string) bool {
	for _, name := range names {
		if !k.config.IsSet(name) || option(name).Type == Boolean && !k.config.Bool(name) {
			return false
		}
	}
	return true
}

func (k *checker) any(names ...string) bool {
	for _, name := range names {
		if k.set(name) {
			return true
		}
	}
	return false
}

// Signs reports whether Mode has s in it.
func (c *Config) Signs() bool { return strings.Contains(c.String("Mode"), "s") }

// Verifies reports whether Mode has v in it.
func (c *Config) Verifies() bool { return strings.Contains(c.String("Mode"), "v") }

// keys wants one of the combinations by which keys are named.
//
// Compat(opendkim 2.11): all but the first are demanded only when Mode signs.
func (k *checker) keys() {
	if k.set("SigningTable") && !k.set("KeyTable") {
		k.fail("SigningTable", "add KeyTable refile:/etc/opendkim/KeyTable", "needs a KeyTable")
		return
	}
	if !k.config.Signs() {
		return
	}
	switch {
	case k.set("KeyTable"):
		if !k.any("SigningTable", "SetupPolicyScript") {
			k.fail("KeyTable", "add SigningTable refile:/etc/opendkim/SigningTable", "needs a SigningTable or a SetupPolicyScript: nothing says which sender gets which key")
		}
	case k.set("Domain") && !k.set("KeyFile", "Selector"):
		k.fail("Domain", "add "+k.missing("KeyFile", "Selector"), "needs KeyFile and Selector")
	case k.set("KeyFile") && !k.set("Selector"):
		k.fail("KeyFile", "add Selector and the name under which the public key is published", "needs a Selector")
	case k.set("Selector") && !k.set("KeyFile"):
		k.fail("Selector", "add KeyFile and the path of the private key", "needs a KeyFile")
	case k.set("KeyFile") && !k.any("Domain", "SetupPolicyScript"):
		k.warn("KeyFile", "add Domain and the domains to sign for", "without a Domain nothing is signed")
	}
}

// missing names those of the options that are not set.
func (k *checker) missing(names ...string) string {
	var absent []string
	for _, name := range names {
		if !k.set(name) {
			absent = append(absent, name)
		}
	}
	return strings.Join(absent, " and ")
}

// tablesWin tells that single-key options beside tables are not looked at.
func (k *checker) tablesWin() {
	if !k.set("KeyTable", "SigningTable") {
		return
	}
	for _, name := range []string{"Domain", "KeyFile", "Selector", "SubDomains"} {
		if k.set(name) {
			k.warn(name, "take the line out", "not used: KeyTable and SigningTable win")
		}
	}
}

// mode finds options for work that Mode does not include.
func (k *checker) mode() {
	c := k.config
	if c.IsSet("Mode") && c.Signs() && !k.any("KeyTable", "Domain", "KeyFile", "Selector", "SetupPolicyScript", "ResignMailTo") {
		k.warn("Mode", "add KeyTable and SigningTable, or Domain, Selector and KeyFile", "there is no key to sign with: mail is only verified")
	}
	if !c.Signs() {
		for _, name := range []string{"KeyTable", "Domain", "KeyFile", "On-SignatureError"} {
			if k.set(name) {
				k.warn(name, "write Mode sv", "not used: Mode %s does not sign", c.String("Mode"))
			}
		}
	}
	if !c.Verifies() {
		for _, name := range []string{"On-BadSignature", "On-KeyNotFound", "On-NoSignature", "MinimumKeyBits", "Minimum", "MustBeSigned", "AlwaysAddARHeader", "VerifyPreset"} {
			if k.set(name) {
				k.warn(name, "write Mode sv", "not used: Mode %s does not verify", c.String("Mode"))
			}
		}
	}
}

// sockets wants at least one, and each once.
func (k *checker) sockets() {
	given, counted := k.config.Given("Socket"), k.config.Strings("Socket")
	if len(given) == 0 {
		// Compat(opendkim 2.11): -n is content without one; the start is not.
		k.warn("Socket", "add "+example(option("Socket")), "there is none, and the filter does not start without one unless systemd hands it over")
		return
	}
	if len(counted) < len(given) {
		last := counted[len(counted)-1]
		for _, v := range given[1:] {
			if v.Text != last.Text {
				k.problems.Addf(problem.Warning, v.File, v.Line, "Socket", "to listen on both, write a word behind one of them: Socket "+last.Text+" both",
					"not used: the one at %s wins", last.Place())
			}
		}
	}
	seen := map[string]string{}
	for _, v := range counted {
		s, err := ParseSocket(v.Text)
		if err != nil {
			continue // was told by Load
		}
		key := s.Network + " " + s.Address
		if first, twice := seen[key]; twice {
			k.problems.Addf(problem.Error, v.File, v.Line, "Socket", "take one of the lines out", "the same socket as at %s", first)
		}
		seen[key] = v.Place()
		if s.Role == RoleSign && !k.config.Signs() || s.Role == RoleVerify && !k.config.Verifies() {
			k.problems.Addf(problem.Warning, v.File, v.Line, "Socket", "write Mode sv", "Mode %s leaves nothing to do for a socket that is to %s", k.config.String("Mode"), s.Role)
		}
	}
}

// companion is an option that does nothing without one of others.
type companion struct {
	name  string
	needs []string
}

func companions() []companion {
	scripts := []string{"SetupPolicyScript", "ScreenPolicyScript", "FinalPolicyScript", "StatisticsPolicyScript"}
	logs := []string{"Syslog", "StdoutLog"}
	return []companion{
		{"SubDomains", []string{"Domain"}}, {"MultipleSignatures", []string{"SigningTable", "SetupPolicyScript"}},
		{"ResignAll", []string{"ResignMailTo"}}, {"ReplaceHeaders", []string{"ReplaceRules"}}, {"IdentityHeaderRemove", []string{"IdentityHeader"}},
		{"AutoRestartCount", []string{"AutoRestart"}}, {"AutoRestartRate", []string{"AutoRestart"}},
		{"ATPSHashAlgorithm", []string{"ATPSDomains"}}, {"VBR-TrustedCertifiersOnly", []string{"VBR-TrustedCertifiers"}},
		{"ReportAddress", []string{"SendReports"}}, {"ReportBccAddress", []string{"SendReports"}}, {"SMTPURI", []string{"SendReports"}},
		{"SyslogFacility", []string{"Syslog"}}, {"SyslogName", []string{"Syslog"}},
		{"SyslogSuccess", logs}, {"LogResults", logs}, {"LogWhy", logs},
		{"TemporaryDirectory", []string{"KeepTemporaryFiles"}}, {"LDAPBindPassword", []string{"LDAPBindUser"}},
		{"StatisticsName", []string{"Statistics"}}, {"StatisticsPolicyScript", []string{"Statistics"}},
		{"FlowData", []string{"RateLimits"}}, {"FlowDataFactor", []string{"RateLimits"}}, {"FlowDataTTL", []string{"RateLimits"}}, {"ReputationLimitModifiers", []string{"ReputationLimits"}},
		{"ReputationCache", []string{"ReputationLimits", "ReputationRatios"}},
		{"ReputationTimeFactor", []string{"ReputationLimits"}}, {"ReputationRatios", []string{"ReputationSpamCheck"}}, {"ReputationSpamCheck", []string{"ReputationRatios"}}, {"ScriptUnsafe", scripts},
	}
}

func (k *checker) companions() {
	logs := k.config.Choice("LogFormat") == "json" // then to standard error, if nowhere else
	for _, c := range companions() {
		if k.set(c.name) && !k.any(c.needs...) && !(logs && slices.Contains(c.needs, "StdoutLog")) {
			hint := c.needs[0]
			if option(hint).Type == Boolean {
				hint += " yes"
			}
			k.warn(c.name, "add "+hint, "has no effect without %s", strings.Join(c.needs, " or "))
		}
	}
	if k.set("ChangeRootDirectory") && !k.set("UserID") {
		k.warn("ChangeRootDirectory", "add UserID opendkim", "without UserID the process stays root, and root gets out of a chroot")
	}
}

// limits compares numbers with each other.
func (k *checker) limits() {
	c := k.config
	if low, high := c.Int("MinimumKeyBits"), c.Int("MaximumKeyBits"); high > 0 && low > high {
		k.fail("MaximumKeyBits", "", "no key can be at least %d and at most %d bits long", low, high)
	}
	if c.Int("DataSetCacheSize") < 1 {
		k.fail("DataSetCacheSize", "write 1 or more; DataSetCacheTTL 0 asks the server each time", "the answers for a message must have room")
	}
	if budget := c.Duration("MessageTimeBudget"); k.set("DNSTimeout") && c.Duration("DNSTimeout") > budget {
		k.warn("DNSTimeout", "make it smaller, or MessageTimeBudget larger", "longer than the %v that a message's look-ups may take together (MessageTimeBudget)", budget)
	}
}

// harm tells of settings that lose mail or deceive.
func (k *checker) harm() {
	for _, name := range []string{"On-DNSError", "On-InternalError", "On-Default"} {
		if k.set(name) && k.config.Choice(name) == "discard" {
			k.warn(name, "write tempfail", "discard loses good mail whenever something is out of order for a moment")
		}
	}
	for _, name := range []string{"TestPublicKeys", "TestDNSData"} {
		if k.set(name) {
			k.warn(name, "for tests only", "public keys come from it and not from DNS")
		}
	}
}

// withoutEffect tells of options that are read and not obeyed.
func (k *checker) withoutEffect() {
	for _, o := range table() {
		if !k.set(o.Name) || strings.EqualFold(k.config.String(o.Name), o.Default) {
			continue
		}
		if o.Status == Ignored {
			k.warn(o.Name, "take the line out", "there is nothing to do for it here")
		}
	}
}
