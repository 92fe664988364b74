package doctor

import (
	"slices"
	"strings"

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

// protocol looks at the protocol and, where the filter cannot ask for its macros, at
// those that Postfix sends by itself.
func (p *postfixCheck) protocol() {
	set := p.setup.Main
	version := strings.FieldsFunc(set["milter_protocol"], func(c rune) bool { return c < '0' || c > '9' })
	switch {
	case set["milter_protocol"] == "" || len(version) > 0 && version[0] == "6":
		return // the filter asks for the macros it needs
	case len(version) == 0 || !slices.Contains([]string{"2", "3", "4"}, version[0]):
		p.add(Finding{Code: "protocol-unknown", Status: Bad, Remedy: p.setup.Set(nil, "milter_protocol", "6")},
			"milter_protocol = %s is none that Postfix and the filter both know", set["milter_protocol"])
		return
	}
	p.add(Finding{Code: "protocol-old", Status: Warning, Remedy: p.setup.Set(nil, "milter_protocol", "6")},
		"milter_protocol = %s: it works, but protocol 6 keeps header fields byte for byte", set["milter_protocol"])
	for _, m := range []struct{ parameter, macro, what string }{
		{"milter_mail_macros", "{auth_type}", "mail of users who log in is not signed"},
		{"milter_end_of_data_macros", "i", "log lines have no queue ID"},
		{"milter_connect_macros", "{daemon_name}", "MTA in opendkim.conf matches nothing"},
	} {
		if m.macro == "{daemon_name}" && !p.h.Config.MTA.IsSet() {
			continue
		}
		if slices.Contains(wordsOf(set[m.parameter]), m.macro) {
			continue
		}
		p.add(Finding{Code: "macros", Status: Warning, Remedy: p.setup.Unset(nil, m.parameter)},
			"%s leaves out %s, and with protocol %s the filter cannot ask for it: %s", m.parameter, m.macro, version[0], m.what)
	}
}

// headerChecks looks for rules that take signatures away, or rewrite what is signed.
func (p *postfixCheck) headerChecks() {
	const field = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=s"
	for _, name := range []string{"header_checks", "milter_header_checks", "smtp_header_checks"} {
		if !p.signs && name != "header_checks" {
			continue
		}
		switch word, table := p.checked(name, field); word {
		case "IGNORE", "STRIP", "REPLACE", "REJECT", "DISCARD":
			p.add(Finding{Code: "header-checks", Status: Bad, Remedy: p.setup.CommentOut(p.ctx, table, field)},
				"%s: %s answers %s for a DKIM-Signature", name, table, word)
		}
	}
}

// checked is what a table of header_checks(5) does with a field, in capitals, and which
// table that is; "" where none has the field.
func (p *postfixCheck) checked(parameter, field string) (action, table string) {
	value, table := p.setup.Query(p.ctx, p.setup.Main[parameter], field)
	if answer := strings.Fields(value); len(answer) > 0 {
		action = strings.ToUpper(answer[0])
	}
	return action, table
}

// daemonNames looks whether a service calls itself what MTA wants, where that alone has
// mail signed.
func (p *postfixCheck) daemonNames() {
	c := p.h.Config
	if !p.signs || !c.MTA.IsSet() || p.setup.Dir != "" {
		return
	}
	named := csl(c.MTA.Value)
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
			p.add(Finding{Status: Good}, "master.cf: %s calls itself %s, as MTA wants it", s.ID(), s.Set["milter_macro_daemon_name"])
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
		"no service calls itself %s: MTA in opendkim.conf matches nothing that Postfix says", strings.Join(named, " or "))
}
