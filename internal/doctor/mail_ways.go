package doctor

import (
	"cmp"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"dojang/internal/config"
	"dojang/internal/doctor/postfix"
)

// smtpd judges a service by which mail comes in over SMTP.
func (p *postfixCheck) smtpd(s *postfix.Service) {
	what := roleOf(s)
	if what == reentry && s.Set["content_filter"] == "" && p.setup.Main["content_filter"] != "" {
		p.twice(s)
	}
	if what == reentry && !p.overridden(s) {
		what = incoming
	}
	if what == reentry {
		if !p.names(s, "smtpd_milters") {
			p.add(Finding{Status: Good}, "master.cf: %s takes back what a content filter has seen, without milters, as it should", s.ID())
		} else {
			p.add(Finding{Status: Good}, "master.cf: %s hands what a content filter has seen to the filter", s.ID())
		}
		return
	}
	if !p.wanted(s, what) {
		return
	}
	if proxied := s.Set["smtpd_proxy_filter"] != ""; p.after && (proxied || s.Set["content_filter"] != "" && !p.names(s, "smtpd_milters")) {
		p.add(Finding{Status: Good}, "master.cf: mail of %s passes the filter behind the content filter", s.ID())
		return
	} else if proxied {
		p.proxied(s)
		return
	}
	if slices.Contains(wordsOf(s.Set["receive_override_options"]), "no_milters") {
		p.add(Finding{Code: "no-milters", Status: Bad, Remedy: p.setup.DropWord(s, "receive_override_options", "no_milters")},
			"receive_override_options has no_milters for %s: what comes by it is neither signed nor verified", s.ID())
		return
	}
	p.list(s, "smtpd_milters", "what comes by "+s.ID()+" passes the filter by", Bad)
	p.clientMaps(s)
}

// proxied judges a service of which another program has the mail before Postfix does: its
// milters see no message, and those of the service that takes it back do.
func (p *postfixCheck) proxied(s *postfix.Service) {
	f := Finding{Code: "milter-before-proxy", Status: Bad, Advice: "name the filter in smtpd_milters of the service that takes mail back"}
	if i := slices.IndexFunc(p.setup.Services, func(s postfix.Service) bool { return takesBack(&s) }); i >= 0 {
		back := &p.setup.Services[i]
		f.Advice = ""
		if slices.Contains(wordsOf(back.Set["receive_override_options"]), "no_milters") {
			f.Remedy = p.setup.DropWord(back, "receive_override_options", "no_milters")
		} else {
			milters, _ := postfix.ParseMilters(back.Set["smtpd_milters"])
			f.Remedy = p.lead(back, "smtpd_milters", milters)
		}
	}
	p.add(f, "%s hands mail to smtpd_proxy_filter = %s, and Postfix has no milter see its text there: what comes by it passes the "+
		"filter by", s.ID(), s.Set["smtpd_proxy_filter"])
}

// twice tells of a service that takes mail back from a content filter, where the filter
// has seen that mail before: what the content filter changes breaks the first signature.
func (p *postfixCheck) twice(back *postfix.Service) {
	if !p.names(back, "smtpd_milters") {
		return
	}
	for i := range p.setup.Services {
		s := &p.setup.Services[i]
		if s.Command != "smtpd" || s.Set["content_filter"] == "" || !p.names(s, "smtpd_milters") {
			continue
		}
		p.add(Finding{Code: "filtered-twice", Status: Warning, Remedy: p.setup.AddWord(back, "receive_override_options", "no_milters"),
			Advice: "where the content filter changes what users send, have mail pass the filter behind it alone: " +
				"smtpd_milters of the services before it empty instead"},
			"master.cf: %s hands what a content filter has seen to the filter again: mail of %s gets two signatures and two "+
				"results", back.ID(), s.ID())
		return
	}
}

// overridden reports whether a service's milters differ from those of main.cf.
func (p *postfixCheck) overridden(s *postfix.Service) bool {
	return s.Set["smtpd_milters"] != p.setup.Main["smtpd_milters"] ||
		s.Set["receive_override_options"] != p.setup.Main["receive_override_options"]
}

// wanted reports whether mail of a service is to pass the filter: where it verifies,
// what strangers send; where it signs, what users send.
func (p *postfixCheck) wanted(s *postfix.Service, what role) bool {
	if what == submission {
		return p.signs
	}
	return p.verifies || !slices.ContainsFunc(p.setup.Services, func(s postfix.Service) bool {
		return s.Command == "smtpd" && roleOf(&s) == submission
	})
}

