package dataset

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
)

// query is one line of `opendkim -Q`: a data set, a key, and how many values;
// want was recorded from Debian's opendkim 2.11.0~beta2 (2026-11-23), "-" for
// "record not found".
type query struct {
	set, key string
	columns  int
	want     string
	// ours is set where we differ on purpose.
	ours string
}

const notFound = "-"

// fewer is what OpenDKIM answers when a row has fewer values than asked for; we
// return those that are there.
const fewer = "fewer"

func queries(t *testing.T) []query {
	rows, err := filepath.Abs("testdata/rows.txt")
	if err != nil {
		t.Fatal(err)
	}
	const list = "a,b , c=d,e=f:g,E=Z, x y ,=q,p="
	return []query{
		{set: rows, key: "k1", columns: 1, want: "'v1'"},
		{set: rows, key: "k2", columns: 2, want: "'v2'|'v3'"},
		{set: rows, key: "k2", columns: 3, want: fewer, ours: "'v2'|'v3'"},
		{set: rows, key: "k3", columns: 1, want: "'lead'"},
		{set: rows, key: "k4", columns: 1, want: "'a b c:d'"},
		{set: rows, key: "k4", columns: 2, want: "'a b c'|'d'"},
		{set: rows, key: "K1", columns: 1, want: notFound},
		{set: rows, key: "k5", columns: 1, want: notFound},
		{set: rows, key: "K5", columns: 1, want: "'Upper'"},
		{set: rows, key: "k6", columns: 0, want: ""},
		{set: rows, key: "k6", columns: 1, want: "''"},
		{set: rows, key: "k7", columns: 1, want: "'a:b:c:d'"},
		{set: rows, key: "k7", columns: 2, want: "'a'|'b:c:d'"},
		{set: rows, key: "k7", columns: 3, want: "'a'|'b'|'c:d'"},
		{set: rows, key: "k7", columns: 4, want: "'a'|'b'|'c'|'d'"},
		{set: rows, key: "k8", columns: 1, want: "''"},
		{set: rows, key: "k9", columns: 2, want: `'"q'|'x":y'`},
		{set: rows, key: "k10", columns: 2, want: `'a\'|'b:c'`},
		{set: rows, key: "k11", columns: 1, want: "'::x'"},
		{set: rows, key: "k11", columns: 2, want: "<empty>|':x'"},
		{set: rows, key: "k11", columns: 3, want: "<empty>|<empty>|'x'"},
		{set: rows, key: "k12", columns: 1, want: `'c1 \'`},
		{set: rows, key: "c2", columns: 0, want: ""},
		{set: rows, key: "k13", columns: 1, want: "'x : y : z'"},
		{set: rows, key: "k13", columns: 3, want: "'x '|' y '|' z'"},
		{set: rows, key: "k14", columns: 2, want: "'crlf'|'end'"},
		{set: rows, key: "a@ex.com", columns: 1, want: notFound},
		{set: rows, key: "*@ex.com", columns: 1, want: "'pat'"},
		{set: "file:" + rows, key: "k1", columns: 1, want: "'v1'"},
		{set: "FILE:" + rows, key: "k1", columns: 1, want: "'v1'"},
		{set: "refile:" + rows, key: "k1", columns: 1, want: "'v1'"},
		{set: "refile:" + rows, key: "xk1", columns: 1, want: notFound},
		{set: "refile:" + rows, key: "k1x", columns: 1, want: notFound},
		{set: "refile:" + rows, key: "k2", columns: 2, want: "'v2'|'v3'"},
		{set: "refile:" + rows, key: "k4", columns: 1, want: "'a b c:d'"},
		{set: "refile:" + rows, key: "k6", columns: 1, want: "''"},
		{set: "refile:" + rows, key: "k7", columns: 3, want: "'a'|'b'|'c:d'"},
		{set: "refile:" + rows, key: "k8", columns: 0, want: ""},
		{set: "refile:" + rows, key: "k11", columns: 3, want: "<empty>|<empty>|'x'"},
		{set: "refile:" + rows, key: "k14", columns: 2, want: "'crlf'|'end'"},
		{set: "refile:" + rows, key: "a@ex.com", columns: 1, want: "'pat'"},
		{set: "refile:" + rows, key: "nope", columns: 1, want: notFound},
		// OpenDKIM's -Q minds the case of patterns, its filter does not.
		{set: "refile:" + rows, key: "A@EX.COM", columns: 1, want: notFound, ours: "'pat'"},
		// OpenDKIM loses a pattern with a blank before it.
		{set: "refile:" + rows, key: "k3", columns: 1, want: notFound, ours: "'lead'"},
		{set: list, key: "a", columns: 0, want: ""},
		{set: list, key: "a", columns: 1, want: "''"},
		{set: list, key: "b", columns: 0, want: ""},
		{set: list, key: "c", columns: 1, want: "'d'"},
		{set: list, key: "c", columns: 2, want: fewer, ours: "'d'"},
		{set: list, key: "e", columns: 1, want: "'f:g'"},
		{set: list, key: "e", columns: 2, want: "'f'|'g'"},
		{set: list, key: "E", columns: 1, want: "'Z'"},
		{set: list, key: "x y", columns: 0, want: ""},
		{set: list, key: "x", columns: 0, want: notFound},
		{set: list, key: "A", columns: 0, want: notFound},
		{set: list, key: "p", columns: 0, want: ""},
		{set: list, key: "", columns: 1, want: "'q'"},
		{set: "csl:a,b,c=d=e", key: "c", columns: 1, want: "'d=e'"},
		{set: "csl:*=key1", key: "*", columns: 1, want: "'key1'"},
		{set: "csl:*=key1", key: "a", columns: 1, want: notFound},
		{set: "file,x", key: "x", columns: 0, want: ""},
		{set: "./testdata/rows.txt", key: "k1", columns: 1, want: notFound},
		{set: "", key: "a", columns: 1, want: notFound},
		{set: "-", key: "a", columns: 1, want: notFound},
	}
}

