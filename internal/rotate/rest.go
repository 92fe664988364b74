package rotate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/status"
)

// hostKeys is what one filter says of its keys, asked once a run.
type hostKeys struct {
	server status.Server
	keys   map[string]hostKey // by record name
	err    error
}

// hostKey is what a filter says of one key.
type hostKey struct {
	use    Use
	listed bool // its tables have it
}

// manyUnits is from how many units on a filter is asked for all its keys at once.
const manyUnits = 50

// askHosts asks every filter when it used the keys of units last.
func (p *pass) askHosts(units []*Unit) {
	for _, h := range p.Hosts {
		hk := p.hosts[h.Address()]
		if hk == nil {
			hk = &hostKeys{keys: map[string]hostKey{}}
			p.hosts[h.Address()] = hk
			if hk.server, hk.err = h.Server(p.ctx); hk.err == nil && len(units) >= manyUnits {
				hk.take(h.Keys(p.ctx, "", "", 0))
			}
		}
		for _, u := range units {
			if hk.err != nil {
				break
			}
			// Of many units, those alone whose record is about to go: of all keys, a filter
			// may list a part of its tables.
			if g := u.find(Resting); len(units) >= manyUnits && g != nil && g.Wait.left() > p.Settings.MaxCredit {
				continue
			}
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
		key := hostKey{use: Use{Total: k.SignedTotal}, listed: k.Source != "" || k.Name != "" || k.Problem != ""}
		if k.LastSigned != nil {
			key.use.Last = *k.LastSigned
		}
		h.keys[recordName(k.Selector, k.Domain)] = key
	}
}

func (h *hostKeys) key(selector, domain string) (hostKey, bool) {
	k, is := h.keys[recordName(selector, keyrecord.ASCII(domain))]
	if !is {
		k, is = h.keys[recordName(selector, domain)]
	}
	return k, is
}

// of is how a host may have used a key: of one that it does not list, what it cannot
// exclude.
func (h *hostKeys) of(selector, domain string) Use {
	if k, is := h.key(selector, domain); is {
		return k.use
	}
	if at := h.server.UnlistedLastSigned; at != nil {
		return Use{Last: *at}
	}
	return Use{}
}

// lagTime is after what time a host that still signs with an old key is told of.
const lagTime = 24 * time.Hour

// restAll lets old keys rest until no mail can need them. Of units that are stopped the
// waits run, and nothing else.
func (p *pass) restAll(units []*Unit) {
	var asked []*Unit
	for _, u := range units {
		if u.find(Resting) != nil || u.find(Revoking, Revoked, Removing) != nil {
			asked = append(asked, u)
		}
	}
	if len(asked) == 0 {
		return
	}
	p.askHosts(asked)
	p.inParallel(asked, func(_ int, u *Unit) {
		for _, g := range u.Generations {
			switch g.State {
			case Resting:
				p.restOne(u, g)
			case Revoked:
				p.deleteInTime(u, g)
				if g.Wait.over() && !u.Stopped {
					p.undone(g)
					_ = p.move(u, g, Removing, "")
				}
			case Revoking, Removing:
				p.deleteInTime(u, g)
			case Made, Asked, Proven, Ready, Switching, Signing, Gone, Aborted, BlockedState, Unmanaged:
			}
		}
	})
}

// restOne credits a resting key, when every host tells that it does not use it.
func (p *pass) restOne(u *Unit, g *Generation) {
	h := p.uses(u, g)
	if u.changed = true; h.used && !g.Emergency {
		g.Wait.again(p.instant())
	}
	switch {
	case g.Emergency:
		// What is known to others must not be believed any longer, whoever still uses it.
		g.Wait.credit(p.instant(), p.Settings.MaxCredit)
	case h.silent != "":
		g.Wait.Last = p.instant() // what nobody saw does not count
		u.block(g, p.now, HostSilent, h.silent)
		return
	case h.listed != "":
		g.Wait.Last = p.instant() // it may sign with it the next moment
		if h.late {
			u.block(g, p.now, HostLags, h.listed)
		}
		return
	case h.late:
		u.block(g, p.now, HostLags, h.lags)
		return
	default:
		u.goOn(g, HostSilent, HostLags)
		g.Wait.credit(p.instant(), p.Settings.MaxCredit)
	}
	if u.Stopped {
		return
	}
	p.deleteInTime(u, g)
	if !g.Wait.over() || !g.KeyGone && !g.Emergency {
		return
	}
	if err := p.may(u, g, actRevoke); err != nil {
		u.block(g, p.now, EditedByHand, err.Error())
		return
	}
	u.goOn(g)
	p.undone(g)
	_ = p.move(u, g, Revoking, "")
}

// hostsSay is what all hosts together say of the use of an old key.
type hostsSay struct {
	silent string // why a host could not be asked
	used   bool   // one used it since it was asked before
	listed string // one that has it in its tables
	late   bool   // and that long after the switch, or it signed with it then
	lags   string
}

// uses asks when hosts used a resting key last.
func (p *pass) uses(u *Unit, g *Generation) (s hostsSay) {
	if len(p.Hosts) == 0 {
		s.silent = "no filter can be asked when it used the key last: set StatusSocket in " + p.Settings.Config + ", or Hosts"
		return s
	}
	if g.Uses == nil {
		g.Uses = map[string]Use{}
	}
	limit := g.Since.Add(min(lagTime, time.Duration(g.Wait.NeedSeconds*float64(time.Second))))
	for _, h := range p.Hosts {
		hk := p.hosts[h.Address()]
		if hk == nil || hk.err != nil {
			s.silent = h.Address() + " does not answer"
			if hk != nil {
				s.silent = hk.err.Error()
			}
			continue
		}
		var use Use
		listed := false
		for _, k := range g.Keys {
			for _, domain := range append([]string{k.Domain}, u.Domains...) {
				one := hk.of(k.Selector, domain)
				if use.Total += one.Total; one.Last.After(use.Last) {
					use.Last = one.Last
				}
				key, _ := hk.key(k.Selector, domain)
				listed = listed || key.listed
			}
		}
		was, asked := g.Uses[h.Address()]
		if !asked || use.Last.After(was.Last) || use.Total != was.Total {
			g.Uses[h.Address()], u.changed = use, true
			// Before it was asked first, it may have been used until now.
			s.used = s.used || asked || !use.Last.IsZero()
			if use.Last.After(limit) {
				s.late = true
				s.lags = fmt.Sprintf("%s signed with %s at %s, after the switch at %s",
					h.Address(), g.Keys[0].Selector, use.Last.Format(time.RFC3339), g.Since.Format(time.RFC3339))
			}
		}
		if listed {
			s.listed = fmt.Sprintf("%s still has %s in its tables", h.Address(), g.Keys[0].Selector)
			s.late = s.late || p.Now().After(limit)
		}
	}
	return s
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

// deleteInTime deletes the private keys of a generation that no host has used for a day,
// or, in an emergency, that none has in its tables.
func (p *pass) deleteInTime(u *Unit, g *Generation) {
	if g.KeyGone || u.Stopped {
		return
	}
	if h := p.uses(u, g); h.listed != "" || h.silent != "" && (len(p.Hosts) > 0 || !g.Emergency) {
		return
	}
	if day := min(lagTime.Seconds(), g.Wait.NeedSeconds); !g.Emergency && g.State == Resting && g.Wait.HaveSeconds < day {
		return
	}
	p.deleteKeys(u, g)
}

// deleteKeys deletes the private keys of a generation, unless another row has one of
// them.
func (p *pass) deleteKeys(u *Unit, g *Generation) {
	if err := p.may(u, g, actDelete); err != nil {
		u.block(g, p.now, EditedByHand, err.Error())
		return
	}
	for _, k := range g.Keys {
		for _, path := range []string{k.Path, k.Pending} {
			if path == "" || p.pathInUse(path) {
				continue
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				p.complain("%s: %s", u.Name, err)
				u.retry = true
				return
			}
		}
	}
	g.KeyGone = true
	_ = p.save(u, "key deleted")
	p.journal(Entry{Unit: u.Name, Act: "key deleted", From: g.State, Keys: paths(g)})
}

func paths(g *Generation) (list []string) {
	for _, k := range g.Keys {
		list = append(list, k.file())
	}
	return list
}

// pathInUse reports whether a row names a key file now, by any path. What cannot be
// found out may be.
func (p *pass) pathInUse(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	files, err := p.keyFiles()
	return err != nil || slices.ContainsFunc(files, func(other fs.FileInfo) bool { return os.SameFile(info, other) })
}

// keyFiles are the key files that rows name, as they were when they were looked at last.
type keyFiles struct {
	mu    sync.Mutex
	files []fs.FileInfo // nil: not looked at since rows were written
}

func (p *pass) keyFiles() ([]fs.FileInfo, error) {
	p.inUse.mu.Lock()
	defer p.inUse.mu.Unlock()
	if p.inUse.files == nil {
		t, err := p.readTables(p.ctx)
		if err != nil {
			return nil, err
		}
		p.inUse.files = []fs.FileInfo{}
		for path := range t.paths {
			if info, err := os.Stat(path); err == nil {
				p.inUse.files = append(p.inUse.files, info)
			}
		}
	}
	return p.inUse.files, nil
}

// bury ends the life of a generation whose records are gone.
func (p *pass) bury(u *Unit, g *Generation) {
	if !g.KeyGone {
		p.deleteKeys(u, g)
		if !g.KeyGone {
			return
		}
	}
	for _, k := range g.Keys {
		if ttl, ring := p.slotTTL(u, &k); ring {
			w := new(wait)
			w.begin(p.instant(), ttl, "TTL of its last record")
			if u.Slots == nil {
				u.Slots = map[string]*wait{}
			}
			u.Slots[strings.ToLower(k.Selector)] = w
			continue
		}
		u.Used = append(u.Used, k.Selector)
	}
	from := g.State
	g.State = Gone
	u.remove(g)
	u.acted = true
	p.tell(u, g, from, "")
	if len(u.Generations) == 0 {
		u.Leaving = false
	}
	_ = p.save(u, string(Gone))
}
