// Package doctor looks at a mail server the way an experienced colleague would: the
// filter's files, its process and sockets, Postfix's settings, the records that others
// see, messages through the running filter. What it finds are values; it prints nothing.
package doctor

import (
	"fmt"
	"slices"
)

// Status is what came of one check.
type Status string

// The statuses. Skipped means that this machine lacks what the check needs.
const (
	Good    Status = "good"
	Warning Status = "warning"
	Bad     Status = "bad"
	Skipped Status = "skipped"
)

// Finding is one thing that was looked at.
type Finding struct {
	Check  string `json:"check"` // configuration, key, process, socket, postfix, sendmail, dns, domain, clock, message, ...
	Code   string `json:"code"`  // one word a script can look for; of a good finding ""
	Status Status `json:"status"`
	Text   string `json:"text"`
	// Remedy is a command for a shell of root: typed as it stands it mends this one
	// thing and leaves all else; "" where no command can.
	Remedy string `json:"remedy,omitempty"`
	// Advice is what to know or to do that cannot be typed, or not by us.
	Advice string `json:"advice,omitempty"`
}

// Report is every finding, in the order of the checks.
type Report []Finding

// Add appends a finding; its text is formatted.
func (r *Report) Add(f Finding, format string, args ...any) {
	f.Text = fmt.Sprintf(format, args...)
	*r = append(*r, f)
}

// once appends a finding that was not told yet.
func (r *Report) once(f Finding, format string, args ...any) {
	if f.Text = fmt.Sprintf(format, args...); !slices.Contains(*r, f) {
		*r = append(*r, f)
	}
}

// good appends a finding that nothing is wrong.
func (r *Report) good(check, format string, args ...any) {
	r.Add(Finding{Check: check, Status: Good}, format, args...)
}

// skip appends what could not be looked at.
func (r *Report) skip(check, code, format string, args ...any) {
	r.Add(Finding{Check: check, Code: code, Status: Skipped}, format, args...)
}

// Worst is the gravest status of all: Bad, Warning or Good.
func (r Report) Worst() Status {
	worst := Good
	for _, f := range r {
		switch f.Status {
		case Bad:
			return Bad
		case Warning:
			worst = Warning
		}
	}
	return worst
}

// Count is how many findings have a status.
func (r Report) Count(s Status) (n int) {
	for _, f := range r {
		if f.Status == s {
			n++
		}
	}
	return n
}
