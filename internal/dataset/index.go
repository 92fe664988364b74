package dataset

import "hash/maphash"

// index finds rows by a text that each of them has: five bytes a slot, no pointer,
// no copy of a text. It is filled once, and not changed then.
type index struct {
	seed maphash.Seed
	tags []uint8 // a part of the hash of the slot's row, 0 for an empty slot
	rows []int32
	mask uint64
}

// newIndex has room for n texts, with at most three slots in four taken.
func newIndex(n int) index {
	if n == 0 {
		return index{}
	}
	size := 4
	for size*3/4 < n {
		size *= 2
	}
	return index{seed: maphash.MakeSeed(), tags: make([]uint8, size), rows: make([]int32, size), mask: uint64(size - 1)}
}

func tagOf(hash uint64) uint8 { return uint8(hash>>56) | 1 }

// find returns the slot of the row with that hash that same accepts, or the empty
// slot where it would be.
func (x *index) find(hash uint64, same func(row int32) bool) (slot int, found bool) {
	tag := tagOf(hash)
	for at := hash & x.mask; ; at = (at + 1) & x.mask {
		switch x.tags[at] {
		case 0:
			return int(at), false
		case tag:
			if same(x.rows[at]) {
				return int(at), true
			}
		}
	}
}

func (x *index) set(slot int, hash uint64, row int32) {
	x.tags[slot], x.rows[slot] = tagOf(hash), row
}

// hashFolded is the hash of a text with its ASCII capitals made small.
func (x *index) hashFolded(s string) uint64 {
	if !hasCapital(s) {
		return maphash.String(x.seed, s)
	}
	var space [256]byte
	if len(s) > len(space) {
		return maphash.String(x.seed, Fold(s))
	}
	b := space[:len(s)]
	for i := range b {
		b[i] = small(s[i])
	}
	return maphash.Bytes(x.seed, b)
}

func hasCapital(s string) bool {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}

func small(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFolded reports whether two texts differ in the case of ASCII letters at most.
func equalFolded(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && small(a[i]) != small(b[i]) {
			return false
		}
	}
	return true
}
