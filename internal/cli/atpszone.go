package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/build"
	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/zone"
)

// atpsOptions are opendkim-atpszone(8)'s.
type atpsOptions struct {
	dataset string
	config  string
	suffix  bool   // names end in ._atps
	hash    string // none, sha1, sha256
	domain  string // commands for nsupdate that add to this domain
	zoneOutput
}

const classicATPSZoneUsage = `opendkim-atpszone: usage: opendkim-atpszone [opts] [dataset]
	-A          	include '._atps' suffix
	-C user@host	contact address to include in SOA
	-E secs     	use specified expiration time in SOA
	-h hash     	hash algorithm
	-o file     	output file
	-N ns[,...] 	list NS records
	-r secs     	use specified refresh time in SOA
	-R secs     	use specified retry time in SOA
	-S          	write an SOA record
	-t secs     	use specified per-record TTL
	-T secs     	use specified default TTL in SOA
	-u domain   	produce nsupdate(8) script
	-v          	verbose output
`

// classicATPSZone is opendkim-atpszone(8).
func classicATPSZone(ctx context.Context, s Streams, args []string) int {
	const program = "opendkim-atpszone"
	o := atpsOptions{hash: "sha256", zoneOutput: newZoneOutput()}
	if err := o.parse(program, s.Err, args); err != nil {
		return tell(program, s.Err, err)
	}
	return tell(program, s.Err, runATPSZone(ctx, program, s, o))
}

func (o *atpsOptions) parse(program string, errs io.Writer, args []string) error {
	var numbers numberReader
	operands, ok := getopt.Short(program, errs, args, "AC:E:h:N:o:r:R:St:T:u:v", func(option byte, value string) {
		switch option {
		case 'A':
			o.suffix = true
		case 'h':
			o.hash = value
		case 'u':
			o.domain = value
		default:
			o.set(option, value, &numbers)
		}
	})
	if numbers.err != nil {
		return numbers.err
	}
	if !ok || len(operands) == 0 {
		io.WriteString(errs, classicATPSZoneUsage)
		return exit.Silent(exit.Usage)
	}
	o.dataset = operands[0]
	return o.checkHash()
}

func (o *atpsOptions) checkHash() error {
	switch o.hash {
	case "none", "sha1", "sha256":
		return nil
	}
	return exit.Errorf(exit.Usage, "invalid hash algorithm")
}

// runATPSZone writes the zone, or the commands for nsupdate(1).
func runATPSZone(ctx context.Context, program string, s Streams, o atpsOptions) error {
	cfg, err := build.ToolConfig(o.config)
	if err != nil {
		return err
	}
	domains, err := zone.Signers(ctx, o.dataset, cfg)
	if err != nil {
		return exit.Errorf(1, "%w", err)
	}
	say := sayTo(s.Err, program, o.verbose)
	say(1, "database opened")
	return o.write(s.Out, say, len(domains), func(out io.Writer) {
		if o.domain != "" {
			o.WriteSignerUpdates(out, o.domain, o.hash, domains)
		} else {
			o.WriteSigners(out, program, o.now, o.hash, o.suffix, domains)
		}
	})
}

// atpszoneCommand is `dojang atpszone`.
func atpszoneCommand(s Streams) *cobra.Command {
	o := atpsOptions{zoneOutput: newZoneOutput()}
	c := &cobra.Command{
		Use:   "atpszone DATASET [flags]",
		Short: "Write the records that authorize third-party signers",
		Long: `Write the records by which a domain authorizes the domains of a data set to sign
its mail (Authorized Third-Party Signatures, RFC 6541, experimental). The set's
keys are the domains; values are not used.`,
		Example: `  dojang atpszone list.example,press.example
  dojang atpszone file:/etc/opendkim/signers --nsupdate example.com | nsupdate -k /etc/bind/ddns.key`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.dataset, o.now, o.suffix = args[0], time.Now(), true
			if err := o.checkHash(); err != nil {
				return exit.Errorf(exit.Usage, "--hash %s: use none, sha1 or sha256", o.hash)
			}
			err := o.Check()
			if err == nil && o.domain != "" {
				err = zone.CheckNames("--nsupdate", o.domain)
			}
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			return runATPSZone(c.Context(), "dojang atpszone", s, o)
		},
	}
	f := c.Flags()
	configFlag(f, &o.config, "c")
	f.StringVar(&o.hash, "hash", "sha256", "hash that hides the names: none, sha1 or sha256")
	f.StringVarP(&o.domain, "nsupdate", "u", "", "write commands for nsupdate that add the records to this domain")
	f.IntVarP(&o.TTLSeconds, "ttl", "t", -1, "time to live of each record in seconds")
	o.addFlags(f)
	complete(c, "hash", "none", "sha1", "sha256")
	return c
}
