package keytable

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dojang/dkim"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/problem"
	"dojang/internal/resolver"
	"dojang/internal/words"
)

// Report is what came of testing one key.
type Report struct {
	Name       string `json:"name,omitempty"`        // KeyTable row
	PrivateKey string `json:"private_key,omitempty"` // path
	Problem    string `json:"problem,omitempty"`     // in opendkim-testkey's words
	*keycheck.Report

	Asked  string `json:"-"` // the record's name as it was typed
	Status int    `json:"-"` // exit status of the classic tool for this key alone
	Unsafe bool   `json:"-"` // others may read the private key
	Loaded bool   `json:"-"` // the private key was read
}

// fail makes the report that of a failed key; the first problem stays.
func (r *Report) fail(code int, format string, args ...any) {
	if r.Problem == "" {
		r.Problem, r.Status = fmt.Sprintf(format, args...), code
	}
	r.OK = false
}

// Tester tests keys.
type Tester struct {
	*Table
	checker  *keycheck.Checker
	done     func()
	Diagnose bool     // look for the causes of what is wrong
	Servers  bool     // ask the authoritative servers
	Ignore   []string // of which these do not count
	Others   []Row    // keys among which a wrong one is looked for
}

// NewTester asks the DNS the configuration names.
func NewTester(ctx context.Context, table string, cfg *config.Config) (*Tester, error) {
	checker, done, problems := build.KeyChecker(ctx, cfg, build.ToolParts(""))
	if checker == nil {
		done()
		return nil, exit.Problems(problems)
	}
	t, err := Open(ctx, table, cfg)
	if err != nil {
		done()
		return nil, err
	}
	return &Tester{Table: t, checker: checker, done: done, Servers: true}, nil
}

// Resolver returns what looks names up for the tester; nil where test data answers.
func (k *Tester) Resolver() *resolver.DNS { return k.checker.Resolver() }

// Close closes the table and what asks DNS.
func (k *Tester) Close() {
	k.Table.Close()
	k.done()
}

// Test tests one key.
func (k *Tester) Test(ctx context.Context, row Row) Report {
	asked := row.Selector + "._domainkey." + row.Domain
	r := Report{Name: row.Name, Asked: asked, Report: &keycheck.Report{
		Domain: row.Domain, Selector: row.Selector, Record: asked, DNSSEC: "unknown", Texts: []keycheck.Text{},
	}}
	private, fault := k.loadPrivate(ctx, &r, &row)
	if r.Status == exit.OSErr {
		r.addFault(fault)
		return r
	}
	check := keycheck.Check{
		Domain: row.Domain, Selector: row.Selector, Key: private, Diagnose: k.Diagnose, ResolverOnly: !k.Servers, IgnoreServers: k.Ignore,
	}
	if k.Diagnose {
		check.Others, check.Selectors = k.otherKeys(ctx, row), namesIn(r.PrivateKey)
	}
	r.Report = k.checker.Check(ctx, check)
	r.addFault(fault)
	words.Faults(r.Faults)
	r.classicProblem()
	return r
}

// addFault puts what is wrong with the private key before what is wrong with the record.
func (r *Report) addFault(f *keycheck.Fault) {
	if f != nil {
		r.Faults = append([]keycheck.Fault{*f}, r.Faults...)
		r.OK = false
	}
	words.Faults(r.Faults)
}

// loadPrivate reads the private key of a row, for which public is nil when there is none.
func (k *Tester) loadPrivate(ctx context.Context, r *Report, row *Row) (public crypto.PublicKey, fault *keycheck.Fault) {
	if row.Key == "" {
		return nil, nil
	}
	*row = row.Filled()
	path := k.options.Locate(row.Key).Path
	if path != "" {
		r.PrivateKey = path
		if row.Name == "" {
			r.PrivateKey = strings.TrimPrefix(path, "./")
		}
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
			r.fail(exit.OSErr, "%s: stat(): %s", r.PrivateKey, text)
			return nil, unreadable(r.PrivateKey, err, r.PrivateKey+": "+text)
		}
		r.Unsafe = info.Mode().Perm()&0o077 != 0
	}
	key, err := k.Load(ctx, *row)
	if err != nil {
		r.fail(exit.Unavailable, "%v", err)
		return nil, unreadable(r.PrivateKey, err, err.Error())
	}
	r.Loaded = true
	return key.Public(), nil
}

// unreadable is the fault of a private key that err keeps from being read.
func unreadable(path string, err error, detail string) *keycheck.Fault {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return keycheck.PrivateKeyFault("case", "path", "path", path)
	case errors.Is(err, fs.ErrPermission):
		return keycheck.PrivateKeyFault("case", "denied", "path", path)
	}
	return keycheck.PrivateKeyFault("detail", detail)
}

// maxKeysAtOnce is how many keys are tested side by side.
const maxKeysAtOnce = 16

// TestAll tests the keys and hands over the reports in the rows' order.
func (k *Tester) TestAll(ctx context.Context, targets []Row, f func(Row, Report)) {
	reports := make([]chan Report, len(targets))
	slots := make(chan struct{}, maxKeysAtOnce)
	for i := range targets {
		reports[i] = make(chan Report, 1)
	}
	go func() {
		for i, t := range targets {
			slots <- struct{}{}
			go func() {
				reports[i] <- k.Test(ctx, t)
				<-slots
			}()
		}
	}()
	for i, t := range targets {
		f(t, <-reports[i])
	}
}

