package status

import (
	"slices"
	"strings"
	"time"
)

// totals by result, since the counts began.
type totals struct{ signed, unsigned, pass, fail, none uint64 }

func (t *totals) add(r Result) {
	switch r {
	case Signed:
		t.signed++
	case Unsigned:
		t.unsigned++
	case Pass:
		t.pass++
	case Fail:
		t.fail++
	case None:
		t.none++
	}
}

// domain is what is counted of one signing domain.
type domain struct {
	totals
	series     series
	lastSigned time.Time
	failure    Failure
}

func (d *domain) add(m *Message, now int64) {
	d.totals.add(m.Result)
	d.series.add(now, m.Result)
	switch m.Result {
	case Signed:
		d.lastSigned = m.Time
	case Unsigned:
		d.failure = Failure{Time: m.Time, Reason: m.Reason, QueueID: m.QueueID}
	case Fail, Pass, None:
	}
}

// domain returns the counts of a signing domain, or those of all others when
// there is no room for one more.
func (r *Recorder) domain(name string) *domain {
	d := r.domains[name]
	if d == nil {
		if len(r.domains) >= r.o.Domains {
			return r.other
		}
		d = new(domain)
		r.domains[strings.Clone(name)] = d
	}
	return d
}

// Failure is the latest message of a domain that left unsigned.
type Failure struct {
	Time    time.Time `json:"time"`
	Reason  string    `json:"reason"`
	QueueID string    `json:"queue_id"`
}

// Domain is the counts of a signing domain.
type Domain struct {
	Domain        string     `json:"domain"` // "" with Other
	Other         bool       `json:"other,omitempty"`
	SignedTotal   uint64     `json:"signed_total"`
	UnsignedTotal uint64     `json:"unsigned_total"`
	PassTotal     uint64     `json:"pass_total"`
	FailTotal     uint64     `json:"fail_total"`
	SignedDay     uint64     `json:"signed_24h"`
	UnsignedDay   uint64     `json:"unsigned_24h"`
	LastSigned    *time.Time `json:"last_signed"` // null: never
	LastUnsigned  *Failure   `json:"last_unsigned"`
}

// Domains returns the counts of every signing domain by name, and those of all
// that have no room of their own last.
func (r *Recorder) Domains() []Domain {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	list := make([]Domain, 0, len(r.domains)+1)
	for name, d := range r.domains {
		list = append(list, d.tell(name, now))
	}
	slices.SortFunc(list, func(a, b Domain) int { return strings.Compare(a.Domain, b.Domain) })
	if r.other.totals != (totals{}) {
		other := r.other.tell("", now)
		other.Other = true
		list = append(list, other)
	}
	return list
}

func (d *domain) tell(name string, now time.Time) Domain {
	out := Domain{Domain: name, SignedTotal: d.signed, UnsignedTotal: d.unsigned, PassTotal: d.pass, FailTotal: d.fail}
	day := d.series
	const tenMinutes, aDay = 1, 144
	number := now.Unix() / steps[tenMinutes].seconds
	day.advance(tenMinutes, number)
	for p := number - aDay + 1; p <= number; p++ {
		c := day.at(tenMinutes, p)
		out.SignedDay += uint64(c[0])
		out.UnsignedDay += uint64(c[1])
	}
	if !d.lastSigned.IsZero() {
		last := d.lastSigned
		out.LastSigned = &last
	}
	if !d.failure.Time.IsZero() {
		failure := d.failure
		out.LastUnsigned = &failure
	}
	return out
}
