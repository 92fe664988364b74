package build

import (
	"fmt"
	"hash/maphash"
	"strings"
)

// Summary remembers the rows of local tables as hashes, so that a reload can
// tell what it changed without keeping two copies of everything.
type Summary struct {
	tables map[string]hashedRows // by the word for one of their rows
}

// hashedRows has the hash of each row by the hash of its key.
type hashedRows map[uint64]uint64

// rows are those that a word stands for, n more to come.
func (s *Summary) rows(what string, n int) hashedRows {
	if s.tables == nil {
		s.tables = map[string]hashedRows{}
	}
	if s.tables[what] == nil {
		s.tables[what] = make(hashedRows, n)
	}
	return s.tables[what]
}

// seed is one for a process: hashes of two summaries are compared.
var seed = maphash.MakeSeed()

func (r hashedRows) add(key string, values []string) {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, v := range values {
		_, _ = h.WriteString(v) // never fails
		_ = h.WriteByte(':')
	}
	r[maphash.String(seed, key)] = h.Sum64()
}

// Difference says in a few words what next has that s has not, and the reverse:
// "+2 domains, 1 key replaced".
func (s Summary) Difference(next Summary) string {
	var parts []string
	for _, what := range []string{"domain", "key"} {
		before, after := s.tables[what], next.tables[what]
		added, removed, replaced := 0, 0, 0
		for key, row := range after {
			if old, ok := before[key]; !ok {
				added++
			} else if old != row {
				replaced++
			}
		}
		for key := range before {
			if _, ok := after[key]; !ok {
				removed++
			}
		}
		if added > 0 {
			parts = append(parts, "+"+count(added, what))
		}
		if removed > 0 {
			parts = append(parts, "-"+count(removed, what))
		}
		if replaced > 0 {
			parts = append(parts, count(replaced, what)+" replaced")
		}
	}
	return strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