// pickup judges the way of mail that programs on this host send.
func (p *postfixCheck) pickup(s *postfix.Service) {
	if !p.signs || s.Set["content_filter"] != "" && p.after {
		return
	}
	if slices.Contains(wordsOf(s.Set["receive_override_options"]), "no_milters") {
		p.add(Finding{Code: "no-milters", Status: Warning, Remedy: p.setup.DropWord(s, "receive_override_options", "no_milters")},
			"receive_override_options has no_milters for %s: what programs on this server send is not signed", s.ID())
		return
	}
	for i := range p.setup.Services {
		c := &p.setup.Services[i]
		if c.Command == "cleanup" && c.Name == s.Set["cleanup_service_name"] {
			p.list(c, "non_smtpd_milters",
				"mail that programs on this server send (sendmail, cron, web applications) passes the filter by", Warning)
		}
	}
}

// list looks for the filter in a list of milters of a service.
func (p *postfixCheck) list(s *postfix.Service, name, what string, status Status) {
	value := s.Set[name]
	milters, err := postfix.ParseMilters(value)
	if err != nil {
		p.add(Finding{Code: "milter-syntax", Status: Bad, Remedy: p.repair(s, name, milters),
			Advice: "postconf(5) and MILTER_README have the syntax"},
			"%s of %s: %s: Postfix answers mail with 451 there", name, s.ID(), err)
		return
	}
	where := where(s, name)
	for i, m := range milters {
		switch p.reaches(m.Socket, s.Chroot) {
		case here:
			p.add(Finding{Status: Good}, "%s names the filter: %s", where, m.Text)
			p.order(s, name, milters, i)
			p.groupOptions(s, name, m)
			p.again(s, name, milters[i+1:])
			return
		case walledIn:
			p.walled(s, name, m)
			return
		}
	}
	for _, m := range milters {
		if p.reaches(m.Socket, s.Chroot) == beside || p.meant(m.Socket, s.Chroot) {
			text := strings.Replace(m.Text, socketText(m), p.entry(s.Chroot), 1)
			p.add(Finding{Code: "milter-beside", Status: status, Remedy: p.setup.Replace(s, name, m.Text, text)},
				"%s has %s, and the filter listens on %s: %s", where, m.Text, p.sockets[0].Address, what)
			return
		}
	}
	p.missing(s, name, where, milters, what, status)
}

// meant reports whether a member of a list is the filter's by the names that people give
// its socket, or by a file that a command line overrules, and nobody listens there.
func (p *postfixCheck) meant(e postfix.Endpoint, chroot bool) bool {
	address := e.FilePath(p.setup.Main["queue_directory"], chroot)
	if e.Kind == "inet" {
		address = net.JoinHostPort(cmp.Or(e.Host, "localhost"), e.Port)
	}
	before := slices.ContainsFunc(p.h.unused, func(s config.Socket) bool { return p.reachesSocket(e, chroot, s) == here })
	if !before && !slices.Contains([]string{"8891", "12301"}, e.Port) && !strings.Contains(e.Path, "dkim") {
		return false
	}
	conn, err := net.DialTimeout(map[bool]string{true: "tcp", false: "unix"}[e.Kind == "inet"], address, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist)
}

// again looks for a second member of a list that leads to the filter.
func (p *postfixCheck) again(s *postfix.Service, name string, rest []postfix.Milter) {
	for _, m := range rest {
		if p.reaches(m.Socket, s.Chroot) == here {
			p.add(Finding{Code: "milter-twice", Status: Bad, Remedy: p.setup.DropLast(s, name, m.Text)},
				"%s names the filter twice: mail gets two signatures of each key, and two results", where(s, name))
			return
		}
	}
}

// where says where a parameter of a service is set.
func where(s *postfix.Service, name string) string {
	if s == nil {
		return name
	}
	if _, ok := s.Override[name]; ok {
		return "master.cf: " + s.ID() + ": " + name
	}
	return name
}

func socketText(m postfix.Milter) string {
	inner, group := strings.CutPrefix(m.Text, "{")
	if !group {
		return m.Text
	}
	return strings.FieldsFunc(inner, func(c rune) bool { return strings.ContainsRune(", \t}", c) })[0]
}

// lead is the command that has a list of a service lead to the filter.
func (p *postfixCheck) lead(s *postfix.Service, name string, milters []postfix.Milter) string {
	before := ""
	for _, m := range milters {
		if isDMARC(m) {
			before = m.Text
			break
		}
	}
	main := &postfix.Service{Chroot: s.Chroot, Set: p.setup.Main}
	_, overridden := s.Override[name]
	emptied := p.setup.Emptied(s, name)
	switch {
	case emptied != "" && len(milters) == 0 && p.names(main, name):
		return p.setup.Unset(s, emptied)
	case overridden && len(milters) == 0 && p.names(main, name):
		return p.setup.Unset(s, name)
	case name == "non_smtpd_milters" && len(milters) == 0 && p.setup.Main["smtpd_milters"] != "" && p.names(main, "smtpd_milters"):
		return p.setup.Set(s, name, "$smtpd_milters")
	}
	return p.setup.Append(s, name, p.entry(s.Chroot), before)
}

