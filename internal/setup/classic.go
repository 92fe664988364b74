package setup

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"dojang/internal/atomicfile"
	"dojang/internal/exit"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/problem"
)

// Classic is a key as opendkim-genkey(8) makes it.
type Classic struct {
	Bits                        int
	Domain, Directory, Selector string
	Hashes, Note                string
	AppendDomain, Restricted    bool
	NoSubdomains, Subdomains    bool
	TestMode                    bool
	Verbose                     int
}

// Make makes an RSA key and writes SELECTOR.private and SELECTOR.txt. An existing
// key is kept beside the new one as .old.
func (o Classic) Make(program string, errs io.Writer) error {
	say := func(format string, args ...any) {
		if o.Verbose > 0 {
			fmt.Fprintf(errs, program+": "+format+"\n", args...)
		}
	}
	if err := checkDirectory(o.Directory); err != nil {
		return err
	}
	if err := keyrecord.CheckSelector(o.Selector); err != nil {
		return exit.With(1, err)
	}
	if err := keyrecord.CheckName("domain", o.Domain); err != nil && o.AppendDomain { // else a comment has it
		return exit.With(1, err)
	}
	if hashes, changed := keyrecord.CorrectHashes(o.Hashes); changed {
		fmt.Fprintf(errs, "%s: WARNING: h= names hashes, not signature algorithms: h=%s would make every signature fail; "+
			"writing h=%s\n", program, o.Hashes, hashes)
		o.Hashes = hashes
	}
	say("generating private key")
	if o.Bits < keystore.MinRSABits {
		fmt.Fprintf(errs, "%s: WARNING: RFC6376 advises minimum 1024-bit keys\n", program)
	}
	pair, err := keystore.GenerateRSA(o.Bits)
	if err != nil {
		return exit.With(1, err)
	}
	base := filepath.Join(o.Directory, o.Selector)
	if err := WriteSecret(base+".private", pair.PEM, atomicfile.Options{KeepOld: true}); err != nil {
		return exit.With(1, err)
	}
	say("private key written to %s.private", o.Selector)
	say("extracting public key")
	record, err := keyrecord.Of(pair.Public)
	if err != nil {
		return exit.With(1, err)
	}
	record.Selector, record.Domain = o.Selector, o.Domain
	record.Hashes, record.Note = o.Hashes, o.Note
	record.Testing, record.EmailOnly = o.TestMode, o.Restricted
	record.NoSubdomains = o.NoSubdomains || !o.Subdomains
	if err := WriteSecret(base+".txt", []byte(record.OpenDKIM(o.AppendDomain)), atomicfile.Options{}); err != nil {
		return exit.With(1, err)
	}
	say("DNS TXT record written to %s.txt", o.Selector)
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
