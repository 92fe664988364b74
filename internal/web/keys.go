package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/privilege"
	"dojang/internal/status"
)

// What DNS says of a key of the filter.
const (
	dnsPublished = "published"
	dnsAbsent    = "absent"
	dnsDiffers   = "differs"
	dnsUnknown   = "unknown" // nobody answered, or it was not asked yet
)

// dnsState is what DNS said of a key, and when.
type dnsState struct {
	state string
	at    time.Time
}

const (
	keyRefresh    = 6 * time.Hour
	keyRetry      = 5 * time.Minute // of what is not published yet
	keyAgain      = 5 * time.Second // where somebody wants to know it anew
	keysAtOnce    = 8
	maxKeyStates  = 100_000
	keyPageWait   = 300 * time.Millisecond // for states that are not known yet
	keysBackstage = 1000                   // keys that are asked for in the background
)

// keyStates knows what DNS says of the filter's keys. Each is asked for every six hours.
type keyStates struct {
	checker *keycheck.Checker
	now     func() time.Time
	places  chan struct{}

	mu     sync.Mutex
	states map[string]dnsState
	asking map[string]chan struct{}
}

func newKeyStates(c *keycheck.Checker, now func() time.Time) *keyStates {
	return &keyStates{checker: c, now: now, places: make(chan struct{}, keysAtOnce), states: map[string]dnsState{},
		asking: map[string]chan struct{}{}}
}

// run asks for all keys every six hours, until ctx ends.
func (k *keyStates) run(ctx context.Context, filter *status.Client) {
	if filter == nil {
		return
	}
	for {
		if keys, err := filter.Keys(ctx, "", "", keysBackstage); err == nil {
			for _, key := range keys {
				if done := k.refresh(ctx, key, false); done != nil {
					select {
					case <-done:
					case <-ctx.Done():
						return
					}
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keyRetry):
		}
	}
}

// refresh asks for a key whose state is old, and tells when it is known; nil: it is. With
// again a state is old after seconds.
func (k *keyStates) refresh(ctx context.Context, key status.Key, again bool) chan struct{} {
	if key.Domain == "" || key.Selector == "" || key.Domain == "%" {
		return nil
	}
	name := strings.ToLower(key.RecordName())
	k.mu.Lock()
	defer k.mu.Unlock()
	s, known := k.states[name]
	age := k.now().Sub(s.at)
	most := keyRefresh
	switch {
	case again:
		most = keyAgain
	case s.state != dnsPublished:
		most = keyRetry
	}
	if known && age < most {
		return nil
	}
	if done := k.asking[name]; done != nil {
		return done
	}
	if len(k.states) >= maxKeyStates {
		clear(k.states)
	}
	done := make(chan struct{})
	k.asking[name] = done
	go k.ask(context.WithoutCancel(ctx), key, name, done)
	return done
}

func (k *keyStates) ask(ctx context.Context, key status.Key, name string, done chan struct{}) {
	k.places <- struct{}{}
	r := k.checker.Check(ctx, keycheck.Check{Domain: key.Domain, Selector: key.Selector, Key: publicKey(key.Record)})
	<-k.places
	k.put(name, r)
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.asking, name)
	close(done)
}

// put remembers a report.
func (k *keyStates) put(name string, r *keycheck.Report) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.states[name] = dnsState{stateOf(r), r.CheckedAt}
}

// stateOf is the one word for a report. What not every server has is not published yet.
func stateOf(r *keycheck.Report) string {
	mismatch := slices.ContainsFunc(r.Faults, func(f keyrecord.Fault) bool {
		return f.Fatal && f.Code != keyrecord.FaultLookup && f.Code != keyrecord.FaultAbsent
	})
	switch {
	case r.Lookup == keycheck.Absent:
		return dnsAbsent
	case r.Lookup != keycheck.Found:
		return dnsUnknown
	case r.Publication == keycheck.Conflict, r.Publication == keycheck.ServerDiffers, mismatch:
		return dnsDiffers
	}
	return dnsPublished
}

func (k *keyStates) get(name string) dnsState {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.states[name]; ok {
		return s
	}
	return dnsState{state: dnsUnknown}
}

