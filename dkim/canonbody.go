package dkim

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Constant bytes; never written to.
var (
	crlf  = []byte("\r\n")
	blank = []byte(" ")
)

// blankLines is what runs of empty lines are written from.
var blankLines = bytes.Repeat(crlf, 1024)

// bodyCanon is the state of one streaming body canonicalization. What might
// be the end of the body, and so be dropped, is counted and not stored.
type bodyCanon struct {
	hashes []*BodyHash
	record *recorder // nil, but for CanonicalBody and BodyHashes.Keep
	length int64     // octets of the canonical body so far

	lines  int64 // line ends held back: they count only when something follows
	heldCR bool  // a CR ended the last chunk
	blank  bool  // relaxed: white space held back
	some   bool  // something other than empty lines has been written

	// Short pieces are gathered here: hashing them one by one is slow.
	gathered int
	gather   []byte // gatherBytes once there is a body
}

const gatherBytes = 2048

func (c *bodyCanon) active() bool { return len(c.hashes) > 0 }

func (c *bodyCanon) add(h *BodyHash) { c.hashes = append(c.hashes, h) }

func (c *bodyCanon) reset() {
	clear(c.hashes)
	c.hashes = c.hashes[:0]
	c.length, c.lines = 0, 0
	c.heldCR, c.blank, c.some = false, false, false
	c.gathered, c.record = 0, nil
}

// put writes canonical octets.
func (c *bodyCanon) put(p []byte) {
	c.length += int64(len(p))
	if len(p) > gatherBytes-c.gathered {
		c.flush()
		if len(p) > gatherBytes/4 {
			c.hash(p)
			return
		}
	}
	if c.gather == nil {
		c.gather = make([]byte, gatherBytes)
	}
	c.gathered += copy(c.gather[c.gathered:], p)
}

func (c *bodyCanon) flush() {
	c.hash(c.gather[:c.gathered])
	c.gathered = 0
}

func (c *bodyCanon) hash(p []byte) {
	for _, h := range c.hashes {
		h.write(p)
	}
	if c.record != nil {
		c.record.write(p)
	}
}

// release writes what was held back, since something follows it.
func (c *bodyCanon) release() {
	for c.lines > 0 {
		n := min(c.lines, int64(len(blankLines)/2))
		c.put(blankLines[:2*n])
		c.lines -= n
	}
	if c.blank {
		c.blank = false
		c.put(blank)
	}
	c.some = true
}

// simple canonicalizes a chunk: RFC 6376 §3.4.3, empty lines at the end are
// dropped, all else stays.
func (c *bodyCanon) simple(p []byte) {
	if len(p) == 0 {
		return
	}
	if c.heldCR {
		c.heldCR = false
		if p[0] == '\n' {
			c.lines++
			p = p[1:]
		} else {
			c.release()
			c.put(crlf[:1])
		}
	}
	end := len(p)
	if end > 0 && p[end-1] == '\r' {
		end--
		c.heldCR = true
	}
	core := trimLines(p[:end])
	if len(core) > 0 {
		c.release()
		c.put(core)
	}
	c.lines += int64(end-len(core)) / 2
}

// trimLines cuts the line ends off the end of p.
func trimLines(p []byte) []byte {
	n := len(p)
	for n >= 2 && p[n-1] == '\n' && p[n-2] == '\r' {
		n -= 2
	}
	return p[:n]
}

// closeSimple ends the body. RFC 6376 §3.4.3: an empty body is one CRLF.
func (c *bodyCanon) closeSimple() {
	if c.heldCR {
		c.heldCR = false
		c.release()
		c.put(crlf[:1])
	}
	c.put(crlf)
	c.flush()
}

