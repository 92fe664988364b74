package dataset

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// hostCase is a client and what OpenDKIM's PeerList answered (recorded from Debian's opendkim with
// miltertest, 2026-11-23); ours differs where noted.
type hostCase struct {
	name, addr string
	opendkim   bool
	ours       string // why we answer the opposite, "" where we agree
}

var hostLists = []struct {
	kind    string
	entries []string
	cases   []hostCase
}{
	{"file:", []string{"192.168.1.0/24", "!192.168.1.5", "10.1.2.3/8", "10.1.0.0/255.255.0.0", "172.16.0.0/255.240.0.0", "[1.2.3.4]", "[1.3.0.0]/16",
		"[1.4.0.0/16]", "![1.3.3.3]", "8.8/16", "9.0.0.0/8 # c", "!9.1.0.0/16"}, []hostCase{
		{"x", "192.168.1.4", true, ""},
		{"x", "192.168.1.5", false, ""},
		{"x", "10.1.2.3", false, ""},
		{"x", "10.2.2.3", false, ""},
		{"x", "10.1.9.9", false, ""},
		{"x", "172.17.1.1", false, ""},
		{"x", "1.2.3.4", false, "the man page promises brackets"},
		{"x", "1.3.0.9", true, ""},
		{"x", "1.3.3.3", true, "the man page promises brackets"},
		{"x", "1.4.1.1", false, ""},
		{"x", "8.8.1.1", false, ""},
		{"x", "9.2.2.2", true, ""},
		{"x", "9.1.1.1", false, ""},
		{"[9.2.2.2]", "9.2.2.2", true, ""},
	}},
	{"file:", []string{".example.com", "!bad.example.com", "!.sub.example.com", "host.sub.example.com", "Upper.ORG", "2001:db8::/32", "!2001:db8:1::/48", "2001:DB9::1",
		"[2001:dba::1]", "[2001:dbb::]/32", "::ffff:4.4.4.4", "5.5.5.5", "::1", "[2001:dbc::/32]", "2001:dbd:0:0:0:0:0:1", "[IPv6:2001:dbe::1]", "IPv6:2001:dbf::1"}, []hostCase{
		{"a.example.com", "3.3.3.3", true, ""},
		{"example.com", "3.3.3.3", false, ""},
		{"bad.example.com", "3.3.3.3", false, ""},
		{"x.sub.example.com", "3.3.3.3", false, ""},
		{"host.sub.example.com", "3.3.3.3", true, ""},
		{"upper.org", "3.3.3.3", true, ""},
		{"UPPER.org", "3.3.3.3", true, ""},
		{"A.EXAMPLE.com", "3.3.3.3", true, ""},
		{"a.example.com.", "3.3.3.3", false, "the dot of the root is no part of the name"},
		{"x", "2001:db8::5", true, ""},
		{"x", "2001:db8:1::5", false, ""},
		{"x", "2001:db9::1", true, ""},
		{"x", "2001:dba::1", true, ""},
		{"x", "2001:dbb::1", true, ""},
		{"x", "4.4.4.4", false, "one address, mapped or not"},
		{"x", "::ffff:4.4.4.4", true, ""},
		{"x", "::ffff:5.5.5.5", false, "one address, mapped or not"},
		{"x", "::1", true, ""},
		{"x", "2001:dbc::1", false, ""},
		{"x", "2001:dbd::1", false, "one address however written"},
		{"x", "2001:dbe::1", false, ""},
		{"x", "2001:dbf::1", false, ""},
		{"x", "", false, ""},
	}},
	{"file:", []string{"*", "!a.example.com", "10.0.0.0/8"}, []hostCase{
		{"b.example.com", "1.1.1.1", false, ""},
		{"a.example.com", "1.1.1.1", false, ""},
		{"x", "10.1.1.1", true, ""},
	}},
	{"refile:", []string{"*"}, []hostCase{
		{"b.example.com", "1.1.1.1", false, "a pattern matches the negation asked first"},
	}},
	{"refile:", []string{"*.example.com", "192.168.*", "10.0.0.0/8", "!192.168.8.*", "!bad.example.com"}, []hostCase{
		{"b.example.com", "1.1.1.1", false, "a pattern matches the negation asked first"},
		{"bad.example.com", "1.1.1.1", false, ""},
		{"x", "192.168.7.7", true, ""},
		{"x", "192.168.8.7", false, ""},
		{"x", "10.3.3.3", true, ""},
	}},
	{"file:", []string{"0.0.0.0/0"}, []hostCase{{"b.example.com", "1.1.1.1", true, ""}, {"x", "::1", false, ""}}},
	{"file:", []string{"-"}, []hostCase{{"b.example.com", "1.1.1.1", false, ""}, {"x", "::1", false, ""}}},
	{"file:", []string{"localhost", "127.0.0.2"}, []hostCase{
		{"localhost", "127.0.0.1", true, ""}, {"x", "127.0.0.1", false, ""}, {"x", "127.0.0.2", true, ""}, {"localhost", "9.9.9.9", true, ""},
	}},
	{"file:", []string{"a.example.com value", "!1.1.1.1", "1.1.1.1", "2.2.2.2", "!2.2.2.2", "!c.example.com"}, []hostCase{
		{"a.example.com", "3.3.3.3", true, ""}, {"x", "1.1.1.1", false, ""}, {"x", "2.2.2.2", false, ""}, {"c.example.com", "2.2.2.2", false, ""},
	}},
}

