package cli

import (
	"context"
	"fmt"
	"io"

	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/setup"
)

// opendkimVersion is the release whose tools ours stand in for: what they
// answer to -V.
const opendkimVersion = "2.11.0"

// classicGenkeyOptions are opendkim-genkey(8)'s.
type classicGenkeyOptions struct {
	setup.Classic
	help, version bool
}

// classicGenkey is opendkim-genkey(8).
func classicGenkey(_ context.Context, s Streams, args []string) int {
	const program = "opendkim-genkey"
	o, ok := parseClassicGenkey(s.Err, args)
	switch {
	case o.help:
		io.WriteString(s.Err, classicGenkeyUsage)
		return 0
	case !ok:
		io.WriteString(s.Err, classicGenkeyUsage)
		return 1
	case o.version:
		fmt.Fprintf(s.Out, "%s v%s\n", program, opendkimVersion)
		return 0
	}
	if err := o.Make(program, s.Err); err != nil {
		fmt.Fprintf(s.Err, "%s: %v\n", program, err)
		return exit.Status(err)
	}
	return 0
}

func parseClassicGenkey(errs io.Writer, args []string) (classicGenkeyOptions, bool) {
	// Compat(opendkim 2.11): Debian's defaults, 2048 bits and h=sha256.
	o := classicGenkeyOptions{
		Classic: setup.Classic{Bits: 2048, Domain: "localhost", Directory: ".", Selector: "default", Hashes: "sha256", Subdomains: true}}
	p := getopt.Perl{Err: errs, Options: []getopt.Option{
		{Names: []string{"a", "append-domain"}, Flag: &o.AppendDomain},
		{Names: []string{"b", "bits"}, Number: &o.Bits},
		{Names: []string{"D", "directory"}, Text: &o.Directory},
		{Names: []string{"d", "domain"}, Text: &o.Domain},
		{Names: []string{"h", "hash-algorithms"}, Text: &o.Hashes},
		{Names: []string{"help"}, Flag: &o.help},
		{Names: []string{"n", "note"}, Text: &o.Note},
		{Names: []string{"r", "restrict"}, Flag: &o.Restricted},
		{Names: []string{"s", "selector"}, Text: &o.Selector},
		{Names: []string{"S"}, Flag: &o.NoSubdomains},
		{Names: []string{"subdomains"}, Flag: &o.Subdomains},
		{Names: []string{"t", "testmode"}, Flag: &o.TestMode},
		{Names: []string{"v", "verbose"}, Counter: &o.Verbose},
		{Names: []string{"V", "version"}, Flag: &o.version},
	}}
	_, ok := p.Parse(args)
	return o, ok
}

const classicGenkeyUsage = `opendkim-genkey: usage: opendkim-genkey [options]
	--append-domain        include domain name in zone file stub
	--bits=n               use n bits to generate the key
	--directory=path       leave output in the named directory
	--domain=name          generate data for the named domain [localhost]
	--hash-algorithms=list limit to use of the named algorithm(s)
	--help                 print help and exit
	--note=string          include specified note in zone data
	--restrict             restrict key to email use only
	--selector=name        selector name [default]
	--subdomains           allow signing of subdomains
	--testmode             indicate key is in test mode
	--verbose              increased output
	--version              print version and exit
`