// missing tells that a list does not lead to the filter.
func (p *postfixCheck) missing(s *postfix.Service, name, where string, milters []postfix.Milter, what string, status Status) {
	remedy := p.lead(s, name, milters)
	if len(milters) == 0 {
		p.add(Finding{Code: "milter-missing", Status: status, Remedy: remedy}, "%s is empty: %s", where, what)
		return
	}
	p.add(Finding{Code: "milter-missing", Status: status, Remedy: remedy},
		"%s = %s does not name the filter's socket: %s", where, s.Set[name], what)
}

// repair takes a member that Postfix refuses for the filter's, where it is that.
func (p *postfixCheck) repair(s *postfix.Service, name string, milters []postfix.Milter) string {
	for _, m := range milters {
		if _, err := postfix.ParseMilters(m.Text); err == nil {
			continue
		}
		if group, ok := postfix.WithoutUnknown(m.Text); ok {
			return p.setup.Replace(s, name, m.Text, group)
		}
		if strings.HasPrefix(m.Text, "#") { // Postfix has comments in lines of their own alone
			return p.setup.CutAt(s, name, m.Text)
		}
		return p.setup.Replace(s, name, m.Text, p.entry(s.Chroot))
	}
	return ""
}

func isDMARC(m postfix.Milter) bool {
	return strings.Contains(strings.ToLower(m.Socket.Path), "dmarc") || m.Socket.Kind == "inet" && m.Socket.PortNumber() == 8893
}

// order wants OpenDMARC behind us: it reads our results.
func (p *postfixCheck) order(s *postfix.Service, name string, milters []postfix.Milter, ours int) {
	if !p.verifies {
		return
	}
	i := slices.IndexFunc(milters, isDMARC)
	if i < 0 || i > ours {
		return
	}
	p.add(Finding{Code: "milter-order", Status: Bad, Remedy: p.setup.Move(s, name, milters[ours].Text, milters[i].Text)},
		"OpenDMARC comes before the filter in %s: it judges mail before there is a DKIM result", where(s, name))
}

// walled tells that a service in a chroot cannot see the filter's socket.
func (p *postfixCheck) walled(s *postfix.Service, name string, m postfix.Milter) {
	queue := p.setup.Main["queue_directory"]
	inside := filepath.Join(queue, "opendkim", filepath.Base(m.Socket.Path))
	folder := filepath.Dir(inside)
	socket := "local:" + inside + " mode=0660 group=postfix"
	remedy := p.h.setOption(p.h.Config.Field("Socket"), socket)
	if remedy != "" {
		remedy = "install -d -o " + p.h.Filter.Name + " -g postfix -m 0750 " + shell(folder) + " && " + remedy + " && " +
			p.setup.Replace(s, name, m.Text, strings.Replace(m.Text, socketText(m), "unix:opendkim/"+filepath.Base(inside), 1))
	}
	p.add(Finding{Code: "socket-outside-chroot", Status: Bad, Remedy: remedy,
		Advice: "the socket moves into Postfix's folder; or take inet:8891@localhost for both"},
		"%s runs in the chroot %s and cannot see %s there", s.ID(), queue, m.Socket.Path)
}

// clientMaps looks for clients whose mail passes the filter by.
func (p *postfixCheck) clientMaps(s *postfix.Service) {
	tables := s.Set["smtpd_milter_maps"]
	if tables == "" {
		return
	}
	for _, c := range []struct{ address, whose string }{{"127.0.0.1", "this host's own"}, {"::1", "this host's own"},
		{"192.0.2.1", "a stranger's"}} {
		if c.address == "192.0.2.1" && !p.verifies || c.address != "192.0.2.1" && !p.signs {
			continue
		}
		value, table := p.setup.Query(p.ctx, tables, c.address)
		milters, _ := postfix.ParseMilters(value)
		ours := slices.ContainsFunc(milters, func(m postfix.Milter) bool { return p.reaches(m.Socket, s.Chroot) == here })
		if value == "" || ours {
			continue
		}
		p.add(Finding{Code: "client-map", Status: Warning, Remedy: p.setup.TakeOut(p.ctx, s, "smtpd_milter_maps", table, c.address),
			Advice: "unless that is meant: the clients of that line get other milters by it"},
			"smtpd_milter_maps: %s answers %s for %s: %s mail by %s passes the filter by", table, value, c.address, c.whose, s.ID())
	}
}