// relaxed canonicalizes a chunk: RFC 6376 §3.4.4, white space at the ends of
// lines is dropped, elsewhere it becomes one blank, and empty lines at the end
// of the body are dropped.
func (c *bodyCanon) relaxed(p []byte) {
	if len(p) == 0 {
		return
	}
	if c.heldCR {
		c.heldCR = false
		if p[0] == '\n' {
			c.lineEnd()
			p = p[1:]
		} else {
			c.release()
			c.put(crlf[:1])
		}
	}
	for len(p) > 0 {
		p = p[c.special(p):]
		if len(p) == 0 {
			return
		}
		n := regular(p)
		core := trimLines(p[:n])
		if len(core) > 0 {
			c.release()
			c.put(core)
		}
		if k := int64(n-len(core)) / 2; k > 0 {
			c.blank = false
			c.lines += k
		}
		p = p[n:]
	}
}

// lineEnd is the end of a line: white space before it is dropped.
func (c *bodyCanon) lineEnd() {
	c.blank = false
	c.lines++
}

// special takes white space and line ends from the front of p into the state
// and returns their number of bytes.
func (c *bodyCanon) special(p []byte) int {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case ' ', '\t':
			c.blank = true
		case '\r':
			if i+1 == len(p) {
				c.heldCR = true
				return len(p)
			}
			if p[i+1] != '\n' {
				return i
			}
			i++
			c.lineEnd()
		default:
			return i
		}
	}
	return len(p)
}

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// regular is the length of the longest known prefix of p that canonicalizes
// to itself (line ends at its end aside). It is at least 1: p begins with
// neither white space nor a line end, and not with a CR at the end of a chunk.
//
// The scan looks at eight bytes at a time for a tab, and for two bytes in a
// row that are not above ' ' (blank and blank, blank and CR; CR and LF too,
// which is why it looks closer then).
func regular(p []byte) int {
	i := 0
	for i+9 <= len(p) {
		a := binary.LittleEndian.Uint64(p[i:])
		b := binary.LittleEndian.Uint64(p[i+1:])
		pairs := notAboveSpace(a) & notAboveSpace(b)
		tabs := a ^ 0x09*low
		tabs = (tabs - low) &^ tabs & high // exact up to the first tab
		m := pairs | tabs
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) / 8
		switch p[i] {
		case '\t':
			return i
		case ' ':
			if n := p[i+1]; n == ' ' || n == '\t' || n == '\r' {
				return i
			}
			i++
		case '\r':
			if p[i+1] == '\n' {
				i++
			}
			i++ // a blank behind it is regular when it stands alone: the scan finds out
		default:
			i++
		}
	}
	return regularTail(p, i)
}

// notAboveSpace has the high bit set for each byte of x below 0x21.
func notAboveSpace(x uint64) uint64 {
	return ^((x | high) - 0x21*low | x) & high
}

// regularTail goes on byte by byte from i. The last byte of a chunk is not
// regular when it is white space or CR: what follows decides.
func regularTail(p []byte, i int) int {
	for i < len(p) {
		switch p[i] {
		case '\t':
			return i
		case ' ':
			if i+1 == len(p) || p[i+1] == ' ' || p[i+1] == '\t' || p[i+1] == '\r' {
				return i
			}
		case '\r':
			if i+1 == len(p) {
				return i
			}
		}
		i++
	}
	return i
}

// closeRelaxed ends the body. RFC 6376 §3.4.4: an empty body stays empty,
// any other ends with CRLF.
func (c *bodyCanon) closeRelaxed() {
	if c.heldCR {
		c.heldCR = false
		c.release()
		c.put(crlf[:1])
	}
	if c.some {
		c.put(crlf)
	}
	c.flush()
}

// recorder keeps a canonical body.
type recorder struct {
	limit int64
	text  []byte
}

// full reports whether there is nothing more to keep.
func (r *recorder) full() bool { return r == nil || r.limit >= 0 && int64(len(r.text)) >= r.limit }

func (r *recorder) write(p []byte) {
	if r.limit >= 0 {
		p = p[:min(int64(len(p)), r.limit-int64(len(r.text)))]
	}
	r.text = append(r.text, p...)
}
