package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The ADX kernels compute with one number at a time, in limbs of 64 bits. They
// work in blocks of eight limbs, as many columns as fit the registers, and all
// sizes share them.
//
// Column c lives in column[c mod 8]: when the lowest is done its register opens
// the next. Two chains of carries run side by side, in the carry flag (ADCX) and
// in the overflow flag (ADOX); MULX touches neither.
const blockLimbs = 8

type general = reg.GPPhysical

// General registers of the ADX kernels.
var (
	column    = []general{reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15}
	factor    = reg.RDX // what MULX multiplies with
	low, high = reg.RAX, reg.RBX
	block     = reg.RSI // eight limbs, each multiplied with every factor
	stream    = reg.RDI // the factors
	columns   = reg.RCX // the columns in memory
	zero      = reg.RBP
)

func at(c int) general { return column[c%blockLimbs] }

// limb is limb number index from base.
func limb(base reg.Register, index int) operand.Mem {
	return operand.Mem{Base: base, Disp: index * 8}
}

// skip moves a pointer on by count limbs.
func skip(p reg.Register, count int) { ADDQ(operand.U32(8*count), p) }

// adx writes the kernels.
func adx() {
	adxMultiply()
	adxSquare()
	adxPick()
	adxWipe()
}

// frame is the memory of a kernel besides its parameters.
type frame struct {
	outer, inner operand.Mem // blocks left
	carry        operand.Mem // 0, or all ones
	base         operand.Mem // the columns of the outer loop's block
	times        operand.Mem // squarings left
}

func newFrame() frame {
	local := AllocLocal(40)
	return frame{local, local.Offset(8), local.Offset(16), local.Offset(24), local.Offset(32)}
}

func load(name string, to general) { Load(Param(name), to) }

// count sets a counter to the parameter blocks.
func count(to operand.Mem) {
	load("blocks", low)
	MOVQ(low, to)
}

// again closes a loop over a counter in memory.
func again(label string, left operand.Mem) {
	DECQ(left)
	JNZ(operand.LabelRef(label))
}

func adxMultiply() {
	TEXT("adxMultiply", NOSPLIT, "func(r, a, b, m *uint64, k0 uint64, t *uint64, blocks int)")
	Doc("adxMultiply sets r = a·b/2^(64·d) modulo m, d = 8·blocks limbs; r may be a or b.",
		"t is scratch of 2·d limbs.")
	Pragma("noescape")
	f := newFrame()

	// The product: one block of b after the other sweeps over a.
	clearColumns(f)
	count(f.outer)
	load("b", block)
	load("t", columns)
	Label("product")
	MOVQ(columns, f.base)
	for _, c := range column {
		XORQ(c, c)
	}
	load("a", stream)
	count(f.inner)
	sweep64("sweepProduct", f.inner)
	for k, c := range column {
		MOVQ(c, limb(columns, k))
	}
	MOVQ(f.base, columns)
	skip(columns, blockLimbs)
	skip(block, blockLimbs)
	again("product", f.outer)

	f.reduce("r")
	RET()
}

// clearColumns clears the lower half of t.
func clearColumns(f frame) {
	count(f.outer)
	load("t", columns)
	PXOR(reg.X0, reg.X0)
	Label("clear")
	for k := 0; k < blockLimbs; k += 2 {
		MOVOU(reg.X0, limb(columns, k))
	}
	skip(columns, blockLimbs)
	again("clear", f.outer)
}

// sweep64 multiplies the block with as many blocks of factors as left counts and
// adds the columns, which become final. The eight columns above those stay in
// registers. What a row adds up is below 2^576, whatever the operands are:
// (2^512-1)·(2^64-1) for the products, 2^512-1 for the open columns, 2^64-1 for
// the one in memory.
func sweep64(label string, left operand.Mem) {
	Label(label)
	for i := range blockLimbs {
		MOVQ(limb(stream, i), factor)
		row64(i, 0, func() {
			ADOXQ(limb(columns, i), at(i))
			MOVQ(at(i), limb(columns, i))
		})
	}
	skip(stream, blockLimbs)
	skip(columns, blockLimbs)
	again(label, left)
}

// row64 adds the products of the factor, limb i of its block, and the limbs of the
// block from first on; the register of column i opens column i+8. finish, if any,
// completes column i when its product is added, and may use the overflow flag.
func row64(i, first int, finish func()) {
	XORL(zero.As32(), zero.As32()) // and both carries
	for j := first; j < blockLimbs; j++ {
		into := high
		if j == blockLimbs-1 {
			into = at(i)
		}
		MULXQ(limb(block, j), low, into)
		ADCXQ(low, at(i+j))
		if j == first && finish != nil {
			finish()
		}
		if j < blockLimbs-1 {
			ADOXQ(high, at(i+j+1))
		}
	}
	ADCXQ(zero, at(i))
	ADOXQ(zero, at(i))
}

