//go:build linux

package keycheck

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"dojang/internal/keycheck"
	"dojang/internal/testutil"
)

// mixture is a domain whose servers have this and that.
type mixture struct {
	domain        string
	parent, child []int          // the servers that each zone names
	content       map[int]string // what a server has: right, old, absent, two, cut, spf
	ignored       int            // a server, 0 for none
}

var contents = []string{"right", "right", "right", "right", "right", "old", "absent", "two", "cut", "spf"}

func newMixture(r *rand.Rand, i int) mixture {
	m := mixture{domain: fmt.Sprintf("d%d.test", i), content: map[int]string{}}
	all := []int{bindServer, knotServer, powerServer, rootServer, cacheServer, deadServer}
	weight := []int{0, 0, 0, 1, 1, 2, 2, 3, 4, 5}
	pick := func() []int {
		var list []int
		for range 1 + r.IntN(3) {
			if s := all[weight[r.IntN(len(weight))]]; !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		return list
	}
	m.parent = pick()
	if m.child = m.parent; r.IntN(3) == 0 {
		m.child = pick()
	}
	same := contents[r.IntN(len(contents))]
	for _, s := range []int{bindServer, knotServer, powerServer} {
		if m.content[s] = same; r.IntN(3) == 0 {
			m.content[s] = contents[r.IntN(len(contents))]
		}
	}
	if r.IntN(6) == 0 {
		m.ignored = all[r.IntN(len(all))]
	}
	return m
}

func (m mixture) lines(n *internet, server int) []string {
	const name = "mail._domainkey"
	switch m.content[server] {
	case "right":
		return []string{txt(name, n.right)}
	case "old":
		return []string{txt(name, n.old)}
	case "two":
		return []string{txt(name, n.right), txt(name, n.old)}
	case "cut":
		return []string{txt(name, n.right[:255])}
	case "spf":
		return []string{txt("*._domainkey", "v=spf1 -all")}
	}
	return nil
}

// reached are the servers that a careful verifier might ask: the parent's, and those
// that the zone itself names on any of them that answers.
func (m mixture) reached() []int {
	list := slices.Clone(m.parent)
	if slices.ContainsFunc(list, func(s int) bool { return m.content[s] != "" }) {
		for _, s := range m.child {
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// want is the word for the mixture.
func (m mixture) want() keycheck.Publication {
	count := map[string]int{}
	for _, s := range m.reached() {
		if s == m.ignored {
			continue
		}
		switch m.content[s] {
		case "right", "absent", "":
			count[m.content[s]]++
		default:
			count["other"]++
		}
	}
	right, other, absent, silent := count["right"] > 0, count["other"] > 0, count["absent"] > 0, count[""] > 0
	switch {
	case !right && !other && !absent && !silent:
		return keycheck.Unknown
	case !right && !other && absent:
		return keycheck.NotPublished
	case !right && other && !absent:
		return keycheck.Conflict
	case other || right && absent:
		return keycheck.ServerDiffers
	case silent:
		return keycheck.ServerSilent
	}
	return keycheck.Published
}

func wantServer(content string, server int) (keycheck.State, keycheck.ErrorClass) {
	switch content {
	case "right":
		return keycheck.Same, ""
	case "absent":
		return keycheck.Missing, ""
	case "":
		return keycheck.NoAnswer, map[int]keycheck.ErrorClass{
			rootServer: keycheck.ErrNotAuthoritative, cacheServer: keycheck.ErrNotAuthoritative, deadServer: keycheck.ErrUnreachable,
		}[server]
	}
	return keycheck.Differs, ""
}

// Whatever mixture of servers a domain has, each is told for what it is, and unbound
// hears of a name only when all have its record.
func TestMixtures(t *testing.T) {
	testutil.Need(t, "named", "knotd", "pdns_server", "unbound")
	count := 60
	if testutil.Long() {
		count = 1000
	}
	r := source(t)
	n := newInternet(t)
	var delegations []string
	list := make([]mixture, count)
	for i := range list {
		m := newMixture(r, i)
		list[i] = m
		for _, s := range m.parent {
			delegations = append(delegations, fmt.Sprintf("%s. NS %s", m.domain, serverName(s)))
		}
		for s := range m.content {
			n.set(s, m.domain, zoneText(100+s, m.child, m.lines(n, s)...))
		}
	}
	n.delegate(delegations)
	n.bind(t, rootServer, "")
	n.bind(t, bindServer, "")
	n.knot(t)
	n.powerDNS(t)
	n.recursive(t, cacheServer)
	n.recursive(t, unbound)
	c := n.checker(t)
	var wait sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, m := range list {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			check := keycheck.Check{Domain: m.domain, Selector: "mail", Key: n.key, Diagnose: true}
			if m.ignored != 0 {
				check.IgnoreServers = []string{serverName(m.ignored)}
			}
			n.compare(t, m, c.Check(t.Context(), check))
		})
	}
	wait.Wait()
}

func (n *internet) compare(t *testing.T, m mixture, r *keycheck.Report) {
	t.Helper()
	if want := m.want(); r.Publication != want {
		t.Errorf("%+v: %s, want %s", m, r.Publication, want)
	}
	reached := m.reached()
	if len(r.Servers) != len(reached) {
		t.Errorf("%+v: %d servers, want %d: %+v", m, len(r.Servers), len(reached), r.Servers)
	}
	for _, s := range r.Servers {
		i := slices.IndexFunc(reached, func(server int) bool { return addr(server) == s.Address })
		if i < 0 {
			t.Errorf("%+v: %s was asked", m, s.Address)
			continue
		}
		state, class := wantServer(m.content[reached[i]], reached[i])
		if s.State != state || s.Error != class {
			t.Errorf("%+v: %s: %s %s, want %s %s", m, s.Name, s.State, s.Error, state, class)
		}
		if s.State != keycheck.NoAnswer && (s.SOASerial == nil || *s.SOASerial != uint32(100+reached[i])) {
			t.Errorf("%+v: %s: %+v", m, s.Name, s)
		}
	}
	asked := r.Publication == keycheck.Published
	if name := "mail._domainkey." + m.domain; !asked && r.Cache != nil || m.ignored == 0 &&
		!slices.Contains(reached, cacheServer) && r.Publication == keycheck.NotPublished && n.remembers(t, name) {
		t.Errorf("%+v: the resolver was asked", m)
	}
	code := map[keycheck.Publication]string{keycheck.ServerDiffers: "servers-differ",
		keycheck.ServerSilent: "server-no-answer", keycheck.NotPublished: "absent"}[r.Publication]
	if code != "" && !slices.ContainsFunc(r.Faults, func(f keycheck.Fault) bool { return f.Code == code }) &&
		!(m.want() == keycheck.ServerDiffers && !strings.Contains(fmt.Sprint(m.content), "right")) {
		t.Errorf("%+v: %s is not among %+v", m, code, r.Faults)
	}
}
