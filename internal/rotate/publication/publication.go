// Package publication publishes the records of keys that are in the tables, where there
// are none yet, and tries out whether a publisher can.
package publication

import (
	"context"
	"crypto"
	"fmt"
	"strings"
	"sync"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/problem"
	"dojang/internal/publish"
	"dojang/internal/rotate/settings"
)

// Work is what publishing needs.
type Work struct {
	Settings *settings.Settings
	Checker  *keycheck.Checker
	// Open makes a publisher of rotate.conf's.
	Open func(publish.Spec) (publish.Publisher, error)
	// Now is the clock, default time.Now.
	Now func() time.Time
}

func (w *Work) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// Key is a key of a table.
type Key struct {
	Row      string // of the KeyTable, "" where there is none
	Domain   string
	Selector string
	Public   crypto.PublicKey
}

// State is what became of a key's record.
type State string

// The states of an Entry.
const (
	Published State = "published" // every server has it
	Due       State = "due"       // it is to be published
	Waiting   State = "waiting"   // it was asked for; servers or people take their time
	Blocked   State = "blocked"   // see Reason
)

// Reason is the word for why an Entry is blocked or waiting; those of keycheck's
// Publication and these.
type Reason string

// The words of Entry.Reason.
const (
	NoPublisher   Reason = "no-publisher" // no Zone of rotate.conf fits
	Conflict      Reason = Reason(keycheck.Conflict)
	ServerDiffers Reason = Reason(keycheck.ServerDiffers)
	ServerSilent  Reason = Reason(keycheck.ServerSilent)
	AliasMissing  Reason = Reason(keycheck.AliasMissing)
	NotPublished  Reason = Reason(keycheck.NotPublished)
	Refused       Reason = "refused"
	Again         Reason = "again"   // the publisher wants to be asked again
	Unknown       Reason = "unknown" // it gave no answer: the change may have been made
	BadKey        Reason = "bad-key"
)

// Entry is a key's record and what became of it.
type Entry struct {
	Row       string `json:"row,omitempty"`
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Record    string `json:"record"` // where the record stands, at the end of aliases
	Zone      string `json:"zone,omitempty"`
	Publisher string `json:"publisher,omitempty"`
	Text      string `json:"text,omitempty"`
	State     State  `json:"state"`
	Reason    Reason `json:"reason,omitempty"`
	Detail    string `json:"detail,omitempty"`
	// Has and Servers are how many servers have the record, and of how many.
	Has     int `json:"servers_with_it"`
	Servers int `json:"servers"`

	check keycheck.Check
}

func (e *Entry) block(r Reason, format string, args ...any) {
	e.State, e.Reason, e.Detail = Blocked, r, fmt.Sprintf(format, args...)
}

// atOnce is how many keys are checked at the same time.
const atOnce = 8

// Plan finds out for each key whether its record is to be published. It asks
// authoritative servers, and changes nothing. A record's name stands once in it.
func (w *Work) Plan(ctx context.Context, keys []Key) []Entry {
	var list []Entry
	seen := map[string]bool{}
	for _, k := range keys {
		e := w.entry(k)
		if !seen[e.Record] {
			seen[e.Record] = true
			list = append(list, e)
		}
	}
	each(list, func(e *Entry) {
		if e.State == "" {
			w.look(ctx, e)
		}
	})
	return list
}

// each calls f with every entry, some at the same time.
func each(list []Entry, f func(*Entry)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range list {
		slots <- struct{}{}
		all.Go(func() {
			f(&list[i])
			<-slots
		})
	}
	all.Wait()
}

// entry is what rotate.conf says about a key.
func (w *Work) entry(k Key) Entry {
	e := Entry{Row: k.Row, Domain: k.Domain, Selector: k.Selector, Record: (settings.Zone{}).RecordName(k.Selector, k.Domain)}
	keyType, data, err := keyrecord.PublicKey(k.Public)
	if err != nil {
		e.block(BadKey, "%s", err)
		return e
	}
	e.Text = keyrecord.Record{KeyType: keyType, PublicKey: data, Hashes: "sha256"}.Text()
	e.check = keycheck.Check{Domain: k.Domain, Selector: k.Selector, Key: k.Public, IgnoreServers: w.Settings.IgnoreServers}
	rule, ok := w.Settings.ZoneOf(k.Domain)
	if !ok {
		e.block(NoPublisher, "no Zone of %s fits %s", w.Settings.Path, k.Domain)
		return e
	}
	e.Publisher = rule.Publisher
	if rule.CNAME != "" {
		e.check.Alias = rule.RecordName(k.Selector, k.Domain)
		e.Record = e.check.Alias
	}
	return e
}