// plain hides what a set can do besides looking up, as a network table is.
type plain struct{ Set }

// batch answers several keys at once.
type batch struct{ Set }

func (b batch) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	rows := make([][]string, len(keys))
	for i, k := range keys {
		values, err := b.Lookup(ctx, k, columns)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows[i] = append([]string{}, values...)
	}
	return rows, nil
}

func TestHostsMatchAsPeerList(t *testing.T) {
	ctx := context.Background()
	for _, l := range hostLists {
		set := open(t, l.kind+writeTable(t, l.entries...), Options{FoldCase: true})
		compiled, err := NewHostSet(ctx, set)
		if err != nil {
			t.Fatal(err)
		}
		asked, _ := NewHostSet(ctx, plain{set})
		batched, _ := NewHostSet(ctx, batch{set})
		for _, c := range l.cases {
			addr, _ := netip.ParseAddr(c.addr)
			want := c.opendkim != (c.ours != "")
			if got, err := compiled.Match(ctx, c.name, addr); got != want || err != nil {
				t.Errorf("%v: %s [%s]: %v, %v", l.entries, c.name, c.addr, got, err)
			}
			if l.kind == "refile:" || c.addr == "2001:dbd::1" {
				continue // a table that is asked for texts cannot know other spellings
			}
			for _, h := range []*HostSet{asked, batched} {
				if got, err := h.Match(ctx, c.name, addr); got != want || err != nil {
					t.Errorf("asked: %v: %s [%s]: %v, %v", l.entries, c.name, c.addr, got, err)
				}
			}
		}
	}
}

func TestHostSetTellsFailure(t *testing.T) {
	h, _ := NewHostSet(context.Background(), broken{})
	if _, err := h.Match(context.Background(), "a.example", netip.Addr{}); !IsTemporary(err) {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Lookup(context.Context, string, int) ([]string, error) {
	return nil, &Error{Set: "dsn:x", Err: errors.New("server is away"), Temp: true}
}
func (broken) Close() error { return nil }

func FuzzHostEntry(f *testing.F) {
	for _, l := range hostLists {
		for _, e := range l.entries {
			f.Add(e, "192.168.1.4")
		}
	}
	f.Fuzz(func(t *testing.T, entry, text string) {
		p, err := parseHostEntry(entry)
		if err != nil {
			return
		}
		if !p.IsValid() || p.Masked() != p || p.Addr().Is4In6() {
			t.Fatalf("%q: %v", entry, p)
		}
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		h, err := NewHostSet(context.Background(), NewTable("", []Pair{{Key: entry}}, true))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := h.Match(context.Background(), "", addr); got != p.Contains(addr.Unmap().WithZone("")) {
			t.Fatalf("%q [%s]: %v", entry, text, got)
		}
	})
}

func BenchmarkHosts(b *testing.B) {
	var rows []Pair
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		rows = append(rows, Pair{Key: a.String()})
	}
	rows = append(rows, Pair{Key: "192.168.0.0/16"}, Pair{Key: ".example.com"})
	h, err := NewHostSet(context.Background(), NewTable("", rows, true))
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.Match(context.Background(), "mail.example.net", addr)
	}
}