// reduce sets r = t/2^(64·d) modulo m, below 2^(64·d).
func (f frame) reduce(result string) {
	count(f.outer)
	MOVQ(operand.U32(0), f.carry)
	load("t", columns)
	Label("reduce")
	MOVQ(columns, f.base)
	f.quotients()
	count(f.inner)
	MOVQ(columns, block)
	load("m", stream)
	skip(stream, blockLimbs)
	skip(columns, blockLimbs)
	DECQ(f.inner)
	JZ(operand.LabelRef("reduced"))
	sweep64("sweepReduce", f.inner)
	Label("reduced")
	f.restoreCarry()
	for k, c := range column {
		ADCQ(limb(columns, k), c)
		MOVQ(c, limb(columns, k))
	}
	f.saveCarry()
	MOVQ(f.base, columns)
	skip(columns, blockLimbs)
	again("reduce", f.outer)

	// The upper half, less m where it has carried.
	MOVQ(f.carry, zero)
	MOVQ(operand.U32(0), f.carry)
	load("m", block)
	load(result, stream)
	count(f.outer)
	Label("subtract")
	for k, c := range column {
		MOVQ(limb(block, k), c)
		ANDQ(zero, c)
	}
	f.restoreCarry()
	for k, c := range column {
		MOVQ(limb(columns, k), low)
		SBBQ(c, low)
		MOVQ(low, limb(stream, k))
	}
	f.saveCarry()
	for _, p := range []general{block, stream, columns} {
		skip(p, blockLimbs)
	}
	again("subtract", f.outer)
}

func (f frame) restoreCarry() {
	MOVQ(f.carry, low)
	NEGQ(low)
}

func (f frame) saveCarry() {
	SBBQ(low, low)
	MOVQ(low, f.carry)
}

// quotients makes the eight lowest columns divisible by 2^512, leaves there what
// multiple of m's lowest block did it, and the eight columns above in registers.
func (f frame) quotients() {
	load("m", block)
	for k, c := range column {
		MOVQ(limb(columns, k), c)
	}
	for i := range blockLimbs {
		load("k0", factor)
		IMULQ(at(i), factor)
		MOVQ(factor, limb(columns, i))
		row64(i, 0, nil)
	}
}

func adxSquare() {
	TEXT("adxSquare", NOSPLIT, "func(x, m *uint64, k0 uint64, t *uint64, blocks, n int)")
	Doc("adxSquare sets x = x²/2^(64·d) modulo m, n times over, d = 8·blocks limbs.",
		"t is scratch of 2·d limbs.")
	Pragma("noescape")
	f := newFrame()
	load("n", low)
	MOVQ(low, f.times)
	Label("again")
	clearColumns(f)
	count(f.outer)
	load("x", block)
	load("t", columns)
	Label("square")
	MOVQ(columns, f.base)
	blockTriangle()
	LEAQ(limb(block, blockLimbs), stream)
	skip(columns, blockLimbs)
	MOVQ(f.outer, low)
	DECQ(low)
	JZ(operand.LabelRef("squared"))
	MOVQ(low, f.inner)
	sweep64("sweepSquare", f.inner)
	Label("squared")
	for k, c := range column {
		MOVQ(c, limb(columns, k))
	}
	MOVQ(f.base, columns)
	skip(columns, 2*blockLimbs)
	skip(block, blockLimbs)
	again("square", f.outer)
	diagonal64(f)
	f.reduce("x")
	again("again", f.times)
	RET()
}

// blockTriangle adds the products of different limbs of the block to its sixteen
// columns; the upper eight stay in registers.
func blockTriangle() {
	for c := 1; c < blockLimbs; c++ {
		MOVQ(limb(columns, c), at(c))
	}
	for i := range blockLimbs - 1 {
		MOVQ(limb(block, i), factor)
		row64(i, i+1, nil)
		for c := 2*i + 1; c <= 2*i+2 && c < blockLimbs; c++ {
			MOVQ(at(c), limb(columns, c))
		}
	}
	XORQ(at(blockLimbs-1), at(blockLimbs-1))
}

// diagonal64 doubles the columns at t and adds the squares of the limbs. Between
// blocks the carries of the two wait in registers.
func diagonal64(f frame) {
	carries, ones := column[2:4], column[4]
	load("x", block)
	load("t", stream)
	count(f.outer)
	XORL(zero.As32(), zero.As32())
	MOVQ(operand.I32(-1), ones)
	for _, c := range carries {
		MOVQ(zero, c)
	}
	Label("diagonal")
	ADDQ(ones, carries[0]) // clears the overflow flag
	ADOXQ(ones, carries[1])
	for j := range blockLimbs {
		MOVQ(limb(block, j), factor)
		MULXQ(factor, low, high)
		for k, product := range []general{low, high} {
			c := limb(stream, 2*j+k)
			MOVQ(c, at(k))
			ADCXQ(at(k), at(k))
			ADOXQ(at(k), product)
			MOVQ(product, c)
		}
	}
	for _, c := range carries {
		MOVQ(zero, c)
	}
	ADCXQ(zero, carries[0])
	ADOXQ(zero, carries[1])
	skip(block, blockLimbs)
	skip(stream, 2*blockLimbs)
	again("diagonal", f.outer)
}