func TestQueriesAnswerAsOpenDKIM(t *testing.T) {
	for _, q := range queries(t) {
		set, err := Open(context.Background(), q.set, Options{})
		if err != nil {
			t.Errorf("open %s: %v", q.set, err)
			continue
		}
		want := q.want
		if q.ours != "" {
			want = q.ours
		}
		if got := show(set.Lookup(context.Background(), q.key, q.columns)); got != want {
			t.Errorf("%s: %s/%d: got %s, want %s", q.set, q.key, q.columns, got, want)
		}
	}
}

func show(values []string, err error) string {
	if errors.Is(err, ErrNotFound) {
		return notFound
	}
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, v := range values {
		if v == "" && len(values) > 1 {
			parts = append(parts, "<empty>")
		} else {
			parts = append(parts, "'"+v+"'")
		}
	}
	return strings.Join(parts, "|")
}

// TestRecordedQueriesAreOpenDKIMs asks the real program again.
func TestRecordedQueriesAreOpenDKIMs(t *testing.T) {
	opendkim := testutil.Need(t, "opendkim")
	got, want := map[string]string{}, map[string]string{}
	for _, q := range queries(t) {
		cmd := exec.Command(opendkim, "-Q")
		cmd.Stdin = strings.NewReader(fmt.Sprintf("%s\n%s/%d\n", q.set, q.key, q.columns))
		out, _ := cmd.CombinedOutput()
		name := fmt.Sprintf("%s %s/%d", q.set, q.key, q.columns)
		text := strings.TrimSpace(string(out))
		switch {
		case strings.Contains(text, "record not found"):
			text = notFound
		case strings.Contains(text, "returned -1"):
			text = fewer
		}
		got[name] = strings.ReplaceAll(text, "\n", "|")
		want[name] = q.want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
