package doctor

import (
	"context"
	"fmt"
	"time"

	"dojang/internal/status"
	"dojang/internal/words"
)

// unsigned tells of mail of our domains that left without a signature of late: what
// everybody wants to know first.
func (r *Report) unsigned(ctx context.Context, client *status.Client) {
	const check = "unsigned"
	if client == nil {
		return
	}
	domains, err := client.Domains(ctx)
	if err != nil {
		r.skip(check, "status-unknown", "the filter's counts cannot be read: %s", err)
		return
	}
	var signed uint64
	bad := false
	for _, d := range domains {
		signed += d.SignedDay
		if d.UnsignedDay == 0 {
			continue
		}
		bad = true
		name, last := d.Domain, ""
		if d.Other {
			name = "other domains"
		}
		advice := "dojang status lists them"
		if l := d.LastUnsigned; l != nil {
			last = fmt.Sprintf("; the last at %s (%s): %s", l.Time.Local().Format(time.DateTime), l.QueueID, l.Reason)
		}
		r.Add(Finding{Check: check, Code: "mail-unsigned", Status: Warning, Advice: advice},
			"mail of %s left unsigned in the last 24 hours: %d, and %d signed%s", name, d.UnsignedDay, d.SignedDay, last)
	}
	if !bad {
		r.good(check, "no mail of our domains left unsigned in the last 24 hours; %s signed", words.Count(signed, "message"))
	}
}
