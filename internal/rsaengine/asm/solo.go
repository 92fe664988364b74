package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// soloVectors is how many vectors hold the numbers of the solo kernels.
const soloVectors = 5

// group is how the solo kernels lay a number over neighbouring lanes: digit d
// is in vector d mod soloVectors, lane d div soloVectors of the number's lanes.
type group struct {
	lanes int
}

func (g group) digits() int { return g.lanes * soloVectors }

// each is the lane mask with bit lane of every group set.
func (g group) each(lane int) uint64 {
	m := uint64(0)
	for l := lane; l < 8; l += g.lanes {
		m |= 1 << l
	}
	return m
}

// Lane masks of the solo kernels: the lowest lane of each group, all but the
// lowest, all but the highest.
var lowest, notLowest, notHighest = reg.K1, reg.K2, reg.K3

func (g group) masks() {
	set := func(k reg.Register, v uint64) {
		MOVQ(operand.U32(v), reg.RAX)
		KMOVW(reg.EAX, k)
	}
	set(lowest, g.each(0))
	set(notLowest, 0xff&^g.each(0))
	set(notHighest, 0xff&^g.each(g.lanes-1))
}

// digit copies digit d of each number at base to all lanes of the number.
func (g group) digit(base reg.Register, d int, to vector) {
	v, lane := d%soloVectors, d/soloVectors
	if g.lanes == 8 {
		VPBROADCASTQ(operand.Mem{Base: base, Disp: 64*v + 8*lane}, to)
		return
	}
	VPERMQ(operand.U8(0x55*lane), mem(base, v), to)
}

// spread copies the lowest lane of each number to all of its lanes.
func (g group) spread(z vector) {
	if g.lanes == 8 {
		VPBROADCASTQ(z.AsX(), z)
		return
	}
	VPERMQ(operand.U8(0), z, z)
}

// down moves each lane to the next lower one; the highest becomes zero.
func (g group) down(from, to vector) {
	if g.lanes == 8 {
		VALIGNQ_Z(operand.U8(1), from, from, notHighest, to)
		return
	}
	VPERMQ_Z(operand.U8(0x39), from, notHighest, to)
}

// up moves each lane to the next higher one; the lowest becomes zero.
func (g group) up(from, to vector) {
	if g.lanes == 8 {
		VALIGNQ_Z(operand.U8(7), from, from, notLowest, to)
		return
	}
	VPERMQ_Z(operand.U8(0x93), from, notLowest, to)
}

// multiply writes solo2 or solo1, which multiply two numbers of 20 digits
// or one of 40, and so have a result sooner than the eight-lane kernels.
func (g group) multiply() {
	count := 8 / g.lanes
	TEXT(fmt.Sprintf("solo%d", count), NOSPLIT, "func(r, a, b, m, k0 *uint64, n int)")
	Doc(fmt.Sprintf("solo%d sets r = a·b/2^(52·%d) modulo m for %d numbers of %d digits, each spread over",
		count, g.digits(), count, g.digits()),
		fmt.Sprintf("%d lanes, and then squares r n-1 times in the same way. r may be a or b.", g.lanes))
	Pragma("noescape")
	r, a, b, m, n := reg.RDI, reg.RSI, reg.RBX, reg.RDX, reg.RCX
	Load(Param("r"), r)
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("m"), m)
	Load(Param("n"), n)
	constants(reg.RAX)
	g.masks()
	loadDigitBits()
	// The columns of a·b and of quotient·m are kept apart.
	product, multiple := zmm(0, soloVectors), zmm(5, soloVectors)
	digitA, digitM := zmm(10, soloVectors), zmm(15, soloVectors)
	for j, z := range digitM {
		VMOVDQU64(mem(m, j), z)
	}

	Label("again")
	for j := range product {
		VMOVDQU64(mem(a, j), digitA[j])
		clear(product[j])
		clear(multiple[j])
	}
	factor := zmm(20, 2)
	g.digit(b, 0, factor[0])
	VPMADD52LUQ(digitA[0], factor[0], product[0])
	VMOVDQU64(product[0], lowColumn)
	for d := 0; d < g.digits(); d++ {
		if d+1 < g.digits() {
			g.digit(b, d+1, factor[(d+1)%2])
		}
		product, multiple = g.row(product, multiple, digitA, digitM, factor[d%2], factor[(d+1)%2], d+1 == g.digits())
	}
	for j := range product {
		VPADDQ(multiple[j], product[j], product[j])
	}
	VPADDQ(carry[0], product[0], lowest, product[0])
	g.normalize(product, r)
	MOVQ(r, a)
	MOVQ(r, b)
	repeat("again", n)
	finish()
}

