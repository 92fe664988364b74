package status

import (
	"slices"
	"strings"
	"time"

	"dojang/dkim"
)

// keyName names a key as its record does.
type keyName struct{ domain, selector string }

// domainName is a domain as keys are listed by it, however it is written: in small
// letters and A-labels.
func domainName(domain string) string {
	if name, ok := dkim.ToASCII(domain); ok {
		return name
	}
	return strings.ToLower(domain)
}

// record is the name of the key's record, for order.
func (k keyName) record() string { return k.selector + "._domainkey." + k.domain }

// keyUse is how a key was used.
type keyUse struct {
	window
	row         string // its name in the KeyTable
	first, last int64  // seconds since 1970
}

// used counts a signature. When there are too many keys, the one that was not
// used for the longest time is forgotten, and its last use is remembered for all
// that are not listed.
func (r *Recorder) used(s Signature, now int64) {
	name := keyName{domainName(s.Domain), s.Selector}
	u := r.keys[name]
	if u == nil {
		if len(r.keys) >= maxKeys {
			r.forgetKey()
		}
		u = &keyUse{first: now}
		r.keys[name] = u
	}
	u.add(now)
	u.last, u.row = max(u.last, now), s.Key
}

// Used is a key that was used, by its name in the KeyTable ("" where there is no
// table).
type Used struct{ Domain, Selector, Row string }

// Used lists at most n keys that were used since the start, of a domain unless that
// is "".
func (r *Recorder) Used(domain string, n int) (list []Used) {
	domain = domainName(domain)
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, u := range r.keys {
		if len(list) >= n {
			break
		}
		if domain == "" || domain == name.domain {
			list = append(list, Used{name.domain, name.selector, u.row})
		}
	}
	return list
}

// forgetKey looks at some keys only: it must not cost more than a signature.
func (r *Recorder) forgetKey() {
	const sample = 8
	var oldest keyName
	var last int64
	n := 0
	for name, u := range r.keys {
		if n == 0 || u.last < last {
			oldest, last = name, u.last
		}
		if n++; n == sample {
			break
		}
	}
	delete(r.keys, oldest)
	if forgotten := time.Unix(last+1, 0); forgotten.After(r.unlisted) {
		r.unlisted = forgotten
	}
}

// Key is a signing key: what the tables say of it, and how it is used. Nothing of
// its private half is in it.
type Key struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	// LastSigned is when a message was signed with it last, rounded up to a second;
	// after an unclean end the latest time at which it may have been; null when it
	// never was.
	LastSigned  *time.Time `json:"last_signed"`
	SignedTotal uint64     `json:"signed_total"`
	SignedDay   uint64     `json:"signed_24h"`
	FirstSeen   *time.Time `json:"first_seen,omitempty"`
	Use         string     `json:"use"` // used or unused, since the counts began

	// What the tables say; absent for a key of a table that cannot list its rows.
	Name        string     `json:"name,omitempty"` // of the KeyTable row
	Algorithm   string     `json:"algorithm,omitempty"`
	Bits        int        `json:"bits,omitempty"`
	Record      string     `json:"record,omitempty"`      // what DNS should say
	Fingerprint string     `json:"fingerprint,omitempty"` // SHA-256 of what p= holds, in hex
	Source      string     `json:"source,omitempty"`      // file, inline, wrapped or credential
	Modified    *time.Time `json:"modified,omitempty"`    // of the key file
	Problem     string     `json:"problem,omitempty"`     // why it cannot be used
}

// RecordName is where the key's record stands in DNS.
func (k Key) RecordName() string { return keyName{k.Domain, k.Selector}.record() }

// Keys returns rows with their use, and the keys that were used beside them, in
// order of their records' names: at most n that come after a name, of one domain
// unless that is "".
func (r *Recorder) Keys(rows []Key, domain, after string, n int) []Key {
	domain = domainName(domain)
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Key, 0, len(rows)+len(r.keys))
	seen := make(map[keyName]bool, len(rows))
	add := func(k Key) {
		k.Domain = domainName(k.Domain)
		name := keyName{k.Domain, k.Selector}
		if seen[name] || domain != "" && k.Domain != domain || after != "" && name.record() <= after {
			return
		}
		seen[name] = true
		list = append(list, r.withUse(k, name))
	}
	for _, row := range rows {
		add(row)
	}
	for name := range r.keys {
		add(Key{Domain: name.domain, Selector: name.selector})
	}
	slices.SortFunc(list, func(a, b Key) int { return strings.Compare(a.RecordName(), b.RecordName()) })
	if n > 0 && len(list) > n {
		list = list[:n]
	}
	return list
}

func (r *Recorder) withUse(k Key, name keyName) Key {
	k.Use = "unused"
	u := r.keys[name]
	if u == nil {
		if r.lost() {
			unlisted := roundUp(r.unlisted)
			k.LastSigned = &unlisted
		}
		return k
	}
	last, first := time.Unix(u.last+1, 0).UTC(), time.Unix(u.first, 0).UTC()
	k.LastSigned, k.FirstSeen, k.SignedTotal, k.SignedDay = &last, &first, u.total, u.day(r.now().Unix())
	if u.total > 0 {
		k.Use = "used"
	}
	return k
}

// lost reports whether uses of keys may have been forgotten: nothing was kept
// over the start, or the process before was killed.
func (r *Recorder) lost() bool { return !r.unlisted.IsZero() }

func roundUp(t time.Time) time.Time {
	if up := t.Truncate(time.Second); up.Before(t) {
		return up.Add(time.Second).UTC()
	}
	return t.UTC()
}
