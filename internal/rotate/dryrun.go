package rotate

import (
	"fmt"
	"time"
)

// dryRun tells what a run would do now.
func (p *pass) dryRun(units []*Unit) {
	for _, u := range units {
		if u.next() == nil && u.signing() != nil && !p.now.Before(p.dueAt(u)) && !u.Leaving {
			zone, _ := p.Settings.ZoneOf(u.Domains[0])
			publisher := zone.Publisher
			if publisher == "" {
				publisher = "hand"
			}
			for _, k := range u.signing().Keys {
				kind := k.Type
				if k.Bits > 0 && k.Type == "rsa" {
					kind = fmt.Sprintf("rsa %d", max(k.Bits, 2048))
				}
				fmt.Fprintf(p.Out, "%s: would make a key (%s) in the place of %s, publish it by %s, and switch when every "+
					"name server has had it for long enough\n", u.Name, kind, k.Selector, publisher)
			}
		}
		for _, g := range u.Generations {
			text, at := p.nextOf(u, g)
			if text == "" || g.State == Signing {
				continue
			}
			if !at.IsZero() {
				text += " at " + at.Local().Format(time.DateTime)
			}
			fmt.Fprintf(p.Out, "%s: %s is %s: %s\n", u.Name, g.Keys[0].Selector, g.State, text)
		}
	}
}

// nextOf is what comes next of a generation, and when, as far as that is known.
func (r *Rotator) nextOf(u *Unit, g *Generation) (next string, at time.Time) {
	now := r.Now()
	switch g.State {
	case Made:
		return "publish", time.Time{}
	case Asked:
		return "prove at every name server", time.Time{}
	case Proven:
		return "switch", now.Add(g.Wait.left())
	case Ready, Switching:
		return "sign", time.Time{}
	case Signing:
		if u.next() != nil || u.Leaving || r.Settings.Interval <= 0 {
			return "", time.Time{}
		}
		return "rotate", r.dueAt(u)
	case Resting:
		return "revoke", now.Add(g.Wait.left())
	case Revoking:
		return "prove that it is revoked", time.Time{}
	case Revoked:
		return "remove", now.Add(g.Wait.left())
	case Removing, Aborted:
		return "prove that it is gone", time.Time{}
	case Gone, BlockedState, Unmanaged:
	}
	return "", time.Time{}
}
