package rotate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func sameDomains(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// asGrouped reports whether a unit has the domains that its Group names, or needs none.
func (r *Rotator) asGrouped(u *Unit) bool {
	g, is := r.Settings.Group(u.Name)
	return u.Leaving || !is && len(u.Domains) == 1 || is && sameDomains(u.Domains, g.Domains)
}

// halted reports whether nothing is to be done of a unit but to wait: it was stopped, or
// its Group was changed. Whoever joined that would be signed for with a key that has no
// record there, and whoever left it may never have one. Rows that are being written are
// written to the end.
func (p *pass) halted(u *Unit) bool {
	next := u.next()
	g := cmp.Or(next, u.signing())
	switch {
	case u.Stopped:
		return true
	case g == nil || g.State == Switching:
		return false
	case !p.asGrouped(u):
		u.block(g, p.now, EditedByHand, u.regrouped())
		return true
	case g == next:
		u.goOn(g, EditedByHand)
	}
	return false
}

func (u *Unit) regrouped() string {
	return fmt.Sprintf("the Group %s names other domains by now: dojang keys adopt %[1]s, or, if its row signs no more: "+
		"dojang keys retire %[1]s", u.Name)
}

// forget leaves the records of domains that are not in a unit any more as they are, where no
// name server of theirs answers: nobody else could ever go on with the others.
func (p *pass) forget(u *Unit, g *Generation, domains []string) {
	var names []string
	for i := range g.Keys {
		k := &g.Keys[i]
		k.Records = slices.DeleteFunc(k.Records, func(r Record) bool {
			gone := !slices.Contains(domains, r.Domain) && !answers(p.lookThere(k, &r))
			if gone {
				names = append(names, r.Name)
			}
			return gone
		})
	}
	if len(names) > 0 {
		detail := strings.Join(names, ", ") + ": left as it is: the domain is not in the Group, and no name server of its zone answers"
		p.journal(Entry{Unit: u.Name, Act: "forgotten", Keys: names, Detail: detail})
		fmt.Fprintf(p.Out, "%s: %s\n", u.Name, detail)
	}
}
