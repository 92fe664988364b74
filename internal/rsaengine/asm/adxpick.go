package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// adxPick writes the constant-time table look-up: every entry is read whole, and
// masks choose.
func adxPick() {
	TEXT("adxPick", NOSPLIT, "func(r, table *uint64, index uint64, blocks, entries int)")
	Doc("adxPick sets r to the entry of the table numbered index. It reads all entries, of",
		"8·blocks limbs each.")
	Pragma("noescape")
	r, table, blocks, entries, size := reg.RDI, reg.RSI, reg.RCX, reg.RDX, reg.R9
	load("r", r)
	load("table", table)
	load("blocks", blocks)
	load("entries", entries)
	index, one, number, chosen := reg.Y8, reg.Y9, reg.Y10, reg.Y11
	out, masked := []reg.VecPhysical{reg.Y0, reg.Y1}, []reg.VecPhysical{reg.Y2, reg.Y3}
	load("index", reg.RAX)
	MOVQ(reg.RAX, index.AsX())
	VPBROADCASTQ(index.AsX(), index)
	MOVQ(operand.U32(1), reg.RAX)
	MOVQ(reg.RAX, one.AsX())
	VPBROADCASTQ(one.AsX(), one)
	MOVQ(blocks, size)
	SHLQ(operand.U8(6), size)
	Label("block")
	for _, y := range out {
		VPXOR(y, y, y)
	}
	VPXOR(number, number, number)
	MOVQ(table, reg.R10)
	MOVQ(entries, reg.R11)
	Label("entry")
	VPCMPEQQ(index, number, chosen)
	VPADDQ(one, number, number)
	for j, y := range out {
		VPAND(limb(reg.R10, 4*j), chosen, masked[j])
		VPOR(masked[j], y, y)
	}
	ADDQ(size, reg.R10)
	repeat("entry", reg.R11)
	for j, y := range out {
		VMOVDQU(y, limb(r, 4*j))
	}
	skip(r, blockLimbs)
	skip(table, blockLimbs)
	repeat("block", blocks)
	finish()
}

// adxWipe writes the function that clears the vector registers: all that the
// kernels leave something in.
func adxWipe() {
	TEXT("adxWipe", NOSPLIT, "func()")
	Doc("adxWipe clears the first sixteen vector registers.")
	VZEROALL()
	RET()
}
