// Package policy decides: whether a message is signed, by which keys, or
// verified, or left alone (Plan), and what is done with the verdict (Outcome).
//
// Decisions are values. Plan and Outcome read facts, rules and tables, and
// return plain values; they have no socket, clock or log of their own. Package
// message asks for them, for the daemon and the tools alike.
package policy

import (
	"net/netip"
	"strconv"
	"strings"

	"dojang/header"
	"dojang/internal/event"
)

// Facts are what is known of a message when its header is complete. Nothing in
// them is decided.
type Facts struct {
	JobID      string     // the MTA's queue identifier, macro i
	ClientName string     // as the MTA resolved it
	ClientAddr netip.Addr // 127.0.0.1 for UNIX-domain and unknown clients
	Sender     string     // envelope sender without angle brackets
	Recipients []string   // envelope recipients without angle brackets
	Fields     *header.List
	// Macro returns an MTA macro by its name without braces, "" when it was not
	// sent.
	Macro func(name string) string
	// HeaderOverflow names the field with which the header block grew above
	// MaximumHeaders, HeaderLimit octets; Fields is cut off before it. "" when it did
	// not.
	HeaderOverflow string
	HeaderLimit    int
	// SignOnly and VerifyOnly narrow Mode for the socket the message came by.
	SignOnly, VerifyOnly bool
}

func (f *Facts) macro(name string) string {
	if f.Macro == nil {
		return ""
	}
	return f.Macro(name)
}

// Action is what the MTA is told to do with a message.
type Action uint8

// The actions of the On-* options. Quarantine delivers into the MTA's hold
// queue.
const (
	Continue Action = iota
	Accept
	Discard
	Quarantine
	Reject
	TempFail
)

func (a Action) String() string {
	return [...]string{"continue", "accept", "discard", "quarantine", "reject", "tempfail"}[a]
}

// ParseAction reads a value of an On-* option: a word or its first letter.
func ParseAction(s string) (Action, bool) {
	for _, a := range []Action{Accept, Discard, Quarantine, Reject, TempFail} {
		if strings.EqualFold(s, a.String()) || strings.EqualFold(s, a.String()[:1]) {
			return a, true
		}
	}
	return 0, false
}

// Reply is an answer to the MTA. Code is 0 and Status empty when the MTA's own
// words do.
type Reply struct {
	Action Action
	Code   int    // 550
	Status string // "5.7.0" (RFC 3463)
	Text   string
}

// String is the reply in a line: "reject 550 5.7.0 no".
func (r Reply) String() string {
	line := r.Action.String()
	if r.Code != 0 {
		line += " " + strconv.Itoa(r.Code)
	}
	for _, word := range []string{r.Status, r.Text} {
		if word != "" {
			line += " " + word
		}
	}
	return line
}

// Note is a log event and the option without which it is not told.
type Note struct {
	Event   event.Event
	Why     bool // LogWhy
	Success bool // SyslogSuccess
	Results bool // LogResults
	Once    bool // told once a process: it is about the MTA, not about the message
}
