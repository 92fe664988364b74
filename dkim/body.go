package dkim

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
)

// BodyHashes computes the hashes of one message's body, each distinct
// (canonicalization, hash function, length) once, in one pass over chunks of
// any size. Its memory is constant. The zero BodyHashes is ready for use.
//
// The order of calls is Want..., Write..., Close, then the Sums; Reset makes
// it ready for the next message. It is not safe for concurrent use.
type BodyHashes struct {
	// FixCRLF turns each CR and each LF that stands alone into CRLF before
	// anything else (OpenDKIM's option of that name). Set it before the
	// first Write.
	FixCRLF bool
	// NeedTotal has the whole body canonicalized, and keeps Satisfied from being true
	// before its end, for whoever compares l= with the length of the whole body.
	NeedTotal bool

	canon   [2]bodyCanon // by Canonicalization
	hashes  []*BodyHash
	free    []*BodyHash  // of former messages, with their hash states
	headers headerHasher // scratch of the message's signers and verifier
	heldCR  bool         // FixCRLF: a CR ended the last chunk
	started bool
	closed  bool
}

// BodyHash is one of a BodyHashes' hashes. It is valid until its BodyHashes is
// Reset.
type BodyHash struct {
	canonicalization Canonicalization
	function         crypto.Hash
	limit            int64 // -1 none

	state  hash.Hash
	hashed int64 // octets given to state
	canon  *bodyCanon
	sum    [sha256.Size]byte
	sumLen int
}

// Want asks for a hash of the canonical body, or of its first limit octets
// (-1 for no limit: 0 is the limit of l=0). Asking twice for the same gives
// the same. The hash functions are SHA-1 and SHA-256. Want must not be called
// after the first Write.
func (b *BodyHashes) Want(c Canonicalization, h crypto.Hash, limit int64) *BodyHash {
	if b.started {
		panic("dkim: BodyHashes.Want after Write")
	}
	if limit < 0 {
		limit = -1
	}
	for _, o := range b.hashes {
		if o.canonicalization == c && o.function == h && o.limit == limit {
			return o
		}
	}
	o := b.take(h)
	o.canonicalization, o.limit = c, limit
	o.canon = &b.canon[c]
	o.canon.add(o)
	b.hashes = append(b.hashes, o)
	return o
}

// take is a BodyHash with a fresh hash state, out of the stock if possible.
func (b *BodyHashes) take(h crypto.Hash) *BodyHash {
	for i, o := range b.free {
		if o.function == h {
			last := len(b.free) - 1
			b.free[i], b.free[last] = b.free[last], nil
			b.free = b.free[:last]
			o.state.Reset()
			o.hashed, o.sumLen = 0, 0
			return o
		}
	}
	o := &BodyHash{function: h}
	switch h {
	case crypto.SHA1:
		o.state = sha1.New()
	case crypto.SHA256:
		o.state = sha256.New()
	default:
		panic("dkim: no such hash function in DKIM")
	}
	return o
}

// Reset forgets the message. The hashes got from Want are not valid any more.
// FixCRLF and NeedTotal become false.
func (b *BodyHashes) Reset() {
	const keep = 8
	for _, o := range b.hashes {
		if len(b.free) < keep {
			b.free = append(b.free, o)
		}
	}
	clear(b.hashes)
	b.hashes = b.hashes[:0]
	for i := range b.canon {
		b.canon[i].reset()
	}
	b.headers.release()
	b.heldCR, b.started, b.closed = false, false, false
	b.FixCRLF, b.NeedTotal = false, false
}

// Write takes the next chunk of the body. The chunk is not kept. Once Satisfied is
// true, it does nothing.
func (b *BodyHashes) Write(chunk []byte) {
	if b.closed {
		panic("dkim: BodyHashes.Write after Close")
	}
	b.started = true
	if b.Satisfied() {
		return
	}
	if b.FixCRLF {
		b.writeFixed(chunk)
		return
	}
	b.feed(chunk)
}

// Keep keeps the first limit octets of a canonical body, for a report about a
// signature that fails. A hash of that canonicalization must be wanted too.
// Keep must not be called after the first Write.
func (b *BodyHashes) Keep(c Canonicalization, limit int64) {
	b.canon[c].record = &recorder{limit: limit}
}

// Kept returns what Keep kept, nil when it was not asked to. The slice is the
// caller's.
func (b *BodyHashes) Kept(c Canonicalization) []byte {
	if r := b.canon[c].record; r != nil {
		return r.text
	}
	return nil
}

func (b *BodyHashes) feed(chunk []byte) {
	if c := &b.canon[Simple]; c.active() {
		c.simple(chunk)
	}
	if c := &b.canon[Relaxed]; c.active() {
		c.relaxed(chunk)
	}
}

// writeFixed feeds the chunk with lone CR and LF replaced.
func (b *BodyHashes) writeFixed(chunk []byte) {
	if b.heldCR && len(chunk) > 0 {
		b.heldCR = false
		b.feed(crlf)
		if chunk[0] == '\n' {
			chunk = chunk[1:]
		}
	}
	start := 0
	for i := 0; ; {
		n := bytes.IndexAny(chunk[i:], "\r\n")
		if n < 0 {
			break
		}
		i += n
		switch {
		case chunk[i] == '\r' && i+1 == len(chunk):
			b.feed(chunk[start:i])
			b.heldCR = true
			return
		case chunk[i] == '\r' && chunk[i+1] == '\n':
			i += 2
		default:
			b.feed(chunk[start:i])
			b.feed(crlf)
			i++
			start = i
		}
	}
	b.feed(chunk[start:])
}

// Close ends the body: the sums of its hashes are final then.
func (b *BodyHashes) Close() {
	if b.closed {
		return
	}
	b.started, b.closed = true, true // a CR that is held is the end that every last line has
	b.canon[Simple].closeSimple()
	b.canon[Relaxed].closeRelaxed()
	for _, o := range b.hashes {
		o.sumLen = len(o.state.Sum(o.sum[:0]))
	}
}

// Satisfied reports whether no further byte of the body can change any of the
// hashes or of what Keep keeps, since each has reached its limit: an MTA may be told
// to skip the rest. It is true when no hash is wanted.
func (b *BodyHashes) Satisfied() bool {
	if b.NeedTotal {
		return false
	}
	for _, o := range b.hashes {
		if o.limit < 0 || o.hashed < o.limit {
			return false
		}
	}
	for i := range b.canon {
		if c := &b.canon[i]; c.active() && !c.record.full() {
			return false
		}
	}
	return true
}

// Sum returns the hash, once the BodyHashes is closed. The slice belongs to h.
func (h *BodyHash) Sum() []byte { return h.sum[:h.sumLen] }

// CanonicalLength returns the number of octets of the canonical body, regardless
// of the limit. It is final once the BodyHashes is closed. Where Satisfied was true
// before the body's end, which NeedTotal prevents, it may be any number from the
// limit on.
func (h *BodyHash) CanonicalLength() int64 { return h.canon.length }

// HashedLength returns the number of octets of the canonical body that were hashed:
// what a signer puts into l=.
func (h *BodyHash) HashedLength() int64 { return h.hashed }

func (h *BodyHash) write(p []byte) {
	if h.limit >= 0 {
		p = p[:min(int64(len(p)), h.limit-h.hashed)]
	}
	h.hashed += int64(len(p))
	h.state.Write(p)
}
