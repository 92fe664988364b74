package dataset

import (
	"context"
	"strings"
	"testing"

	"dojang/internal/problem"
)

// told checks that a list has exactly these texts at these lines, in any order.
func told(t *testing.T, list problem.List, want map[int]string) {
	t.Helper()
	for line, text := range want {
		found := false
		for _, p := range list {
			found = found || p.Line == line && strings.Contains(p.String(), text)
		}
		if !found {
			t.Errorf("nothing at line %d about %q", line, text)
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d problems, want %d:", len(list), len(want))
	}
	if t.Failed() {
		for _, p := range list {
			t.Logf("%s (%s)", p, p.Hint)
		}
	}
}

func TestLintSigningPatterns(t *testing.T) {
	ctx := context.Background()
	keys := open(t, "csl:k1=a,k2=b", Options{})
	set := open(t, "refile:"+writeTable(t, "a@b.c k1", "*@example.com", "*@* k1", "x@example.com k2",
		"nodomain.example k1", "@b.c k1", "*@c.d nokey", "* %", "b@c.d k1,k2", "c@c.d k1, k3"), Options{})
	told(t, Lint{Option: "SigningTable", Keys: keys, AllMatches: true}.SigningTable(ctx, set), map[int]string{
		2: "has no key", 5: "matches no address", 6: "matches no address", 7: `key "nokey" is not in the KeyTable`, 10: `key "k3" is not`,
	})
	list := Lint{Option: "SigningTable"}.SigningTable(ctx,
		open(t, "refile:"+writeTable(t, "*@* k1", "x@example.com k2", "*@example.com k", "* k"), Options{}))
	told(t, list, map[int]string{2: `"*@*" at line 1 takes everything`, 3: "never matches"})
	if list.HasErrors() {
		t.Error("a hidden pattern is an error")
	}
}

func TestLintFileWithPatterns(t *testing.T) {
	path := writeTable(t, "*@example.com k1", "user@* k1", "* k1", "EXAMPLE.com k1", "example.com k2", "*.example.com k1", ".example.com k")
	list := Lint{Option: "SigningTable"}.SigningTable(context.Background(), open(t, path, Options{FoldCase: true}))
	told(t, list, map[int]string{1: "patterns work in refile:", 5: "listed before", 6: "patterns work in refile:"})
	if list[0].Hint != "write SigningTable refile:"+path+", or the row's key as example.com" || !list.HasErrors() || list[0].File != path {
		t.Errorf("hint %q", list[0].Hint)
	}
}

func TestLintHosts(t *testing.T) {
	ctx := context.Background()
	told(t, Lint{Option: "InternalHosts"}.Hosts(ctx, open(t, "file:"+writeTable(t,
		"127.0.0.1", "0.0.0.0/0", "::/0", "10.1.2.3/8", "*.example.com", "10.0.0.0/255.0.0.0",
		"[1.2.0.0/16]", "192.168.1", "user@example.com",
		"-", "localhost", "!0.0.0.0/0", "[::1]", ".example.com", "localhost", "300.1.1.1"), Options{FoldCase: true})), map[int]string{
		2: "matches every host", 3: "matches every host", 4: "bits beyond the prefix", 5: "refile: lists only", 6: "neither a host nor a network",
		7: "neither a host nor a network", 8: "not a whole address", 9: "neither a host", 15: "listed before", 16: "not a whole address",
	})
	told(t, Lint{Option: "InternalHosts"}.Hosts(ctx,
		open(t, "refile:"+writeTable(t, "*", "*.example.com", "10.0.0.*"), Options{})), map[int]string{1: "matches every host"})
	list := Lint{Option: "PeerList"}.Hosts(ctx, open(t, "127.0.0.1,0.0.0.0/0", Options{}))
	if len(list) != 1 || list[0].String() != `PeerList: element 2: "0.0.0.0/0" matches every host` {
		t.Errorf("got %v", list)
	}
}

func TestLintBoundsWhatItTells(t *testing.T) {
	rows := make([]string, 500)
	for i := range rows {
		rows[i] = "dup k"
	}
	list := Lint{Option: "X"}.Table(context.Background(), open(t, writeTable(t, rows...), Options{}), 1)
	if len(list) != maxProblems+1 || !strings.Contains(list[maxProblems].Text, "479 more") {
		t.Errorf("%d problems, last %v", len(list), list[len(list)-1])
	}
}

func TestLintNeverWalksNetworkTables(t *testing.T) {
	for _, list := range []problem.List{
		Lint{}.SigningTable(context.Background(), broken{}), Lint{}.Hosts(context.Background(), broken{}), Lint{}.Table(context.Background(), broken{}, 3),
	} {
		if list != nil {
			t.Errorf("got %v", list)
		}
	}
}
