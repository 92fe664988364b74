package dkim

import (
	"crypto"
	_ "crypto/sha1" // for crypto.SHA1
	_ "crypto/sha256"
	"hash"

	"dojang/header"
)

// AppendHeader appends the canonical form of a header field, its final CRLF
// included, to dst. Raw is a field in the form of header.Field.Raw.
func AppendHeader(dst, raw []byte, c Canonicalization) []byte {
	return append(appendHeader(dst, raw, c), '\r', '\n')
}

// appendHeader is AppendHeader without the final CRLF, as the signature's own
// field is hashed.
func appendHeader(dst, raw []byte, c Canonicalization) []byte {
	if c == Simple {
		return append(dst, raw...) // RFC 6376 §3.4.1
	}
	return appendRelaxedHeader(dst, raw)
}

// appendRelaxedHeader is RFC 6376 §3.4.2: name in lower case, no white space
// around the colon, unfolded, runs of white space one blank, none at the end.
func appendRelaxedHeader(dst, raw []byte) []byte {
	start := len(dst)
	i := 0
	for i < len(raw) && raw[i] != ':' {
		c := raw[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
		i++
	}
	for len(dst) > start && isHeaderSpace(dst[len(dst)-1]) {
		dst = dst[:len(dst)-1]
	}
	if i == len(raw) {
		return dst
	}
	dst = append(dst, ':')
	i++
	return appendUnfolded(dst, raw[i+leadingSpace(raw[i:]):])
}

// appendUnfolded appends v with each run of white space as one blank and none
// at the end.
func appendUnfolded(dst, v []byte) []byte {
	for len(v) > 0 {
		n := 0
		for n < len(v) && (!isHeaderSpace(v[n]) || v[n] == '\r' && isBareCR(v[n:])) {
			n++
		}
		dst = append(dst, v[:n]...)
		v = v[n:]
		n = leadingSpace(v)
		if v = v[n:]; n > 0 && len(v) > 0 {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// leadingSpace is the number of octets of white space that v begins with.
func leadingSpace(v []byte) int {
	n := 0
	for n < len(v) && isHeaderSpace(v[n]) && !(v[n] == '\r' && isBareCR(v[n:])) {
		n++
	}
	return n
}

// isBareCR reports whether v begins with a CR that does not end a line. RFC 6376
// §3.4.2: it is no white space. Some programs take it for the end of a line, so a blank that became one
// changes what a reader sees.
func isBareCR(v []byte) bool { return len(v) < 2 || v[1] != '\n' }

// isHeaderSpace reports whether c is white space in a header, the CR and LF of folds included.
func isHeaderSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// headerHasher hashes the header parts of one message. Its buffers serve all
// signatures of the message.
type headerHasher struct {
	index   header.Index
	picker  header.Picker
	scratch []byte
	sha1    hash.Hash
	sha256  hash.Hash
	sum     []byte
	field   []byte // a signature's own field in the making
}

// release lets go of what a message of unusual size made grow.
func (x *headerHasher) release() {
	const keep = 16 << 10
	if cap(x.scratch) > keep {
		x.scratch = nil
	}
	if cap(x.field) > keep {
		x.field = nil
	}
	x.index.Release()
	x.picker.Release()
}

// hasher is a reset hash state.
func (x *headerHasher) hasher(h crypto.Hash) hash.Hash {
	p := &x.sha256
	if h == crypto.SHA1 {
		p = &x.sha1
	}
	if *p == nil {
		*p = h.New()
	} else {
		(*p).Reset()
	}
	return *p
}

// sumFields hashes the fields that names picks from list, in the order of
// names, and then the signature's own field with the value of b= cut out.
// Field exclude is never picked (-1 for none). A name without a field left
// hashes as nothing (RFC 6376 §5.4). The result is valid until the next call.
func (x *headerHasher) sumFields(list *header.List, exclude int, names []string, own ownField, c Canonicalization, fn crypto.Hash) []byte {
	h := x.hasher(fn)
	x.index.Build(list)
	x.picker.Reset(&x.index)
	x.picker.Exclude(exclude)
	if x.scratch == nil {
		x.scratch = make([]byte, 0, 2048)
	}
	buf := x.scratch[:0]
	for _, name := range names {
		i, ok := x.picker.Pick(name)
		if !ok {
			continue
		}
		buf = AppendHeader(buf, list.At(i).Raw, c)
		if len(buf) >= 1024 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	buf = own.append(buf, c)
	h.Write(buf)
	x.scratch = buf[:0]
	x.sum = h.Sum(x.sum[:0])
	return x.sum
}

// ownField is the field that carries a signature, and where in it the value of
// b= stands.
type ownField struct {
	raw        []byte
	start, end int
}

// append appends its canonical form without b='s value and without CRLF.
//
// RFC 6376 §3.7: the value is removed with all white space around it. It is
// cut out where the lexer found it; nothing that merely looks like it (in z=)
// is touched.
func (o ownField) append(dst []byte, c Canonicalization) []byte {
	if c == Simple {
		return append(append(dst, o.raw[:o.start]...), o.raw[o.end:]...)
	}
	if o.start == len(o.raw) { // the signer's own
		return appendHeader(dst, o.raw, c)
	}
	blank := make([]byte, 0, len(o.raw))
	blank = append(append(blank, o.raw[:o.start]...), o.raw[o.end:]...)
	return appendHeader(dst, blank, c)
}
