// Package publish changes key records where a zone is served: by RFC 2136 updates,
// the API of PowerDNS, a program of the administrator's, or a person who is told what
// to do. What a Publisher answers is its word alone; whether a record is published,
// only the name servers tell.
package publish

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/miekg/dns"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// Do says what a Change wants. The words are those of the hook, version 1.
type Do string

// What can be wanted of a name.
const (
	DoPresent Do = "present" // the record, where no TXT record and no alias stands
	DoReplace Do = "replace" // the record, in place of one whose value is known
	DoAbsent  Do = "absent"  // no record, where one stands whose value is known
)

// typeTXT is the type of every record that is changed here, and ifAbsent the
// condition of every DoPresent.
const (
	typeTXT  = "TXT"
	ifAbsent = "absent"
)

// A Change is one record set at one name, and the condition under which it may be
// touched. It is written in JSON as the hook, version 1, wants it.
type Change struct {
	Do         Do       `json:"do"`
	Name       string   `json:"name"` // absolute, without the final dot, lower case
	Type       string   `json:"type"` // TypeTXT
	TTLSeconds int      `json:"ttl_seconds,omitempty"`
	Text       string   `json:"text,omitempty"`       // the value: Strings joined, nothing quoted
	Strings    []string `json:"strings,omitempty"`    // of at most 255 octets each
	If         string   `json:"if,omitempty"`         // IfAbsent, with DoPresent
	IfStrings  []string `json:"if_strings,omitempty"` // what stands there now, with DoReplace and DoAbsent
}

// Present is the Change that puts a record where none is. The name is written as DNS
// has it: lower case, A-labels, no final dot. TTL is cut to whole seconds.
func Present(name, text string, ttl time.Duration) Change {
	return Change{Do: DoPresent, Name: keyrecord.Canonical(name), Type: typeTXT, TTLSeconds: int(ttl / time.Second),
		Text: text, Strings: split(text), If: ifAbsent}
}

// Replace is the Change that puts a record in the place of one whose strings are was.
func Replace(name, text string, ttl time.Duration, was []string) Change {
	return Change{Do: DoReplace, Name: keyrecord.Canonical(name), Type: typeTXT, TTLSeconds: int(ttl / time.Second),
		Text: text, Strings: split(text), IfStrings: was}
}

// Absent is the Change that takes away a record whose strings are was.
func Absent(name string, was []string) Change {
	return Change{Do: DoAbsent, Name: keyrecord.Canonical(name), Type: typeTXT, IfStrings: was}
}

func split(text string) []string { return keyrecord.Split(text, maxStringBytes) }

// Limits of one Change (RFC 1035 §3.3.14, §2.3.4) and of one Batch.
const (
	maxStringBytes  = 255
	maxTextBytes    = 16 << 10 // a 16,384-bit RSA key takes 2,800
	maxBatchChanges = 10000
	maxTTLSeconds   = 1<<31 - 1 // RFC 2181 §8
)

// A Batch is changes of one zone that are asked for together.
type Batch struct {
	Zone    string   `json:"zone"` // without the final dot
	Changes []Change `json:"changes"`
}

// State is what became of a Change.
type State string

// What can become of a Change.
const (
	Done     State = "done"     // what was wanted stands there, by this Change or before
	Pending  State = "pending"  // somebody was told; it will take its time
	Retry    State = "retry"    // nothing was changed: ask again
	Refused  State = "refused"  // credentials, rights or settings are wrong: nothing was changed, nor will it be
	Conflict State = "conflict" // something else stands there: nothing was changed
)

func (s State) known() bool {
	switch s {
	case Done, Pending, Retry, Refused, Conflict:
		return true
	}
	return false
}

// Result is what became of the Change at a name.
type Result struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"` // why, in words; fit for a terminal and a log
	// RetryAfterSeconds is when to ask again, with Retry and Pending; 0 when nobody said.
	RetryAfterSeconds int `json:"retry_after_seconds,omitempty"`
}

// A Publisher asks whoever serves a zone for changes.
type Publisher interface {
	// Apply asks for the changes of a batch, in which each name stands once, and returns
	// what became of them in the batch's order. A name that is missing there is unknown:
	// the change may have been made, or not, and err says why nobody can tell. Apply may
	// be repeated: a change that has been made before is Done. It is not safe for several
	// goroutines at once.
	Apply(ctx context.Context, b Batch) ([]Result, error)
}

// Check finds what is wrong with a batch, which is a mistake of the program that made it.
func (b Batch) Check() error {
	zone := keyrecord.Canonical(b.Zone)
	if err := keyrecord.CheckName("zone", zone); err != nil {
		return err
	}
	if len(b.Changes) > maxBatchChanges {
		return fmt.Errorf("%d changes in a batch: at most %d", len(b.Changes), maxBatchChanges)
	}
	seen := make(map[string]bool, len(b.Changes))
	for _, c := range b.Changes {
		switch {
		case !dns.IsSubDomain(zone+".", c.Name+"."):
			return fmt.Errorf("%s is not in the zone %s", problem.Quote(c.Name), zone)
		case seen[c.Name]:
			return fmt.Errorf("%s stands twice in a batch", problem.Quote(c.Name))
		}
		seen[c.Name] = true
		if err := c.check(); err != nil {
			return fmt.Errorf("%s: %w", problem.Quote(c.Name), err)
		}
	}
	return nil
}

