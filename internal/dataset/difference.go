package dataset

// Difference counts the keys that the second of two tables has and the first has
// not, the reverse, and those whose rows have other values. Of rows with one key
// the first counts. nil is an empty table; so is one that is not held in memory.
func Difference(before, after Set) (added, removed, replaced int) {
	old, now := rowsOf(before), rowsOf(after)
	if old.pairs == nil && now.pairs == nil && old.text == now.text {
		return 0, 0, 0
	}
	// Indexes of their own: those of the sets may take two keys for one.
	x, y := newTable(old, false), newTable(now, false)
	both := 0
	for i := range int32(y.Len()) {
		key := y.key(i)
		if y.repeated > 0 && y.find(key) != i {
			continue
		}
		j := x.find(key)
		if j == none {
			added++
			continue
		}
		both++
		if was, _ := x.Row(int(j)); was != rowAt(&y.rows, i) {
			replaced++
		}
	}
	return added, x.Len() - x.repeated - both, replaced
}

func rowAt(r *rows, i int32) Pair {
	p, _ := r.Row(int(i))
	return p
}

func rowsOf(set Set) *rows {
	if s, ok := set.(interface{ all() *rows }); ok {
		return s.all()
	}
	return &rows{}
}
