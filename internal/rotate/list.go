package rotate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/dataset"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
)

// Item is a key as `dojang keys` lists it.
type Item struct {
	Domain     string                `json:"domain"`
	Selector   string                `json:"selector"`
	Algorithm  string                `json:"algorithm"` // rsa or ed25519
	Bits       int                   `json:"bits"`
	Path       string                `json:"path"` // "" for a key that stands in its row
	State      State                 `json:"state"`
	Since      *time.Time            `json:"since"`
	Reason     Reason                `json:"reason"`
	Detail     string                `json:"detail"`
	Next       string                `json:"next"`
	NextAt     *time.Time            `json:"next_at"`
	LastSigned map[string]*time.Time `json:"last_signed"` // by host; null: never, as far as it knows
	Created    *time.Time            `json:"-"`
	Stopped    bool                  `json:"-"`
}

// List tells every key: those in rotation, and those of rows that nobody adopted, of
// one domain unless that is "". Hosts that do not answer are left out of LastSigned.
func (r *Rotator) List(ctx context.Context, domain string) ([]Item, error) {
	units, broken, err := r.Store.load(func(*Unit) bool { return true })
	if err != nil {
		return nil, err
	}
	p := r.pass(ctx, units)
	items := []Item{}
	known := map[string]bool{}
	for _, u := range units {
		for _, g := range u.Generations {
			for i := range g.Keys {
				for _, d := range append(u.Domains, g.Keys[i].Domain) {
					known[recordName(g.Keys[i].Selector, d)] = true
				}
				for _, d := range u.Domains {
					if domain == "" || keycheck.SameDomain(d, domain) {
						items = append(items, p.item(u, g, &g.Keys[i], d))
					}
				}
			}
		}
	}
	for _, b := range broken {
		if domain == "" || keycheck.SameDomain(b.Name, domain) {
			items = append(items, Item{Domain: b.Name, State: BlockedState, Reason: EditedByHand, Detail: b.Err.Error()})
		}
	}
	items = append(items, r.unmanaged(ctx, domain, known)...)
	p.lastSigned(items)
	slices.SortStableFunc(items, func(a, b Item) int { return strings.Compare(a.Domain, b.Domain) })
	return items, nil
}

func (p *pass) item(u *Unit, g *Generation, k *Key, domain string) Item {
	since := g.Since
	it := Item{Domain: domain, Selector: k.Selector, Algorithm: k.Type, Bits: k.Bits, Path: k.Path, State: g.State,
		Since: &since, Stopped: u.Stopped}
	created := g.Created
	it.Created = &created
	next, at := p.nextOf(u, g)
	it.Next = next
	if !at.IsZero() {
		it.NextAt = &at
	}
	switch b := g.Blocked; {
	case b != nil:
		it.State, it.Since, it.Reason, it.Detail = BlockedState, &b.Since, b.Reason, fmt.Sprintf("%s: %s", g.State, b.Detail)
	case g.State == Signing && u.Missing != nil:
		it.Reason, it.Detail = u.Missing.Reason, u.Missing.Detail
	case g.State == Asked || g.State == Revoking || g.State == Removing || g.State == Aborted:
		it.Detail = told(g)
	}
	if u.Stopped {
		it.NextAt = nil
		it.Next = strings.TrimPrefix(it.Next+", when it is started again", ", ")
	}
	return it
}

