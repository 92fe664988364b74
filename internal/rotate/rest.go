package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/status"
)

// hostKeys is what one filter says of its keys, asked once a run.
type hostKeys struct {
	server status.Server
	keys   map[string]*time.Time // last use, by record name
	err    error
}

// manyUnits is from how many units on a filter is asked for all its keys at once.
const manyUnits = 50

// askHosts asks every filter when it used the keys of units last.
func (p *pass) askHosts(units []*Unit) {
	for _, h := range p.Hosts {
		if p.hosts[h.Address()] == nil {
			p.hosts[h.Address()] = &hostKeys{keys: map[string]*time.Time{}}
			hk := p.hosts[h.Address()]
			if hk.server, hk.err = h.Server(p.ctx); hk.err == nil && len(units) >= manyUnits {
				hk.take(h.Keys(p.ctx, "", "", 0))
			}
		}
		hk := p.hosts[h.Address()]
		if hk.err != nil || len(units) >= manyUnits {
			continue
		}
		for _, u := range units {
			for _, domain := range u.Domains {
				hk.take(h.Keys(p.ctx, domain, "", 0))
			}
		}
	}
}

func (h *hostKeys) take(keys []status.Key, err error) {
	if err != nil {
		h.err = err
		return
	}
	for _, k := range keys {
		h.keys[recordName(k.Selector, k.Domain)] = k.LastSigned
	}
}

// lastUse is the latest time at which a host may have used a key; zero: never.
func (h *hostKeys) lastUse(selector, domain string) time.Time {
	at, listed := h.keys[recordName(selector, keyrecord.ASCII(domain))]
	if !listed {
		at, listed = h.keys[recordName(selector, domain)]
	}
	if !listed {
		at = h.server.UnlistedLastSigned
	}
	if at == nil {
		return time.Time{}
	}
	return *at
}

// lagTime is after what time a host that still signs with an old key is told of.
const lagTime = 24 * time.Hour

// restAll lets old keys rest until no mail can need them, and revokes and removes
// their records then.
func (p *pass) restAll(units []*Unit) {
	var resting []*Unit
	for _, u := range units {
		if u.find(Resting) != nil {
			resting = append(resting, u)
		}
	}
	if len(resting) > 0 {
		p.askHosts(resting)
	}
	for _, u := range units {
		for _, g := range u.Generations {
			switch g.State {
			case Resting:
				p.restOne(u, g)
			case Revoked:
				if g.Wait.over() {
					p.undone(g)
					_ = p.move(u, g, Removing, "")
				}
			case Made, Asked, Proven, Ready, Switching, Signing, Revoking, Removing, Gone, Aborted, BlockedState, Unmanaged:
			}
		}
	}
}

// restOne credits a resting key, when every host tells that it does not use it.
func (p *pass) restOne(u *Unit, g *Generation) {
	now := p.Now()
	silent, lags := p.uses(u, g)
	switch {
	case g.Emergency && g.Wait.NeedSeconds == 0:
		// What is known to others must not be believed any longer, whoever still uses it.
	case silent != "":
		g.Wait.Last = now // what nobody saw does not count
		u.changed = true
		u.block(p.now, HostSilent, silent)
		return
	case lags != "":
		u.block(p.now, HostLags, lags)
		g.Wait.again(now)
		u.changed = true
		return
	default:
		u.goOn(HostSilent, HostLags)
		g.Wait.credit(now, p.Settings.MaxCredit)
		u.changed = true
	}
	day := min(lagTime.Seconds(), g.Wait.NeedSeconds)
	if !g.KeyGone && silent == "" && lags == "" && g.Wait.HaveSeconds >= day {
		p.deleteKeys(u, g)
	}
	if g.Wait.over() && (g.KeyGone || g.Emergency) {
		p.undone(g)
		_ = p.move(u, g, Revoking, "")
	}
}

// uses asks when hosts used a resting key last. A use that is news begins the wait
// anew; silent is why a host could not be asked, lags names one that still signs
// with it long after the switch.
func (p *pass) uses(u *Unit, g *Generation) (silent, lags string) {
	if len(p.Hosts) == 0 {
		return "no filter can be asked when it used the key last: set StatusSocket in " + p.Settings.Config + ", or Hosts", ""
	}
	if g.LastUse == nil {
		g.LastUse = map[string]time.Time{}
	}
	for _, h := range p.Hosts {
		hk := p.hosts[h.Address()]
		if hk == nil || hk.err != nil {
			silent = h.Address() + " does not answer"
			if hk != nil {
				silent = hk.err.Error()
			}
			continue
		}
		latest := time.Time{}
		for _, k := range g.Keys {
			for _, domain := range u.Domains {
				if at := hk.lastUse(k.Selector, domain); at.After(latest) {
					latest = at
				}
			}
		}
		if latest.After(g.LastUse[h.Address()]) {
			g.LastUse[h.Address()] = latest
			g.Wait.again(p.Now())
			u.changed = true
			if limit := min(lagTime, time.Duration(g.Wait.NeedSeconds*float64(time.Second))); latest.After(g.Since.Add(limit)) {
				lags = fmt.Sprintf("%s signed with %s at %s, after the switch at %s", h.Address(), g.Keys[0].Selector, latest.Format(time.RFC3339), g.Since.Format(time.RFC3339))
			}
		}
	}
	return silent, lags
}

// undone has publishers be asked again: for the next change of the records.
func (p *pass) undone(g *Generation) {
	for i := range g.Keys {
		for j := range g.Keys[i].Records {
			r := &g.Keys[i].Records[j]
			r.Done, r.Told = false, ""
		}
	}
}

// deleteKeys deletes the private keys of a generation, unless another row has one of
// them.
func (p *pass) deleteKeys(u *Unit, g *Generation) {
	for _, k := range g.Keys {
		for _, path := range []string{k.Path, k.Pending} {
			if path == "" || p.tables != nil && p.pathInUse(path) {
				continue
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(p.Out, "%s: %s\n", u.Name, err)
				p.retry[u] = true
				return
			}
		}
	}
	g.KeyGone, u.changed = true, true
	_ = p.save(u, "key deleted")
	_ = p.Store.Journal(Entry{Time: p.Now(), Unit: u.Name, Act: "key deleted", From: g.State})
}

// pathInUse reports whether a row names a key file now.
func (p *pass) pathInUse(path string) bool {
	if p.tables.paths[path] == 0 {
		return false
	}
	t, err := p.readTables(p.ctx)
	return err != nil || t.paths[path] > 0
}

// bury ends the life of a generation whose records are gone.
func (p *pass) bury(u *Unit, g *Generation) {
	if !g.KeyGone {
		p.deleteKeys(u, g)
		if !g.KeyGone {
			return
		}
	}
	zone, _ := p.Settings.ZoneOf(u.Domains[0])
	for _, k := range g.Keys {
		if zone.CNAME != "" {
			w := new(Wait)
			w.begin(p.Now(), p.Settings.TTL, "TTL of its last record")
			if u.Slots == nil {
				u.Slots = map[string]*Wait{}
			}
			u.Slots[strings.ToLower(k.Selector)] = w
			continue
		}
		u.Used = append(u.Used, k.Selector)
	}
	from := g.State
	g.State = Gone
	kept := u.Generations[:0:0]
	for _, other := range u.Generations {
		if other != g {
			kept = append(kept, other)
		}
	}
	u.Generations, u.changed = kept, true
	p.acted[u] = true
	p.tell(u, g, from, "")
	if len(kept) == 0 {
		if err := p.Store.Forget(u); err == nil {
			u.changed = false
		}
		return
	}
	_ = p.save(u, string(Gone))
}
