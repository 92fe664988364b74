package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"dojang/internal/atomicfile"
	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/problem"
)

// opendkimVersion is the release whose tools ours stand in for: what they
// answer to -V.
const opendkimVersion = "2.11.0"

// classicGenkeyOptions are opendkim-genkey(8)'s.
type classicGenkeyOptions struct {
	bits                        int
	domain, directory, selector string
	hashes, note                string
	appendDomain, restricted    bool
	noSubdomains, subdomains    bool
	testMode, help, version     bool
	verbose                     int
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
	if err := runClassicGenkey(program, s.Err, o); err != nil {
		fmt.Fprintf(s.Err, "%s: %v\n", program, err)
		return exit.Status(err)
	}
	return 0
}

func parseClassicGenkey(errs io.Writer, args []string) (classicGenkeyOptions, bool) {
	// Compat(opendkim 2.11): Debian's defaults, 2048 bits and h=sha256.
	o := classicGenkeyOptions{bits: 2048, domain: "localhost", directory: ".", selector: "default", hashes: "sha256", subdomains: true}
	p := getopt.Perl{Err: errs, Options: []getopt.Option{
		{Names: []string{"a", "append-domain"}, Flag: &o.appendDomain},
		{Names: []string{"b", "bits"}, Number: &o.bits},
		{Names: []string{"D", "directory"}, Text: &o.directory},
		{Names: []string{"d", "domain"}, Text: &o.domain},
		{Names: []string{"h", "hash-algorithms"}, Text: &o.hashes},
		{Names: []string{"help"}, Flag: &o.help},
		{Names: []string{"n", "note"}, Text: &o.note},
		{Names: []string{"r", "restrict"}, Flag: &o.restricted},
		{Names: []string{"s", "selector"}, Text: &o.selector},
		{Names: []string{"S"}, Flag: &o.noSubdomains},
		{Names: []string{"subdomains"}, Flag: &o.subdomains},
		{Names: []string{"t", "testmode"}, Flag: &o.testMode},
		{Names: []string{"v", "verbose"}, Counter: &o.verbose},
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

// runClassicGenkey makes an RSA key and writes SELECTOR.private and
// SELECTOR.txt. An existing key is kept beside the new one as .old.
func runClassicGenkey(program string, errs io.Writer, o classicGenkeyOptions) error {
	say := func(format string, args ...any) {
		if o.verbose > 0 {
			fmt.Fprintf(errs, program+": "+format+"\n", args...)
		}
	}
	if err := checkDirectory(o.directory); err != nil {
		return err
	}
	if err := keyrecord.CheckName("selector", o.selector); err != nil {
		return exit.With(1, err)
	}
	if hashes, changed := keyrecord.CorrectHashes(o.hashes); changed {
		fmt.Fprintf(errs, "%s: WARNING: h= names hashes, not signature algorithms: h=%s would make every signature fail; writing h=%s\n", program, o.hashes, hashes)
		o.hashes = hashes
	}
	say("generating private key")
	if o.bits < keystore.MinRSABits {
		fmt.Fprintf(errs, "%s: WARNING: RFC6376 advises minimum 1024-bit keys\n", program)
	}
	pair, err := keystore.GenerateRSA(o.bits)
	if err != nil {
		return exit.With(1, err)
	}
	base := filepath.Join(o.directory, o.selector)
	if err := writeSecret(base+".private", pair.PEM, atomicfile.Options{KeepOld: true}); err != nil {
		return exit.With(1, err)
	}
	say("private key written to %s.private", o.selector)
	say("extracting public key")
	record, err := keyrecord.Of(pair.Public)
	if err != nil {
		return exit.With(1, err)
	}
	record.Selector, record.Domain = o.selector, o.domain
	record.Hashes, record.Note = o.hashes, o.note
	record.Testing, record.EmailOnly = o.testMode, o.restricted
	record.NoSubdomains = o.noSubdomains || !o.subdomains
	if err := writeSecret(base+".txt", []byte(record.OpenDKIM(o.appendDomain)), atomicfile.Options{}); err != nil {
		return exit.With(1, err)
	}
	say("DNS TXT record written to %s.txt", o.selector)
	return nil
}

// checkDirectory ends with errno as the exit status, as Perl's die does.
func checkDirectory(dir string) error {
	if err := syscallAccess(dir); err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return exit.Errorf(int(errno), "%s: chdir(): %s", dir, problem.Strerror(errno))
		}
		return exit.Errorf(1, "%s: chdir(): %w", dir, err)
	}
	return nil
}
