package dataset

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/problem"
)

// answering is a set of rows that cannot be told from one over a network: every way to
// ask it fails with err, or answers from rows.
type answering struct {
	rows  map[string]string
	err   error
	asked *int
}

func (s answering) Lookup(_ context.Context, key string, columns int) ([]string, error) {
	*s.asked++
	v, ok := s.rows[key]
	switch {
	case s.err != nil:
		return nil, s.err
	case !ok:
		return nil, ErrNotFound
	}
	return Split(v, columns), nil
}
func (s answering) Close() error { return nil }

// atOnce is one that answers several keys in one question, and inOrder one of patterns.
type atOnce struct{ answering }

func (s atOnce) Lookup(context.Context, string, int) ([]string, error) { panic("asked one by one") }
func (s atOnce) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	if s.err != nil {
		*s.asked++
		return nil, s.err
	}
	rows, err := batch{s.answering}.LookupBatch(ctx, keys, columns)
	*s.asked -= len(keys) - 1
	return rows, err
}

type inOrder struct{ answering }

func (s inOrder) LookupAll(ctx context.Context, key string, columns int, f func(Entry) bool) error {
	values, err := s.Lookup(ctx, key, columns)
	if err == nil {
		f(Entry{Key: key, Values: values})
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// TestNotThereAndNotAsked: whichever way a set is asked, what is not there is not found,
// and a set that cannot be asked says so: mail is lost where one is taken for the other.
func TestNotThereAndNotAsked(t *testing.T) {
	away := &Error{Set: "dsn:x", Err: errors.New("server is away"), Temp: true}
	rows := map[string]string{"joe@a.example": "1:2", "a.example": "3", ".example": "4", "192.0.2.1": "", "!bad.example": ""}
	for name, c := range map[string]struct {
		rows map[string]string
		err  error
		want string
	}{
		"there": {rows, nil, "row"}, "not there": {nil, nil, "none"}, "not asked": {rows, away, "away"},
	} {
		asked := 0
		one := answering{c.rows, c.err, &asked}
		for kind, set := range map[string]Set{"plain": one, "at once": atOnce{one}, "patterns": inOrder{one}} {
			check := func(what string, found bool, err error) {
				t.Helper()
				got := map[bool]string{true: "row", false: "none"}[found]
				switch {
				case err == error(away):
					got = "away"
				case err != nil && !errors.Is(err, ErrNotFound):
					got = err.Error()
				}
				if got != c.want || errors.Is(err, ErrNotFound) == found && c.err == nil {
					t.Errorf("%s, %s, %s: %s, %v", name, kind, what, got, err)
				}
			}
			found := false
			err := SigningLookup(t.Context(), set, "joe", "a.example", 2, false,
				func(e Entry) bool { found = len(e.Values) == 2; return true })
			check("SigningLookup", found, err)
			if kind == "patterns" {
				continue
			}
			place, values, err := LookupFirst(t.Context(), set, []string{"x", "joe@a.example", "a.example"}, 1)
			check("LookupFirst", place == 1 && len(values) == 1, err)
			if place, _, err := LookupFirst(t.Context(), set, nil, 1); place != 0 || !errors.Is(err, ErrNotFound) {
				t.Errorf("%s, %s: no keys: %v", name, kind, err)
			}
			hosts, err := NewHostSet(t.Context(), set)
			if err != nil {
				t.Fatal(err)
			}
			for _, client := range []struct {
				host, addr string
				in         bool
			}{{"mx.example", "", true}, {"", "192.0.2.1", true}, {"bad.example", "192.0.2.1", false}, {"", "", false}} {
				if client.host+client.addr == "" {
					continue // of nobody nothing is asked
				}
				addr, _ := netip.ParseAddr(client.addr)
				asked = 0
				in, err := hosts.Match(t.Context(), client.host, addr)
				if in != (client.in && c.want == "row") || err != c.err || kind == "at once" && asked != 1 {
					t.Errorf("%s, %s: %s [%s]: %v, %v, asked %d times", name, kind, client.host, client.addr, in, err, asked)
				}
			}
		}
	}
}

// TestTemporaryErrors are those after which to ask again may help.
func TestTemporaryErrors(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, ErrNotFound: false, ErrNoWalk: false, errors.New("x"): false,
		context.DeadlineExceeded: true, context.Canceled: true, fmt.Errorf("asked: %w", context.Canceled): true,
		&Error{Err: errors.New("x")}: false, &Error{Err: errors.New("x"), Temp: true}: true,
		fmt.Errorf("asked: %w", &Error{Err: errors.New("x"), Temp: true}): true,
	} {
		if got := IsTemporary(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if got := (&Error{Err: errors.New("x")}).Error() + (&Error{Set: "s", Err: errors.New("x")}).Error(); got != "xs: x" {
		t.Error(got)
	}
}

// TestNamesAreShownWithoutSecrets, and those that name nothing as well.
func TestNamesAreShownWithoutSecrets(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/t": "file:/etc/t", "a,b": "csl:a,b", " refile:/t ": "refile:/t", "DB:/x": "db:/x", "erlang:n@h:c:m:f": "erlang:...",
		"dsn:mysql://u:geheim@h/d/table=t": "dsn:mysql://", "redis://:geheim@h/0": "redis://", "nosuch:x": "nosuch:x",
		"nosuch://u:geheim@h/x": "nosuch://", "\x00redis://:geheim@h": "redis://", "dsn:": "dsn:",
		"refile:redis://:geheim@h": "refile:redis://", "file:dsn:mysql://u:geheim@h/d": "file:dsn:mysql://",
	} {
		if got := Shown(name); !strings.Contains(got, want) || strings.Contains(got, "geheim") {
			t.Errorf("%q: %q, want %q in it", name, got, want)
		}
	}
	for name, want := range map[string]string{"\x00": "NUL", "\x00csl:a": "NUL", "nosuch:x": "unknown kind", "redis+tls://h": "unknown kind", "http2://h": "unknown kind", `"a-b.c://h`: "unknown kind", "file:": "ends after file:",
		"refile:redis://:geheim@h": "is a URL and no file", "file:dsn:mysql://u:geheim@h/d": "is a URL and no file"} {
		if set, err := Open(t.Context(), name, Options{}); err == nil || set != nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v, %v", name, set, err)
		}
	}
}

// TestCaseOfEachLetter: where case does not count, it does for no letter, and no other
// character is taken for one: "[" is not "{", nor "@" the accent.
func TestCaseOfEachLetter(t *testing.T) {
	for _, c := range []byte("@AMZ[_`amz{~0-.") {
		other := c ^ 0x20
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		key, asked := "k"+string(c), "k"+string(other)
		for kind, set := range map[string]Set{
			"file": open(t, "file:"+writeTable(t, key+" v"), Options{FoldCase: true}), "list": open(t, "csl:"+key+"=v", Options{FoldCase: true}),
			"patterns": open(t, "refile:"+writeTable(t, key+" v"), Options{}), "strict": open(t, "csl:"+key+"=v", Options{}),
		} {
			_, err := set.Lookup(t.Context(), asked, 1)
			if (err == nil) != (letter && kind != "strict") {
				t.Errorf("%s: %q for %q: %v", kind, asked, key, err)
			}
		}
		hosts, err := NewHostSet(t.Context(), open(t, "csl:"+key, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if in, err := hosts.Match(t.Context(), asked, netip.Addr{}); in != letter || err != nil {
			t.Errorf("host %q for %q: %v, %v", asked, key, in, err)
		}
	}
	long := strings.Repeat("k", 300)
	for _, key := range []string{long + "Z", "A" + long, long[:255] + "M", long[:256] + "M"} {
		set := open(t, "csl:"+key, Options{FoldCase: true})
		if _, err := set.Lookup(t.Context(), strings.ToLower(key), 0); err != nil {
			t.Errorf("%d octets: %v", len(key), err)
		}
	}
}

// TestMappedNetworks: what is mapped counts as IPv4 from 96 bits on (RFC 4291 §2.5.5.2).
func TestMappedNetworks(t *testing.T) {
	for entry, want := range map[string]string{
		"::ffff:192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1/128": "192.0.2.1/32", "::ffff:192.0.2.0/120": "192.0.2.0/24",
		"::ffff:0.0.0.0/96": "0.0.0.0/0", "::fffe:0:0/95": "::fffe:0:0/95", "::ffff:0:0/95": "", "2001:db8::/32": "2001:db8::/32",
		"192.0.2.1/24": "", "[192.0.2.0]/24": "192.0.2.0/24", "[192.0.2.0/24]": "", "[192.0.2.1": "",
		"fe80::1%eth0": "fe80::1/128", "host": "", "": "",
	} {
		p, err := parseHostEntry(entry)
		if got := p.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %s, %v", entry, got, err)
		}
	}
}

// TestAddressesWithoutNames and names without addresses are looked up by what is known.
func TestAddressesWithoutNames(t *testing.T) {
	set := open(t, "csl:host.example,192.0.2.0/24,!192.0.2.9,2001:db8::/32", Options{})
	patterns := open(t, "refile:"+writeTable(t, "*.example", "192.0.2.*", "!192.0.2.9", "2001:db8:*"), Options{})
	for _, s := range []Set{set, plain{set}, patterns} {
		h, err := NewHostSet(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for client, want := range map[[2]string]bool{{"host.example", ""}: true, {"", "192.0.2.8"}: true, {"", "192.0.2.9"}: false,
			{"", "2001:db8::1"}: true, {"", "::ffff:192.0.2.8"}: true, {"", ""}: false,
			{"other.test", ""}: false, {"other.test", "198.51.100.1"}: false} {
			addr, _ := netip.ParseAddr(client[1])
			if got, err := h.Match(t.Context(), client[0], addr); got != want || err != nil {
				t.Errorf("%T: %q: %v, %v", s, client, got, err)
			}
		}
	}
}

// TestFilesThatCannotBeUsed: the error is that of the file, for every way in.
func TestFilesThatCannotBeUsed(t *testing.T) {
	nothing := func(context.Context, Set) problem.List { return nil }
	for path, want := range map[string]string{
		t.TempDir():                                 "is a directory",
		filepath.Join(t.TempDir(), "n/o"):           "", // is not there: an empty table
		writeTable(t, "\x00"):                       "NUL byte",
		writeTable(t, "a\x00 b"):                    "NUL byte",
		"/proc/self/mem":                            "input/output error",
		filepath.Join("/dev/null", "x"):             "not a directory",
		writeTable(t, strings.Repeat("x", 1<<20+1)): "line is longer",
	} {
		if strings.HasPrefix(path, "/proc") {
			if _, err := os.Stat(path); err != nil {
				continue
			}
		}
		table := TextTable{Path: path}
		_, _, findErr := table.Find("k")
		_, rowsErr := table.All(2)
		_, previewErr := table.Preview(t.Context(), Pair{"k", "v"}, Options{}, nothing)
		for what, err := range map[string]error{"Find": findErr, "All": rowsErr, "Preview": previewErr} {
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %.40s: %v, want %q", what, path, err, want)
			}
		}
	}
	if _, err := (TextTable{Path: writeTable(t)}).Preview(t.Context(), Pair{"a\x00b", "v"}, Options{}, nothing); err == nil {
		t.Error("a row with NUL is fine")
	}
	if f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		f.Close()
		if err := (TextTable{Path: "/dev/full"}).Append(Pair{"k", "v"}); err == nil {
			t.Error("appended where nothing can be written")
		}
	}
	if err := (TextTable{Path: t.TempDir()}).Append(Pair{"k", "v"}); err == nil {
		t.Error("appended to a folder")
	}
}

// swaps is a set that can change its rows.
type swaps struct{ unlistable }

func (swaps) Swap(context.Context, []Change) error { return nil }

// TestSwapperOf: a text is changed in its file, another set by itself, however wrapped.
func TestSwapperOf(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		set  Set
		want Swapper
	}{
		"a file":        {"file:/t", nil, TextTable{Path: "/t"}},
		"patterns":      {"refile:/t", unlistable{}, TextTable{Path: "/t", Patterns: true}},
		"a database":    {"dsn:x", swaps{}, swaps{}},
		"wrapped":       {"dsn:x", around{swaps{}}, swaps{}},
		"wrapped twice": {"redis://x", around{around{swaps{}}}, swaps{}},
		"none":          {"dsn:x", unlistable{}, nil},
		"none within":   {"dsn:x", around{unlistable{}}, nil},
		"a list":        {"csl:a=b", unlistable{}, nil},
	} {
		if got := SwapperOf(c.spec, c.set); got != c.want {
			t.Errorf("%s: %#v, want %#v", name, got, c.want)
		}
	}
}

