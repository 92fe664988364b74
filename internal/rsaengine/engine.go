// Package rsaengine makes RSA signatures (PKCS #1 v1.5, RFC 8017 §8.2) faster
// than crypto/rsa does. It has two kinds of kernels. Where the CPU has AVX-512
// IFMA, up to four signatures that wait at the same time are computed together,
// in eight lanes of the vector unit. Where it has ADX, each is computed by itself,
// in general registers. Everywhere else, and for every key it does not know how
// to speed up, it signs with crypto/rsa. docs/rsa-engine.md explains the
// arithmetic and the measures against side channels and faults.
package rsaengine

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// Modes of Options.
const (
	ModeAuto = "auto" // the first of IFMA and ADX that is available and passes its self-test, else crypto/rsa
	ModeGo   = "go"   // crypto/rsa always
	ModeIFMA = "ifma" // IFMA, or New fails
	ModeADX  = "adx"  // ADX, or New fails
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
	name    string // ModeIFMA, ModeADX or ModeGo: whose kernels sign
	reason  string
	classes []class // what they sign
	public  []class // what signatures are checked with
	closed  atomic.Bool

	queue  queue                 // of IFMA
	memory map[*class]*sync.Pool // of ADX: *scalar, wiped
	makers map[*class]*sync.Pool // of *maker, wiped

	inject       func(vector)          // see work
	injectScalar func(sp, sq []uint64) // see scalar

	batches, signatures, lanes, fallbacks, faults atomic.Uint64
}

// Stats are counts since New.
type Stats struct {
	Batches    uint64 // passes through the vector unit, with IFMA
	Signatures uint64 // signatures made by the kernels; with IFMA at most four a batch
	Lanes      uint64 // lanes these used, of eight a batch: two a signature, or all for one alone
	Fallbacks  uint64 // signatures made by crypto/rsa
	Faults     uint64 // results that failed the check with the public key; crypto/rsa signed instead
}

// errUnavailable is wrapped by the error of New when ModeIFMA or ModeADX is asked
// for on a machine without it.
var errUnavailable = errors.New("not available")

// New returns an engine. With ModeIFMA and ModeADX it fails when the CPU, the
// operating system or the Go runtime's settings do not allow that, or the
// self-test fails.
func New(o Options) (*Engine, error) {
	e := &Engine{name: ModeGo}
	e.queue.free = map[shape][]*work{}
	e.queue.workers = o.Workers
	if e.queue.workers <= 0 {
		e.queue.workers = runtime.GOMAXPROCS(0)
	}
	switch o.Mode {
	case ModeGo:
		e.reason = "chosen by configuration"
		return e, nil
	case ModeIFMA, ModeADX:
		if err := e.use(o.Mode); err != nil {
			return nil, fmt.Errorf("signing engine %q: %w", o.Mode, err)
		}
		return e, nil
	case "", ModeAuto:
	default:
		return nil, fmt.Errorf("signing engine %.256q is unknown: use %s, %s, %s or %s", o.Mode, ModeAuto, ModeGo, ModeIFMA, ModeADX)
	}
	var reasons []string
	for _, name := range []string{ModeIFMA, ModeADX} {
		err := e.use(name)
		if err == nil {
			break
		}
		reasons = append(reasons, name+": "+err.Error())
	}
	e.reason = strings.Join(reasons, "; ")
	return e, nil
}

// use makes the engine compute with the named kernels, if they are there and
// pass their self-test.
func (e *Engine) use(name string) error {
	missing := missingForIFMA()
	if name == ModeADX {
		missing = missingForADX()
	}
	if missing != "" {
		return fmt.Errorf("%w: %s", errUnavailable, missing)
	}
	if fips140.Enabled() {
		return fmt.Errorf("%w: FIPS 140-3 mode requires the validated module of the standard library", errUnavailable)
	}
	e.name, e.classes, e.public = name, adxClasses, adxClasses
	if name == ModeIFMA {
		e.classes, e.public = ifmaClasses, ifmaPublic()
	}
	if err := e.selfTest(); err != nil {
		e.name, e.classes, e.public = ModeGo, nil, nil
		return err
	}
	e.memory, e.makers = map[*class]*sync.Pool{}, map[*class]*sync.Pool{}
	for i := range e.classes {
		c := &e.classes[i]
		e.memory[c], e.makers[c] = new(sync.Pool), new(sync.Pool)
		if lone := e.loneClass(c); lone != nil {
			e.memory[lone] = new(sync.Pool)
		}
	}
	return nil
}

// loneClass is the class by which a message alone is signed, nil for the same.
func (e *Engine) loneClass(c *class) *class {
	if !c.lone || missingForADX() != "" {
		return nil
	}
	return classOf(adxClasses, c.bits)
}

// Name is "ifma", "adx" or "go": what signs the keys that can be accelerated.
func (e *Engine) Name() string { return e.name }

// Reason says why Name is not "ifma"; it is "" when that or "adx" was asked for.
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
// drops the working memory, which is wiped after every use. Signatures in hand
// are finished.
func (e *Engine) Close() {
	e.closed.Store(true)
	e.queue.drop()
}