// settle waits a little for the states of keys that are to be shown.
func (k *keyStates) settle(ctx context.Context, keys []status.Key, again bool) {
	end := time.NewTimer(keyPageWait)
	defer end.Stop()
	for _, key := range keys {
		done := k.refresh(ctx, key, again)
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-end.C:
			for _, key := range keys { // those that follow are asked for as well
				k.refresh(ctx, key, again)
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

// keyRow is a key with what DNS and the rotation say of it.
type keyRow struct {
	status.Key
	DNS       string     `json:"dns"` // published, absent, differs or unknown
	CheckedAt *time.Time `json:"dns_checked_at"`
	Since     *time.Time `json:"since"`      // the earliest time that is known of it
	SinceBy   string     `json:"since_from"` // file, signed or selector: what tells so
	State     string     `json:"state,omitempty"`
	Next      string     `json:"next,omitempty"`
	NextAt    *time.Time `json:"next_at,omitempty"`
}

// summaryKey is a key in the rotation's summary.
type summaryKey struct {
	Domain   string     `json:"domain"`
	Selector string     `json:"selector"`
	State    string     `json:"state"`
	Next     string     `json:"next"`
	NextAt   *time.Time `json:"next_at"`
}

// maxSummary bounds the rotation's summary, of 2,000 keys at most.
const maxSummary = 8 << 20

// rotation reads the rotation's summary; nil without one.
func (s *Server) rotation() map[string]summaryKey {
	if s.o.Rotation == "" {
		return nil
	}
	f, err := privilege.OpenAsIs(s.o.Rotation)
	if err != nil {
		return nil
	}
	defer f.Close()
	var summary struct {
		Keys []summaryKey `json:"keys"`
	}
	if json.NewDecoder(io.LimitReader(f, maxSummary)).Decode(&summary) != nil {
		return nil
	}
	keys := map[string]summaryKey{}
	for _, k := range summary.Keys {
		keys[strings.ToLower(k.Selector+"._domainkey."+k.Domain)] = k
	}
	return keys
}

// selectorDate is a year, and perhaps month and day, in a selector.
var selectorDate = regexp.MustCompile(`(?:^|[^0-9])(20[0-4][0-9])(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12][0-9]|3[01]))?)?(?:$|[^0-9])`)

// since is the earliest time that is known of a key, and what tells so.
func since(k status.Key, now time.Time) (at *time.Time, by string) {
	earlier := func(t time.Time, name string) {
		if !t.IsZero() && !t.After(now) && (at == nil || t.Before(*at)) {
			at, by = &t, name
		}
	}
	if k.Modified != nil {
		earlier(*k.Modified, "file")
	}
	if k.FirstSeen != nil {
		earlier(*k.FirstSeen, "signed")
	}
	if m := selectorDate.FindStringSubmatch(k.Selector); m != nil {
		text := m[1] + "1231"
		switch {
		case m[3] != "":
			text = m[1] + m[2] + m[3]
		case m[2] != "":
			text = m[1] + m[2] + "28"
		}
		if t, err := time.ParseInLocation("20060102", text, now.Location()); err == nil {
			earlier(t, "selector")
		}
	}
	return at, by
}

// keyRows adds what is known to keys.
func (s *Server) keyRows(keys []status.Key) []keyRow {
	rotation := s.rotation()
	now := s.o.Now()
	rows := make([]keyRow, 0, len(keys))
	for _, k := range keys {
		row := keyRow{Key: k, DNS: dnsUnknown}
		if d := s.keys.get(strings.ToLower(k.RecordName())); !d.at.IsZero() {
			row.DNS, row.CheckedAt = d.state, &d.at
		}
		row.Since, row.SinceBy = since(k, now)
		if r, ok := rotation[strings.ToLower(k.RecordName())]; ok {
			row.State, row.Next, row.NextAt = r.State, r.Next, r.NextAt
		}
		rows = append(rows, row)
	}
	return rows
}

const (
	keysAPage   = 40 // that a page has room for
	keysDefault = 100
)

// keyStateNames are the names that /keys?state= takes: what DNS says of a key, what the filter
// does with it, or that it wants attention.
var keyStateNames = []string{"attention", dnsPublished, dnsAbsent, dnsDiffers, dnsUnknown, keyUsed, keyUnused}

const keyUsed, keyUnused = "used", "unused"

// hasState reports whether a key is in a state of keyStateNames.
func (q *request) hasState(k keyRow, state string) bool {
	if state == "attention" {
		m, _, _ := q.advice(k)
		return m == bad || m == warning
	}
	return k.DNS == state || k.Use == state
}

// findKeys are at most n keys of a domain and a state, if they are asked for, and the name
// behind which others follow; ok is false when that is answered.
func (q *request) findKeys(n int) (rows []keyRow, next string, ok bool) {
	v := q.r.URL.Query()
	state := v.Get("state")
	if state != "" && !slices.Contains(keyStateNames, state) {
		q.fail(http.StatusBadRequest, q.lang.Sayf("state is one of %s.", "state는 다음 중 하나입니다: %s", strings.Join(keyStateNames, ", ")))
		return nil, "", false
	}
	most := min(n+1, keysBackstage)
	if state != "" {
		most = keysBackstage
	}
	var keys []status.Key
	if !q.filter(func(ctx context.Context, c *status.Client) (err error) {
		keys, err = c.Keys(ctx, keyrecord.Canonical(strings.TrimSpace(v.Get("domain"))), v.Get("after"), most)
		return err
	}) {
		return nil, "", false
	}
	q.s.keys.settle(q.r.Context(), keys, v.Has("again"))
	rows = q.s.keyRows(keys)
	if state != "" {
		if len(keys) == keysBackstage {
			next = keys[len(keys)-1].RecordName()
		}
		rows = slices.DeleteFunc(rows, func(k keyRow) bool { return !q.hasState(k, state) })
	}
	if len(rows) > n {
		rows = rows[:n]
		next = rows[n-1].RecordName()
	}
	return rows, next, true
}

func (s *Server) keysAPI(q *request) {
	n, ok := q.parameter("n", keysDefault, keysBackstage)
	if !ok {
		return
	}
	if rows, _, ok := q.findKeys(n); ok {
		q.json(rows)
	}
}

func (s *Server) keysPage(q *request) {
	if q.api {
		s.keysAPI(q)
		return
	}
	if rows, next, ok := q.findKeys(keysAPage); ok {
		q.page(http.StatusOK, q.lang.Say("Which keys are in use, and which are old?", "어떤 키를 쓰고 있고, 어떤 키가 오래되었나요?"), "",
			q.keyPage(rows, next))
	}
}
