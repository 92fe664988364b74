// Package status remembers what the filter decided of late: a ring of messages,
// counts by signing domain, by reason and over time, and the last use of each
// key. It answers GET on a socket of its own (Handler) and keeps what it knows
// over a restart (File). Everything in it is bounded.
package status

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds. Those of Options are the administrator's.
const (
	// defaultMessages and defaultDomains hold about 2 MB together.
	defaultMessages = 2000
	defaultDomains  = 200
	maxMessages     = 1_000_000
	maxKeys         = 1 << 20 // of which last uses are remembered
	maxReasons      = 64      // a closed list in policy; a bound all the same
	maxTextBytes    = 256     // of each text in a row
	maxEvents       = 16      // of a row
	maxSignatures   = 16      // of a row
)

// Options of a Recorder. The zero value remembers defaultMessages and
// defaultDomains, and no address.
type Options struct {
	Messages  int  // rows of the ring (StatusMessages); below 0: none
	Domains   int  // signing domains with counts of their own (StatusDomains); below 0: none
	Addresses bool // remember author, client and strangers' domains (StatusAddresses)
}

// Result is what became of a message, as far as signatures go.
type Result string

// The results. A message has one.
const (
	Signed   Result = "signed"   // we signed it
	Unsigned Result = "unsigned" // its author's domain is one of ours, and nobody signed it
	Pass     Result = "pass"     // verified: the deciding signature holds
	Fail     Result = "fail"     // verified: it does not
	None     Result = "none"     // a stranger's, without a signature
)

// Message is one decided message: a row of the ring.
type Message struct {
	Time          time.Time   `json:"time"`
	QueueID       string      `json:"queue_id"`
	Domain        string      `json:"domain,omitempty"` // the author's; of strangers with StatusAddresses only
	Result        Result      `json:"result"`
	Reason        string      `json:"reason,omitempty"` // why it left unsigned: an event's name
	Answer        string      `json:"answer"`           // what the MTA was told
	Internal      bool        `json:"internal"`
	Authenticated bool        `json:"authenticated"`
	Events        []string    `json:"events"` // by their names in the log, in order
	Signatures    []Signature `json:"signatures,omitempty"`
	TookSeconds   float64     `json:"took_seconds"`
	// With StatusAddresses only.
	Author     string `json:"author,omitempty"`
	Client     string `json:"client,omitempty"`
	Recipients int    `json:"recipients,omitempty"`
}

// Signature is a signature that was added.
type Signature struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"-"` // its name in the KeyTable
}

// Recorder remembers messages. Its methods may be called by many at once. It
// outlives a reload.
type Recorder struct {
	now func() time.Time

	mu       sync.Mutex
	o        Options
	rows     []Message // a ring: the oldest is at next once it is full
	next     int
	all      series
	domains  map[string]*domain
	other    *domain // of signing domains beyond Options.Domains
	reasons  map[string]*window
	keys     map[keyName]*keyUse
	unlisted time.Time // a key that is not in keys may have signed until then
	started  time.Time
	changes  uint64
	totals   totals
	clean    bool          // the next save is the last of this process
	interval time.Duration // between saves
}

// New returns an empty Recorder. now is the clock.
func New(o Options, now func() time.Time) *Recorder {
	r := &Recorder{now: now, started: now(), other: new(domain), domains: map[string]*domain{},
		reasons: map[string]*window{}, keys: map[keyName]*keyUse{}}
	r.unlisted = r.started
	r.Configure(o)
	return r
}

// Configure sets the options anew, after a reload. Rows and domains that are
// still within them stay.
func (r *Recorder) Configure(o Options) {
	if o.Messages == 0 {
		o.Messages = defaultMessages
	}
	if o.Domains == 0 {
		o.Domains = defaultDomains
	}
	o.Messages, o.Domains = min(max(o.Messages, 0), maxMessages), max(o.Domains, 0)
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.inOrder()
	if len(rows) > o.Messages {
		rows = rows[len(rows)-o.Messages:]
	}
	if !o.Addresses {
		for i := range rows {
			rows[i].Author, rows[i].Client, rows[i].Recipients = "", "", 0
			if _, ours := r.domains[rows[i].Domain]; !ours {
				rows[i].Domain = ""
			}
		}
	}
	r.o, r.rows, r.next = o, slices.Clone(rows), 0
}

// inOrder returns the ring's rows, the oldest first.
func (r *Recorder) inOrder() []Message {
	if len(r.rows) < r.o.Messages || r.next == 0 {
		return r.rows
	}
	return slices.Concat(r.rows[r.next:], r.rows[:r.next])
}

// Record remembers a message. ours says that its author's domain is one that is
// signed for: only such a domain is counted by name.
func (r *Recorder) Record(m Message, ours bool) {
	m.bound()
	now := m.Time.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	r.totals.add(m.Result)
	r.all.add(now, m.Result)
	if ours {
		r.domain(m.Domain).add(&m, now)
		if m.Result == Unsigned {
			r.reason(m.Reason).add(now)
		}
	}
	for _, s := range m.Signatures {
		r.used(s, now)
	}
	if !r.o.Addresses {
		m.Author, m.Client, m.Recipients = "", "", 0
		if !ours {
			m.Domain = ""
		}
	}
	r.put(m)
}

func (r *Recorder) put(m Message) {
	switch {
	case r.o.Messages == 0:
	case len(r.rows) < r.o.Messages:
		r.rows = append(r.rows, m)
	default:
		r.rows[r.next] = m
		r.next = (r.next + 1) % len(r.rows)
	}
}

// bound cuts what strangers write, and keeps nothing of a larger text alive.
func (m *Message) bound() {
	for _, s := range []*string{&m.QueueID, &m.Domain, &m.Author, &m.Client} {
		if len(*s) > maxTextBytes {
			*s = strings.Clone((*s)[:maxTextBytes])
		}
	}
	m.Domain = strings.ToLower(m.Domain)
	m.Events = m.Events[:min(len(m.Events), maxEvents)]
	m.Signatures = m.Signatures[:min(len(m.Signatures), maxSignatures)]
}

// Messages returns the last n rows that match, the latest first. Queue ID and
// domain are compared when they are not "".
func (r *Recorder) Messages(queueID, domain string, result Result, n int) []Message {
	domain = strings.ToLower(domain)
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []Message{}
	for _, m := range slices.Backward(r.inOrder()) {
		if len(found) >= n {
			break
		}
		if (queueID == "" || m.QueueID == queueID) && (domain == "" || m.Domain == domain) && (result == "" || m.Result == result) {
			found = append(found, m)
		}
	}
	return found
}

// Signs reports whether mail of a domain was signed since the counts began, as far
// as it has counts of its own.
func (r *Recorder) Signs(domain string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.domains[domain]
	return d != nil && d.signed > 0
}

// UnsignedByReason returns how many messages of our domains left unsigned, by
// reason, since the Recorder began: for a counter.
func (r *Recorder) UnsignedByReason() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	byReason := make(map[string]uint64, len(r.reasons))
	for reason, w := range r.reasons {
		byReason[reason] = w.total
	}
	return byReason
}

func (r *Recorder) reason(name string) *window {
	if name == "" || len(r.reasons) >= maxReasons && r.reasons[name] == nil {
		name = "other"
	}
	w := r.reasons[name]
	if w == nil {
		w = new(window)
		r.reasons[name] = w
	}
	return w
}
