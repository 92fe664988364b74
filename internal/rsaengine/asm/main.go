// Command asm writes the kernels of package rsaengine: those of AVX-512 IFMA, or
// with -kernels adx those in adx.go. Run it with `go generate ./internal/rsaengine`.
//
// Every operand of IFMA is eight numbers, one to a lane: digit j of all eight lies in
// the 64 bytes at 64·j, and a digit is 52 bits in a 64-bit lane. docs/rsa-engine.md
// has the arithmetic and the bounds.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	kernels := flag.String("kernels", "ifma", "which kernels: ifma or adx")
	flag.Parse()
	ConstraintExpr("amd64")
	if *kernels == "adx" {
		adx()
		Generate()
		return
	}
	for _, digits := range []int{10, 20} {
		multiplyUnrolled(digits)
		squareUnrolled(digits)
	}
	multiplyLooped()
	squareLooped()
	group{4}.multiply()
	group{8}.multiply()
	pick(5)
	pick(10)
	wipe()
	Generate()
}

type vector = reg.VecPhysical

// mem is the vector number index from base.
func mem(base reg.Register, index int) operand.Mem {
	return operand.Mem{Base: base, Disp: index * 64}
}

// zmm returns count vector registers from first on.
func zmm(first, count int) []vector {
	all := []vector{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
		reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}
	return all[first : first+count]
}

// The last registers have the same use in every kernel.
var (
	carry   = zmm(28, 2) // between columns
	mask    = zmm(30, 1)[0]
	inverse = zmm(31, 1)[0] // -1/m modulo 2^52
)

// constants loads mask, and inverse from where parameter k0 points.
func constants(scratch reg.GPPhysical) {
	Load(Param("k0"), scratch)
	VMOVDQU64(mem(scratch, 0), inverse)
	MOVQ(operand.U64(1<<52-1), scratch)
	VPBROADCASTQ(scratch, mask)
}

// carryOf sets carry[0] to what column will carry when the low digit of a
// multiple of m has made it divisible by 2^52. That digit is what is missing to
// the next multiple of 2^52, so the carry is column/2^52 rounded up, and the
// digit need not be added.
func carryOf(column vector) {
	VPADDQ(mask, column, carry[0])
	VPSRLQ(operand.U8(52), carry[0], carry[0])
}

func clear(z vector) { VPXORQ(z, z, z) }

// advance moves a pointer on by count vectors.
func advance(p reg.Register, count int) { ADDQ(operand.U32(64*count), p) }

// repeat closes a loop: it counts down and jumps back to label.
func repeat(label string, count reg.Register) {
	DECQ(count)
	JNZ(operand.LabelRef(label))
}

func finish() {
	VZEROUPPER()
	RET()
}

// normalize brings digits below 2^52, carrying upward, and stores them at r.
func normalize(digits []vector, r reg.Register) {
	for j, z := range digits {
		if j > 0 {
			VPADDQ(carry[(j+1)%2], z, z)
		}
		VPSRLQ(operand.U8(52), z, carry[j%2])
		VPANDQ(mask, z, z)
		VMOVDQU64(z, mem(r, j))
	}
}

// wipe writes the function that clears the vector registers.
func wipe() {
	TEXT("wipe", NOSPLIT, "func()")
	Doc("wipe clears all vector registers.")
	for _, z := range zmm(0, 32) {
		clear(z)
	}
	finish()
}
