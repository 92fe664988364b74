package cli

import (
	"github.com/spf13/cobra"

	"dojang/internal/setup"
)

// genkeyCommand is `dojang genkey`.
func genkeyCommand(s Streams) *cobra.Command {
	o := setup.Keys{Out: s.Out, Err: s.Err}
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
		RunE: func(c *cobra.Command, _ []string) error { return o.Make(c.Context()) },
	}
	f := c.Flags()
	f.StringVarP(&o.Domain, "domain", "d", "", "domain that signs with the key (required)")
	f.StringVarP(&o.Selector, "selector", "s", "default", "selector, the key's name in DNS")
	f.StringVar(&o.Ed25519Selector, "ed25519-selector", "", "with --type both: selector of the Ed25519 key (SELECTOR-ed25519)")
	f.StringVar(&o.KeyType, "type", "rsa", "kind of key: rsa, ed25519 or both")
	f.IntVarP(&o.Bits, "bits", "b", 2048, "size of an RSA key in bits")
	f.StringVarP(&o.Directory, "directory", "D", ".", "folder to write the files into")
	f.StringVar(&o.Hashes, "hash-algorithms", "sha256", "hashes the key may be used with, colon-separated; empty for any")
	f.StringVarP(&o.Note, "note", "n", "", "note for people who read the record")
	f.BoolVarP(&o.Restricted, "restrict", "r", false, "restrict the key to e-mail")
	f.BoolVarP(&o.NoSubdomains, "no-subdomains", "S", false, "do not let the key sign for subdomains")
	f.BoolVarP(&o.TestMode, "testmode", "t", false, "mark the key as being tested")
	f.StringVar(&o.Format, "format", setup.DefaultFormat,
		"form of the record: bind, zone-line, single-line, split-255, powerdns, route53, cloudflare, terraform, nsupdate or json")
	f.IntVar(&o.TTLSeconds, "ttl", setup.DefaultTTLSeconds, "time to live of the record in seconds")
	f.StringVar(&o.Owner, "owner", "", "USER or USER:GROUP the files are given to")
	f.BoolVar(&o.Force, "force", false, "replace an existing key; the old one is kept as .old")
	f.BoolVarP(&o.Quiet, "quiet", "q", false, "print the record only")
	t := &o.Tables
	f.BoolVar(&t.Show, "tables", false, "print the KeyTable and SigningTable rows of the new key")
	f.BoolVar(&t.Append, "append", false, "with --tables: append the rows to the two tables")
	f.StringVar(&t.KeyTable, "key-table", "", "KeyTable to append to (the configuration's)")
	f.StringVar(&t.SigningTable, "signing-table", "", "SigningTable to append to; refile: for one of patterns (the configuration's)")
	configFlag(f, &t.Config, "c")
	complete(c, "type", "rsa", "ed25519", "both")
	complete(c, "format", setup.Formats()...)
	return c
}

// complete lets shells complete a flag's values.
func complete(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
