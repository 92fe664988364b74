package sqlset

import (
	"context"
	"errors"
	"strings"
	"testing"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

const swapTables = "CREATE TABLE swap3 (id VARCHAR(64), d VARCHAR(64), s VARCHAR(64), k VARCHAR(255), note VARCHAR(16) " +
	"DEFAULT 'n');\nCREATE TABLE swap1 (id VARCHAR(64), v VARCHAR(255));\n"

// swaps changes rows of a database with swapTables.
func swaps(t *testing.T, base string) {
	for _, params := range []string{"/table=swap3?keycol=id?datacol=d,s,k", "/table=swap1?keycol=id?datacol=v"} {
		set, err := New(base+params, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { set.Close() })
		datasettest.Swaps(t, set, func(key string) []string {
			row, err := set.Lookup(context.Background(), key, 3)
			if err != nil && !errors.Is(err, dataset.ErrNotFound) {
				t.Fatal(err)
			}
			return row
		})
	}
}

func TestSwapSQLite(t *testing.T) {
	sqlite := testutil.Need(t, "sqlite3")
	dir := datasettest.Folder(t, 0o700)
	proctest.Run(t, swapTables, sqlite, dir+"/x.db")
	swaps(t, "sqlite3://"+strings.ReplaceAll(dir, "/", "=2F")+"/x.db")
}
