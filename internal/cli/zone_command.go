package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dojang/internal/exit"
	"dojang/internal/setup"
	"dojang/internal/zone"
)

// zoneCommand is `dojang zone`.
func zoneCommand(s Streams) *cobra.Command {
	o := zoneOptions{Selection: zone.Selection{SkipLevel: 2}, zoneOutput: newZoneOutput()}
	var format, hashes string
	c := &cobra.Command{
		Use:   "zone [DATASET [NAME...]] [flags]",
		Short: "Write the DNS records of all keys of a KeyTable",
		Long: `Write the DNS record of every key of a KeyTable: of the data set named, or of the
configuration's KeyTable. Any type of data set will do; one that cannot list its
rows is asked for the names given behind it, or for those of the SigningTable.

Names are absolute and records complete, whatever zone they are loaded into. Of
several rows with one key the record is written once; two keys of one name are
an error, for two records at one name make every signature fail.

Formats: zone-line (one line of a zone file for each record), bind
(opendkim-genkey's layout), nsupdate, powerdns (pdnsutil commands), route53 (a
change batch for the AWS command line), cloudflare (bodies for its API), terraform
(aws_route53_record), single-line (bare values), split-255 (in pieces), json.`,
		Example: `  dojang zone
  dojang zone refile:/etc/opendkim/KeyTable --domain example.com
  dojang zone --format nsupdate | nsupdate -k /etc/bind/ddns.key
  dojang zone --soa --nameservers ns1.example.com,ns2.example.com > db.dkim`,
		RunE: func(c *cobra.Command, args []string) error {
			o.now = time.Now()
			if len(args) > 0 {
				o.Dataset, o.Names = args[0], args[1:]
			}
			if o.output == "" && isTerminal(s.Out) {
				return runZone(c.Context(), s, o, format, hashes)
			}
			var err error
			s.during("seconds of reading keys", func() { err = runZone(c.Context(), s, o, format, hashes) })
			return err
		},
	}
	f := c.Flags()
	configFlag(f, &o.config, "c")
	f.StringVarP(&o.Domain, "domain", "d", "", "only keys of this domain")
	f.BoolVarP(&o.Subdomains, "subdomains", "s", false, "with --domain: keys of domains below it too")
	f.BoolVarP(&o.EmailOnly, "restrict", "M", false, "restrict the keys to e-mail")
	f.StringVar(&hashes, "hash-algorithms", "sha256", "hashes the keys may be used with, colon-separated; empty for any")
	f.StringVar(&format, "format", zone.DefaultFormat,
		"form of the records: zone-line, bind, nsupdate, powerdns, route53, cloudflare, terraform, single-line, split-255 or json")
	f.IntVarP(&o.TTLSeconds, "ttl", "t", setup.DefaultTTLSeconds, "time to live of each record in seconds")
	o.addFlags(f)
	complete(c, "format", setup.Formats()...)
	return c
}

func (z *zoneOutput) addFlags(f *pflag.FlagSet) {
	soa := &z.Options
	f.StringVarP(&z.output, "output", "o", "", "file to write (standard output)")
	f.BoolVarP(&soa.SOA, "soa", "S", false, "begin with an SOA record")
	f.StringSliceVarP(&soa.Nameservers, "nameservers", "N", nil, "names of the zone's servers for NS records, the first for the SOA too")
	f.StringVarP(&soa.Contact, "contact", "C", "", "contact address for the SOA (you at this machine)")
	f.IntVarP(&soa.Expire, "expire", "E", soa.Expire, "SOA: seconds after which secondaries give up")
	f.IntVarP(&soa.Refresh, "refresh", "r", soa.Refresh, "SOA: seconds between refreshes")
	f.IntVarP(&soa.Retry, "retry", "R", soa.Retry, "SOA: seconds between retries")
	f.IntVarP(&soa.MinTTL, "default-ttl", "T", soa.MinTTL, "SOA: time to live of negative answers in seconds")
	f.CountVarP(&z.verbose, "verbose", "v", "tell what is done")
}

func runZone(ctx context.Context, s Streams, o zoneOptions, formatName, hashes string) error {
	zoneFile, err := zone.IsFile(formatName)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	if err := setup.CheckHashes(hashes); err != nil {
		return err
	}
	if err := o.Check(); err != nil {
		return exit.With(exit.Usage, err)
	}
	if o.Subdomains && o.Domain == "" {
		return exit.Errorf(exit.Usage, "--subdomains goes with --domain")
	}
	if o.TTLSeconds < 0 {
		return exit.Errorf(exit.Usage, "--ttl %d: use 0 or more seconds", o.TTLSeconds)
	}
	if !zoneFile && (o.SOA || len(o.Nameservers) > 0) {
		return exit.Errorf(exit.Usage, "--soa and --nameservers belong into a zone file: use --format zone-line or bind")
	}
	if o.SOA && len(o.Nameservers) == 0 {
		return exit.Errorf(exit.Usage, "--soa: a zone needs name servers: give --nameservers NAME,...")
	}
	cfg, err := o.resolve()
	if err != nil {
		return err
	}
	o.FullNames = true
	keys, err := o.Collect(ctx, cfg, sayTo(s.Err, "dojang zone", o.verbose))
	if err != nil {
		return err
	}
	if len(keys) == 0 && o.Domain != "" {
		return exit.Errorf(exit.Unavailable, "no key of %s is in the table", o.Domain)
	}
	out, err := openOutput(s.Out, o.output)
	if err != nil {
		return err
	}
	o.Header(out, o.now)
	if err := zone.Write(out, formatName, hashes, o.TTLSeconds, keys); err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	return out.close()
}
