package doctor

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"dojang/internal/doctor/postfix"
)

// actions are those that milter_default_action may have.
var actions = []string{"accept", "tempfail", "reject", "quarantine", "shutdown"}

// action looks at what becomes of mail while the filter is down.
func (p *postfixCheck) action() {
	p.actionOf(nil, p.setup.Main["milter_default_action"])
	for i := range p.setup.Services {
		s := &p.setup.Services[i]
		if _, ok := s.Override["milter_default_action"]; ok && s.Command != "pickup" {
			p.actionOf(s, s.Set["milter_default_action"])
		}
	}
}

func (p *postfixCheck) actionOf(s *postfix.Service, action string) {
	const name = "milter_default_action"
	of := name
	if s != nil {
		of = where(s, name)
	}
	change := p.setup.Set(s, name, "tempfail")
	switch {
	case action == "accept":
		p.add(Finding{Status: Good, Advice: "where no mail may leave unsigned, let it wait instead: " + change},
			"%s = accept: mail flows, unsigned, while the filter is down", of)
	case action == "tempfail" || action == "":
		p.add(Finding{Status: Good}, "%s = tempfail: mail waits while the filter is down, and none leaves unsigned", of)
	case !slices.Contains(actions, action):
		p.add(Finding{Code: "default-action-unknown", Status: Bad, Remedy: change},
			"%s = %s is none that Postfix knows: it answers mail with 451 once the filter does not answer", of, action)
	case action == "quarantine":
		p.add(Finding{Code: "default-action", Status: Warning, Remedy: change},
			"%s = quarantine: mail is put on hold, for good, while the filter is down", of)
	default:
		p.add(Finding{Code: "default-action", Status: Warning, Remedy: change},
			"%s = %s: mail is refused while the filter is down", of, action)
	}
}

// groupAction looks at a group's own default_action.
func (p *postfixCheck) groupAction(s *postfix.Service, name string, m postfix.Milter) {
	action, ok := m.Options["default_action"]
	if !ok {
		return
	}
	old := "default_action=" + action
	to := p.setup.Replace(s, name, m.Text, strings.Replace(m.Text, old, "default_action=tempfail", 1))
	switch {
	case !slices.Contains(actions, action):
		p.add(Finding{Code: "default-action-unknown", Status: Bad, Remedy: to},
			"%s: default_action=%s is none that Postfix knows", where(s, name), action)
	case action == "reject" || action == "shutdown" || action == "quarantine":
		p.add(Finding{Code: "default-action", Status: Warning, Remedy: to},
			"%s: default_action=%s: mail is lost or refused while the filter is down", where(s, name), action)
	}
}

// protocols looks at the protocol of main.cf and of services that have their own.
func (p *postfixCheck) protocols() {
	for _, command := range []string{"smtpd", "cleanup"} {
		for _, s := range p.settings(command, "milter_protocol", macroParameters...) {
			p.protocol(s)
		}
	}
}

// macroParameters name the macros that matter where the filter cannot ask for them.
var macroParameters = []string{"milter_mail_macros", "milter_end_of_data_macros", "milter_connect_macros"}

// protocol looks at the protocol and, where the filter cannot ask for its macros, at
// those that Postfix sends by itself.
func (p *postfixCheck) protocol(s setting) {
	version := strings.FieldsFunc(s.value, func(c rune) bool { return c < '0' || c > '9' })
	switch {
	case s.value == "" || len(version) > 0 && version[0] == "6":
		return // the filter asks for the macros it needs
	case len(version) == 0 || !slices.Contains([]string{"2", "3", "4"}, version[0]):
		p.add(Finding{Code: "protocol-unknown", Status: Bad, Remedy: p.setup.Set(s.service, s.name, "6")},
			"%s = %s is none that Postfix and the filter both know", s.where(), s.value)
		return
	}
	p.add(Finding{Code: "protocol-old", Status: Warning, Remedy: p.setup.Set(s.service, s.name, "6")},
		"%s = %s: it works, but protocol 6 keeps header fields byte for byte", s.where(), s.value)
	for i, m := range []struct{ macro, what string }{
		{"{auth_type}", "mail of users who log in is not signed"},
		{"i", "log lines have no queue ID"},
		{"{daemon_name}", "MTA in opendkim.conf matches nothing"},
	} {
		of := setting{s.service, macroParameters[i], p.setup.ValueOf(s.service, macroParameters[i])}
		if m.macro == "{daemon_name}" && !p.h.Config.MTA.IsSet() || slices.Contains(wordsOf(of.value), m.macro) {
			continue
		}
		p.add(Finding{Code: "macros", Status: Warning, Remedy: p.setup.Unset(s.service, of.name)},
			"%s leaves out %s, and with protocol %s the filter cannot ask for it: %s", of.where(), m.macro, version[0], m.what)
	}
}

// timeouts looks whether Postfix waits for the filter as long as a look-up may take it.
func (p *postfixCheck) timeouts() {
	for _, name := range []string{"milter_connect_timeout", "milter_command_timeout", "milter_content_timeout"} {
		for _, s := range slices.Concat(p.settings("smtpd", name), p.settings("cleanup", name)) {
			if short, least := p.tooShort(name, s.value); short {
				p.add(Finding{Code: "timeout-short", Status: Warning, Remedy: p.setup.Unset(s.service, name)},
					"%s = %s: the filter may take %s, and Postfix does without it then", s.where(), s.value, least)
			}
		}
	}
}

