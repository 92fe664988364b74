// Package rsaengine makes RSA signatures (PKCS #1 v1.5, RFC 8017 §8.2) faster
// than crypto/rsa does where the CPU has AVX-512 IFMA: up to four signatures
// that wait at the same time are computed together, in eight lanes of the
// vector unit. Everywhere else, and for every key it does not know how to
// speed up, it signs with crypto/rsa. docs/rsa-engine.md explains the
// arithmetic and the measures against side channels and faults.
package rsaengine

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// Modes of Options.
const (
	ModeAuto = "auto" // IFMA where it is available and passes its self-test, else crypto/rsa
	ModeGo   = "go"   // crypto/rsa always
	ModeIFMA = "ifma" // IFMA, or New fails
)

// Options configure an Engine. The zero value is usable.
type Options struct {
	// Mode is one of the Mode constants; "" is ModeAuto.
	Mode string
	// Workers bounds how many batches are computed at once; 0 is GOMAXPROCS.
	Workers int
}

// Engine owns the queue in which signatures wait for a free core, and the
// counters. Its methods may be called from several goroutines.
type Engine struct {
	queue  queue
	ifma   bool
	reason string
	closed atomic.Bool
	inject func(vector) // see work

	batches, signatures, lanes, fallbacks, faults atomic.Uint64
}

// Stats are counts since New.
type Stats struct {
	Batches    uint64 // passes through the vector unit
	Signatures uint64 // signatures made in them, at most four a batch
	Lanes      uint64 // lanes these used, of eight a batch: two a signature, or all for one alone
	Fallbacks  uint64 // signatures made by crypto/rsa
	Faults     uint64 // results that failed the check with the public key; crypto/rsa signed instead
}

// ErrUnavailable is wrapped by the error of New when ModeIFMA is asked for on
// a machine without it.
var ErrUnavailable = errors.New("AVX-512 IFMA is not available")

// New returns an engine. With ModeIFMA it fails when the CPU, the operating
// system or the Go runtime's settings do not allow IFMA, or the self-test fails.
func New(o Options) (*Engine, error) {
	e := &Engine{}
	e.queue.free = map[shape][]*work{}
	e.queue.workers = o.Workers
	if e.queue.workers <= 0 {
		e.queue.workers = runtime.GOMAXPROCS(0)
	}
	switch o.Mode {
	case ModeGo:
		e.reason = "chosen by configuration"
		return e, nil
	case "", ModeAuto, ModeIFMA:
	default:
		return nil, fmt.Errorf("signing engine %.256q is unknown: use %s, %s or %s", o.Mode, ModeAuto, ModeGo, ModeIFMA)
	}
	err := e.available()
	if err == nil {
		e.ifma = true
		err = e.selfTest()
	}
	if err != nil {
		e.ifma = false
		e.reason = err.Error()
		if o.Mode == ModeIFMA {
			return nil, fmt.Errorf("signing engine %q: %w", o.Mode, err)
		}
	}
	return e, nil
}

func (e *Engine) available() error {
	if missing := missingFeature(); missing != "" {
		return fmt.Errorf("%w: %s", ErrUnavailable, missing)
	}
	if fips140.Enabled() {
		return fmt.Errorf("%w: FIPS 140-3 mode requires the validated module of the standard library", ErrUnavailable)
	}
	return nil
}

// Name is "ifma" or "go": what signs the keys that can be accelerated.
func (e *Engine) Name() string {
	if e.ifma {
		return ModeIFMA
	}
	return ModeGo
}

// Reason says why Name is "go"; it is "" when it is not.
func (e *Engine) Reason() string { return e.reason }

// Stats returns the counters.
func (e *Engine) Stats() Stats {
	return Stats{
		Batches:    e.batches.Load(),
		Signatures: e.signatures.Load(),
		Lanes:      e.lanes.Load(),
		Fallbacks:  e.fallbacks.Load(),
		Faults:     e.faults.Load(),
	}
}

// Close makes all signers of the engine sign with crypto/rsa from now on and
// drops the working memory, which is wiped after every batch. Signatures in
// hand are finished.
func (e *Engine) Close() {
	e.closed.Store(true)
	e.queue.drop()
}

// Wrap returns a signer with key. It computes what depends only on the key, so
// wrap each key once. The signer keeps key, which must not be changed. Keys of
// 1024, 2048, 3072 and 4096 bits, of two primes of half that length and with
// the public exponent 65537 are accelerated; others are signed by crypto/rsa.
// A key that is inconsistent is an error.
func (e *Engine) Wrap(key *rsa.PrivateKey) (crypto.Signer, error) {
	if key == nil {
		return nil, errors.New("rsaengine: no key")
	}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	s := &signer{engine: e, key: key}
	if e.ifma && acceleratable(key) {
		s.constants = newConstants(key)
		runtime.AddCleanup(s, (*constants).wipe, s.constants)
	}
	return s, nil
}
