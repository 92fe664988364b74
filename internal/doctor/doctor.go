// Package doctor looks at a mail server the way an experienced colleague would:
// the filter's sockets and keys, Postfix's settings, the clock, a message through
// the running filter. Each check says what is wrong and what to type.
package doctor

import "fmt"

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
	Check  string `json:"check"` // configuration, key, socket, postfix, dns, clock, message
	Status Status `json:"status"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what to type, or where to look
}

// Report is every finding, in the order of the checks.
type Report []Finding

// Add appends a finding; its text is formatted.
func (r *Report) Add(check string, s Status, remedy, format string, args ...any) {
	*r = append(*r, Finding{check, s, fmt.Sprintf(format, args...), remedy})
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
