// Package setup makes what a filter needs before it can sign: keys, the records that
// publish them, rows of the tables; and for a first run all of these with a configuration
// that works.
package setup

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"dojang/internal/atomicfile"
	"dojang/internal/exit"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
)

// Keys are signing keys to be made for a domain.
type Keys struct {
	Domain, Selector, Directory string
	Ed25519Selector             string // with KeyType "both"; "": Selector with "-ed25519"
	KeyType                     string // "rsa", "ed25519" or "both"
	Bits                        int    // of an RSA key
	Hashes, Note                string // h= and n= of the record
	Restricted, NoSubdomains    bool
	TestMode                    bool
	Format                      string // a keyrecord.Format
	TTLSeconds                  int
	Owner                       string // USER or USER:GROUP; "": whoever runs this
	Force, Quiet                bool
	Tables                      Tables
	Out, Err                    io.Writer // for records; for what is told beside them
}

// plannedKey is one key to make: its kind, selector and files.
type plannedKey struct {
	ed25519  bool
	selector string
	private  string // path
	text     string // path
}

// Make makes the keys that o asks for, and prints their records. Nothing is written
// before everything that can be checked has been.
func (o Keys) Make(ctx context.Context) error {
	format, err := o.check()
	if err != nil {
		return err
	}
	var owner *atomicfile.Owner
	if o.Owner != "" {
		if owner, err = parseOwner(o.Owner); err != nil {
			return err
		}
	}
	plan := o.plan()
	if err := o.checkFree(ctx, plan); err != nil {
		return err
	}
	rows := o.rows(plan)
	if o.Tables.Append {
		if err := o.Tables.checkAppend(ctx, rows); err != nil {
			return err
		}
	}
	records := make([]keyrecord.Record, 0, len(plan))
	for _, p := range plan {
		record, err := o.make(p, format, owner)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	if err := keyrecord.Write(o.Out, format, records...); err != nil {
		return exit.Errorf(exit.IOErr, "the record: %w", err)
	}
	o.say(adviceOf(records)...)
	return o.Tables.finish(o.Err, rows, o.rowsOut(format))
}

func (o *Keys) check() (keyrecord.Format, error) {
	if o.Domain == "" {
		return "", exit.Errorf(exit.Usage, "whose key is it? give --domain DOMAIN")
	}
	if err := keyrecord.CheckName("domain", o.Domain); err != nil {
		return "", exit.Errorf(exit.Usage, "--domain: %w", err)
	}
	if err := keyrecord.CheckSelector(o.Selector); err != nil {
		return "", exit.Errorf(exit.Usage, "--selector: %w", err)
	}
	switch o.KeyType = strings.ToLower(o.KeyType); o.KeyType {
	case "rsa", "ed25519", "both":
	default:
		return "", exit.Errorf(exit.Usage, "--type %s: use rsa, ed25519 or both", o.KeyType)
	}
	if o.Ed25519Selector == "" {
		o.Ed25519Selector = o.Selector + "-ed25519"
	}
	if o.KeyType == "both" {
		if err := keyrecord.CheckSelector(o.Ed25519Selector); err != nil {
			return "", exit.Errorf(exit.Usage, "--ed25519-selector: %w", err)
		}
		if o.Ed25519Selector == o.Selector {
			return "", exit.Errorf(exit.Usage, "--ed25519-selector: two keys cannot share the selector %s: their records "+
				"would stand at one name and both fail", o.Selector)
		}
	}
	if o.Bits < keystore.MinRSABits || o.Bits > keystore.MaxRSABits {
		return "", exit.Errorf(exit.Usage, "--bits %d: use %d to %d: receivers must refuse smaller keys (RFC 8301) and do "+
			"refuse larger ones", o.Bits, keystore.MinRSABits, keystore.MaxRSABits)
	}
	if err := CheckHashes(o.Hashes); err != nil {
		return "", err
	}
	if o.TTLSeconds < 0 || o.TTLSeconds > 1<<31-1 {
		return "", exit.Errorf(exit.Usage, "--ttl %d: use 0 to 2147483647 seconds", o.TTLSeconds)
	}
	format, err := keyrecord.ParseFormat(o.Format)
	if err != nil {
		return "", exit.With(exit.Usage, err)
	}
	if err := o.Tables.check(); err != nil {
		return "", err
	}
	return format, nil
}

// CheckHashes refuses h= values no verifier matches.
func CheckHashes(list string) error {
	if err := keyrecord.CheckHashes(list); err != nil {
		return exit.Errorf(exit.Usage, "--hash-algorithms: %w", err)
	}
	return nil
}

func (o *Keys) plan() []plannedKey {
	var keys []plannedKey
	add := func(selector string, ed25519 bool) {
		base := filepath.Join(o.Directory, selector)
		keys = append(keys, plannedKey{ed25519: ed25519, selector: selector, private: base + ".private", text: base + ".txt"})
	}
	switch o.KeyType {
	case "both":
		add(o.Selector, false)
		add(o.Ed25519Selector, true)
	default:
		add(o.Selector, o.KeyType == "ed25519")
	}
	return keys
}

// checkFree refuses names that are taken: with --force too where it is another
// domain that signs with the key.
func (o *Keys) checkFree(ctx context.Context, plan []plannedKey) error {
	if err := syscallAccess(o.Directory); err != nil {
		return exit.Errorf(exit.CantCreate, "--directory %s: %w", o.Directory, err)
	}
	for _, p := range plan {
		for _, path := range []string{p.private, p.text} {
			if !exists(path) {
				continue
			}
			domains := keyUsers(ctx, o.Tables.Config, p)
			another := len(domains) > 0 && !slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, o.Domain) })
			switch {
			case another:
				return exit.Errorf(exit.CantCreate, "%s exists already and is the key of %s, whose mail would fail with another one: "+
					"keep the keys of %s in a folder of their own (--directory), or choose another "+
					"--selector", path, strings.Join(domains, ", "), o.Domain)
			case !o.Force:
				return exit.Errorf(exit.CantCreate, "%s exists already: choose another --selector (receivers remember a "+
					"selector's old key for its time to live), or --force to replace it", path)
			}
		}
	}
	return nil
}

