package resolver

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// TestOctetsOfNames: printable ASCII but what zone files would have to escape, in lower
// case whatever was given.
func TestOctetsOfNames(t *testing.T) {
	for c := range 256 {
		name := "x" + string([]byte{byte(c)}) + "y"
		want := c > ' ' && c < 0x7f && !strings.ContainsRune(`"\'();@$`, rune(c))
		got, err := plain(name)
		if (err == nil) != want || want && got != strings.ToLower(name) {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{".": "", "a.": "a", "a..": "no", "..": "no", ".a": "no", "": "no",
		strings.Repeat("a", 63) + ".b": strings.Repeat("a", 63) + ".b", strings.Repeat("a", 64): "no"} {
		got, err := plain(name)
		if err != nil {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

// TestZeroOptionsHaveDefaults, those that their comments promise.
func TestZeroOptionsHaveDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	if o.ResolvConf != "/etc/resolv.conf" || o.CacheSize != 16384 || o.MaxTTL != 24*time.Hour || o.MinTTL != 5*time.Second ||
		o.NegativeTTL != 5*time.Minute || o.FailureTTL != time.Second || o.MaxAnswerBytes != 65535 || o.MaxCNAMEs != 8 ||
		o.MaxSockets != 2048 || o.AuthoritativePort != 53 || o.Now == nil || o.Dial == nil {
		t.Errorf("%+v", o)
	}
	given := Options{ResolvConf: "/x", CacheSize: -1, MaxTTL: time.Second, MinTTL: time.Minute, FailureTTL: -1, MaxAnswerBytes: 65536,
		MaxCNAMEs: 1, MaxSockets: 1, AuthoritativePort: 5353}.withDefaults()
	if given.ResolvConf != "/x" || given.CacheSize != -1 || given.MinTTL != time.Second || given.FailureTTL != 0 ||
		given.MaxAnswerBytes != 65535 || given.MaxCNAMEs != 1 || given.MaxSockets != 1 || given.AuthoritativePort != 5353 {
		t.Errorf("%+v", given)
	}
	set := newServerSet(resolvConf{}, Options{})
	if set.timeout != 5*time.Second || set.attempts != 2 {
		t.Errorf("%+v", set)
	}
}

// TestServersWithoutEDNS: resolv.conf(5) no-edns0 is for good.
func TestServersWithoutEDNS(t *testing.T) {
	for option, plain := range map[string]bool{"": false, "options no-edns0\n": true, "options no-edns0 edns0\n": false} {
		set := newServerSet(parseResolvConf([]byte("nameserver 192.0.2.1\n"+option)), Options{})
		if got := set.servers[0].noEDNS(time.Now().AddDate(100, 0, 0)); got != plain {
			t.Errorf("%q: %v", option, got)
		}
	}
}

// TestUnchangedFilesAreNotReadAgain: the records are those that were read first.
func TestUnchangedFilesAreNotReadAgain(t *testing.T) {
	f := &file{path: writeFile(t, "a b\n")}
	if _, err := f.current(); err != nil {
		t.Fatal(err)
	}
	f.records["mark."] = "kept"
	if records, err := f.current(); err != nil || records["mark."] != "kept" {
		t.Errorf("%v, %v", records, err)
	}
}

// TestCodesOfServers are told by their names in the IANA registry, or by number.
func TestCodesOfServers(t *testing.T) {
	for code, want := range map[int]string{4: "it answered NOTIMP", 9: "it answered NOTAUTH", 3841: "it answered with code 3841"} {
		if got := rcodeError(code).Error(); got != want {
			t.Errorf("%d: %s", code, got)
		}
	}
}

// TestDNAMEThatLengthens a name beyond 255 octets (RFC 6672 §2.2) leads nowhere.
func TestDNAMEThatLengthens(t *testing.T) {
	d := newTestDNS(t, Options{}, dnstest.New(t, ""))
	name := strings.Repeat("a.", 120) + "com."
	c := chain{d: d, name: name, asked: name, qtype: dns.TypeTXT, seen: map[string]bool{name: true}}
	m := &dns.Msg{Answer: []dns.RR{&dns.DNAME{Hdr: dns.RR_Header{Name: "com.", Rrtype: dns.TypeDNAME, Class: dns.ClassINET},
		Target: "aaaaaaaaaaaaaaaa."}}}
	r := c.follow(t.Context(), m, &server{name: "192.0.2.1"})
	if r == nil || r.err == nil || r.err.Kind != KindLoop || !errors.Is(r.err, errBadDNAME) {
		t.Errorf("%+v", r)
	}
}

// TestHashingIsBounded: without budget nothing is said of a name; more iterations than
// 150 are not paid for.
func TestHashingIsBounded(t *testing.T) {
	h := newHashed("example.", &dns.NSEC3{Hash: dns.SHA1})
	h.records, h.owners = []*dns.NSEC3{{}}, []string{""}
	for name, f := range map[string]func(context.Context, string) (*dns.NSEC3, error){"matching": h.matching, "covering": h.covering} {
		if rr, err := f(t.Context(), "a.example."); !errors.Is(err, errBudget) || rr != nil {
			t.Errorf("%s: %v, %v", name, rr, err)
		}
	}
	for iterations, want := range map[uint16]bool{0: false, 150: false, 151: true} {
		if got := (&hashed{iterations: iterations}).costly(); got != want {
			t.Errorf("%d: %v", iterations, got)
		}
	}
}

// TestWhatMakesRoom in the cache: a dead entry, else of eight at most the one that dies
// first and was not used.
func TestWhatMakesRoom(t *testing.T) {
	now := time.Unix(1000, 0)
	for range 20 {
		c := newCache[int](cacheShards * 8)
		shard := c.shard("x")
		shard.entries = map[cacheKey]*cacheEntry[int]{}
		for i := range 8 {
			shard.entries[cacheKey{qtype: uint16(i)}] = &cacheEntry[int]{stored: now, life: time.Duration(i+1) * time.Minute, bytes: 1}
		}
		shard.bytes = 8
		shard.entries[cacheKey{qtype: 0}].used.Store(true)
		shard.entries[cacheKey{qtype: 2}].used.Store(true)
		for i, at := range []time.Time{now, now.Add(time.Minute)} {
			shard.evict(at)
			if shard.bytes != 7-i || len(shard.entries) != 7-i {
				t.Fatalf("%d entries of %d octets", len(shard.entries), shard.bytes)
			}
			first := shard.entries[cacheKey{qtype: 0}]
			if i == 1 {
				continue
			}
			if first == nil || shard.entries[cacheKey{qtype: 1}] != nil {
				t.Fatal("what is used goes before what dies first of the others")
			}
			first.used.Store(true) // which helps no dead one
		}
		if shard.entries[cacheKey{qtype: 1}] != nil || shard.entries[cacheKey{qtype: 0}] != nil {
			t.Fatal("what dies first, or is dead, stays")
		}
		if n := c.len(); n != 6 || !shard.mu.TryLock() {
			t.Fatalf("%d entries are counted, or the lock is kept", n)
		}
	}
}

// TestNamesAreHashedOnce of all that a look-up may hash.
func TestNamesAreHashedOnce(t *testing.T) {
	ctx := withBudget(t.Context())
	h := newHashed("example.", &dns.NSEC3{Hash: dns.SHA1})
	for range 3 {
		if hash, err := h.hash(ctx, "a.example."); err != nil || len(hash) != 32 {
			t.Errorf("%q, %v", hash, err)
		}
	}
	if left := budgetOf(ctx).hashes; left != maxNSEC3Hashes-1 {
		t.Errorf("%d are left", left)
	}
}

// TestNamesAsPeopleWriteThem have no final dot, but for the root.
func TestNamesAsPeopleWriteThem(t *testing.T) {
	for name, want := range map[string]string{"a.b.": "a.b", "a.": "a", "a.b": "a.b", ".": ".", "": "", "a": "a"} {
		if got := displayName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestDetailsAreBounded at 256 octets.
func TestDetailsAreBounded(t *testing.T) {
	for _, n := range []int{255, 256, 257, 9999} {
		e := &Error{Name: "k.example", Kind: KindServFail, Err: errors.New(strings.Repeat("x", n))}
		if got := strings.Count(strings.TrimPrefix(e.Error(), `"k.example"`), "x"); got != min(n, 256) {
			t.Errorf("%d octets of %d", got, n)
		}
	}
}
