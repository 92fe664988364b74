package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/problem"
	"dojang/internal/words"
	"dojang/internal/zone"
)

// zoneOptions are opendkim-genzone(8)'s, which `dojang zone` shares.
type zoneOptions struct {
	zone.Selection
	config    string
	domainKey bool // names end in ._domainkey
	zoneOutput
}

// zoneOutput is what opendkim-genzone and opendkim-atpszone share.
type zoneOutput struct {
	zone.Options
	output  string
	verbose int
	now     time.Time
}

func newZoneOutput() zoneOutput { return zoneOutput{Options: zone.Defaults(), now: time.Now()} }

// classicGenzone is opendkim-genzone(8).
func classicGenzone(ctx context.Context, s Streams, args []string) int {
	const program = "opendkim-genzone"
	o := zoneOptions{zoneOutput: newZoneOutput()}
	if err := o.parse(program, s.Err, args); err != nil {
		return tell(program, s.Err, err)
	}
	return tell(program, s.Err, runClassicGenzone(ctx, program, s, o))
}

// tell prints err behind the program's name, unless it is a silent one, and
// returns its exit status.
func tell(program string, errs io.Writer, err error) int {
	if err := exit.Unspoken(err); err != nil {
		fmt.Fprintf(errs, "%s: %v\n", program, err)
	}
	return exit.Status(err)
}

func (o *zoneOptions) parse(program string, errs io.Writer, args []string) error {
	var numbers numberReader
	operands, ok := getopt.Short(program, errs, args, "C:d:DE:FMN:o:r:R:sSt:T:uvx:", func(option byte, value string) {
		switch option {
		case 'd':
			o.Domain = value
		case 'D':
			o.domainKey = true
		case 'F':
			o.domainKey, o.FullNames = true, true
		case 'M':
			o.EmailOnly = true
		case 's':
			o.Subdomains = true
		case 'u':
			o.Updates = true
		case 'x':
			o.config = value
		default:
			o.set(option, value, &numbers)
		}
	})
	switch {
	case numbers.err != nil:
		return numbers.err
	case ok && o.Subdomains && o.Domain == "":
		return exit.Errorf(exit.Usage, "subdomain matching requires a domain")
	case !ok:
		io.WriteString(errs, classicGenzoneUsage)
		return exit.Silent(exit.Usage)
	}
	if len(operands) > 0 {
		o.Dataset, o.Names = operands[0], operands[1:]
	}
	return nil
}

// set sets a command line's option.
func (z *zoneOutput) set(option byte, value string, n *numberReader) {
	switch option {
	case 'C':
		z.Contact = value
	case 'E':
		n.read(&z.Expire, "expire", value)
	case 'N':
		z.Nameservers = splitList(value)
	case 'o':
		z.output = value
	case 'r':
		n.read(&z.Refresh, "refresh", value)
	case 'R':
		n.read(&z.Retry, "retry", value)
	case 'S':
		z.SOA = true
	case 't':
		n.read(&z.TTLSeconds, "TTL", value)
	case 'T':
		n.read(&z.MinTTL, "default TTL", value)
	case 'v':
		z.verbose++
	}
}

// numberReader reads numbers of seconds and keeps the first mistake.
type numberReader struct{ err error }

func (n *numberReader) read(to *int, what, value string) {
	v, err := strconv.ParseUint(value, 10, 31)
	if err != nil && n.err == nil {
		n.err = exit.Errorf(exit.Usage, "invalid %s value", what)
	}
	*to = int(v)
}

func splitList(text string) []string {
	var list []string
	for element := range strings.SplitSeq(text, ",") {
		if element = strings.TrimSpace(element); element != "" {
			list = append(list, element)
		}
	}
	return list
}

