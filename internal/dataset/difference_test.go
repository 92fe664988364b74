package dataset

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestDifference compares with two maps, for files, patterns and lists.
func TestDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var sets [2]Set
		var maps [2]map[string]string
		for i := range sets {
			maps[i] = map[string]string{}
			var lines, elements []string
			for range r.IntN(12) {
				key, value := fmt.Sprintf("%c@x", "aAbBcd*"[r.IntN(7)]), fmt.Sprint(r.IntN(3))
				if _, ok := maps[i][key]; !ok {
					maps[i][key] = value
				}
				lines, elements = append(lines, key+" "+value), append(elements, key+"="+value)
			}
			switch r.IntN(3) {
			case 0:
				sets[i] = setOf(t, "file:", strings.Join(lines, "\n"), true)
			case 1:
				sets[i] = setOf(t, "refile:", strings.Join(lines, "\n"), false)
			default:
				sets[i] = open(t, "csl:"+strings.Join(elements, ","), Options{})
			}
		}
		added, removed, replaced := 0, 0, 0
		for key, value := range maps[1] {
			if was, ok := maps[0][key]; !ok {
				added++
			} else if was != value {
				replaced++
			}
		}
		for key := range maps[0] {
			if _, ok := maps[1][key]; !ok {
				removed++
			}
		}
		if a, d, c := Difference(sets[0], sets[1]); a != added || d != removed || c != replaced {
			t.Fatalf("%v to %v: %d, %d, %d, want %d, %d, %d", maps[0], maps[1], a, d, c, added, removed, replaced)
		}
	}
	if a, d, c := Difference(nil, open(t, "csl:a,b", Options{})); a != 2 || d != 0 || c != 0 {
		t.Errorf("from nothing: %d, %d, %d", a, d, c)
	}
}
