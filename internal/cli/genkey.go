package cli

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"strings"
	"syscall"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// opendkimVersion is the release whose tools ours stand in for: what they
// answer to -V.
const opendkimVersion = "2.11.0"

// weakRSABits is the modulus size below which receivers must not accept a key
// (RFC 8301 §3.2); maxRSABits is the largest that is made.
const (
	weakRSABits    = 1024
	minimumRSABits = 512
	maxRSABits     = 16384
)

// keyPair is a private key ready to be written and its public half.
type keyPair struct {
	privatePEM []byte // secret
	public     crypto.PublicKey
	describe   string // "2048-bit RSA", "Ed25519"
}

// newRSAKey makes an RSA key. Sizes below weakRSABits, which the standard
// library refuses, are made here for those who ask for them by the old name.
func newRSAKey(bits int) (keyPair, error) {
	if bits < minimumRSABits || bits > maxRSABits {
		return keyPair{}, fmt.Errorf("an RSA key of %d bits cannot be made: use %d to %d", bits, minimumRSABits, maxRSABits)
	}
	var key *rsa.PrivateKey
	var err error
	if bits < weakRSABits {
		key, err = newWeakRSAKey(bits)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		return keyPair{}, err
	}
	return marshalKey(key, &key.PublicKey, fmt.Sprintf("%d-bit RSA", bits))
}

func newWeakRSAKey(bits int) (*rsa.PrivateKey, error) {
	const exponent = 65537
	one := big.NewInt(1)
	for {
		p, err := rand.Prime(rand.Reader, bits-bits/2)
		if err != nil {
			return nil, err
		}
		q, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			return nil, err
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(exponent), phi)
		if n.BitLen() != bits || p.Cmp(q) == 0 || d == nil {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: exponent}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		return key, nil
	}
}

func newEd25519Key() (keyPair, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	return marshalKey(private, public, "Ed25519")
}

func marshalKey(private crypto.PrivateKey, public crypto.PublicKey, describe string) (keyPair, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{
		privatePEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		public:     public,
		describe:   describe,
	}, nil
}

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
		return exitCode(err)
	}
	return 0
}

func parseClassicGenkey(errs io.Writer, args []string) (classicGenkeyOptions, bool) {
	// Compat(opendkim 2.11): Debian's defaults, 2048 bits and h=sha256.
	o := classicGenkeyOptions{bits: 2048, domain: "localhost", directory: ".", selector: "default", hashes: "sha256", subdomains: true}
	p := perlOptions{err: errs, options: []perlOption{
		{names: []string{"a", "append-domain"}, flag: &o.appendDomain},
		{names: []string{"b", "bits"}, number: &o.bits},
		{names: []string{"D", "directory"}, text: &o.directory},
		{names: []string{"d", "domain"}, text: &o.domain},
		{names: []string{"h", "hash-algorithms"}, text: &o.hashes},
		{names: []string{"help"}, flag: &o.help},
		{names: []string{"n", "note"}, text: &o.note},
		{names: []string{"r", "restrict"}, flag: &o.restricted},
		{names: []string{"s", "selector"}, text: &o.selector},
		{names: []string{"S"}, flag: &o.noSubdomains},
		{names: []string{"subdomains"}, flag: &o.subdomains},
		{names: []string{"t", "testmode"}, flag: &o.testMode},
		{names: []string{"v", "verbose"}, counter: &o.verbose},
		{names: []string{"V", "version"}, flag: &o.version},
	}}
	_, ok := p.parse(args)
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
		return &exitError{1, err}
	}
	if hashes, changed := correctHashes(o.hashes); changed {
		fmt.Fprintf(errs, "%s: WARNING: h= names hashes, not signature algorithms: h=%s would make every signature fail; writing h=%s\n", program, o.hashes, hashes)
		o.hashes = hashes
	}
	say("generating private key")
	if o.bits < weakRSABits {
		fmt.Fprintf(errs, "%s: WARNING: RFC6376 advises minimum 1024-bit keys\n", program)
	}
	pair, err := newRSAKey(o.bits)
	if err != nil {
		return &exitError{1, err}
	}
	base := filepath.Join(o.directory, o.selector)
	if err := writeSecret(base+".private", pair.privatePEM, writeOptions{replace: true, keepOld: true}); err != nil {
		return &exitError{1, err}
	}
	say("private key written to %s.private", o.selector)
	say("extracting public key")
	record, err := recordOf(pair.public)
	if err != nil {
		return &exitError{1, err}
	}
	record.Selector, record.Domain = o.selector, o.domain
	record.Hashes, record.Note = o.hashes, o.note
	record.Testing, record.EmailOnly = o.testMode, o.restricted
	record.NoSubdomains = o.noSubdomains || !o.subdomains
	if err := writeSecret(base+".txt", []byte(record.OpenDKIM(o.appendDomain)), writeOptions{replace: true}); err != nil {
		return &exitError{1, err}
	}
	say("DNS TXT record written to %s.txt", o.selector)
	return nil
}

// checkDirectory ends with errno as the exit status, as Perl's die does.
func checkDirectory(dir string) error {
	if err := syscallAccess(dir); err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return exitf(int(errno), "%s: chdir(): %s", dir, problem.Strerror(errno))
		}
		return exitf(1, "%s: chdir(): %w", dir, err)
	}
	return nil
}

func recordOf(public crypto.PublicKey) (keyrecord.Record, error) {
	keyType, base64Key, err := keyrecord.PublicKey(public)
	return keyrecord.Record{KeyType: keyType, PublicKey: base64Key}, err
}

// correctHashes turns signature algorithms in an h= list into the hashes they
// use: "rsa-sha256", copied from how-tos, becomes "sha256".
func correctHashes(list string) (corrected string, changed bool) {
	var out []string
	for h := range strings.SplitSeq(list, ":") {
		lower := strings.ToLower(strings.TrimSpace(h))
		for _, prefix := range []string{"rsa-", "ed25519-"} {
			if cut, ok := strings.CutPrefix(lower, prefix); ok {
				h, changed = cut, true
			}
		}
		duplicate := false
		for _, o := range out {
			duplicate = duplicate || o == h
		}
		if !duplicate || !changed {
			out = append(out, h)
		}
	}
	if !changed {
		return list, false
	}
	return strings.Join(out, ":"), true
}