const classicGenzoneUsage = `opendkim-genzone: usage: opendkim-genzone [opts] [dataset]
	-C user@host	contact address to include in SOA
	-d domain   	write keys for named domain only
	-D          	include '._domainkey' suffix
	-E secs     	use specified expiration time in SOA
	-F          	include '._domainkey' suffix and domainname
	-M          	restricts the keys for use in e-mail signing only
	-o file     	output file
	-N ns[,...] 	list NS records
	-r secs     	use specified refresh time in SOA
	-R secs     	use specified retry time in SOA
	-s          	with -d, also match subdomains
	-S          	write an SOA record
	-t secs     	use specified per-record TTL
	-T secs     	use specified default TTL in SOA
	-u          	produce output suitable for use by "nsupdate"
	-v          	verbose output
	-x file     	configuration file
`

func runClassicGenzone(ctx context.Context, program string, s Streams, o zoneOptions) error {
	say := sayTo(s.Err, program, o.verbose)
	cfg, err := o.resolve()
	if err != nil {
		if exit.Status(err) == exit.Usage {
			io.WriteString(s.Err, classicGenzoneUsage)
			return exit.Silent(exit.Usage)
		}
		return err
	}
	keys, err := o.Collect(ctx, cfg, say)
	if err != nil {
		return err
	}
	return o.write(s.Out, say, len(keys), func(out io.Writer) {
		if o.Updates {
			o.WriteKeyUpdates(out, keys)
			return
		}
		layout := zone.Layout{Options: o.Options, Domain: o.Domain, DomainKey: o.domainKey, FullNames: o.FullNames}
		o.warn(layout, keys, say)
		layout.WriteKeys(out, program, o.now, keys)
	})
}

// write has so many records written where they belong, and says so.
func (z *zoneOutput) write(stdout io.Writer, say func(int, string, ...any), records int, write func(io.Writer)) error {
	out, err := openOutput(stdout, z.output)
	if err != nil {
		return err
	}
	write(out)
	if err := out.close(); err != nil {
		return err
	}
	say(1, "%s written", words.Count(records, "record"))
	return nil
}

// sayTo returns a function that prints lines of a level up to verbose.
func sayTo(errs io.Writer, program string, verbose int) func(level int, format string, args ...any) {
	return func(level int, format string, args ...any) {
		if verbose >= level {
			fmt.Fprintf(errs, program+": "+format+"\n", args...)
		}
	}
}

// resolve finds the data set: the one named, or the configuration's KeyTable.
func (o *zoneOptions) resolve() (*config.Config, error) {
	cfg, err := build.ToolConfig(o.config)
	if err != nil {
		return nil, err
	}
	if o.Dataset == "" {
		o.Dataset = cfg.KeyTable.Value
	}
	if o.Dataset == "" {
		return nil, exit.Errorf(exit.Usage, "no data set: name one, or a configuration with a KeyTable (-x FILE)")
	}
	return cfg, nil
}

// warn tells what a name server would refuse or misread.
func (o *zoneOptions) warn(layout zone.Layout, keys []zone.Key, say func(int, string, ...any)) {
	if o.SOA && len(o.Nameservers) == 0 {
		say(1, "WARNING: a zone with an SOA needs NS records: name them with -N")
	}
	for _, c := range layout.Clashes(keys) {
		say(1, "WARNING: '%s' is written for both %s and %s: use -F for absolute names, or -d for one domain", c.Name, c.First, c.Second)
	}
}

// outputFile is standard output or a file; its first error is kept for close.
type outputFile struct {
	*bufio.Writer
	file *os.File
}

func openOutput(stdout io.Writer, path string) (*outputFile, error) {
	if path == "" {
		return &outputFile{Writer: bufio.NewWriter(stdout)}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return nil, exit.Errorf(1, "%s: fopen(): %s", path, problem.Strerror(pathErr.Err))
		}
		return nil, exit.With(1, err)
	}
	return &outputFile{bufio.NewWriter(f), f}, nil
}

func (f *outputFile) close() error {
	err := f.Flush()
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
	}
	if err != nil {
		return exit.Errorf(exit.IOErr, "writing: %w", err)
	}
	return nil
}
