package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pick writes the constant-time table look-up. The entries are read whole, all
// of them, and combined with masks: the index never becomes an address. One
// reading of the table gathers as many vectors as rows.
func pick(rows int) {
	TEXT(fmt.Sprintf("pick%d", rows), NOSPLIT, "func(r, table, index *uint64, blocks, entries int)")
	Doc(fmt.Sprintf("pick%d sets each lane of r to its lane of the entry numbered by its byte of index.", rows),
		fmt.Sprintf("It reads all entries of the table, of %d·blocks vectors each.", rows))
	Pragma("noescape")
	r, table, blocks, entries, size := reg.RDI, reg.RSI, reg.RCX, reg.RDX, reg.R9
	Load(Param("r"), r)
	Load(Param("table"), table)
	Load(Param("index"), reg.RAX)
	Load(Param("blocks"), blocks)
	Load(Param("entries"), entries)
	out := zmm(0, rows)
	index, one, number, chosen := zmm(20, 1)[0], zmm(21, 1)[0], zmm(22, 1)[0], zmm(23, 1)[0]
	VPMOVZXBQ(mem(reg.RAX, 0), index)
	MOVQ(operand.U32(1), reg.RAX)
	VPBROADCASTQ(reg.RAX, one)
	IMUL3Q(operand.U32(64*rows), blocks, size)

	Label("block")
	for _, z := range out {
		clear(z)
	}
	clear(number)
	MOVQ(table, reg.R10)
	MOVQ(entries, reg.R11)
	Label("entry")
	VPCMPEQQ(index, number, reg.K1)
	VPTERNLOGQ_Z(operand.U8(0xff), chosen, chosen, reg.K1, chosen)
	VPADDQ(one, number, number)
	for j, z := range out {
		VPTERNLOGQ(operand.U8(orAnd), mem(reg.R10, j), chosen, z)
	}
	ADDQ(size, reg.R10)
	repeat("entry", reg.R11)
	for j, z := range out {
		VMOVDQU64(z, mem(r, j))
	}
	advance(r, rows)
	advance(table, rows)
	repeat("block", blocks)
	finish()
}

// orAnd is VPTERNLOG's truth table of a | b&c.
const orAnd = 0xf8