// otherKeys are the keys that may have been mistaken for the one of row.
func (k *Tester) otherKeys(ctx context.Context, row Row) []keycheck.Other {
	var list []keycheck.Other
	for _, o := range k.Others {
		if o.Row == row.Row {
			continue
		}
		list = append(list, keycheck.Other{Name: o.Name, Place: o.Place, Domain: o.Domain, Selector: o.Selector,
			Key: func() (crypto.PublicKey, error) {
				key, err := k.Load(ctx, o)
				if err != nil {
					return nil, err
				}
				return key.Public(), nil
			}})
	}
	return list
}

// namesIn are the selectors that a key file's name may speak of.
func namesIn(path string) []string {
	if path == "" {
		return nil
	}
	base := filepath.Base(path)
	return []string{strings.TrimSuffix(base, filepath.Ext(base)), base}
}

// classicProblem words what keeps a key from use as opendkim-testkey does.
func (r *Report) classicProblem() {
	if r.OK {
		return
	}
	record := r.Asked
	switch r.Lookup {
	case keycheck.Absent:
		r.fail(exit.Unavailable, "'%s' record not found", record)
	case keycheck.TimedOut:
		r.fail(exit.Unavailable, "'%s' query timed out", record)
	case keycheck.BadName:
		r.fail(exit.Unavailable, "syntax error on input")
	case keycheck.Forged:
		r.fail(exit.Unavailable, "key not authentic: DNSSEC validation of '%s' failed", record)
	case keycheck.Looped, keycheck.Failed:
		r.fail(exit.Unavailable, "'%s' unexpected reply class/type (-1/-1)", record)
	case keycheck.Found:
		r.recordProblem()
	}
}

func (r *Report) recordProblem() {
	if len(r.Texts) > 1 {
		r.fail(exit.Unavailable, "multiple DNS replies for '%s'", r.Asked)
	}
	if r.Reason != dkim.ReasonNone {
		r.fail(exit.Unavailable, "%s", reasonProblem(r.Report))
	}
	for _, f := range r.Faults {
		switch {
		case !f.Fatal:
		case f.Code == "mismatch", f.Code == "cache-differs" && r.Cache.State == keycheck.Differs:
			r.fail(exit.DataErr, "keys do not match")
		case f.Code == "cache-differs":
			r.fail(exit.Unavailable, "'%s' record not found", r.Asked)
		default:
			r.fail(exit.Unavailable, "%s", f.Text)
		}
	}
}

// reasonProblem words a record that cannot be used as opendkim-testkey does.
func reasonProblem(r *keycheck.Report) string {
	switch r.Reason {
	case dkim.ReasonKeyRevoked:
		return "Revoked key"
	case dkim.ReasonKeySyntax, dkim.ReasonKeyEmpty:
		if text := r.SyntaxError(); text != "" {
			return text
		}
	case dkim.ReasonKeyVersion:
		if v := r.Tag("v"); v != "DKIM1" {
			return fmt.Sprintf("invalid key version '%.60s'", v)
		}
		return "key version is not the first tag"
	case dkim.ReasonKeyHashUnknown:
		return fmt.Sprintf("unknown hash '%.60s'", r.Tag("h"))
	case dkim.ReasonNotEmailKey:
		return "key type mismatch"
	case dkim.ReasonKeyTypeUnknown:
		return fmt.Sprintf("unknown key type '%.60s'", r.Tag("k"))
	case dkim.ReasonKeyMissing, dkim.ReasonKeyUnusable:
		return "key missing"
	}
	return r.Reason.String()
}

// Print writes one key's report for people.
func (r Report) Print(w io.Writer) {
	state := "ok  "
	if !r.OK {
		state = "FAIL"
	}
	fmt.Fprintf(w, "%s %s: %s\n", state, r.Record, r.summary())
	for _, f := range r.Faults {
		mark := "warning: "
		if f.Fatal {
			mark = ""
		}
		if f.Text != r.Problem {
			fmt.Fprintf(w, "     %s%s\n", mark, f.Text)
		}
		if f.Hint != "" {
			fmt.Fprintf(w, "       -> %s\n", f.Hint)
		}
	}
}

func (r Report) summary() string {
	if !r.OK {
		return r.Problem
	}
	parts := []string{r.KeyType + " key"}
	if r.KeyType == "rsa" {
		parts[0] = fmt.Sprintf("%d-bit rsa key", r.Bits)
	}
	switch {
	case r.Loaded && r.PrivateKey != "":
		parts = append(parts, "fits "+r.PrivateKey)
	case r.Loaded:
		parts = append(parts, "fits the private key")
	default:
		parts = append(parts, "no private key compared")
	}
	if n, all := r.serversWith(keycheck.Same); n > 0 {
		parts = append(parts, fmt.Sprintf("on %d of %d name servers", n, all))
	}
	switch r.DNSSEC {
	case "secure":
		parts = append(parts, "protected by DNSSEC")
	case "insecure":
		parts = append(parts, "not protected by DNSSEC")
	}
	if r.Unsafe {
		parts = append(parts, "others may read the private key: chmod 600 "+r.PrivateKey)
	}
	return strings.Join(parts, ", ")
}

// serversWith counts the servers all of whose addresses that answer have that state.
func (r Report) serversWith(state keycheck.State) (n, all int) {
	fits := map[string]bool{}
	for _, s := range r.Servers {
		so, seen := fits[s.Name]
		fits[s.Name] = s.State == state && (so || !seen)
	}
	for _, so := range fits {
		if so {
			n++
		}
	}
	return n, len(fits)
}