// told names the records about which a person was told.
func told(g *Generation) string {
	var names []string
	for _, k := range g.Keys {
		for _, r := range k.Records {
			if r.Told != "" {
				names = append(names, r.place())
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "somebody was told what to do with " + strings.Join(names, ", ")
}

// unmanaged are the keys of rows that are in no unit. A table that cannot be listed
// has none.
func (r *Rotator) unmanaged(ctx context.Context, domain string, known map[string]bool) (items []Item) {
	_ = keystore.Rows(ctx, r.KeyTable.Set, r.KeyTable.String(), func(row keystore.TableRow) error {
		if row.Err != nil || known[recordName(row.Selector, row.Domain)] || domain != "" && !keycheck.SameDomain(row.Domain, domain) {
			return nil
		}
		it := Item{Domain: row.Domain, Selector: row.Selector, State: Unmanaged, Next: "adopt", LastSigned: map[string]*time.Time{}}
		if path := r.KeyOf.Locate(row.Key).Path; path != "" && row.Domain != "%" {
			it.Path = path
		}
		if key, err := r.Keys.Load(ctx, row.Name, row.Row); err == nil {
			it.Algorithm, _, _ = keyrecord.PublicKey(key.Signer.Public())
			it.Bits = key.Bits
		} else {
			it.Detail = err.Error()
		}
		items = append(items, it)
		return nil
	})
	return items
}

// lastSigned fills in what the hosts say. One that does not answer is left out.
func (p *pass) lastSigned(items []Item) {
	for i := range items {
		items[i].LastSigned = map[string]*time.Time{}
	}
	for _, h := range p.Hosts {
		hk := &hostKeys{keys: map[string]hostKey{}}
		if hk.server, hk.err = h.Server(p.ctx); hk.err != nil {
			continue
		}
		if len(items) >= manyUnits {
			hk.take(h.Keys(p.ctx, "", "", 0))
		}
		asked := map[string]bool{}
		for i := range items {
			it := &items[i]
			if len(items) < manyUnits && !asked[it.Domain] {
				asked[it.Domain] = true
				hk.take(h.Keys(p.ctx, it.Domain, "", 0))
			}
			if hk.err != nil {
				break
			}
			it.LastSigned[h.Address()] = nil
			if k, is := hk.key(it.Selector, it.Domain); is && !k.use.Last.IsZero() {
				it.LastSigned[h.Address()] = &k.use.Last
			}
		}
	}
}

// Summary is what a run leaves for the pages: no secret, and nothing but what
// `dojang keys` tells.
type Summary struct {
	Time    time.Time      `json:"time"`
	Units   int            `json:"units"`
	States  map[State]int  `json:"states"`
	Reasons map[Reason]int `json:"reasons"`
	Missing int            `json:"missing"` // units whose present record is not as it should be
	Keys    []Item         `json:"keys"`    // at most maxSummaryKeys
	Cut     bool           `json:"cut,omitempty"`

	oldest time.Time // when the oldest key that signs was made
}

const (
	// summaryFile is in State, for everybody to read.
	summaryFile    = "summary.json"
	maxSummaryKeys = 2000
)

func (r *Rotator) newSummary() *Summary {
	now := r.Now().UTC()
	return &Summary{Time: now, States: map[State]int{}, Reasons: map[Reason]int{}, Keys: []Item{}, oldest: now}
}

func (s *Summary) add(p *pass, u *Unit) {
	s.Units++
	if u.Missing != nil {
		s.Missing++
	}
	if g := u.signing(); g != nil && g.Created.Before(s.oldest) {
		s.oldest = g.Created
	}
	for _, g := range u.Generations {
		s.States[g.State]++
		if g.Blocked != nil {
			s.Reasons[g.Blocked.Reason]++
		}
		for i := range g.Keys {
			for _, d := range u.Domains {
				if s.Cut = s.Cut || len(s.Keys) >= maxSummaryKeys; !s.Cut {
					s.Keys = append(s.Keys, p.item(u, g, &g.Keys[i], d))
				}
			}
		}
	}
}

// summary writes the summary of all units, and metrics for a textfile collector.
func (p *pass) summary() error {
	if p.DryRun {
		return nil
	}
	s := p.sum
	if s == nil {
		s = p.newSummary()
		mine := map[string]bool{}
		for _, u := range p.units {
			mine[u.Name] = true
		}
		if _, _, err := p.Store.load(func(u *Unit) bool {
			if !mine[u.Name] {
				s.add(p, u)
			}
			return false
		}); err != nil {
			return err
		}
	}
	for _, u := range p.units {
		s.add(p, u)
	}
	slices.SortStableFunc(s.Keys, func(a, b Item) int { return strings.Compare(a.Domain, b.Domain) })
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(p.Store.path(summaryFile), append(data, '\n'), atomicfile.Options{Mode: 0o644}); err != nil {
		return err
	}
	return p.writeMetrics(s)
}

// SyncList are the files that other hosts need, in the order in which to copy them:
// key files, then the KeyTable, then the SigningTable.
func (r *Rotator) SyncList(ctx context.Context) (paths []string, err error) {
	t, err := r.readTables(ctx)
	if err != nil {
		return nil, err
	}
	for path := range t.paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, table := range []Table{r.KeyTable, r.Signing} {
		if local, ok := table.Set.(dataset.Local); ok && local.Source() != "" {
			paths = append(paths, local.Source())
		}
	}
	return paths, nil
}
