package rsaengine

import "math/bits"

// The arithmetic in limbs of 64 bits that is not worth a kernel. Moduli have
// their top bit set. The functions take time that depends on the lengths alone.

const all = ^uint64(0)

// addMasked sets x to x + y&mask, limb by limb, and returns what is carried out.
func addMasked(x, y []uint64, mask uint64) (carry uint64) {
	for j := range x {
		x[j], carry = bits.Add64(x[j], y[j]&mask, carry)
	}
	return carry
}

// subtractMasked sets x to x - y&mask and returns what is borrowed.
func subtractMasked(x, y []uint64, mask uint64) (borrow uint64) {
	for j := range x {
		x[j], borrow = bits.Sub64(x[j], y[j]&mask, borrow)
	}
	return borrow
}

// addModulo sets x to x + y modulo m, not fully reduced. The sum is below
// 2^(64·d+1) and m at least 2^(64·d-1), so it fits after two subtractions.
func addModulo(x, y, m []uint64) {
	over := addMasked(x, y, all)
	for range 2 {
		over -= subtractMasked(x, m, -over)
	}
}

// subtractModulo sets r to a - b modulo m, fully reduced, for a < m and b < 2m.
func subtractModulo(r, a, b, m []uint64) {
	copy(r, a)
	below := subtractMasked(r, b, all)
	for range 2 {
		below -= addMasked(r, m, -below)
	}
}

// reduceOnce sets x to x-m where x ≥ m, and leaves it alone otherwise. t is
// scratch.
func reduceOnce(x, m, t []uint64) {
	copy(t, x)
	keep := -subtractMasked(t[:len(x)], m, all)
	for j := range x {
		x[j] = x[j]&keep | t[j]&^keep
	}
}

// multiplyAddLimbs sets r = a·b + c, where a, b and c are of one length and r is
// twice as long.
func multiplyAddLimbs(r, a, b, c []uint64) {
	copy(r, c)
	for i, x := range a {
		var top uint64
		for j, y := range b {
			high, low := bits.Mul64(x, y)
			var carry uint64
			low, carry = bits.Add64(low, top, 0)
			high += carry
			r[i+j], carry = bits.Add64(r[i+j], low, 0)
			top = high + carry
		}
		r[i+len(b)] = top
	}
}
