package doctor

import (
	"time"

	"github.com/miekg/dns"
)

// clockBy judges the clock by the signatures in an answer of the root zone, which hold for
// some days each (RFC 4034 §3.1.5): it sees a clock that is days off, and no less.
func (r *Report) clockBy(answer *dns.Msg, now time.Time) {
	if answer == nil {
		return
	}
	for _, rr := range answer.Answer {
		if s, ok := rr.(*dns.RRSIG); ok && s.SignerName == "." && !s.ValidityPeriod(now) {
			r.once(Finding{Check: "clock", Code: "clock-wrong", Status: Bad, Remedy: keepClock,
				Advice: "or install chrony; signatures carry the time, and receivers refuse those from another day"},
				"this clock says %s, and the root zone's signatures are of %s to %s (UTC)", now.UTC().Format(time.DateTime),
				dns.TimeToString(s.Inception), dns.TimeToString(s.Expiration))
			return
		}
	}
}

// keepClock is the command that has systemd keep the clock right.
const keepClock = "timedatectl set-ntp true"

// clock looks whether something keeps the clock right: signatures carry times.
func (r *Report) clock() {
	const check = "clock"
	synchronised, err := clockState()
	switch {
	case err != nil:
		r.skip(check, "clock-unknown", "the clock's state cannot be read: %s", err)
	case !synchronised:
		r.Add(Finding{Check: check, Code: "clock-free", Status: Warning, Remedy: keepClock, Advice: "or install chrony"},
			"nothing keeps the clock right; signatures from a clock that is minutes off are refused")
	default:
		r.good(check, "the clock is synchronised")
	}
}