// make makes one key and writes its two files.
func (o *Keys) make(p plannedKey, format keyrecord.Format, owner *atomicfile.Owner) (keyrecord.Record, error) {
	pair, err := newKey(p.ed25519, o.Bits)
	if err != nil {
		return keyrecord.Record{}, exit.With(exit.Software, err)
	}
	record, err := keyrecord.Of(pair.Public)
	if err != nil {
		return record, exit.With(exit.Software, err)
	}
	record.Selector, record.Domain = p.selector, o.Domain
	record.Hashes, record.Note, record.TTLSeconds = o.Hashes, o.Note, o.TTLSeconds
	record.Testing, record.EmailOnly, record.NoSubdomains = o.TestMode, o.Restricted, o.NoSubdomains
	var text strings.Builder
	if err := keyrecord.Write(&text, format, record); err != nil {
		return record, exit.With(exit.Usage, err)
	}
	w := atomicfile.Options{New: !o.Force, KeepOld: o.Force, Owner: owner}
	if err := WriteSecret(p.private, pair.PEM, w); err != nil {
		return record, err
	}
	w.KeepOld = false
	if err := WriteSecret(p.text, []byte(text.String()), w); err != nil {
		return record, err
	}
	o.say(fmt.Sprintf("%s private key in %s (mode 0600), record in %s", pair.Description, p.private, p.text))
	return record, nil
}

// newKey makes a key of either kind; bits is the size of an RSA key.
func newKey(ed25519 bool, bits int) (keystore.Pair, error) {
	if ed25519 {
		return keystore.GenerateEd25519()
	}
	return keystore.GenerateRSA(bits)
}

func (o *Keys) say(lines ...string) {
	if o.Quiet {
		return
	}
	for _, line := range lines {
		fmt.Fprintln(o.Err, line)
	}
}

// rowsOut is where printed table rows go: not into what a program will read.
func (o *Keys) rowsOut(format keyrecord.Format) io.Writer {
	if format == keyrecord.Bind || format == keyrecord.SingleLine {
		return o.Out
	}
	return o.Err
}

func adviceOf(records []keyrecord.Record) []string {
	var lines []string
	for _, r := range records {
		lines = append(lines, r.Advice()...)
	}
	return lines
}

// What a record is made as unless asked otherwise.
const (
	DefaultFormat     = string(keyrecord.Bind)
	DefaultTTLSeconds = keyrecord.DefaultTTLSeconds
)

// Formats are the names of the forms that a record can be written in.
func Formats() []string {
	var names []string
	for _, f := range keyrecord.Formats() {
		names = append(names, string(f))
	}
	return names
}