// tooShort reports whether Postfix may give the filter up before it can have answered: at
// the end of a message it looks keys up, and a busy host takes a moment for all else.
func (p *postfixCheck) tooShort(name, value string) (short bool, least time.Duration) {
	least = 2 * time.Second
	if strings.Contains(name, "content") {
		least = p.h.Config.DNSTimeout.Value + 5*time.Second
	}
	unit := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	length := time.Second
	if n := len(value); n > 0 && unit[value[n-1]] > 0 {
		length = unit[value[n-1]]
	}
	n, err := strconv.Atoi(strings.TrimRight(value, "smhdw"))
	return err == nil && time.Duration(n)*length < least, least
}

// groupOptions looks at the settings that a group has of its own.
func (p *postfixCheck) groupOptions(s *postfix.Service, name string, m postfix.Milter) {
	p.groupAction(s, name, m)
	change := func(option, value string) string {
		old := option + "=" + m.Options[option]
		return p.setup.Replace(s, name, m.Text, strings.Replace(m.Text, old, option+"="+value, 1))
	}
	if version := m.Options["protocol"]; version != "" && version != "6" {
		p.add(Finding{Code: "protocol-old", Status: Warning, Remedy: change("protocol", "6")},
			"%s: protocol=%s: protocol 6 keeps header fields byte for byte, and gives the macros that the filter asks for",
			where(s, name), version)
	}
	for option, long := range map[string]string{"connect_timeout": "30s", "command_timeout": "30s", "content_timeout": "300s"} {
		if short, least := p.tooShort(option, m.Options[option]); short {
			p.add(Finding{Code: "timeout-short", Status: Warning, Remedy: change(option, long)},
				"%s: %s=%s: the filter may take %s, and Postfix does without it then", where(s, name), option, m.Options[option], least)
		}
	}
}

// headerChecks looks for rules that take signatures away, or rewrite what is signed.
func (p *postfixCheck) headerChecks() {
	const field = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=s"
	for _, c := range []struct{ command, name string }{
		{"cleanup", "header_checks"}, {"cleanup", "milter_header_checks"}, {"smtp", "smtp_header_checks"},
	} {
		if !p.signs && c.name != "header_checks" {
			continue
		}
		for _, s := range p.settings(c.command, c.name) {
			switch word, table := p.checked(s, field); word {
			case "IGNORE", "STRIP", "REPLACE", "REJECT", "DISCARD":
				p.add(Finding{Code: "header-checks", Status: Bad, Remedy: p.setup.TakeOut(p.ctx, s.service, s.name, table, field)},
					"%s: %s answers %s for a DKIM-Signature", s.where(), table, word)
			}
		}
	}
}

// checked is what a table of header_checks(5) does with a field, in capitals, and which
// table that is; "" where none has the field.
func (p *postfixCheck) checked(s setting, field string) (action, table string) {
	value, table := p.setup.Query(p.ctx, s.value, field)
	if answer := strings.Fields(value); len(answer) > 0 {
		action = strings.ToUpper(answer[0])
	}
	return action, table
}

// setting is a parameter as main.cf sets it, or a service that has its own value.
type setting struct {
	service *postfix.Service // nil: main.cf
	name    string
	value   string
}

func (s setting) where() string { return where(s.service, s.name) }

// settings are the values that a parameter has for the services of one command: main.cf's,
// and those of services that differ from it in that or in another parameter.
func (p *postfixCheck) settings(command, name string, others ...string) []setting {
	var list []setting
	served, asMain := false, false
	for i := range p.setup.Services {
		s := &p.setup.Services[i]
		if s.Command != command {
			continue
		}
		served = true
		if !slices.ContainsFunc(append(others, name), func(n string) bool { return s.Set[n] != p.setup.Main[n] }) {
			asMain = true
			continue
		}
		list = append(list, setting{s, name, s.Set[name]})
	}
	if asMain || !served {
		list = append([]setting{{nil, name, p.setup.Main[name]}}, list...)
	}
	return list
}

// daemonNames looks whether a service calls itself what MTA or MacroList wants.
func (p *postfixCheck) daemonNames() {
	c := p.h.Config
	if !p.signs || p.setup.Dir != "" {
		return
	}
	option, named := "MTA", csl(c.MTA.Value)
	for _, rule := range csl(c.MacroList.Value) {
		if macro, values, _ := strings.Cut(rule, "="); strings.Trim(macro, "{}") == "daemon_name" && values != "" {
			option, named = "MacroList", append(named, strings.Split(values, "|")...)
		}
	}
	if len(named) == 0 {
		return
	}
	var users *postfix.Service
	for i := range p.setup.Services {
		s := &p.setup.Services[i]
		if s.Command != "smtpd" {
			continue
		}
		if slices.Contains(named, s.Set["milter_macro_daemon_name"]) {
			p.add(Finding{Status: Good}, "master.cf: %s calls itself %s, as %s wants it", s.ID(), s.Set["milter_macro_daemon_name"], option)
			return
		}
		if roleOf(s) == submission && users == nil {
			users = s
		}
	}
	if users == nil {
		return // users may come by another MTA
	}
	remedy := p.setup.Override(users, "milter_macro_daemon_name", named[0])
	p.add(Finding{Code: "daemon-name", Status: Bad, Remedy: remedy},
		"no service calls itself %s: %s in opendkim.conf matches nothing that Postfix says", strings.Join(named, " or "), option)
}
