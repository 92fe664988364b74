package cli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
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
	"dojang/internal/words"
)

// keyReport is what came of testing one key.
type keyReport struct {
	Name       string `json:"name,omitempty"`        // KeyTable row
	PrivateKey string `json:"private_key,omitempty"` // path
	Problem    string `json:"problem,omitempty"`     // in opendkim-testkey's words
	*keycheck.Report

	asked  string // the record's name as it was typed
	code   int    // exit status of the classic tool for this key alone
	unsafe bool   // others may read the private key
	loaded bool   // the private key was read
}

// fail makes the report that of a failed key; the first problem stays.
func (r *keyReport) fail(code int, format string, args ...any) {
	if r.Problem == "" {
		r.Problem, r.code = fmt.Sprintf(format, args...), code
	}
	r.OK = false
}

// keyTester tests keys.
type keyTester struct {
	*keyTable
	checker  *keycheck.Checker
	done     func()
	diagnose bool     // look for the causes of what is wrong
	servers  bool     // ask the authoritative servers
	ignore   []string // of which these do not count
	others   []keyRow // keys among which a wrong one is looked for
}

// newKeyTester asks the DNS the configuration names.
func newKeyTester(ctx context.Context, table string, cfg *config.Config) (*keyTester, error) {
	checker, done, problems := build.KeyChecker(ctx, cfg, toolParts())
	if checker == nil {
		done()
		return nil, configError(problems)
	}
	t, err := openKeyTable(ctx, table, cfg)
	if err != nil {
		done()
		return nil, err
	}
	return &keyTester{keyTable: t, checker: checker, done: done, servers: true}, nil
}

func (k *keyTester) close() {
	k.keyTable.close()
	k.done()
}

// test tests one key.
func (k *keyTester) test(ctx context.Context, row keyRow) keyReport {
	asked := row.Selector + "._domainkey." + row.Domain
	r := keyReport{Name: row.name, asked: asked, Report: &keycheck.Report{
		Domain: row.Domain, Selector: row.Selector, Record: asked, DNSSEC: "unknown", Texts: []keycheck.Text{},
	}}
	private, fault := k.loadPrivate(ctx, &r, &row)
	if r.code == exit.OSErr {
		r.addFault(fault)
		return r
	}
	check := keycheck.Check{
		Domain: row.Domain, Selector: row.Selector, Key: private, Diagnose: k.diagnose, ResolverOnly: !k.servers, IgnoreServers: k.ignore,
	}
	if k.diagnose {
		check.Others, check.Selectors = k.otherKeys(ctx, row), namesIn(r.PrivateKey)
	}
	r.Report = k.checker.Check(ctx, check)
	r.addFault(fault)
	words.Faults(r.Faults)
	r.classicProblem()
	return r
}

// addFault puts what is wrong with the private key before what is wrong with the record.
func (r *keyReport) addFault(f *keycheck.Fault) {
	if f != nil {
		r.Faults = append([]keycheck.Fault{*f}, r.Faults...)
		r.OK = false
	}
	words.Faults(r.Faults)
}

// loadPrivate reads the private key of a row, for which public is nil when there is none.
func (k *keyTester) loadPrivate(ctx context.Context, r *keyReport, row *keyRow) (public crypto.PublicKey, fault *keycheck.Fault) {
	if row.Key == "" {
		return nil, nil
	}
	path := k.options.Locate(row.Key).Path
	if sender, err := row.ForSender(row.Domain); err == nil && row.Domain != "%" {
		row.Row = sender
		path = k.options.Locate(row.Key).Path
	}
	if path != "" {
		r.PrivateKey = path
		if row.name == "" {
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
			return nil, keycheck.PrivateKeyFault("case", "path", "path", r.PrivateKey)
		}
		r.unsafe = info.Mode().Perm()&0o077 != 0
	}
	key, err := k.load(ctx, *row)
	if err != nil {
		r.fail(exit.Unavailable, "%v", err)
		return nil, keycheck.PrivateKeyFault("detail", err.Error())
	}
	r.loaded = true
	return key.Public(), nil
}

// otherKeys are the keys that may have been mistaken for the one of row.
func (k *keyTester) otherKeys(ctx context.Context, row keyRow) []keycheck.Other {
	var list []keycheck.Other
	for _, o := range k.others {
		if o.Row == row.Row {
			continue
		}
		list = append(list, keycheck.Other{Name: o.name, Place: o.place, Domain: o.Domain, Selector: o.Selector, Key: func() (crypto.PublicKey, error) {
			key, err := k.load(ctx, o)
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
func (r *keyReport) classicProblem() {
	if r.OK {
		return
	}
	record := r.asked
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

func (r *keyReport) recordProblem() {
	if len(r.Texts) > 1 {
		r.fail(exit.Unavailable, "multiple DNS replies for '%s'", r.asked)
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
			r.fail(exit.Unavailable, "'%s' record not found", r.asked)
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
