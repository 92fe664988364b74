package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/doctor/postfix"
)

// clients looks, for each service by which Postfix hands the filter mail, whether
// strangers' mail is signed there, and that of the networks which may send by it is.
func (r *Report) clients(ctx context.Context, h *host, rehearsal *rehearsal, setups []*postfix.Setup, author string) {
	for _, setup := range setups {
		p := r.postfixCheck(ctx, h, setup)
		for i := range setup.Services {
			s := &setup.Services[i]
			if s.Command != "smtpd" || !p.names(s, "smtpd_milters") || takesBack(s) {
				continue
			}
			way := func(client netip.Addr) way {
				return way{Client: client, Name: "client.invalid", Macros: map[string]string{"i": "DOCTOR", "j": setup.Main["myhostname"],
					"daemon_name": s.Set["milter_macro_daemon_name"], "client_addr": client.String(), "client_name": "client.invalid"}}
			}
			ignored := func(client netip.Addr) bool { return rehearsal.ignores(ctx, way(client)) }
			signed := func(client netip.Addr) bool {
				return len(rehearsal.signs(ctx, way(client), author, testMessage(author))) > 0
			}
			// Who may send by submission is known.
			if roleOf(s) != submission && !ignored(stranger) && signed(stranger) {
				p.strangers(s, rehearsal, author)
				continue
			}
			p.networks(s, func(client netip.Addr) bool { return ignored(client) || signed(client) })
		}
	}
}

// strangers tells that a stranger's mail is signed as ours.
func (p *postfixCheck) strangers(s *postfix.Service, rehearsal *rehearsal, author string) {
	c := p.h.Config
	f := Finding{Code: "strangers-signed", Status: Bad, Advice: "MTA, MacroList and InternalHosts say whose mail is signed"}
	hosts := rehearsal.Snapshot.Rules.InternalHosts
	if hosts != nil {
		if all, err := hosts.Match(p.ctx, "client.invalid", stranger); err == nil && all {
			f.Remedy = p.h.withoutMember(&c.InternalHosts, stranger)
		}
	}
	if f.Remedy == "" && c.MacroList.IsSet() {
		f.Remedy = p.h.leaveOut(&c.MacroList)
	}
	p.add(f, "anybody's mail is signed that comes by %s in the name of %s: the signature says that it is ours", s.ID(), author)
}

// networks tells of clients that may send to the world without a login, and whose mail is
// not signed, nor passed by for PeerList.
func (p *postfixCheck) networks(s *postfix.Service, meant func(netip.Addr) bool) {
	option := &p.h.Config.InternalHosts
	permits := slices.ContainsFunc([]string{"smtpd_relay_restrictions", "smtpd_recipient_restrictions"}, func(name string) bool {
		return slices.Contains(wordsOf(s.Set[name]), "permit_mynetworks")
	})
	if !permits || option.Value == "-" {
		return
	}
	var left []string
	for _, text := range postfix.Members(s.Set["mynetworks"]) {
		network, err := netip.ParsePrefix(strings.NewReplacer("[", "", "]", "").Replace(text))
		if err != nil || network.Addr().Unmap().IsLoopback() || network.Masked() != network {
			continue
		}
		client := network.Addr()
		if !network.IsSingleIP() {
			client = client.Next()
		}
		if network.IsSingleIP() && isOfThisHost(client.AsSlice()) || meant(client) {
			continue
		}
		left = append(left, network.String())
	}
	if len(left) == 0 {
		return
	}
	p.add(Finding{Code: "network-unsigned", Status: Warning, Remedy: p.h.withMember(option, left...), Advice: "unless that is meant"},
		"mynetworks lets %s send without a login, and InternalHosts leaves them out: their mail is not signed",
		strings.Join(left[:min(3, len(left))], ", "))
}

// withMember is the command that adds members to a list of hosts, "" where that is of a
// kind that cannot be edited.
func (h *host) withMember(option *config.Setting[string], members ...string) string {
	spec, err := dataset.ParseSpec(option.Value)
	switch path := fileOf(option.Value); {
	case err == nil && spec.Type == dataset.TypeList:
		return h.setOption(option, strings.Join(append([]string{option.Value}, members...), ","))
	case path != "":
		return appendLine(path, members...) + " && " + h.take(option)
	}
	return ""
}

// withoutMember is the command that takes out of a list of hosts what holds a client;
// without any left, the option itself.
func (h *host) withoutMember(option *config.Setting[string], client netip.Addr) string {
	holds := func(member string) bool {
		network, err := netip.ParsePrefix(member)
		addr, _ := netip.ParseAddr(member)
		return member == "*" || addr == client || err == nil && (network.Contains(client) || network.Bits() == 0)
	}
	if path := fileOf(option.Value); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		var edits []string
		for i, line := range strings.Split(string(data), "\n") {
			if f := strings.Fields(line); len(f) > 0 && holds(f[0]) {
				edits = append(edits, fmt.Sprintf("%ds/^/#/", i+1))
			}
		}
		if len(edits) == 0 {
			return ""
		}
		return "sed -i " + postfix.Quote(strings.Join(edits, ";")) + " " + shell(path) + " && " + h.take(option)
	}
	members := csl(option.Value)
	kept := slices.DeleteFunc(slices.Clone(members), holds)
	switch {
	case len(kept) == len(members):
		return ""
	case len(kept) == 0:
		return h.leaveOut(option)
	}
	return h.setOption(option, strings.Join(kept, ","))
}
