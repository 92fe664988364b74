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

	"dojang/internal/config"
	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// zoneOptions are opendkim-genzone(8)'s, which `dojang zone` shares.
type zoneOptions struct {
	dataset    string
	config     string
	domain     string // only keys of this domain
	subdomains bool   // and of those below it
	domainKey  bool   // names end in ._domainkey
	fullNames  bool   // names are absolute
	emailOnly  bool
	nsupdate   bool
	zoneOutput
}

// zoneOutput is what opendkim-genzone and opendkim-atpszone share.
type zoneOutput struct {
	output  string
	ttl     int // seconds, -1 for none
	soa     soaOptions
	verbose int
	now     time.Time
}

func newZoneOutput() zoneOutput { return zoneOutput{ttl: -1, soa: defaultSOA(), now: time.Now()} }

// zoneKey is one record of the zone and the row it was made from.
type zoneKey struct {
	row    keyRow
	record keyrecord.Record
}

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
	var exit *exitError
	if err != nil && !(errors.As(err, &exit) && exit.err == nil) {
		fmt.Fprintf(errs, "%s: %v\n", program, err)
	}
	return exitCode(err)
}

func (o *zoneOptions) parse(program string, errs io.Writer, args []string) error {
	var numbers numberReader
	operands, ok := shortOptions(program, errs, args, "C:d:DE:FMN:o:r:R:sSt:T:uvx:", func(option byte, value string) {
		switch option {
		case 'd':
			o.domain = value
		case 'D':
			o.domainKey = true
		case 'F':
			o.domainKey, o.fullNames = true, true
		case 'M':
			o.emailOnly = true
		case 's':
			o.subdomains = true
		case 'u':
			o.nsupdate = true
		case 'x':
			o.config = value
		default:
			o.set(option, value, &numbers)
		}
	})
	switch {
	case numbers.err != nil:
		return numbers.err
	case ok && o.subdomains && o.domain == "":
		return exitf(exUsage, "subdomain matching requires a domain")
	case !ok:
		io.WriteString(errs, classicGenzoneUsage)
		return &exitError{code: exUsage}
	}
	if len(operands) > 0 {
		o.dataset = operands[0]
	}
	return nil
}

// set sets a command line's option.
func (z *zoneOutput) set(option byte, value string, n *numberReader) {
	switch option {
	case 'C':
		z.soa.contact = value
	case 'E':
		n.read(&z.soa.expire, "expire", value)
	case 'N':
		z.soa.nameservers = splitList(value)
	case 'o':
		z.output = value
	case 'r':
		n.read(&z.soa.refresh, "refresh", value)
	case 'R':
		n.read(&z.soa.retry, "retry", value)
	case 'S':
		z.soa.write = true
	case 't':
		n.read(&z.ttl, "TTL", value)
	case 'T':
		n.read(&z.soa.minTTL, "default TTL", value)
	case 'v':
		z.verbose++
	}
}

// numberReader reads numbers of seconds and keeps the first mistake.
type numberReader struct{ err error }

