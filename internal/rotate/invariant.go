package rotate

import (
	"errors"
	"fmt"
	"strings"

	"dojang/internal/keycheck"
	"dojang/internal/keystore"
	"dojang/internal/privilege"
)

// act is what must not be done at the wrong time.
type act int

const (
	actSwitch act = iota // a row names the keys
	actRevoke
	actRemove
	actDelete // the private keys
)

// may reports whether an act keeps what must hold always, and is asked before each,
// whatever the states say: no filter signs with a key that was not proven and waited
// for; no record goes before its time, nor one that is not ours; a row names a whole
// key; a key file that a row names stays.
func (p *pass) may(u *Unit, g *Generation, a act) error {
	switch a {
	case actSwitch:
		return p.maySwitch(u, g)
	case actRevoke, actRemove:
		if g.State != Aborted && !g.Emergency && !g.Wait.over() {
			return fmt.Errorf("its wait is not over: %s are left", g.Wait.left())
		}
		return p.maySignNoMore(g)
	case actDelete:
		if g.State == Signing || g.State == Switching || g.State == Ready {
			return fmt.Errorf("a key that is %s is needed", g.State)
		}
		return p.maySignNoMore(g)
	}
	return errors.New("unknown act")
}

func (p *pass) maySwitch(u *Unit, g *Generation) error {
	switch {
	case !g.provenNow:
		return errors.New("not every name server has shown the record just now")
	case !g.Emergency && g.Proofs < p.Settings.Proofs:
		return fmt.Errorf("%d of %d proofs", g.Proofs, p.Settings.Proofs)
	case !g.Emergency && !g.Wait.over():
		return fmt.Errorf("its wait is not over: %s are left", g.Wait.left())
	}
	for i := range g.Keys {
		k := &g.Keys[i]
		if len(k.Records) != len(u.Domains) {
			return fmt.Errorf("%s has records for %d of %d domains", k.Selector, len(k.Records), len(u.Domains))
		}
		data, err := privilege.ReadFile(k.file())
		if err != nil {
			return err
		}
		key, err := keystore.LoadPrivateKey(data)
		if err != nil {
			return fmt.Errorf("%s: %w", k.file(), err)
		}
		if public, err := publicText(key.Public()); err != nil || public != k.Public {
			return fmt.Errorf("%s is not the key of the record", k.file())
		}
	}
	return nil
}

// maySignNoMore reports whether no row names a key of a generation now.
func (p *pass) maySignNoMore(g *Generation) error {
	for i := range g.Keys {
		k := &g.Keys[i]
		row, there, err := p.current(p.ctx, k.Row)
		if err != nil {
			return err
		}
		if there && strings.EqualFold(row.Selector, k.Selector) && keycheck.SameDomain(row.Domain, k.Domain) {
			return fmt.Errorf("the row %q names %s again", k.Row, k.Selector)
		}
	}
	return nil
}
