package header

import "hash/maphash"

// Picker selects fields by name as signing and verifying must (RFC 6376
// §5.4.2): each call for a name gives the next instance of it from the bottom
// up, each instance once, and nothing when they are used up.
//
// The work is linear in the size of the header plus the number of picks,
// whatever names a hostile message repeats. A Picker may be used again with
// Reset.
type Picker struct {
	list    *List
	seed    maphash.Seed
	seeded  bool
	slots   []int32 // open addressing: 1 + index of the lowest field of a name
	cursor  []int32 // by slot: 1 + index of the next field to give, 0 none
	above   []int32 // by field: 1 + index of the next higher field of its name
	exclude int
}

// Release drops the list, and memory that a header of unusual size has taken.
func (p *Picker) Release() {
	p.list = nil
	if cap(p.slots) > keepBytes/64 {
		p.slots, p.cursor, p.above = nil, nil, nil
	}
}

// NewPicker is a Picker on l, which must not change while it is in use.
func NewPicker(l *List) *Picker {
	p := new(Picker)
	p.Reset(l)
	return p
}

// Reset prepares p for another selection from l.
func (p *Picker) Reset(l *List) {
	if !p.seeded {
		p.seed, p.seeded = maphash.MakeSeed(), true
	}
	p.list, p.exclude = l, -1
	size := 16
	for size < 2*l.Len() {
		size *= 2
	}
	p.slots = zeroed(p.slots, size)
	p.cursor = zeroed(p.cursor, size)
	p.above = zeroed(p.above, l.Len())
	for i := 0; i < l.Len(); i++ {
		s := find(p, l.At(i).Name())
		p.above[i] = p.cursor[s]
		p.slots[s], p.cursor[s] = int32(i+1), int32(i+1)
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

// Exclude keeps field i from being picked: the signature under verification
// is never one of the fields its own h= names, even when another field has
// the very same bytes.
func (p *Picker) Exclude(i int) { p.exclude = i }

// Pick gives the index of the next field of that name. Trailing white space in
// name counts: callers trim it.
func (p *Picker) Pick(name string) (i int, ok bool) { return pick(p, name) }

// PickBytes is Pick for a name that is not a string.
func (p *Picker) PickBytes(name []byte) (i int, ok bool) { return pick(p, name) }

func pick[N []byte | string](p *Picker, name N) (int, bool) {
	s := find(p, name)
	for p.cursor[s] != 0 {
		i := int(p.cursor[s]) - 1
		p.cursor[s] = p.above[i]
		if i != p.exclude {
			return i, true
		}
	}
	return -1, false
}

// find is the slot of a name: the one it has, or the empty one it would get.
func find[N []byte | string](p *Picker, name N) int {
	mask := len(p.slots) - 1
	s := int(hashName(p.seed, name)) & mask
	for p.slots[s] != 0 {
		if equalFold(p.list.At(int(p.slots[s])-1).Name(), name) {
			return s
		}
		s = (s + 1) & mask
	}
	return s
}

// hashName hashes the lower-case form. Names that agree in length and in their
// first 64 bytes collide; a header limit keeps their number small.
func hashName[N []byte | string](seed maphash.Seed, name N) uint64 {
	var b [65]byte
	n := min(len(name), 64)
	for i := 0; i < n; i++ {
		b[i] = lower(name[i])
	}
	b[n] = byte(len(name))
	return maphash.Bytes(seed, b[:n+1])
}