// look asks the servers about a record that may be due.
func (w *Work) look(ctx context.Context, e *Entry) {
	check := e.check
	report := w.Checker.Check(ctx, check)
	missing := ""
	if report.Publication == keycheck.AliasMissing {
		// The record can be published before the alias to it; both are needed.
		missing = fmt.Sprintf("%s must be an alias (CNAME) of %s", report.Record, check.Alias)
		check.Domain, check.Alias = check.Alias[len(check.Selector)+len("._domainkey."):], ""
		report = w.Checker.Check(ctx, check)
	}
	e.judge(report)
	if len(report.Aliases) > 0 && missing == "" {
		e.Record, _ = report.Place()
	}
	switch {
	case missing == "":
	case e.State == Published:
		e.State, e.Reason, e.Detail = Waiting, AliasMissing, missing
	case e.State == Due:
		e.Detail = missing
	}
}

// judge says what a check means.
func (e *Entry) judge(r *keycheck.Report) {
	_, e.Zone = r.Place()
	count := map[keycheck.State]int{}
	var silent, without []string
	for _, s := range r.Servers {
		if s.Ignored {
			continue
		}
		if s.State == keycheck.Differs && r.Wildcard() {
			s.State = keycheck.Missing
		}
		count[s.State]++
		switch s.State {
		case keycheck.NoAnswer:
			silent = append(silent, s.String())
		case keycheck.Missing:
			without = append(without, s.String())
		case keycheck.Same, keycheck.Differs:
		}
	}
	e.Has, e.Servers = count[keycheck.Same], count[keycheck.Same]+count[keycheck.Differs]+count[keycheck.Missing]+count[keycheck.NoAnswer]
	switch {
	case e.Zone == "" || e.Servers == count[keycheck.NoAnswer]:
		e.block(ServerSilent, "no authoritative name server answers: %s", strings.Join(silent, ", "))
	case count[keycheck.Differs] > 0:
		e.block(Conflict, "another record stands there: %s", problem.Quote(textOf(r)))
	case r.Publication == keycheck.Published:
		e.State, e.Reason, e.Detail = Published, "", ""
	case count[keycheck.Same] == 0:
		e.State, e.Reason = Due, NotPublished
	case count[keycheck.Missing] > 0:
		e.State, e.Reason, e.Detail = Waiting, ServerDiffers, "not yet there: "+strings.Join(without, ", ")
	case len(silent) > 0:
		e.State, e.Reason, e.Detail = Waiting, ServerSilent, "no answer: "+strings.Join(silent, ", ")
	default:
		e.State, e.Reason, e.Detail = Waiting, Reason(r.Publication), "the zone is signed and the record is not, or not rightly"
	}
}

func textOf(r *keycheck.Report) string {
	for _, s := range r.Servers {
		if s.State == keycheck.Differs && len(s.Texts) > 0 {
			return s.Texts[0].Text
		}
		if s.Alias != "" {
			return "CNAME " + s.Alias
		}
	}
	return ""
}

// Publish asks for what is Due, and looks at the servers again for what was done.
func (w *Work) Publish(ctx context.Context, list []Entry) {
	type place struct{ publisher, zone string }
	due, order := map[place][]*Entry{}, []place{}
	for i := range list {
		if e := &list[i]; e.State == Due {
			at := place{e.Publisher, e.Zone}
			if due[at] == nil {
				order = append(order, at)
			}
			due[at] = append(due[at], e)
		}
	}
	for _, at := range order {
		w.apply(ctx, at.publisher, at.zone, due[at])
	}
	each(list, func(e *Entry) {
		if e.State == Due { // and done
			w.prove(ctx, e)
		}
	})
}

// apply asks one publisher for the records of one zone. What was done stays Due.
func (w *Work) apply(ctx context.Context, name, zone string, due []*Entry) {
	p, _ := w.Settings.Publisher(name)
	publisher, err := w.Open(p.Spec)
	if err != nil {
		for _, e := range due {
			e.block(Refused, "%s", err)
		}
		return
	}
	byName := map[string]*Entry{}
	batch := publish.Batch{Zone: zone}
	for _, e := range due {
		byName[e.Record] = e
		batch.Changes = append(batch.Changes, publish.Present(e.Record, e.Text, w.Settings.TTL))
	}
	results, err := publisher.Apply(ctx, batch)
	for _, r := range results {
		e := byName[r.Name]
		delete(byName, r.Name)
		switch r.State {
		case publish.Done:
		case publish.Pending:
			e.State, e.Reason, e.Detail = Waiting, NotPublished, r.Detail
		case publish.Retry:
			e.State, e.Reason, e.Detail = Waiting, Again, r.Detail
		case publish.Refused:
			e.block(Refused, "%s", r.Detail)
		case publish.Conflict:
			e.block(Conflict, "%s", r.Detail)
		}
	}
	for _, e := range byName {
		e.State, e.Reason, e.Detail = Waiting, Unknown, fmt.Sprint(err)
	}
}

// prove looks whether the servers have what a publisher says it did.
func (w *Work) prove(ctx context.Context, e *Entry) {
	w.look(ctx, e)
	if e.State == Due {
		e.State, e.Reason = Waiting, NotPublished
		if e.Detail == "" {
			e.Detail = "no name server has it yet"
		}
	}
}
