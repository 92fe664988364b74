package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dojang/internal/atomicfile"
	"dojang/internal/exit"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
)

// genkeyOptions are those of `dojang genkey`.
type genkeyOptions struct {
	domain, selector, directory string
	ed25519Selector             string
	keyType                     string
	bits                        int
	hashes, note                string
	restricted, noSubdomains    bool
	testMode                    bool
	format                      string
	ttlSeconds                  int
	owner                       string
	force, quiet                bool
	tables                      tableOptions
}

// genkeyCommand is `dojang genkey`.
func genkeyCommand(s Streams) *cobra.Command {
	var o genkeyOptions
	c := &cobra.Command{
		Use:   "genkey --domain DOMAIN [flags]",
		Short: "Make a signing key and the DNS record that publishes it",
		Long: `Make a private key (SELECTOR.private, readable by its owner alone) and the DNS
record that publishes its public half (SELECTOR.txt), and print the record in
the form your name server or DNS provider wants.

--type both makes an RSA key and an Ed25519 key, each under its own selector:
receivers that do not know Ed25519 yet use the RSA signature. Signing with both
needs MultipleSignatures in the configuration.

An existing key is never overwritten without --force, and then kept as
SELECTOR.private.old; that of another domain not even then.

--tables prints the KeyTable and SigningTable rows of the new key after the
record (on standard error where the record is made for a program to read); with
--append it writes them into those files, unless a row above would always win: the configuration's KeyTable and
SigningTable, unless --key-table and --signing-table name others.

Formats: bind (opendkim-genkey's zone file layout), zone-line (one line of a
zone file), single-line (the bare value, for panels that cut and quote it
themselves), powerdns (a pdnsutil command), route53 (a change batch for the AWS
command line), nsupdate, json.`,
		Example: `  dojang genkey --domain example.com --selector mail2026
  dojang genkey -d example.com -s mail2026 --type both -D /etc/opendkim/keys --owner opendkim
  dojang genkey -d example.com -s mail2026 --format route53 > change.json
  dojang genkey -d example.com -s mail2026 --tables --append \
      --key-table /etc/opendkim/KeyTable --signing-table refile:/etc/opendkim/SigningTable`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runGenkey(c.Context(), s, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.domain, "domain", "d", "", "domain that signs with the key (required)")
	f.StringVarP(&o.selector, "selector", "s", "default", "selector, the key's name in DNS")
	f.StringVar(&o.ed25519Selector, "ed25519-selector", "", "with --type both: selector of the Ed25519 key (SELECTOR-ed25519)")
	f.StringVar(&o.keyType, "type", "rsa", "kind of key: rsa, ed25519 or both")
	f.IntVarP(&o.bits, "bits", "b", 2048, "size of an RSA key in bits")
	f.StringVarP(&o.directory, "directory", "D", ".", "folder to write the files into")
	f.StringVar(&o.hashes, "hash-algorithms", "sha256", "hashes the key may be used with, colon-separated; empty for any")
	f.StringVarP(&o.note, "note", "n", "", "note for people who read the record")
	f.BoolVarP(&o.restricted, "restrict", "r", false, "restrict the key to e-mail")
	f.BoolVarP(&o.noSubdomains, "no-subdomains", "S", false, "do not let the key sign for subdomains")
	f.BoolVarP(&o.testMode, "testmode", "t", false, "mark the key as being tested")
	f.StringVar(&o.format, "format", string(keyrecord.Bind), "form of the record: bind, zone-line, single-line, split-255, powerdns, route53, cloudflare, terraform, nsupdate or json")
	f.IntVar(&o.ttlSeconds, "ttl", keyrecord.DefaultTTLSeconds, "time to live of the record in seconds")
	f.StringVar(&o.owner, "owner", "", "USER or USER:GROUP the files are given to")
	f.BoolVar(&o.force, "force", false, "replace an existing key; the old one is kept as .old")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the record only")
	o.tables.addFlags(f)
	complete(c, "type", "rsa", "ed25519", "both")
	complete(c, "format", formatNames()...)
	return c
}

// complete lets shells complete a flag's values.
func complete(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func formatNames() []string {
	var names []string
	for _, f := range keyrecord.Formats() {
		names = append(names, string(f))
	}
	return names
}

// plannedKey is one key to make: its kind, selector and files.
type plannedKey struct {
	ed25519  bool
	selector string
	private  string // path
	text     string // path
}

// runGenkey makes the keys o asks for. Nothing is written before everything
// that can be checked has been.
func runGenkey(ctx context.Context, s Streams, o genkeyOptions) error {
	format, err := o.check()
	if err != nil {
		return err
	}
	var owner *atomicfile.Owner
	if o.owner != "" {
		if owner, err = parseOwner(o.owner); err != nil {
			return err
		}
	}
	plan := o.plan()
	if err := o.checkFree(ctx, plan); err != nil {
		return err
	}
	rows := o.rows(plan)
	if o.tables.append {
		if err := o.tables.checkAppend(ctx, rows); err != nil {
			return err
		}
	}
	records := make([]keyrecord.Record, 0, len(plan))
	for _, p := range plan {
		record, err := o.make(s.Err, p, format, owner)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	if err := keyrecord.Write(s.Out, format, records...); err != nil {
		return exit.Errorf(exit.IOErr, "the record: %w", err)
	}
	o.say(s.Err, adviceOf(records)...)
	return o.tables.finish(s, rows, o.rowsOut(s, format))
}

func (o *genkeyOptions) check() (keyrecord.Format, error) {
	if o.domain == "" {
		return "", exit.Errorf(exit.Usage, "whose key is it? give --domain DOMAIN")
	}
	if err := keyrecord.CheckName("domain", o.domain); err != nil {
		return "", exit.Errorf(exit.Usage, "--domain: %w", err)
	}
	if err := keyrecord.CheckName("selector", o.selector); err != nil {
		return "", exit.Errorf(exit.Usage, "--selector: %w", err)
	}
	switch o.keyType = strings.ToLower(o.keyType); o.keyType {
	case "rsa", "ed25519", "both":
	default:
		return "", exit.Errorf(exit.Usage, "--type %s: use rsa, ed25519 or both", o.keyType)
	}
	if o.ed25519Selector == "" {
		o.ed25519Selector = o.selector + "-ed25519"
	}
	if o.keyType == "both" {
		if err := keyrecord.CheckName("selector", o.ed25519Selector); err != nil {
			return "", exit.Errorf(exit.Usage, "--ed25519-selector: %w", err)
		}
		if o.ed25519Selector == o.selector {
			return "", exit.Errorf(exit.Usage, "--ed25519-selector: two keys cannot share the selector %s: their records would stand at one name and both fail", o.selector)
		}
	}
	if o.bits < keystore.MinRSABits || o.bits > keystore.MaxRSABits {
		return "", exit.Errorf(exit.Usage, "--bits %d: use %d to %d: receivers must refuse smaller keys (RFC 8301) and do refuse larger ones", o.bits, keystore.MinRSABits, keystore.MaxRSABits)
	}
	if err := checkHashes(o.hashes); err != nil {
		return "", err
	}
	if o.ttlSeconds < 0 || o.ttlSeconds > 1<<31-1 {
		return "", exit.Errorf(exit.Usage, "--ttl %d: use 0 to 2147483647 seconds", o.ttlSeconds)
	}
	format, err := keyrecord.ParseFormat(o.format)
	if err != nil {
		return "", exit.With(exit.Usage, err)
	}
	if err := o.tables.check(); err != nil {
		return "", err
	}
	return format, nil
}

// checkHashes refuses h= values no verifier matches.
func checkHashes(list string) error {
	if err := keyrecord.CheckHashes(list); err != nil {
		return exit.Errorf(exit.Usage, "--hash-algorithms: %w", err)
	}
	return nil
}

func (o *genkeyOptions) plan() []plannedKey {
	var keys []plannedKey
	add := func(selector string, ed25519 bool) {
		base := filepath.Join(o.directory, selector)
		keys = append(keys, plannedKey{ed25519: ed25519, selector: selector, private: base + ".private", text: base + ".txt"})
	}
	switch o.keyType {
	case "both":
		add(o.selector, false)
		add(o.ed25519Selector, true)
	default:
		add(o.selector, o.keyType == "ed25519")
	}
	return keys
}

// checkFree refuses names that are taken: with --force too where it is another
// domain that signs with the key.
func (o *genkeyOptions) checkFree(ctx context.Context, plan []plannedKey) error {
	if err := syscallAccess(o.directory); err != nil {
		return exit.Errorf(exit.CantCreate, "--directory %s: %w", o.directory, err)
	}
	for _, p := range plan {
		for _, path := range []string{p.private, p.text} {
			if !exists(path) {
				continue
			}
			domains := keyUsers(ctx, o.tables.config, p)
			another := len(domains) > 0 && !slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, o.domain) })
			switch {
			case another:
				return exit.Errorf(exit.CantCreate, "%s exists already and is the key of %s, whose mail would fail with another one: "+
					"keep the keys of %s in a folder of their own (--directory), or choose another --selector", path, strings.Join(domains, ", "), o.domain)
			case !o.force:
				return exit.Errorf(exit.CantCreate, "%s exists already: choose another --selector (receivers remember a selector's old key for its time to live), or --force to replace it", path)
			}
		}
	}
	return nil
}

