package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// The unrolled kernels keep all open columns in registers: column c lives in
// column[c mod digits], and when the lowest is done its register opens the next.

// multiplyUnrolled writes mul10 or mul20: row by row, one digit of b and one
// quotient digit a row.
func multiplyUnrolled(digits int) {
	TEXT(fmt.Sprintf("mul%d", digits), NOSPLIT, "func(r, a, b, m, k0 *uint64)")
	Doc(fmt.Sprintf("mul%d sets r = a·b/2^(52·%d) modulo m in each lane; r may be a or b.", digits, digits))
	Pragma("noescape")
	r, a, b, m := reg.RDI, reg.RSI, reg.RBX, reg.RDX
	Load(Param("r"), r)
	Load(Param("a"), a)
	Load(Param("b"), b)
	Load(Param("m"), m)
	constants(reg.RAX)
	column := zmm(0, digits)
	at := func(c int) vector { return column[c%digits] }
	for _, z := range column {
		clear(z)
	}
	for i := range digits {
		factor, quotient := zmm(20, 2)[i%2], zmm(22, 2)[i%2]
		VMOVDQU64(mem(b, i), factor)
		VPMADD52LUQ(mem(a, 0), factor, at(i))
		clear(quotient)
		VPMADD52LUQ(inverse, at(i), quotient)
		for j := 1; j < digits; j++ {
			digit := zmm(24, 4)[j%4]
			VMOVDQU64(mem(a, j), digit)
			VPMADD52LUQ(digit, factor, at(i+j))
			if j < digits-1 {
				VPMADD52HUQ(digit, factor, at(i+j+1))
			}
		}
		reduceRow(i, m, quotient, at, func() {
			clear(at(i))
			VPMADD52HUQ(mem(a, digits-1), factor, at(i))
			VPMADD52HUQ(mem(a, 0), factor, at(i+1))
		}, digits)
	}
	normalize(column, r)
	finish()
}

// reduceRow adds quotient·m from column i on, which makes column i divisible
// by 2^52, and carries it into the next; open then gives its register to the
// column i+digits.
func reduceRow(i int, m reg.Register, quotient vector, at func(int) vector, open func(), digits int) {
	carryOf(at(i))
	open()
	for j := range digits {
		if j > 0 {
			VPMADD52LUQ(mem(m, j), quotient, at(i+j))
		}
		VPMADD52HUQ(mem(m, j), quotient, at(i+j+1))
		if j == 1 {
			VPADDQ(carry[0], at(i+1), at(i+1))
		}
	}
}

// squareUnrolled writes sqr10 or sqr20: the columns of the square one after
// another, then the rows of the reduction.
func squareUnrolled(digits int) {
	TEXT(fmt.Sprintf("sqr%d", digits), NOSPLIT, "func(x, m, k0, t *uint64, n int)")
	Doc(fmt.Sprintf("sqr%d sets x = x²/2^(52·%d) modulo m in each lane, n times over.", digits, digits),
		fmt.Sprintf("t is scratch of %d digits.", 2*digits))
	Pragma("noescape")
	x, m, t, n := reg.RSI, reg.RDX, reg.RBX, reg.RDI
	Load(Param("x"), x)
	Load(Param("m"), m)
	Load(Param("t"), t)
	Load(Param("n"), n)
	constants(reg.RAX)

	Label("again")
	digit := zmm(0, digits)
	for j, z := range digit {
		VMOVDQU64(mem(x, j), z)
	}
	for c := 0; c < 2*digits; c += squareColumns {
		square(c, digit, t)
	}

	column := zmm(0, digits)
	at := func(c int) vector { return column[c%digits] }
	for j, z := range column {
		VMOVDQU64(mem(t, j), z)
	}
	for i := range digits {
		quotient := zmm(20, 2)[i%2]
		clear(quotient)
		VPMADD52LUQ(inverse, at(i), quotient)
		reduceRow(i, m, quotient, at, func() { VMOVDQU64(mem(t, digits+i), at(i)) }, digits)
	}
	normalize(column, x)
	repeat("again", n)
	finish()
}

// squareColumns is how many columns are summed at once. Each has one chain of
// additions for the low and one for the high halves, and eight chains keep two
// multipliers of four cycles' latency busy.
const squareColumns = 4

// square stores columns c to c+squareColumns-1 of the square of digit at t:
// twice the products of different digits, and the squares.
func square(c int, digit []vector, t reg.Register) {
	low, high := zmm(20, squareColumns), zmm(20+squareColumns, squareColumns)
	for k := range low {
		clear(low[k])
		clear(high[k])
	}
	for n := range digit {
		for k := range low {
			if i, j := n, c+k-n; i < j && j < len(digit) {
				VPMADD52LUQ(digit[i], digit[j], low[k])
			}
			if i, j := n, c+k-1-n; i < j && j < len(digit) {
				VPMADD52HUQ(digit[i], digit[j], high[k])
			}
		}
	}
	for k := range low {
		VPADDQ(high[k], low[k], low[k])
		VPADDQ(low[k], low[k], low[k])
		i := (c + k) / 2
		if (c+k)%2 == 0 {
			VPMADD52LUQ(digit[i], digit[i], low[k])
		} else {
			VPMADD52HUQ(digit[i], digit[i], low[k])
		}
		VMOVDQU64(low[k], mem(t, c+k))
	}
}