func (c Change) check() error {
	if err := keyrecord.CheckName("name", c.Name); err != nil {
		return err
	}
	switch {
	case c.Name != keyrecord.Canonical(c.Name):
		return fmt.Errorf("write it as %q", keyrecord.Canonical(c.Name))
	case c.Type != typeTXT:
		return fmt.Errorf("type %s: only %s records are changed", problem.Quote(c.Type), typeTXT)
	case c.Do != DoPresent && c.Do != DoReplace && c.Do != DoAbsent:
		return fmt.Errorf("do %s is unknown", problem.Quote(string(c.Do)))
	case (c.Do == DoPresent) != (c.If == ifAbsent) || c.Do == DoPresent && c.IfStrings != nil:
		return fmt.Errorf("the condition does not belong to %q", c.Do)
	case c.Do != DoPresent && len(c.IfStrings) == 0:
		return fmt.Errorf("%q needs the strings that stand there", c.Do)
	case c.Do == DoAbsent && (c.Text != "" || c.Strings != nil):
		return fmt.Errorf("%q has no text", c.Do)
	case c.Do != DoAbsent && c.Text == "":
		return fmt.Errorf("%q needs a text", c.Do)
	case c.Text != strings.Join(c.Strings, ""):
		return fmt.Errorf("the text is not its strings joined")
	case c.TTLSeconds < 0 || c.TTLSeconds > maxTTLSeconds:
		return fmt.Errorf("a TTL of %d seconds", c.TTLSeconds)
	}
	return checkStrings(append(c.Strings, c.IfStrings...))
}

func checkStrings(all []string) error {
	total := 0
	for _, s := range all {
		total += len(s)
		// JSON, which the hook is asked in, has no other text.
		if len(s) > maxStringBytes || !utf8.ValidString(s) {
			return fmt.Errorf("%s: a string has at most %d octets of UTF-8", problem.Quote(s), maxStringBytes)
		}
	}
	if total > 2*maxTextBytes {
		return fmt.Errorf("%d octets of text", total)
	}
	return nil
}

// standing is what stands at a name.
type standing struct {
	records [][]string // TXT records, each as its strings
	alias   string     // where a CNAME leads, or ""
}

// judge compares what stands at a name with what is wanted. With due the change is
// to be made, and may be; otherwise the Result is its end.
func (c Change) judge(at standing) (end Result, due bool) {
	switch {
	case at.alias != "" && c.Do != DoAbsent:
		return c.ended(Conflict, "an alias (CNAME) of "+problem.Quote(at.alias)+" stands there"), false
	case len(at.records) == 0:
		switch c.Do {
		case DoPresent:
			return Result{}, true
		case DoReplace:
			return c.ended(Conflict, "no record stands there any more"), false
		case DoAbsent:
			return c.ended(Done, "no record stands there"), false
		}
	case len(at.records) > 1:
		return c.ended(Conflict, fmt.Sprintf("%d TXT records stand there", len(at.records))), false
	}
	text := strings.Join(at.records[0], "")
	switch {
	case c.Do != DoAbsent && text == c.Text:
		return c.ended(Done, "it stands there already"), false
	case c.Do != DoPresent && text == strings.Join(c.IfStrings, ""):
		return Result{}, true
	}
	return c.ended(Conflict, "another record stands there: "+problem.Quote(text)), false
}

func (c Change) ended(s State, detail string) Result {
	return Result{Name: c.Name, State: s, Detail: detail}
}

// outcome collects the results of a batch.
type outcome map[string]Result

func (o outcome) set(r Result) { o[r.Name] = r }

func (o outcome) setAll(changes []Change, s State, detail string) {
	for _, c := range changes {
		o.set(c.ended(s, detail))
	}
}

// list returns the results in the order of the changes.
func (o outcome) list(changes []Change) []Result {
	list := make([]Result, 0, len(o))
	for _, c := range changes {
		if r, known := o[c.Name]; known {
			list = append(list, r)
		}
	}
	return list
}

// vet makes of results that another program gave for a batch those that can be: in the
// batch's order, of names that are in it and stand once, with details that are fit for a
// terminal. The error says what could not be, or that some are missing.
func vet(b Batch, results []Result) ([]Result, error) {
	known, wanted := outcome{}, map[string]bool{}
	for _, c := range b.Changes {
		wanted[c.Name] = true
	}
	var err error
	for _, r := range results {
		r.Name = keyrecord.Canonical(r.Name)
		if _, twice := known[r.Name]; !wanted[r.Name] || twice || !r.State.known() {
			err = fmt.Errorf("a result that cannot be: %s %s", problem.Quote(r.Name), problem.Quote(string(r.State)))
			delete(known, r.Name)
			wanted[r.Name] = false
			continue
		}
		r.Detail = printable(r.Detail)
		r.RetryAfterSeconds = min(max(r.RetryAfterSeconds, 0), maxTTLSeconds)
		known.set(r)
	}
	if err == nil && len(known) < len(b.Changes) {
		err = fmt.Errorf("no result for %d of %d changes", len(b.Changes)-len(known), len(b.Changes))
	}
	return known.list(b.Changes), err
}

// maxDetailBytes of a detail are kept.
const maxDetailBytes = 1024

// printable is text from outside for a terminal: what is no printable character is
// escaped, and what is too long is cut.
func printable(s string) string {
	if len(s) > maxDetailBytes {
		s = strings.ToValidUTF8(s[:maxDetailBytes], "") + "..."
	}
	quoted := strconv.Quote(s)
	quoted = quoted[1 : len(quoted)-1]
	if strings.ReplaceAll(quoted, `\"`, `"`) == s {
		return s
	}
	return quoted
}
