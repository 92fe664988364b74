package cli

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dojang/dkim"
	"dojang/internal/keyrecord"
	"dojang/internal/problem"
	"dojang/internal/resolver"
)

// keyTarget is one key to test: where its record is, and the private key it
// must fit, if there is one.
type keyTarget struct {
	name     string // of the KeyTable row, "" for a single key
	domain   string
	selector string
	source   string // path of the private key or the key itself, "" for none
	place    string // where the row stands
}

// record is the name under which the key is published.
func (t keyTarget) record() string {
	return t.selector + "._domainkey." + t.domain
}

// keyReport is what came of testing one key.
type keyReport struct {
	Name       string            `json:"name,omitempty"` // KeyTable row
	Domain     string            `json:"domain"`
	Selector   string            `json:"selector"`
	Record     string            `json:"record"`                // DNS name
	PrivateKey string            `json:"private_key,omitempty"` // path
	OK         bool              `json:"ok"`
	Problem    string            `json:"problem,omitempty"` // in opendkim-testkey's words
	KeyType    string            `json:"key_type,omitempty"`
	Bits       int               `json:"bits,omitempty"`
	DNSSEC     string            `json:"dnssec"`
	Faults     []keyrecord.Fault `json:"faults,omitempty"`
	Servers    []serverReport    `json:"servers,omitempty"`

	security resolver.Security
	code     int  // exit status of the classic tool for this key alone
	found    bool // the record was found and could be read
	unsafe   bool // others may read the private key
	loaded   bool // the private key was read
}

// fail makes the report that of a failed key; the first problem stays.
func (r *keyReport) fail(code int, format string, args ...any) {
	if r.Problem == "" {
		r.Problem, r.code = fmt.Sprintf(format, args...), code
	}
	r.OK = false
}

