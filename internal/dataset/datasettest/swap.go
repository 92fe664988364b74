package datasettest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"dojang/internal/dataset"
)

// Swaps holds a set to what dataset.Swapper promises, on rows of three values that
// it adds and takes away. read asks the set for a row without any cache.
func Swaps(t *testing.T, s dataset.Swapper, read func(key string) []string) {
	t.Helper()
	ctx := context.Background()
	a, b := []string{"example.com", "s1", "/k/s1"}, []string{"example.com", "s2", "/k/s2"}
	steps := []struct {
		what    string
		changes []dataset.Change
		changed bool // dataset.ErrChanged is expected, and nothing done
		row     []string
		other   []string
	}{
		{"add", []dataset.Change{{Key: "swap1", New: a}}, false, a, nil},
		{"add once more", []dataset.Change{{Key: "swap1", New: b}}, true, a, nil},
		{"change", []dataset.Change{{Key: "swap1", Old: a, New: b}}, false, b, nil},
		{"change what is no more", []dataset.Change{{Key: "swap1", Old: a, New: b}}, true, b, nil},
		{"two at once", []dataset.Change{{Key: "swap1", Old: b, New: a}, {Key: "swap2", New: b}}, false, a, b},
		{"two of which one is another by now", []dataset.Change{{Key: "swap1", Old: a, New: b}, {Key: "swap2", Old: a, New: b}}, true, a, b},
		{"take out what is another by now", []dataset.Change{{Key: "swap2", Old: a}}, true, a, b},
		{"take out", []dataset.Change{{Key: "swap1", Old: a}, {Key: "swap2", Old: b}}, false, nil, nil},
		{"take out what is not there", []dataset.Change{{Key: "swap1", Old: a}}, true, nil, nil},
	}
	for _, step := range steps {
		err := s.Swap(ctx, step.changes)
		if errors.Is(err, dataset.ErrChanged) != step.changed || (err != nil) != step.changed {
			t.Errorf("%s: %v", step.what, err)
		}
		if row, other := read("swap1"), read("swap2"); strings.Join(row, ":") != strings.Join(step.row, ":") ||
			strings.Join(other, ":") != strings.Join(step.other, ":") {
			t.Errorf("%s: rows %q and %q, want %q and %q", step.what, row, other, step.row, step.other)
		}
	}
}
