package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The looped kernels take any number of digits. A block is a few digits of the
// multiplier held in registers; a sweep runs over the multiplicand once per
// block with as many columns open as the block has digits. Column c lives in
// column[c mod rows]. The columns in between wait in memory at t.

// factors are a block's digits (of the multiplier, or of the quotient), the
// register of the digit they meet next, and the open columns of their products.
// Columns kept apart and added at the end halve the chains of additions.
type factors struct {
	block  []vector
	digit  vector
	column []vector
}

// triangle adds what of block × the first digits at base lies in the block's
// own columns.
func triangle(column, block []vector, base reg.Register) {
	rows := len(column)
	for j := range rows {
		for k := 0; j+k < rows; k++ {
			VPMADD52LUQ(mem(base, j), block[k], column[j+k])
			if j+k+1 < rows {
				VPMADD52HUQ(mem(base, j), block[k], column[j+k+1])
			}
		}
	}
}

// quotients finds the digits that make the block's columns divisible by 2^52,
// adds their multiples of m to those columns, and leaves in carry[0] what is
// carried out of the last.
func quotients(column, block []vector, m reg.Register) {
	rows := len(column)
	for i := range block {
		if i > 0 {
			VPADDQ(carry[0], column[i], column[i])
		}
		clear(block[i])
		VPMADD52LUQ(inverse, column[i], block[i])
		carryOf(column[i])
		for j := 0; i+j < rows; j++ {
			if j > 0 {
				VPMADD52LUQ(mem(m, j), block[i], column[i+j])
			}
			if i+j+1 < rows {
				VPMADD52HUQ(mem(m, j), block[i], column[i+j+1])
			}
		}
	}
}

// corner adds what triangle and quotients left out of the block × the first
// digits at base: the columns after the block's own.
func corner(column, block []vector, base reg.Register) {
	rows := len(column)
	for j := range rows {
		for k := range rows {
			if j+k >= rows {
				VPMADD52LUQ(mem(base, j), block[k], column[j+k-rows])
			}
			if j+k+1 >= rows {
				VPMADD52HUQ(mem(base, j), block[k], column[j+k+1-rows])
			}
		}
	}
}

// step adds digit j of each multiplicand to columns j to j+rows. Column j is
// complete then and goes to t[j-shift]; column j+rows opens with t[j+rows].
func step(j, shift int, t reg.Register, multiplicands ...factors) {
	rows := len(multiplicands[0].block)
	at := func(k int) int { return (j + k) % rows }
	for k := range rows {
		for _, f := range multiplicands {
			VPMADD52LUQ(f.digit, f.block[k], f.column[at(k)])
		}
	}
	done := multiplicands[0].column[at(0)]
	for _, f := range multiplicands[1:] {
		VPADDQ(f.column[at(0)], done, done)
		clear(f.column[at(0)])
	}
	VMOVDQU64(done, mem(t, j-shift))
	VMOVDQU64(mem(t, j+rows), done)
	for k := 1; k <= rows; k++ {
		for _, f := range multiplicands {
			VPMADD52HUQ(f.digit, f.block[k-1], f.column[at(k)])
		}
	}
}

// zeros clears count·rows vectors at p and moves p behind them.
func zeros(label string, p, count reg.Register, rows int) {
	zero := carry[0]
	clear(zero)
	Label(label)
	for j := range rows {
		VMOVDQU64(zero, mem(p, j))
	}
	advance(p, rows)
	repeat(label, count)
}

// normalizeLooped is normalize for count·rows digits at t. It consumes all its
// registers.
func normalizeLooped(t, r, count reg.Register, rows int) {
	digit := zmm(0, 2)
	clear(carry[0])
	Label("normalize")
	for j := range rows {
		VPADDQ(mem(t, j), carry[0], digit[j%2])
		VPSRLQ(operand.U8(52), digit[j%2], carry[0])
		VPANDQ(mask, digit[j%2], digit[j%2])
		VMOVDQU64(digit[j%2], mem(r, j))
	}
	advance(t, rows)
	advance(r, rows)
	repeat("normalize", count)
}

const multiplyRows = 5

// beginBlock takes a block of b at base b and of t, and multiplies it by the first
// digits of a and m.
func beginBlock(column, second, factor, quotient []vector, a, b, m, t reg.Register) {
	for k := range column {
		VMOVDQU64(mem(b, k), factor[k])
		VMOVDQU64(mem(t, k), column[k])
	}
	triangle(column, factor, a)
	quotients(column, quotient, m)
	for k := range column {
		VMOVDQU64(mem(t, len(column)+k), column[k])
	}
	VPADDQ(carry[0], column[0], column[0])
	corner(column, factor, a)
	for _, z := range second {
		clear(z)
	}
	corner(second, quotient, m)
}

// multiplyLooped writes mul: a·b and the reduction in one sweep a block, the
// columns moving down one block in t each time.
func multiplyLooped() {
	const rows = multiplyRows
	TEXT("mul", NOSPLIT, "func(r, a, b, m, k0, t *uint64, blocks int)")
	Doc("mul sets r = a·b/2^(52·d) modulo m in each lane, d = 5·blocks digits, blocks > 1.",
		"r may be a or b. t is scratch of d+5 digits.")
	Pragma("noescape")
	a, b, m, t, blocks := reg.RSI, reg.RDI, reg.RDX, reg.RBX, reg.RCX
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("m"), m)
	Load(Param("t"), t)
	Load(Param("blocks"), blocks)
	constants(reg.RAX)
	column, second, factor, quotient := zmm(0, rows), zmm(5, rows), zmm(10, rows), zmm(15, rows)

	p, count, left := reg.R12, reg.R9, reg.R13
	MOVQ(t, p)
	LEAQ(operand.Mem{Base: blocks, Disp: 1}, count)
	zeros("clear", p, count, rows)

	MOVQ(blocks, left)
	Label("block")
	beginBlock(column, second, factor, quotient, a, b, m, t)

	nextA, nextM := reg.R10, reg.R11
	LEAQ(mem(a, rows), nextA)
	LEAQ(mem(m, rows), nextM)
	LEAQ(mem(t, rows), p)
	LEAQ(operand.Mem{Base: blocks, Disp: -1}, count)
	Label("sweep")
	for j := range rows {
		digitA, digitM := zmm(20, 2)[j%2], zmm(22, 2)[j%2]
		VMOVDQU64(mem(nextA, j), digitA)
		VMOVDQU64(mem(nextM, j), digitM)
		step(j, rows, p, factors{factor, digitA, column}, factors{quotient, digitM, second})
	}
	advance(nextA, rows)
	advance(nextM, rows)
	advance(p, rows)
	repeat("sweep", count)
	for k, z := range column {
		VPADDQ(second[k], z, z)
		VMOVDQU64(z, mem(p, k-rows))
	}
	advance(b, rows)
	repeat("block", left)

	r := reg.R8
	Load(Param("r"), r)
	normalizeLooped(t, r, blocks, rows)
	finish()
}
