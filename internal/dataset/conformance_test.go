package dataset_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
)

func TestConformance(t *testing.T) {
	var file, list strings.Builder
	for _, r := range datasettest.Rows() {
		file.WriteString(r.Key + " " + r.Text() + "\n")
		list.WriteString(r.Key + "=" + r.Text() + ",")
	}
	path := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]string{"file": "file:" + path, "csl": "csl:" + list.String()} {
		for _, fold := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				set, err := dataset.Open(context.Background(), spec, dataset.Options{FoldCase: fold})
				if err != nil {
					t.Fatal(err)
				}
				datasettest.Run(t, set, datasettest.Options{FoldCase: fold, OneColumn: true, Local: true})
			})
		}
	}
}