func (n *numberReader) read(to *int, what, value string) {
	v, err := strconv.ParseUint(value, 10, 31)
	if err != nil && n.err == nil {
		n.err = exitf(exUsage, "invalid %s value", what)
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
		var exit *exitError
		if errors.As(err, &exit) && exit.code == exUsage {
			io.WriteString(s.Err, classicGenzoneUsage)
			return &exitError{code: exUsage}
		}
		return err
	}
	keys, err := o.collect(ctx, cfg, say)
	if err != nil {
		return err
	}
	return o.write(s.Out, say, len(keys), func(out io.Writer) {
		if o.nsupdate {
			o.writeUpdates(out, keys)
		} else {
			o.warn(keys, say)
			o.writeZone(out, program, keys)
		}
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
	plural := "s"
	if records == 1 {
		plural = ""
	}
	say(1, "%d record%s written", records, plural)
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
	cfg, err := toolConfig(o.config)
	if err != nil {
		return nil, err
	}
	if o.dataset == "" {
		o.dataset = cfg.KeyTable.Value
	}
	if o.dataset == "" {
		return nil, exitf(exUsage, "no data set: name one, or a configuration with a KeyTable (-x FILE)")
	}
	return cfg, nil
}

// collect makes the records of the table's keys. Every key that fails is told;
// then nothing is written, for a zone that silently lacks a key breaks mail.
func (o *zoneOptions) collect(ctx context.Context, cfg *config.Config, say func(int, string, ...any)) ([]zoneKey, error) {
	failed := false
	rows, err := keyTableRows(ctx, o.dataset, cfg, func(place, text string) {
		failed = true
		say(0, "%s: %s", place, text)
	})
	if err != nil {
		return nil, exitf(1, "%w", err)
	}
	say(1, "database opened")
	var keys []zoneKey
	seen := map[string]zoneKey{}
	for i, row := range rows {
		row, take := o.take(row)
		if !take {
			say(0, "record %d for '%s' skipped", i, row.name)
			continue
		}
		say(2, "record %d for '%s' retrieved", i, row.name)
		key, err := o.zoneKey(row)
		if err != nil {
			failed = true
			say(0, "key for '%s' load failed", row.name)
			say(0, "%s: %v", row.place, err)
			continue
		}
		say(2, "key for '%s' loaded", row.name)
		if first, ok := seen[key.record.Name()]; ok {
			if first.record.PublicKey != key.record.PublicKey {
				failed = true
				say(0, "%s: '%s' is another key of the name %s than '%s' (%s): two records at one name make every signature fail", row.place, row.name, key.record.Name(), first.row.name, first.row.place)
			}
			continue
		}
		seen[key.record.Name()] = key
		keys = append(keys, key)
	}
	if failed {
		return nil, &exitError{code: 1}
	}
	return keys, nil
}

// take tells whether a row's domain is asked for; a row for any domain ("%")
// becomes one of the domain named with -d.
func (o *zoneOptions) take(row keyRow) (keyRow, bool) {
	if row.domain == "%" {
		if o.domain != "" {
			row.domain = o.domain
			return row, true
		}
		return row, !o.fullNames && !o.nsupdate
	}
	if o.domain == "" || strings.EqualFold(row.domain, o.domain) {
		return row, true
	}
	domain, suffix := strings.ToLower(row.domain), "."+strings.ToLower(o.domain)
	return row, o.subdomains && strings.HasSuffix(domain, suffix)
}

func (o *zoneOptions) zoneKey(row keyRow) (zoneKey, error) {
	signer, err := loadKey(row.source, row.domain)
	if err != nil {
		return zoneKey{}, err
	}
	record, err := recordOf(signer.Public())
	if err != nil {
		return zoneKey{}, err
	}
	record.Selector, record.Domain, record.EmailOnly = row.selector, row.domain, o.emailOnly
	if err := keyrecord.CheckName("selector", row.selector); err != nil {
		return zoneKey{}, err
	}
	if row.domain != "%" {
		if err := keyrecord.CheckName("domain", row.domain); err != nil {
			return zoneKey{}, err
		}
	}
	return zoneKey{row, record}, nil
}

// warn tells what a name server would refuse or misread.
func (o *zoneOptions) warn(keys []zoneKey, say func(int, string, ...any)) {
	if o.soa.write && len(o.soa.nameservers) == 0 {
		say(1, "WARNING: a zone with an SOA needs NS records: name them with -N")
	}
	relative := map[string]string{}
	for _, k := range keys {
		if first, ok := relative[k.record.Selector]; ok && first != k.record.Domain && !o.fullNames {
			say(1, "WARNING: '%s' is written for both %s and %s: use -F for absolute names, or -d for one domain", k.record.Selector, first, k.record.Domain)
		}
		relative[k.record.Selector] = k.record.Domain
	}
}

func (o *zoneOptions) writeZone(w io.Writer, program string, keys []zoneKey) {
	fmt.Fprint(w, "; DKIM public key zone data\n")
	if o.domain != "" {
		fmt.Fprintf(w, "; for %s\n", o.domain)
	}
	fmt.Fprintf(w, "; auto-generated by %s at %s\n\n", program, o.now.Format(time.ANSIC))
	o.soa.header(w, o.now)
	for _, k := range keys {
		name := k.record.Name()
		if !o.fullNames {
			name = k.record.Relative()
		}
		if !o.domainKey {
			name = strings.TrimSuffix(name, "._domainkey")
		}
		writeZoneRecord(w, name, o.ttl, k.record)
	}
}

// writeUpdates writes commands for nsupdate(1), names always absolute: it
// refuses others.
func (o *zoneOptions) writeUpdates(w io.Writer, keys []zoneKey) {
	script := updateScript{w: w, defaultTTL: o.soa.minTTL}
	script.begin(o.soa.primary())
	for _, k := range keys {
		script.in(strings.TrimPrefix(strings.TrimSuffix(k.record.Name(), "."), k.record.Relative()+"."))
		script.add(k.record.Name(), o.ttl, quoteEscaped(zoneText(k.record)))
	}
	script.end()
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
			return nil, exitf(1, "%s: fopen(): %s", path, problem.Strerror(pathErr.Err))
		}
		return nil, &exitError{1, err}
	}
	return &outputFile{bufio.NewWriter(f), f}, nil
}

func (f *outputFile) close() error {
	err := f.Flush()
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
	}
	if err != nil {
		return exitf(exIOErr, "writing: %w", err)
	}
	return nil
}
