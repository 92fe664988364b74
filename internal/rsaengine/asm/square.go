package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const squareRows = 10

// General registers of sqr.
var (
	sqrX, sqrM, sqrT, sqrBlocks, sqrN = reg.RSI, reg.RDX, reg.RBX, reg.RCX, reg.RDI
	// Inside a phase: the block's digits, its columns, the sweep's two
	// pointers, blocks left and sweeps left.
	sqrDigits, sqrColumns, sqrNext, sqrP, sqrLeft, sqrCount = reg.R8, reg.R14, reg.R10, reg.R12, reg.R13, reg.R9
)

// squareLooped writes sqr: the products of different digits, doubled, the
// squares of the digits, then the reduction.
func squareLooped() {
	TEXT("sqr", NOSPLIT, "func(x, m, k0, t *uint64, blocks, n int)")
	Doc("sqr sets x = x²/2^(52·d) modulo m in each lane, n times over, d = 10·blocks digits,",
		"blocks > 1. t is scratch of 2·d digits.")
	Pragma("noescape")
	Load(Param("x"), sqrX)
	Load(Param("m"), sqrM)
	Load(Param("t"), sqrT)
	Load(Param("blocks"), sqrBlocks)
	Load(Param("n"), sqrN)
	constants(reg.RAX)

	Label("again")
	products()
	diagonal()
	reduce()
	MOVQ(sqrX, sqrNext)
	MOVQ(sqrBlocks, sqrCount)
	normalizeLooped(sqrColumns, sqrNext, sqrCount, squareRows)
	repeat("again", sqrN)
	finish()
}

// products leaves in t the sum of x[i]·x[j]·2^(52(i+j)) for i < j.
func products() {
	const rows = squareRows
	column, block := zmm(0, rows), zmm(10, rows)
	MOVQ(sqrT, sqrP)
	MOVQ(sqrBlocks, sqrCount)
	zeros("clear", sqrP, sqrCount, 2*rows)

	MOVQ(sqrBlocks, sqrLeft)
	MOVQ(sqrX, sqrDigits)
	MOVQ(sqrT, sqrColumns)
	Label("rows")
	for k := range column {
		VMOVDQU64(mem(sqrDigits, k), block[k])
		VMOVDQU64(mem(sqrColumns, k), column[k])
	}
	inner(column, block, 0)
	for k, z := range column {
		VMOVDQU64(z, mem(sqrColumns, k))
		VMOVDQU64(mem(sqrColumns, rows+k), z)
	}
	inner(column, block, rows)
	advance(sqrDigits, rows)
	LEAQ(mem(sqrColumns, rows), sqrP)
	MOVQ(sqrDigits, sqrNext)
	MOVQ(sqrLeft, sqrCount)
	DECQ(sqrCount)
	JZ(operand.LabelRef("swept"))
	Label("products")
	sweep(column, block, "products")
	Label("swept")
	for k, z := range column {
		VMOVDQU64(z, mem(sqrP, k))
	}
	advance(sqrColumns, 2*rows)
	repeat("rows", sqrLeft)
}

// inner adds the products of different digits of the block that lie in the
// columns first to first+rows-1, counted from the block's lowest.
func inner(column, block []vector, first int) {
	in := func(c int) bool { return first <= c && c < first+len(column) }
	for i := range block {
		for j := i + 1; j < len(block); j++ {
			if in(i + j) {
				VPMADD52LUQ(block[i], block[j], column[i+j-first])
			}
			if in(i + j + 1) {
				VPMADD52HUQ(block[i], block[j], column[i+j+1-first])
			}
		}
	}
}

// sweep is the body of the loop over a multiplicand at sqrNext.
func sweep(column, block []vector, label string) {
	for j := range column {
		digit := zmm(20, 2)[j%2]
		VMOVDQU64(mem(sqrNext, j), digit)
		step(j, 0, sqrP, factors{block, digit, column})
	}
	advance(sqrNext, len(column))
	advance(sqrP, len(column))
	repeat(label, sqrCount)
}

// diagonal doubles the columns at t and adds the squares of the digits.
func diagonal() {
	MOVQ(sqrBlocks, sqrCount)
	MOVQ(sqrX, sqrNext)
	MOVQ(sqrT, sqrP)
	Label("diagonal")
	for j := range squareRows {
		r := zmm(3*(j%9), 3)
		digit, low, high := r[0], r[1], r[2]
		VMOVDQU64(mem(sqrNext, j), digit)
		VMOVDQU64(mem(sqrP, 2*j), low)
		VMOVDQU64(mem(sqrP, 2*j+1), high)
		VPADDQ(low, low, low)
		VPADDQ(high, high, high)
		VPMADD52LUQ(digit, digit, low)
		VPMADD52HUQ(digit, digit, high)
		VMOVDQU64(low, mem(sqrP, 2*j))
		VMOVDQU64(high, mem(sqrP, 2*j+1))
	}
	advance(sqrNext, squareRows)
	advance(sqrP, 2*squareRows)
	repeat("diagonal", sqrCount)
}

// reduce divides the 2·d columns at t by 2^(52·d) modulo m and leaves
// sqrColumns at the d columns of the result.
func reduce() {
	const rows = squareRows
	column, quotient := zmm(0, rows), zmm(10, rows)
	MOVQ(sqrBlocks, sqrLeft)
	MOVQ(sqrT, sqrColumns)
	Label("block")
	for k := range column {
		VMOVDQU64(mem(sqrColumns, k), column[k])
	}
	quotients(column, quotient, sqrM)
	for k := range column {
		VMOVDQU64(mem(sqrColumns, rows+k), column[k])
	}
	VPADDQ(carry[0], column[0], column[0])
	corner(column, quotient, sqrM)
	LEAQ(mem(sqrM, rows), sqrNext)
	LEAQ(mem(sqrColumns, rows), sqrP)
	MOVQ(sqrBlocks, sqrCount)
	DECQ(sqrCount)
	Label("reduce")
	sweep(column, quotient, "reduce")
	for k, z := range column {
		VMOVDQU64(z, mem(sqrP, k))
	}
	advance(sqrColumns, rows)
	repeat("block", sqrLeft)
}
