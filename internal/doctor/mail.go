package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"dojang/internal/config"
	"dojang/internal/doctor/postfix"
)

// postfixCheck judges how one instance of Postfix hands mail to the filter.
type postfixCheck struct {
	*Report
	ctx     context.Context
	h       *host
	setup   *postfix.Setup
	sockets []config.Socket
	// signs and verifies are what the filter is for.
	signs, verifies bool
	// after: mail that comes back from a content filter passes by our filter then.
	after bool
	seen  map[string]bool // findings, by their text
}

func (r *Report) postfixCheck(ctx context.Context, h *host, s *postfix.Setup) *postfixCheck {
	c := h.Config
	return &postfixCheck{Report: r, ctx: ctx, h: h, setup: s, sockets: c.Sockets(), signs: c.Mode.Value.Sign,
		verifies: c.Mode.Value.Verify, seen: map[string]bool{}}
}

const postfixName = "postfix"

// postfix looks at main.cf and master.cf of each instance: every way by which mail comes
// in, and whether it leads through the filter.
func (r *Report) postfix(ctx context.Context, h *host, run postfix.Runner) (setups []*postfix.Setup) {
	setup, err := postfix.Read(ctx, run, "")
	switch {
	case errors.Is(err, exec.ErrNotFound), err != nil && strings.HasSuffix(err.Error(), "main.cf: No such file or directory"):
		r.skip(postfixName, "postfix-absent", "there is no Postfix: %s", err)
		return nil
	case err != nil:
		r.broken(err)
		return nil
	}
	setups = []*postfix.Setup{setup}
	for _, dir := range postfix.Members(setup.Main["multi_instance_directories"]) {
		other, err := postfix.Read(ctx, run, dir)
		if err != nil {
			r.broken(err)
			continue
		}
		setups = append(setups, other)
	}
	for i, s := range setups {
		if p := r.postfixCheck(ctx, h, s); i == 0 || p.concerned() {
			p.examine()
		}
	}
	return setups
}

// broken tells that an instance of Postfix cannot read its own settings.
func (r *Report) broken(err error) {
	r.Add(Finding{Check: postfixName, Code: "postfix-broken", Status: Bad, Advice: "postfix check says what is wrong, and where"},
		"Postfix's settings cannot be read, by Postfix no more than here: %s", err)
}

// concerned reports whether an instance beside the first takes mail from others: one
// that only sends what another hands over needs no filter.
func (p *postfixCheck) concerned() bool {
	return slices.ContainsFunc(p.setup.Services, func(s postfix.Service) bool {
		interfaces := s.Set["inet_interfaces"]
		return s.Command == "smtpd" && !onLoopback(s.Name) && interfaces != "loopback-only" && interfaces != "127.0.0.1"
	}) && p.setup.Main["multi_instance_enable"] != "no"
}

func (p *postfixCheck) examine() {
	p.after = slices.ContainsFunc(p.setup.Services, func(s postfix.Service) bool {
		return takesBack(&s) && p.names(&s, "smtpd_milters")
	})
	for i := range p.setup.Services {
		s := &p.setup.Services[i]
		switch s.Command {
		case "smtpd":
			p.smtpd(s)
		case "pickup":
			p.pickup(s)
		}
	}
	p.action()
	p.protocols()
	p.timeouts()
	p.headerChecks()
	p.signedFields()
	p.signedBodies()
	p.conversions()
	p.daemonNames()
}

// add appends a finding once, in the name of its instance.
func (p *postfixCheck) add(f Finding, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if p.setup.Dir != "" {
		text = p.setup.Dir + ": " + text
	}
	if p.seen[text] {
		return
	}
	p.seen[text] = true
	f.Check = postfixName
	p.Add(f, "%s", text)
}

// role is what a service of smtpd is for.
type role int

const (
	incoming   role = iota // from anybody
	submission             // from users who log in
	reentry                // back from a content filter
)

// portOf is a service's port, as master.cf has it.
func portOf(s *postfix.Service) string { return s.Name[strings.LastIndexByte(s.Name, ':')+1:] }

// takesBack reports whether a filter of this host may hand mail back by a service.
func takesBack(s *postfix.Service) bool {
	port := portOf(s)
	return s.Command == "smtpd" && onLoopback(s.Name) && port != "smtp" && port != "25" && s.Set["smtpd_proxy_filter"] == "" &&
		roleOf(s) != submission
}

func roleOf(s *postfix.Service) role {
	name := portOf(s)
	_, sasl := s.Override["smtpd_sasl_auth_enable"]
	_, content := s.Override["content_filter"]
	_, proxy := s.Override["smtpd_proxy_filter"]
	switch {
	case slices.Contains([]string{"submission", "submissions", "smtps", "urd", "465", "587"}, name),
		s.Set["smtpd_tls_wrappermode"] == "yes",
		sasl && s.Set["smtpd_sasl_auth_enable"] == "yes":
		return submission
	case name == "smtp" || name == "25":
		return incoming
	case onLoopback(s.Name) && (content || proxy || cleansAlone(s)):
		return reentry
	}
	return incoming
}

