package header

import (
	"hash/maphash"
	"math/bits"
)

// Index finds the fields of a List by their names. It is made once for a list,
// however many selections are made from it. The zero Index is ready for use.
//
// A map of names would cost a string for each name; the table is of numbers.
type Index struct {
	list    *List
	edition uint64
	seed    maphash.Seed
	short   [2]uint64 // of the seed, for short names: an addend and an odd factor, 0 before there is one
	slots   []int32   // open addressing: 1 + index of the lowest field of a name
	above   []int32   // by field: 1 + index of the next higher field of its name
}

// Build makes x an index of l as it is now; nothing is done if it is one. The
// work is linear in the size of the header, whatever names a hostile message
// has: the hash is of the whole name, and nobody outside knows its seed.
func (x *Index) Build(l *List) {
	if x.list == l && x.edition == l.edition {
		return
	}
	if x.short[1] == 0 {
		x.seed = maphash.MakeSeed()
		x.short = [2]uint64{maphash.String(x.seed, "0"), maphash.String(x.seed, "1") | 1}
	}
	x.list, x.edition = l, l.edition
	size := 16
	for size < 2*l.Len() {
		size *= 2
	}
	x.slots, x.above = zeroed(x.slots, size), zeroed(x.above, l.Len())
	for i := 0; i < l.Len(); i++ {
		s := find(x, l.At(i).Name())
		x.above[i], x.slots[s] = x.slots[s], int32(i+1)
	}
}

// Release drops the list, and memory that a header of unusual size has taken.
func (x *Index) Release() {
	x.list = nil
	if cap(x.slots) > keepBytes/64 {
		x.slots, x.above = nil, nil
	}
}

func zeroed(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// Picker selects fields by name as signing and verifying must (RFC 6376
// §5.4.2): each call for a name gives the next instance of it from the bottom
// up, each instance once, and nothing when they are used up.
//
// The work is linear in the lengths of the names picked, whatever names a
// hostile message repeats. A Picker may be used again with Reset.
type Picker struct {
	index   *Index
	next    []int32 // by slot: 1 + index of the next field to give, 0 none
	exclude int
}

// NewPicker returns a Picker on l, which must not change while it is in use.
func NewPicker(l *List) *Picker {
	x, p := new(Index), new(Picker)
	x.Build(l)
	p.Reset(x)
	return p
}

// Reset prepares p for another selection from the list that x was built of.
func (p *Picker) Reset(x *Index) {
	p.index, p.exclude = x, -1
	p.next = append(p.next[:0], x.slots...)
}

// Release drops the index, and memory that a header of unusual size has taken.
func (p *Picker) Release() {
	p.index = nil
	if cap(p.next) > keepBytes/64 {
		p.next = nil
	}
}

// Exclude keeps field i from being picked: the signature under verification
// is never one of the fields its own h= names, even when another field has
// the very same bytes.
func (p *Picker) Exclude(i int) { p.exclude = i }

// Pick returns the index of the next field of that name. Trailing white space in
// name counts: callers trim it.
func (p *Picker) Pick(name string) (i int, ok bool) {
	s := find(p.index, name)
	for p.next[s] != 0 {
		i := int(p.next[s]) - 1
		p.next[s] = p.index.above[i]
		if i != p.exclude {
			return i, true
		}
	}
	return -1, false
}

// find is the slot of a name: the one it has, or the empty one it would get.
func find[N []byte | string](x *Index, name N) int {
	mask := len(x.slots) - 1
	s := int(hashName(x, name)) & mask
	for x.slots[s] != 0 {
		if equalFold(x.list.At(int(x.slots[s])-1).Name(), name) {
			return s
		}
		s = (s + 1) & mask
	}
	return s
}

// hashName hashes the lower-case form. Of a short name it is a product by a number that
// nobody outside knows: of names there may be most when they are short.
func hashName[N []byte | string](x *Index, name N) uint64 {
	if len(name) < 8 {
		word := uint64(len(name))
		for i := 0; i < len(name); i++ {
			word = word<<8 | uint64(lower(name[i]))
		}
		high, low := bits.Mul64(word+x.short[0], x.short[1])
		return high ^ low
	}
	var block [64]byte
	if len(name) <= len(block) {
		return maphash.Bytes(x.seed, block[:lowered(block[:], name)])
	}
	var h maphash.Hash
	h.SetSeed(x.seed)
	for len(name) > 0 {
		n := lowered(block[:], name)
		h.Write(block[:n])
		name = name[n:]
	}
	return h.Sum64()
}

// lowered writes what fits of the lower-case form to block.
func lowered[N []byte | string](block []byte, name N) int {
	n := min(len(name), len(block))
	for i := range n {
		block[i] = lower(name[i])
	}
	return n
}
