package doctor

import (
	"context"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
)

// nameServer is what DNS looks with: resolver.DNS.
type nameServer interface {
	QueryServer(ctx context.Context, server string, q resolver.Question) (*dns.Msg, error)
	Servers() []string
	Validating() bool
}

// slowAnswer is when a name server is called slow: mail waits for it.
const slowAnswer = time.Second

// nameServers asks each name server in use for something that every one knows, and reports whether
// any answers.
func (r *Report) nameServers(ctx context.Context, h *host, n nameServer) (answers bool) {
	const check = "dns"
	servers := n.Servers()
	if len(servers) == 0 {
		r.Add(Finding{Check: check, Code: "dns-none", Status: Bad,
			Advice: "name one in /etc/resolv.conf, or " + h.File + " (Nameservers)"},
			"there is no name server")
		return false
	}
	for _, server := range servers {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		start := time.Now()
		answer, err := n.QueryServer(ctx, server, resolver.Question{Name: ".", Type: dns.TypeNS, DNSSEC: true})
		took := time.Since(start)
		cancel()
		answers = answers || err == nil
		r.clockBy(answer, start)
		switch {
		case err != nil:
			r.Add(Finding{Check: check, Code: "dns-silent", Status: Bad,
				Advice: "dig @" + server + " . NS asks it by hand; " + h.anotherServer()},
				"the name server %s does not answer: %s", server, err)
		case answer.Rcode == dns.RcodeRefused:
			r.Add(Finding{Check: check, Code: "dns-refuses", Status: Bad, Advice: "allow this host there, or " + h.anotherServer()},
				"the name server %s refuses to answer", server)
		case took > slowAnswer:
			r.Add(Finding{Check: check, Code: "dns-slow", Status: Warning, Advice: "a resolver on this host (unbound) answers faster"},
				"the name server %s took %s to answer", server, took.Round(time.Millisecond))
		default:
			r.good(check, "the name server %s answers in %s%s", server, took.Round(time.Millisecond), ednsWord(answer))
		}
	}
	if n.Validating() {
		r.good(check, "answers are validated by DNSSEC here (TrustAnchorFile)")
	}
	return answers
}

// anotherServer says where another name server can be named.
func (h *host) anotherServer() string {
	if h.Config.Nameservers.IsSet() {
		return "name another in " + h.File + " (Nameservers)"
	}
	return "name another in /etc/resolv.conf"
}

func ednsWord(answer *dns.Msg) string {
	if answer.IsEdns0() == nil {
		return ", without EDNS: long keys are fetched over TCP"
	}
	return ", with EDNS"
}