// lowColumn is, in the lowest lane of each number, the value of its lowest
// column; the other lanes hold nothing of use.
var lowColumn = zmm(22, 1)[0]

// row adds a·factor and the multiple of m that makes the lowest column
// divisible by 2^52, and moves all columns down by one. It returns the columns'
// new places.
//
// What one row must wait for is the quotient of the row before. So the next
// lowColumn is computed from the quotient that the lowest lane has, before it is
// spread to the others. The low products of next, the factor of the row to come, are
// added here for the same reason. The carries are in lowColumn alone; the last
// is left in carry[0] for the end.
func (g group) row(product, multiple, a, m []vector, factor, next vector, end bool) (p, q []vector) {
	local, quotient, high, low := zmm(23, 1)[0], zmm(24, 1)[0], zmm(25, 1)[0], zmm(26, 1)[0]
	last := soloVectors - 1
	p = append(append(p, product[1:]...), product[0])
	q = append(append(q, multiple[1:]...), multiple[0])

	clear(local)
	VPMADD52LUQ(inverse, lowColumn, local)
	carryOf(lowColumn)
	for j := 1; j < soloVectors; j++ {
		VPMADD52LUQ(a[j], factor, product[j])
	}
	for j := range last {
		VPMADD52HUQ(a[j], factor, p[j])
	}
	if !end {
		VPMADD52LUQ(a[0], next, p[0])
	}
	VPADDQ(p[0], q[0], lowColumn)
	VPADDQ(carry[0], lowColumn, lowColumn)
	clear(high)
	VPMADD52HUQ(m[0], local, lowColumn)
	VPMADD52LUQ(m[1], local, high)
	VPADDQ(high, lowColumn, lowColumn)

	// All lanes. The lowest column of a lane, now complete for this row, is the
	// highest of the lane below.
	VMOVDQU64(local, quotient)
	g.spread(quotient)
	VPADDQ(product[0], multiple[0], low)
	VPMADD52LUQ(m[0], quotient, low)
	for j := 1; j < soloVectors; j++ {
		VPMADD52LUQ(m[j], quotient, multiple[j])
	}
	g.down(low, q[last])
	for j := range q {
		VPMADD52HUQ(m[j], quotient, q[j])
	}
	clear(p[last])
	VPMADD52HUQ(a[last], factor, p[last])
	return p, q
}

// normalize brings digits below 2^52 and stores them at r. One carry to the
// next digit leaves digits of at most 2^52 + 2^12, of which each may carry one
// more; how those run through digits that are all ones is found at once by
// an addition of the bits "carries" and "would pass a carry on", as in a
// carry-lookahead adder.
func (g group) normalize(digits []vector, r reg.Register) {
	over := zmm(20, soloVectors)
	for j, z := range digits {
		VPSRLQ(operand.U8(52), z, over[j])
		VPANDQ(mask, z, z)
	}
	last := soloVectors - 1
	g.up(over[last], over[last])
	for j, z := range digits {
		VPADDQ(over[(j+last)%soloVectors], z, z)
	}

	// Bit d of carries and passes is for digit d of all numbers, counted on.
	carries, passes, bits := reg.RAX, reg.R8, reg.R14
	for j, z := range digits {
		VPCMPUQ(operand.U8(greater), mask, z, reg.K4)
		VPCMPEQQ(mask, z, reg.K5)
		for _, x := range []struct {
			mask reg.Register
			sum  reg.GPPhysical
		}{{reg.K4, carries}, {reg.K5, passes}} {
			into := bits
			if j == 0 {
				into = x.sum
			}
			KMOVW(x.mask, into.As32())
			PDEPQ(digitBits[j], into, into)
			if j > 0 {
				ORQ(into, x.sum)
			}
		}
	}
	LEAQ(operand.Mem{Base: passes, Index: carries, Scale: 2}, carries)
	XORQ(passes, carries)
	for j, z := range digits {
		PEXTQ(digitBits[j], carries, bits)
		KMOVW(bits.As32(), reg.K4)
		VPSUBQ(mask, z, reg.K4, z) // adds one, modulo 2^52
		VPANDQ(mask, z, z)
		VMOVDQU64(z, mem(r, j))
	}
}

// greater is VPCMPUQ's "not less or equal".
const greater = 6

// digitBits hold the places, among the bits of all digits, of those in vector j.
var digitBits = []reg.GPPhysical{reg.R9, reg.R10, reg.R11, reg.R12, reg.R13}

func loadDigitBits() {
	for j, r := range digitBits {
		v := uint64(0)
		for lane := range 8 {
			v |= 1 << (lane*soloVectors + j)
		}
		MOVQ(operand.U64(v), r)
	}
}
