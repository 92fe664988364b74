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

// TestSendersThatNobodyIs: rows of a SigningTable with what no address has around them, and
// identities that cannot stand in a signature.
func TestSendersThatNobodyIs(t *testing.T) {
	for row, want := range map[string]string{
		"*@example.com k": "", "user+x@example.com k": "", "*@*.example.com k": "", "*@bücher.example k": "", "* k": "", "o'neil@example.com k": "", "*@example.com k:@example.com": "",
		"*@example.com k:user@example.com": "", "*@example.com k:@%": "", "*@example.com k:": "", "*@*example.com k": "", "*@exam_ple.com k": "",
		"*@example.com. k": "write *@example.com", "<user@example.com> k": "write user@example.com", `"*@example.com" k`: "write *@example.com", "'*@example.com' k": "write *@example.com",
		";*@example.com k": "write *@example.com", "*@example.com; k": "write *@example.com", "*@example.com, k": "write *@example.com", "*@example.com: k": "write *@example.com",
		"!*@example.com k": "write *@example.com", "*@exam%ple.com k": "write user@domain, or a domain",
		"*@example.com k:user": "write user@ and the domain, or leave :user out", "*@example.com k:example.com": "write @example.com", "*@example.com k:%": "write @%",
		"user@ k": "write user@domain, or a domain", "*@.example.com k": "write *@*.example.com", "*@example.com k:user@other.com": "", "*@example.com d:user@other.com": "write user@example.com",
		"*@example.com d:user@a.Example.com": "", "*@example.com d:user@%": "", "*@example.com k:;": "write ;@ and the domain, or leave :; out", "*@example.com k:<user@example.com>": "write user@domain, or @domain",
	} {
		set := open(t, "refile:"+writeTable(t, row), Options{FoldCase: true})
		list := Lint{Option: "SigningTable", Keys: open(t, "csl:k=a,d=example.com:s:/k", Options{})}.SigningTable(t.Context(), set)
		if want == "" && len(list) > 0 || want != "" && (len(list) != 1 || list[0].Hint != want || list[0].Line != 1) {
			t.Errorf("%s: %v, want %q", row, list, want)
		}
	}
	for key, want := range map[string]string{"example.com": "", ".example.com": "", "user@*": "", "*": "",
		"user@.example.com": "", "bücher.example": "",
		"example.com.": "write example.com", "user@example.com.": "write user@example.com", "<user@example.com>": "write user@example.com"} {
		list := Lint{Option: "SigningTable"}.SigningTable(t.Context(), open(t, writeTable(t, key+" k"), Options{FoldCase: true}))
		if want == "" && len(list) > 0 || want != "" && (len(list) != 1 || list[0].Hint != want) {
			t.Errorf("%s in a file: %v, want %q", key, list, want)
		}
	}
}

// TestHostsThatAreNone, and the address that stands within them.
func TestHostsThatAreNone(t *testing.T) {
	const otherwise = "write a host name, .domain, an address, or a network such as 192.0.2.0/24"
	for entry, want := range map[string]string{
		"mail_1.example.net": "", "bücher.example": "", "localhost.": "", "-": "", "fe80::1%eth0": "", "!.example.net": "",
		"127.0.0.1:25": "write 127.0.0.1", "inet:127.0.0.1": "write 127.0.0.1", "ip4:10.0.0.0/8": "write 10.0.0.0/8", `"127.0.0.1"`: "write 127.0.0.1", "'::1'": "write ::1",
		"<127.0.0.1>": "write 127.0.0.1", "!!10.1.2.3": "write 10.1.2.3", "[::1]:25": "write ::1", "$mynetworks": otherwise, "10.1.2.3-10.1.2.9": "write a whole address, or a network such as 192.0.2.0/24", "/8": otherwise, `/10\./`: otherwise, "joe@example.com": otherwise,
	} {
		list := Lint{Option: "PeerList"}.hosts(t.Context(), open(t, "file:"+writeTable(t, entry), Options{FoldCase: true}))
		if want == "" && len(list) > 0 || want != "" && (len(list) != 1 || list[0].Hint != want) {
			t.Errorf("%s: %v, want %q", entry, list, want)
			for _, p := range list {
				t.Log(p.Hint)
			}
		}
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
	told(t, Lint{Option: "InternalHosts"}.hosts(ctx, open(t, "file:"+writeTable(t,
		"127.0.0.1", "0.0.0.0/0", "::/0", "10.1.2.3/8", "*.example.com", "10.0.0.0/255.0.0.0",
		"[1.2.0.0/16]", "192.168.1", "user@example.com",
		"-", "localhost", "!0.0.0.0/0", "[::1]", ".example.com", "localhost", "300.1.1.1"), Options{FoldCase: true})), map[int]string{
		2: "matches every host", 3: "matches every host", 4: "bits beyond the prefix", 5: "refile: lists only", 6: "neither a host nor a network",
		7: "neither a host nor a network", 8: "not a whole address", 9: "neither a host", 15: "listed before", 16: "not a whole address",
	})
	told(t, Lint{Option: "InternalHosts"}.hosts(ctx,
		open(t, "refile:"+writeTable(t, "*", "*.example.com", "10.0.0.*"), Options{})), map[int]string{1: "matches every host"})
	list := Lint{Option: "PeerList"}.hosts(ctx, open(t, "127.0.0.1,0.0.0.0/0", Options{}))
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
		Lint{}.SigningTable(context.Background(), broken{}), Lint{}.hosts(context.Background(), broken{}), Lint{}.Table(context.Background(), broken{}, 3),
	} {
		if list != nil {
			t.Errorf("got %v", list)
		}
	}
}