// TestSignsOfFieldNames: a sign changes the default that the element * stands for, and
// without it names nothing; beside it, a name without one is what OpenDKIM passes over.
func TestSignsOfFieldNames(t *testing.T) {
	for _, c := range []struct {
		of    Elements
		list  string
		wants []string // hints
	}{
		{FieldChanges, "*,+X,-Y", nil}, {OversignedNames, "*,+X,-Y", nil}, {FieldNames, "+X,-Y", nil},
		{FieldChanges, "X,Y", nil}, {OversignedNames, "X,Y", nil},
		{FieldChanges, "+X", []string{"write * as the first element: *,+X; or X without the sign"}},
		{OversignedNames, "X,-Y", []string{"write * as the first element: *,-Y; or Y without the sign"}},
		{FieldChanges, "*,X,+Y", []string{"write +X"}}, {FieldChanges, "X,*", []string{"write +X"}},
		{OversignedNames, "*,X", nil},
		{FieldChanges, "*,X:Y", []string{"separate the elements by commas: X,Y"}},
		{FieldChanges, "*,(x)", []string{"write +(x)"}}, {FieldChanges, "*,+(x)", []string{"write names of header fields: From,To,Subject"}},
	} {
		var hints []string
		for _, p := range (Lint{Option: "O"}).Elements(t.Context(), open(t, "csl:"+c.list, Options{}), c.of) {
			hints = append(hints, p.Hint)
		}
		if diff := cmp.Diff(c.wants, hints); diff != "" {
			t.Errorf("%d %s (-want +got)\n%s", c.of, c.list, diff)
		}
	}
}