// make makes one key and writes its two files.
func (o *genkeyOptions) make(errs io.Writer, p plannedKey, format keyrecord.Format, owner *atomicfile.Owner) (keyrecord.Record, error) {
	pair, err := newKey(p.ed25519, o.bits)
	if err != nil {
		return keyrecord.Record{}, exit.With(exit.Software, err)
	}
	record, err := keyrecord.Of(pair.Public)
	if err != nil {
		return record, exit.With(exit.Software, err)
	}
	record.Selector, record.Domain = p.selector, o.domain
	record.Hashes, record.Note, record.TTLSeconds = o.hashes, o.note, o.ttlSeconds
	record.Testing, record.EmailOnly, record.NoSubdomains = o.testMode, o.restricted, o.noSubdomains
	var text strings.Builder
	if err := keyrecord.Write(&text, format, record); err != nil {
		return record, exit.With(exit.Usage, err)
	}
	w := atomicfile.Options{New: !o.force, KeepOld: o.force, Owner: owner}
	if err := writeSecret(p.private, pair.PEM, w); err != nil {
		return record, err
	}
	w.KeepOld = false
	if err := writeSecret(p.text, []byte(text.String()), w); err != nil {
		return record, err
	}
	o.say(errs, fmt.Sprintf("%s private key in %s (mode 0600), record in %s", pair.Description, p.private, p.text))
	return record, nil
}

// newKey makes a key of either kind; bits is the size of an RSA key.
func newKey(ed25519 bool, bits int) (keystore.Pair, error) {
	if ed25519 {
		return keystore.GenerateEd25519()
	}
	return keystore.GenerateRSA(bits)
}

func (o *genkeyOptions) say(w io.Writer, lines ...string) {
	if o.quiet {
		return
	}
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
}

// rowsOut is where printed table rows go: not into what a program will read.
func (o *genkeyOptions) rowsOut(s Streams, format keyrecord.Format) io.Writer {
	if format == keyrecord.Bind || format == keyrecord.SingleLine {
		return s.Out
	}
	return s.Err
}

func adviceOf(records []keyrecord.Record) []string {
	var lines []string
	for _, r := range records {
		lines = append(lines, r.Advice()...)
	}
	return lines
}
