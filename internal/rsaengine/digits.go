package rsaengine

import (
	"encoding/binary"
	"math/bits"
)

// Numbers are little-endian slices of digits, of 52 bits for the IFMA kernels and
// of 64 bits, which are called limbs, for the ADX kernels. The functions here take time that depends on the lengths alone.
const (
	digitBits = 52
	digitMask = 1<<digitBits - 1
	limbBits  = 64
)

// setBytes sets x, in digits of so many bits, 52 or 64, to the big-endian number
// b, which must fit. The length of b is a multiple of eight.
func setBytes(x []uint64, b []byte, digit int) {
	mask := uint64(1)<<digit - 1
	for j := range x {
		low := digit * j / 8 // bytes below the digit
		var v uint64
		switch high := len(b) - low; {
		case high >= 8:
			v = binary.BigEndian.Uint64(b[high-8:])
		case high > 0:
			v = binary.BigEndian.Uint64(b) >> (8 * (8 - high))
		}
		x[j] = v >> (digit * j % 8) & mask
	}
}

// putBytes writes x, in digits of so many bits, to b, big-endian. The length of b
// is a multiple of eight.
func putBytes(b []byte, x []uint64, digit int) {
	for k := range len(b) / 8 {
		j, shift := 64*k/digit, 64*k%digit
		v := x[j] >> shift
		for up := digit - shift; up < 64 && j+1 < len(x); up += digit {
			j++
			v |= x[j] << up
		}
		binary.BigEndian.PutUint64(b[len(b)-8*k-8:], v)
	}
}

// add sets x to x + y, which must fit.
func add(x, y []uint64) {
	var carry uint64
	for j := range x {
		s := x[j] + y[j] + carry
		x[j] = s & digitMask
		carry = s >> digitBits
	}
}

// subtractOnce sets x to x-m where x ≥ m, and leaves it alone otherwise. t is
// scratch.
func subtractOnce(x, m, t []uint64) {
	var borrow int64
	for j := range x {
		d := int64(x[j]) - int64(m[j]) + borrow
		borrow = d >> digitBits
		t[j] = uint64(d) & digitMask
	}
	keep := uint64(borrow) // all ones where x < m
	for j := range x {
		x[j] = x[j]&keep | t[j]&^keep
	}
}

// difference sets r = a - b + 2m, which must not be negative.
func difference(r, a, b, m []uint64) {
	var carry int64
	for j := range r {
		d := int64(a[j]) - int64(b[j]) + 2*int64(m[j]) + carry
		carry = d >> digitBits
		r[j] = uint64(d) & digitMask
	}
}

// multiplyAdd sets r = a·b + c, where a, b and c are of one length and r is
// twice as long.
func multiplyAdd(r, a, b, c []uint64) {
	var high, low uint64 // of the column's sum, below 2^128
	for k := range r {
		for i := max(0, k-len(b)+1); i <= min(k, len(a)-1); i++ {
			h, l := bits.Mul64(a[i], b[k-i])
			var carry uint64
			low, carry = bits.Add64(low, l, 0)
			high += h + carry
		}
		if k < len(c) {
			var carry uint64
			low, carry = bits.Add64(low, c[k], 0)
			high += carry
		}
		r[k] = low & digitMask
		low = low>>digitBits | high<<(64-digitBits)
		high >>= digitBits
	}
}