// TestHintsForAsterisks: what to write in a table that has no patterns.
func TestHintsForAsterisks(t *testing.T) {
	hosts := func(set Set) problem.List { return Lint{Option: "PeerList"}.hosts(t.Context(), set) }
	ours := func(set Set) problem.List { return Lint{Option: "internalhosts"}.hosts(t.Context(), set) }
	senders := func(set Set) problem.List { return Lint{Option: "SigningTable"}.SigningTable(t.Context(), set) }
	for _, c := range []struct {
		lint func(Set) problem.List
		key  string
		want string
	}{
		{hosts, "*.example", "write .example, or use refile:"}, {hosts, "192.0.2.*", "write a network such as 192.0.2.0/24, or use refile:"},
		{hosts, "*.*.example", "write a network such as 192.0.2.0/24, or use refile:"},
		{ours, "0.0.0.0/0", "anyone's mail from our domains would be signed: list the networks that are ours"}, {hosts, "::/0", ""},
		{senders, "*@example.com", "write SigningTable refile:FILE, or the row's key as example.com"},
		{senders, "j*@example.com", "write SigningTable refile:FILE"}, {senders, "*.example.com", "write SigningTable refile:FILE"},
		{senders, "@example.com", "write example.com"},
		{senders, "*", ""}, {senders, "joe@*", ""},
	} {
		path := writeTable(t, c.key+" k1")
		list := c.lint(open(t, "file:"+path, Options{}))
		if strings.HasSuffix(c.key, "/0") && len(list) != 1 {
			t.Errorf("%s is not told of", c.key)
		}
		hint := ""
		if len(list) > 0 {
			hint = strings.ReplaceAll(list[0].Hint, path, "FILE")
		}
		if len(list) > 1 || hint != c.want {
			t.Errorf("%s: %q, want %q", c.key, hint, c.want)
		}
	}
	list := senders(open(t, "csl:*@example.com=k1", Options{}))
	if len(list) != 1 || list[0].Hint != "use refile: in front of the file's name, or the row's key as example.com" {
		t.Errorf("%v", list)
	}
}

// TestWalksEnd with their context, at the first row already.
func TestWalksEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Walk(ctx, open(t, "csl:a,b", Options{}), func(Entry) error { t.Error("a row"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestMistakesOfOneKindAreBounded at twenty, and how many more there are.
func TestMistakesOfOneKindAreBounded(t *testing.T) {
	for n, want := range map[int]string{20: "", 21: "1 more rows like these: not an address",
		25: "5 more rows like these: not an address"} {
		list := (Lint{Option: "O"}).Elements(t.Context(), open(t, "csl:"+strings.Repeat("x,", n), Options{}), IPAddresses)
		told, more := 0, ""
		for _, p := range list {
			if strings.Contains(p.Text, "never matches") {
				told++
			} else {
				more = p.Text
			}
		}
		if told != 20 || more != want {
			t.Errorf("%d mistakes: %d are told, and %q", n, told, more)
		}
	}
}
