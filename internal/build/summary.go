package build

import (
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/words"
)

// Summary names the tables in force, so that a reload can tell what it changed.
type Summary struct {
	tables map[string]dataset.Set // by the word for one of their rows
}

func (s *Summary) add(what string, table dataset.Set) {
	if s.tables == nil {
		s.tables = map[string]dataset.Set{}
	}
	s.tables[what] = table
}

// Difference says in a few words what next has that s has not, and the reverse:
// "+2 domains, 1 key replaced".
func (s Summary) Difference(next Summary) string {
	var parts []string
	for _, what := range []string{"domain", "key"} {
		added, removed, replaced := dataset.Difference(s.tables[what], next.tables[what])
		if added > 0 {
			parts = append(parts, "+"+words.Count(added, what))
		}
		if removed > 0 {
			parts = append(parts, "-"+words.Count(removed, what))
		}
		if replaced > 0 {
			parts = append(parts, words.Count(replaced, what)+" replaced")
		}
	}
	return strings.Join(parts, ", ")
}
