package rotate

import (
	"fmt"
	"slices"
	"time"

	"dojang/internal/keycheck"
)

// Every unit's present records are looked at once in lookInterval, and with few units in
// each run; at most maxLooks in one run.
const (
	lookInterval = 24 * time.Hour
	fewUnits     = 50
	maxLooks     = 500
)

// lookAt is a unit whose present records may be looked at.
type lookAt struct {
	name string
	last time.Time
}

// lastLook is when the present records of a unit were proven last.
func (u *Unit) lastLook() time.Time {
	if u.Checked.After(u.Adopted) {
		return u.Checked
	}
	return u.Adopted
}

// lookAtRecords looks whether the records of keys that sign are where they should be:
// those that were not looked at for longest.
func (p *pass) lookAtRecords(all []lookAt) {
	if len(all) > fewUnits {
		all = slices.DeleteFunc(all, func(l lookAt) bool {
			ago := p.now.Sub(l.last)
			return ago >= 0 && ago < lookInterval
		})
	}
	slices.SortFunc(all, func(a, b lookAt) int { return a.last.Compare(b.last) })
	var units, idle []*Unit
	for _, l := range all[:min(len(all), maxLooks)] {
		if i := slices.IndexFunc(p.units, func(u *Unit) bool { return u.Name == l.name }); i >= 0 {
			units = append(units, p.units[i])
			continue
		}
		u, err := p.Store.unit(l.name)
		if err != nil || u == nil {
			continue
		}
		idle = append(idle, u)
	}
	units = append(units, idle...)
	p.inParallel(units, func(_ int, u *Unit) {
		if p.inTime() {
			p.lookAtUnit(u)
		}
	})
	for _, u := range idle {
		if u.Missing != nil {
			p.out.Blocked++
			p.sum.Missing++
		}
	}
	for _, u := range units {
		if u.Missing != nil && u.Missing.tell(p.now) {
			u.changed = true
			fmt.Fprintf(p.Out, "%s: %s: %s\n", u.Name, u.Missing.Reason, u.Missing.Detail)
		}
	}
	p.saveChanged(units)
}

// lookAtUnit looks at the records of the keys that sign. Servers that do not answer say
// nothing.
func (p *pass) lookAtUnit(u *Unit) {
	g := u.signing()
	if g == nil {
		return
	}
	was := u.Missing
	u.Missing, u.Checked, u.changed = nil, p.now, true
	for i := range g.Keys {
		for j := range g.Keys[i].Records {
			r := &g.Keys[i].Records[j]
			report := p.look(&g.Keys[i], r, r.Text)
			word := Reason(report.Publication)
			switch report.Publication {
			case keycheck.Published:
				if usable(report) {
					continue
				}
				word = Conflict
			case keycheck.Unknown, keycheck.ServerSilent:
				continue
			case keycheck.NotPublished, keycheck.Conflict, keycheck.ServerDiffers, keycheck.ServerUnsigned, keycheck.AliasMissing:
			}
			u.Missing = &Blocked{Reason: word, Detail: fmt.Sprintf("%s, which signs: %s", r.Name, serversSay(report)), Since: p.now}
			if was != nil {
				u.Missing.Since, u.Missing.Told = was.Since, was.Told
			}
			return
		}
	}
}