func (r *keyReport) fault(code string, fatal bool, hint, format string, args ...any) {
	r.Faults = append(r.Faults, keyrecord.Fault{Code: code, Fatal: fatal, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// keyTester tests keys.
type keyTester struct {
	resolver resolver.Resolver
	dns      *resolver.DNS // nil when records do not come from DNS
	diagnose bool          // look for the causes of what is wrong
	servers  bool          // ask every authoritative server
	others   []keyTarget   // keys among which a wrong one is looked for
}

// test tests one key.
func (k *keyTester) test(ctx context.Context, t keyTarget) keyReport {
	r := keyReport{Name: t.name, Domain: t.domain, Selector: t.selector, Record: t.record(), OK: true}
	private := r.loadPrivate(t)
	if r.code == exOSErr {
		return r
	}
	answer, err := k.resolver.LookupTXT(ctx, r.Record)
	r.security = answer.Security
	record := r.judgeAnswer(answer, err)
	if record != nil && private != nil {
		r.compare(record, private)
	}
	r.DNSSEC = r.security.String()
	if k.diagnose && !r.OK {
		k.findCause(ctx, t, &r, record, private)
	}
	if k.servers && k.dns != nil {
		k.askServers(ctx, &r, answer.Texts, private)
	}
	return r
}

// loadPrivate reads the private key, and returns nil when there is none.
func (r *keyReport) loadPrivate(t keyTarget) crypto.Signer {
	if t.source == "" {
		return nil
	}
	if looksLikePath(t.source) || t.name == "" {
		path := strings.ReplaceAll(t.source, "%", t.domain)
		r.PrivateKey = path
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		if err != nil {
			var pathErr *fs.PathError
			text := err.Error()
			if errors.As(err, &pathErr) {
				text = problem.Strerror(pathErr.Err)
			}
			r.fail(exOSErr, "%s: stat(): %s", path, text)
			r.fault(keyrecord.FaultPrivateKey, true, "correct the path in the KeyTable", "the private key's file cannot be found: %s", path)
			return nil
		}
		r.unsafe = info.Mode().Perm()&0o077 != 0
		if !looksLikePath(path) {
			path = "./" + path
		}
		t.source = path
	}
	key, err := loadKey(t.source, t.domain)
	if err != nil {
		r.fail(exUnavailable, "%v", err)
		r.fault(keyrecord.FaultPrivateKey, true, "", "the private key cannot be read: %v", err)
		return nil
	}
	r.loaded = true
	return key
}

// judgeAnswer turns what DNS said into a key, or tells why there is none.
func (r *keyReport) judgeAnswer(answer resolver.Answer, err error) *dkim.KeyRecord {
	if err != nil {
		r.judgeLookupError(err)
		return nil
	}
	if len(answer.Texts) > 1 {
		r.fail(exUnavailable, "multiple DNS replies for '%s'", r.Record)
		r.Faults = append(r.Faults, keyrecord.Inspect(answer.Texts)...)
		return nil
	}
	faults := keyrecord.Inspect(answer.Texts)
	r.Faults = append(r.Faults, faults...)
	record, parseErr := dkim.ParseKeyRecord(strings.Join(answer.Texts, ""))
	if record != nil {
		r.KeyType, r.Bits = record.Type, record.Bits
	}
	if parseErr != nil {
		r.fail(exUnavailable, "%s", recordProblem(record, parseErr))
		return nil
	}
	r.found = true
	for _, f := range faults {
		if f.Fatal {
			r.fail(exUnavailable, "%s", f.Text)
		}
	}
	return record
}

// judgeLookupError words a failed look-up as opendkim-testkey does.
func (r *keyReport) judgeLookupError(err error) {
	var e *resolver.Error
	if !errors.As(err, &e) {
		r.fail(exUnavailable, "%v", err)
		return
	}
	switch e.Kind {
	case resolver.KindNotFound, resolver.KindNoData:
		r.fail(exUnavailable, "'%s' record not found", r.Record)
		r.fault(keyrecord.FaultAbsent, true, "publish the record; if you just did, wait until the absence is forgotten", "there is no TXT record at %s", r.Record)
	case resolver.KindTimeout, resolver.KindNetwork, resolver.KindCanceled:
		r.fail(exUnavailable, "'%s' query timed out", r.Record)
		r.fault(keyrecord.FaultLookup, true, "", "%v", err)
	case resolver.KindBadName:
		r.fail(exUnavailable, "syntax error on input")
		r.fault(keyrecord.FaultSyntax, true, "correct domain or selector", "%s is no domain name", r.Record)
	case resolver.KindBogus:
		r.security = resolver.Bogus
		r.fail(exUnavailable, "key not authentic: DNSSEC validation of '%s' failed", r.Record)
		r.fault(keyrecord.FaultBogus, true, "mend the zone's signatures: validating receivers see no key at all", "%v", err)
	case resolver.KindLoop:
		r.fail(exUnavailable, "'%s' unexpected reply class/type (-1/-1)", r.Record)
		r.fault(keyrecord.FaultAliasLoop, true, "point the CNAME at the name that holds the TXT record", "the CNAME at %s leads in a circle or too far", r.Record)
	default:
		r.fail(exUnavailable, "'%s' unexpected reply class/type (-1/-1)", r.Record)
		r.fault(keyrecord.FaultLookup, true, "", "%v", err)
	}
}

// recordProblem words a record that cannot be used as opendkim-testkey does.
func recordProblem(k *dkim.KeyRecord, err error) string {
	reason, _ := err.(dkim.Reason)
	switch reason {
	case dkim.ReasonKeyRevoked:
		return "Revoked key"
	case dkim.ReasonKeySyntax, dkim.ReasonKeyEmpty:
		if text := keyrecord.SyntaxError(k.Text); text != "" {
			return text
		}
	case dkim.ReasonKeyVersion:
		if v := tagValue(k.Text, "v"); v != "DKIM1" {
			return fmt.Sprintf("invalid key version '%.60s'", v)
		}
		return "key version is not the first tag"
	case dkim.ReasonKeyHashUnknown:
		return fmt.Sprintf("unknown hash '%.60s'", tagValue(k.Text, "h"))
	case dkim.ReasonNotEmailKey:
		return "key type mismatch"
	case dkim.ReasonKeyTypeUnknown:
		return fmt.Sprintf("unknown key type '%.60s'", tagValue(k.Text, "k"))
	case dkim.ReasonKeyMissing, dkim.ReasonKeyUnusable:
		return "key missing"
	}
	return reason.String()
}

func tagValue(text, name string) string {
	for tag := range strings.SplitSeq(text, ";") {
		if n, v, ok := strings.Cut(tag, "="); ok && strings.TrimSpace(n) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// compare tells whether the record publishes the private key's public half.
func (r *keyReport) compare(record *dkim.KeyRecord, private crypto.Signer) {
	if !samePublicKey(record.Key, private.Public()) {
		r.fail(exDataErr, "keys do not match")
		r.fault(keyrecord.FaultMismatch, true, "publish the record that belongs to the private key", "the record publishes another key than the private one's")
	}
}

func samePublicKey(a, b crypto.PublicKey) bool {
	e, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && e.Equal(b)
}

// findCause looks for what the administrator meant to do.
func (k *keyTester) findCause(ctx context.Context, t keyTarget, r *keyReport, record *dkim.KeyRecord, private crypto.Signer) {
	switch {
	case len(r.Faults) > 0 && r.Faults[len(r.Faults)-1].Code == keyrecord.FaultAbsent:
		k.findMisplaced(ctx, t, r)
	case record != nil && private != nil && !samePublicKey(record.Key, private.Public()):
		k.findOtherSelector(ctx, t, r, record, private)
	}
}

// findMisplaced looks for the record where panels put it by mistake.
func (k *keyTester) findMisplaced(ctx context.Context, t keyTarget, r *keyReport) {
	s, d := t.selector, strings.TrimSuffix(t.domain, ".")
	names := []struct{ name, hint string }{
		{s + "._domainkey." + d + "." + d, "the provider appended the domain once more: enter " + s + "._domainkey as name"},
		{s + "." + d + "._domainkey." + d, "the provider appended ._domainkey." + d + ": enter " + s + " as name"},
		{s + "._domainkey._domainkey." + d, "the provider appended ._domainkey itself: enter " + s + " as name"},
		{s + "." + d, "._domainkey is missing: enter " + s + "._domainkey as name"},
		{s + ".domainkey." + d, "the underscore is missing: enter " + s + "._domainkey as name"},
		{s + "._domainkeys." + d, "enter " + s + "._domainkey as name, without an s"},
		{"_domainkey." + s + "." + d, "the labels are in the wrong order: enter " + s + "._domainkey as name"},
		{"_domainkey." + d, "the selector is missing: enter " + s + "._domainkey as name"},
		{d, "the name is missing: enter " + s + "._domainkey as name"},
	}
	if _, parent, ok := strings.Cut(d, "."); ok && strings.Contains(parent, ".") {
		names = append(names, struct{ name, hint string }{s + "._domainkey." + parent, "the record belongs below " + d + ", not below " + parent})
	}
	for _, n := range names {
		answer, err := k.resolver.LookupTXT(ctx, n.name)
		if err != nil {
			continue
		}
		for _, text := range answer.Texts {
			if strings.Contains(text, "p=") && (strings.Contains(text, "DKIM1") || strings.Contains(text, "k=")) {
				r.fault(keyrecord.FaultOneLabelOff, true, n.hint, "a key record stands at %s instead", n.name)
				return
			}
		}
	}
}

// findOtherSelector tells which selector the private key belongs to, or which
// private key the record.
func (k *keyTester) findOtherSelector(ctx context.Context, t keyTarget, r *keyReport, record *dkim.KeyRecord, private crypto.Signer) {
	const hint = "correct selector or path in the KeyTable, or publish the record of this key"
	for _, o := range k.others {
		if o.record() == t.record() && o.source == t.source || o.source == "" {
			continue
		}
		if key, err := loadKey(o.source, o.domain); err == nil && samePublicKey(record.Key, key.Public()) {
			r.fault(keyrecord.FaultOtherSelector, true, hint, "the record publishes the key of '%s' (%s)", o.name, o.place)
			break
		}
	}
	for _, selector := range k.selectorsLike(t) {
		answer, err := k.resolver.LookupTXT(ctx, selector+"._domainkey."+t.domain)
		if err != nil {
			continue
		}
		if other, _ := dkim.ParseKeyTexts(answer.Texts); other != nil && samePublicKey(other.Key, private.Public()) {
			r.fault(keyrecord.FaultOtherSelector, true, hint, "the private key belongs to the selector %s", selector)
			return
		}
	}
}

// selectorsLike are the selectors a wrong private key may belong to: those of
// the table for this domain, and what its file name says.
func (k *keyTester) selectorsLike(t keyTarget) []string {
	var selectors []string
	add := func(s string) {
		for _, have := range selectors {
			if strings.EqualFold(have, s) {
				return
			}
		}
		if !strings.EqualFold(s, t.selector) && keyrecord.CheckName("selector", s) == nil {
			selectors = append(selectors, s)
		}
	}
	if looksLikePath(t.source) || t.name == "" {
		base := filepath.Base(t.source)
		add(strings.TrimSuffix(base, filepath.Ext(base)))
		add(base)
	}
	for _, o := range k.others {
		if strings.EqualFold(o.domain, t.domain) {
			add(o.selector)
		}
	}
	add("default")
	const most = 50
	return selectors[:min(len(selectors), most)]
}

// sameTexts compares two answers, whatever the order of their records.
func sameTexts(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	left := append([]string(nil), b...)
	for _, text := range a {
		found := false
		for i, other := range left {
			if bytes.Equal([]byte(text), []byte(other)) {
				left = append(left[:i], left[i+1:]...)
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