// cleansAlone reports whether a service was told to leave out what was done before.
func cleansAlone(s *postfix.Service) bool {
	value, ok := s.Override["smtpd_milters"]
	return ok && value == "" || s.Override["receive_override_options"] != ""
}

func onLoopback(service string) bool {
	host := service
	if i := strings.LastIndexByte(service, ':'); i >= 0 {
		host = service[:i]
	} else {
		return false
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// names reports whether a service's list of milters leads to the filter.
func (p *postfixCheck) names(s *postfix.Service, list string) bool {
	if slices.Contains(wordsOf(s.Set["receive_override_options"]), "no_milters") {
		return false
	}
	milters, _ := postfix.ParseMilters(s.Set[list])
	return slices.ContainsFunc(milters, func(m postfix.Milter) bool { return p.reaches(m.Socket, s.Chroot) == here })
}

func wordsOf(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
}

// aim is where a member of a list of milters leads.
type aim int

const (
	elsewhere aim = iota
	here
	beside   // the filter's port at another host, or its socket's name in another folder
	walledIn // the filter's socket, which a process in a chroot cannot see
)

// reaches compares Postfix's way of naming a socket with the filter's own.
func (p *postfixCheck) reaches(e postfix.Endpoint, chroot bool) aim {
	best := elsewhere
	for _, s := range p.sockets {
		switch a := p.reachesSocket(e, chroot, s); {
		case a == here:
			return here
		case a != elsewhere:
			best = a
		}
	}
	return best
}

func (p *postfixCheck) reachesSocket(e postfix.Endpoint, chroot bool, s config.Socket) aim {
	if (e.Kind == "unix") != (s.Network == "unix") {
		if e.Kind == "unix" && strings.HasSuffix(s.Address, ":"+e.Path) { // unix: written for inet:
			return beside
		}
		return elsewhere
	}
	if e.Kind == "unix" {
		path := filepath.Join(p.h.Config.ChangeRootDirectory.Value, s.Address)
		queue := p.setup.Main["queue_directory"]
		switch {
		case sameFile(e.FilePath(queue, chroot), path):
			return here
		case chroot && sameFile(e.FilePath(queue, false), path):
			return walledIn
		case filepath.Base(e.Path) == filepath.Base(path):
			return beside
		}
		return elsewhere
	}
	for _, ip := range p.addresses(e.Host) {
		if listensOn(s, ip, e.PortNumber()) {
			return here
		}
	}
	if strings.HasSuffix(s.Address, fmt.Sprintf(":%d", e.PortNumber())) {
		return beside
	}
	return elsewhere
}

// addresses are those that Postfix tries for a host.
func (p *postfixCheck) addresses(host string) []net.IP {
	ips := []net.IP{net.ParseIP(host)}
	if ips[0] == nil {
		if host == "" {
			host = "localhost"
		}
		ips, _ = net.DefaultResolver.LookupIP(p.ctx, "ip", host)
	}
	protocols := p.setup.Main["inet_protocols"]
	return slices.DeleteFunc(ips, func(ip net.IP) bool {
		return protocols == "ipv4" && ip.To4() == nil || protocols == "ipv6" && ip.To4() != nil
	})
}

// sameFile compares paths as the kernel follows them.
func sameFile(a, b string) bool {
	return filepath.Clean(a) == filepath.Clean(b) || followed(a) == followed(b)
}

func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(real, filepath.Base(path))
	}
	return filepath.Clean(path)
}

// entry is how Postfix is to name the filter.
func (p *postfixCheck) entry(chroot bool) string {
	if len(p.sockets) == 0 {
		return "inet:127.0.0.1:8891"
	}
	s := p.sockets[0]
	queue := filepath.Clean(p.setup.Main["queue_directory"]) + "/"
	if rest, ok := strings.CutPrefix(s.Address, queue); ok && s.Network == "unix" {
		return "unix:" + rest
	}
	if host, port, err := net.SplitHostPort(s.Address); err == nil && s.Network != "unix" {
		switch ip := net.ParseIP(host); {
		case host == "" || ip != nil && ip.IsUnspecified() && s.Network == "tcp4":
			host = map[bool]string{true: "127.0.0.1", false: "[::1]"}[s.Network != "tcp6" || host == ""]
		case ip != nil && ip.To4() == nil:
			host = "[" + host + "]"
		}
		if host == "localhost" {
			host = "127.0.0.1"
		}
		return "inet:" + host + ":" + port
	}
	return s.ForPostfix()
}
