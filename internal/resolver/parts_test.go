package resolver

import (
	"context"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestAnswersAreHeldAgainstTheQuestion (RFC 5452 §9.1): an error may come without it.
func TestAnswersAreHeldAgainstTheQuestion(t *testing.T) {
	q := query{name: "k.example.", qtype: dns.TypeTXT}
	ask := func(name string, qtype, class uint16) []dns.Question {
		return []dns.Question{{Name: name, Qtype: qtype, Qclass: class}}
	}
	good := ask("K.Example.", dns.TypeTXT, dns.ClassINET)
	for _, c := range []struct {
		name     string
		question []dns.Question
		rcode    int
		opcode   int
		want     error
	}{
		{"good", good, dns.RcodeSuccess, dns.OpcodeQuery, nil},
		{"no such name", good, dns.RcodeNameError, dns.OpcodeQuery, nil},
		{"refused without question", nil, dns.RcodeRefused, dns.OpcodeQuery, nil},
		{"servfail without question", nil, dns.RcodeServerFailure, dns.OpcodeQuery, nil},
		{"success without question", nil, dns.RcodeSuccess, dns.OpcodeQuery, errOtherQuestion},
		{"no such name without question", nil, dns.RcodeNameError, dns.OpcodeQuery, errOtherQuestion},
		{"another name", ask("x.example.", dns.TypeTXT, dns.ClassINET), dns.RcodeSuccess, dns.OpcodeQuery, errOtherQuestion},
		{"refused for another name", ask("x.example.", dns.TypeTXT, dns.ClassINET), dns.RcodeRefused, dns.OpcodeQuery, errOtherQuestion},
		{"another type", ask("k.example.", dns.TypeA, dns.ClassINET), dns.RcodeSuccess, dns.OpcodeQuery, errOtherQuestion},
		{"another class", ask("k.example.", dns.TypeTXT, dns.ClassCHAOS), dns.RcodeSuccess, dns.OpcodeQuery, errOtherQuestion},
		{"two questions", append(good, good...), dns.RcodeSuccess, dns.OpcodeQuery, errOtherQuestion},
		{"an update", good, dns.RcodeSuccess, dns.OpcodeUpdate, errOtherQuestion},
	} {
		m := dns.Msg{Question: c.question}
		m.Response, m.Rcode, m.Opcode = true, c.rcode, c.opcode
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		got, err := q.parse(wire)
		if err != c.want || got == nil != (err != nil) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		for n := range 12 { // no header is whole
			if m, err := q.parse(wire[:n]); err == nil || errors.Is(err, errOtherQuestion) {
				t.Errorf("%s, %d octets of it: %v", c.name, n, m)
			}
		}
	}
}

// TestQuestionsAsTheyGo: AD asks for AD (RFC 6840 §5.7), CD goes with validating of our own.
func TestQuestionsAsTheyGo(t *testing.T) {
	for _, c := range []struct {
		q              query
		edns           bool
		rd, ad, cd, do bool
	}{
		{query{}, true, true, true, false, false}, {query{}, false, true, true, false, false},
		{query{noRD: true}, true, false, true, false, false},
		{query{dnssec: true}, true, true, false, true, true}, {query{dnssec: true, checked: true}, true, true, false, false, true},
	} {
		c.q.name, c.q.qtype = "k.example.", dns.TypeTXT
		wire, id, err := c.q.wire(c.edns)
		var m dns.Msg
		if err := errors.Join(err, m.Unpack(wire)); err != nil {
			t.Fatal(err)
		}
		opt := m.IsEdns0()
		if m.Id != id || m.RecursionDesired != c.rd || m.AuthenticatedData != c.ad || m.CheckingDisabled != c.cd ||
			(opt != nil) != c.edns ||
			opt != nil && (opt.Do() != c.do || opt.UDPSize() != 1232) {
			t.Errorf("%+v: %v", c.q, m.String())
		}
	}
}

// TestEachExtendedError (RFC 8914): their meaning, their text if there is one, and whether
// they are about validation.
func TestEachExtendedError(t *testing.T) {
	for _, c := range []struct {
		code  uint16
		text  string
		bogus bool
		want  string
	}{
		{dns.ExtendedErrorCodeDNSBogus, "", true, "it says: DNSSEC Bogus"},
		{dns.ExtendedErrorCodeSignatureExpired, "since May", true, `it says: Signature Expired ("since May")`},
		{dns.ExtendedErrorCodeSignatureNotYetValid, "", true, "it says: Signature Not Yet Valid"},
		{dns.ExtendedErrorCodeDNSKEYMissing, "", true, "it says: DNSKEY Missing"},
		{dns.ExtendedErrorCodeRRSIGsMissing, "", true, "it says: RRSIGs Missing"},
		{dns.ExtendedErrorCodeNoZoneKeyBitSet, "", true, "it says: No Zone Key Bit Set"},
		{dns.ExtendedErrorCodeNSECMissing, "", true, "it says: NSEC Missing"},
		{dns.ExtendedErrorCodeNoReachableAuthority, "", false, "it says: No Reachable Authority"},
		{dns.ExtendedErrorCodeBlocked, "", false, "it says: Blocked"},
		{4711, "x", false, `it says: extended error 4711 ("x")`},
	} {
		m := new(dns.Msg)
		m.SetEdns0(1232, true)
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_EDE{InfoCode: c.code, ExtraText: c.text})
		if bogus, err := extendedError(m); err == nil || err.Error() != c.want || bogus != c.bogus {
			t.Errorf("%d: %v, %v", c.code, bogus, err)
		}
	}
	for _, m := range []*dns.Msg{{}, new(dns.Msg).SetEdns0(1232, true)} {
		if bogus, err := extendedError(m); bogus || err != nil {
			t.Errorf("none: %v, %v", bogus, err)
		}
	}
}

// TestDNAMEs are substituted as the table of RFC 6672 §2.2 has it.
func TestDNAMEs(t *testing.T) {
	long := strings.Repeat("a.", 120) // 240 octets
	for _, c := range []struct{ name, owner, target, want string }{
		{"a.example.com.", "example.com.", "example.net.", "a.example.net."},
		{"a.b.example.com.", "example.com.", "example.net.", "a.b.example.net."},
		{"ab.example.com.", "b.example.com.", "example.net.", ""}, // not below it: never asked for
		{"foo.example.com.", "example.com.", "example.net.", "foo.example.net."},
		{"a.x.example.com.", "x.example.com.", "example.net.", "a.example.net."},
		{"a.example.com.", "example.com.", "y.example.com.", "a.y.example.com."},
		{"cyc.example.com.", "example.com.", "example.com.", "cyc.example.com."},
		{"shortloop.x.x.", "x.", ".", "shortloop.x."},
		{"a.example.", ".", "example.net.", "a.example.example.net."},
		{long + "example.com.", "example.com.", "example.com.", long + "example.com."},
		{long + "com.", "com.", "aaaaaaaaaaaa.", long + "aaaaaaaaaaaa."},
		{long + "com.", "com.", "aaaaaaaaaaaaa.", long + "aaaaaaaaaaaaa."}, // 253 octets and the dot
		{long + "com.", "com.", "aaaaaaaaaaaaaa.", "no"},
	} {
		if c.want == "" {
			continue
		}
		got, err := substitute(&dns.DNAME{Hdr: dns.RR_Header{Name: c.owner}, Target: c.target}, c.name)
		if c.want == "no" {
			if !errors.Is(err, errBadDNAME) {
				t.Errorf("%.20s: %q, %v", c.name, got, err)
			}
			continue
		}
		if got != c.want || err != nil {
			t.Errorf("%.20s of %s: %.40q, %v, want %.40q", c.name, c.owner, got, err, c.want)
		}
	}
}

// TestKeysOfRFC3110: what is cut short, has zeros in front, or is too weak is not used.
func TestKeysOfRFC3110(t *testing.T) {
	modulus := func(bits int, odd uint) []byte {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return n.SetBit(n, 0, odd).Bytes()
	}
	join := func(head string, modulus []byte) string { return head + string(modulus) }
	for name, c := range map[string]struct {
		key  string
		want bool
	}{
		"2048 bits":              {join("\x03\x01\x00\x01", modulus(2048, 1)), true},
		"long form":              {join("\x00\x00\x03\x01\x00\x01", modulus(2048, 1)), true},
		"e=3":                    {join("\x01\x03", modulus(1024, 1)), true},
		"4096 bits":              {join("\x03\x01\x00\x01", modulus(4096, 1)), true},
		"1023 bits":              {join("\x03\x01\x00\x01", modulus(1023, 1)), false},
		"4097 bits":              {join("\x03\x01\x00\x01", modulus(4097, 1)), false},
		"modulus even":           {join("\x03\x01\x00\x01", modulus(2048, 0)), false},
		"e=1":                    {join("\x01\x01", modulus(2048, 1)), false},
		"e=2":                    {join("\x01\x02", modulus(2048, 1)), false},
		"e even":                 {join("\x03\x01\x00\x00", modulus(2048, 1)), false},
		"e of 31 bits":           {join("\x04\x7f\xff\xff\xff", modulus(2048, 1)), true},
		"e of 32 bits":           {join("\x04\xff\xff\xff\xff", modulus(2048, 1)), false},
		"e of five octets":       {join("\x05\x01\x00\x00\x00\x01", modulus(2048, 1)), false},
		"zero in front of e":     {join("\x04\x00\x01\x00\x01", modulus(2048, 1)), false},
		"e of no octets":         {join("\x00\x00\x00", modulus(2048, 1)), false},
		"nothing":                {"", false},
		"two octets":             {"\x01\x03", false},
		"nothing but an e":       {"\x03\x01\x00\x01", false},
		"an e that is cut short": {"\xff\x01\x00\x01", false},
		"long form, cut short":   {"\x00\xff\xff\x01", false},
		"three zeros":            {"\x00\x00\x00", false},
	} {
		if got := usableRSA(base64.StdEncoding.EncodeToString([]byte(c.key))); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if usableRSA("!") {
		t.Error("no base64 is a key")
	}
}

// TestDigestsAreOfTheirKey: tag, algorithm and digest must all be the key's (RFC 4035 §5.2).
func TestDigestsAreOfTheirKey(t *testing.T) {
	key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET}, Flags: 257,
		Protocol: 3, Algorithm: dns.ED25519}
	if _, err := key.Generate(256); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*dns.DS)
		want   bool
	}{
		"its own":           {func(*dns.DS) {}, true},
		"in capitals":       {func(ds *dns.DS) { ds.Digest = strings.ToUpper(ds.Digest) }, true},
		"another tag":       {func(ds *dns.DS) { ds.KeyTag++ }, false},
		"another algorithm": {func(ds *dns.DS) { ds.Algorithm = dns.ECDSAP256SHA256 }, false},
		"another digest":    {func(ds *dns.DS) { ds.Digest = strings.Repeat("0", len(ds.Digest)) }, false},
		"another type":      {func(ds *dns.DS) { ds.DigestType = dns.SHA384 }, false},
		"an unknown type":   {func(ds *dns.DS) { ds.DigestType = 99 }, false},
	} {
		ds := key.ToDS(dns.SHA256)
		c.change(ds)
		if got := isTrusted(key, []*dns.DS{ds}, nil); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if isTrusted(key, nil, nil) || !isTrusted(key, nil, []*dns.DNSKEY{key}) {
		t.Error("a key that is an anchor is not trusted, or one that is none is")
	}
}

// TestServersOfResolvConf: eight at most, and none that is not whole.
func TestServersOfResolvConf(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 8: 8, 9: 8, 20: 8} {
		if got := len(parseResolvConf([]byte(strings.Repeat("nameserver 192.0.2.1\n", n))).servers); got != want {
			t.Errorf("of %d: %d", n, got)
		}
	}
	var got []string
	for _, text := range []string{"[192.0.2.12", "192.0.2.12]", "[2001:db8::1", "2001:db8::1]", "[]", "[", "]",
		"[192.0.2.1]", "[2001:db8::1]", "192.0.2.1:0"} {
		if server, err := ParseServer(text); err == nil {
			got = append(got, text+"="+server.String())
		}
	}
	if diff := cmp.Diff([]string{"[192.0.2.1]=192.0.2.1:53", "[2001:db8::1]=[2001:db8::1]:53"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestConfFileIsFollowed: looked at now and then, whichever way the clock went, and what
// it said stands while it is being replaced.
func TestConfFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Unix(1e9, 0)
	built := 0
	f := &confFile{path: path, now: func() time.Time { return at }}
	f.build = func(c resolvConf) *serverSet { built++; return newServerSet(c, Options{}) }
	shows := func(what, server string, n int) {
		t.Helper()
		if got := f.current().servers[0].addr.Addr().String(); got != server || built != n {
			t.Errorf("%s: %s, made %d times, want %s, %d", what, got, built, server, n)
		}
	}
	write("nameserver 192.0.2.1\n")
	shows("at first", "192.0.2.1", 1)
	write("nameserver 192.0.2.22\n")
	at = at.Add(confRecheck - 1)
	shows("a moment later", "192.0.2.1", 1)
	at = at.Add(1)
	shows("after a while", "192.0.2.22", 2)
	at = at.Add(confRecheck)
	shows("unchanged", "192.0.2.22", 2)
	write("nameserver 192.0.2.33 # x\n")
	at = at.Add(-time.Hour)
	shows("with the clock set back", "192.0.2.33", 3)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	at = at.Add(confRecheck)
	shows("being replaced", "192.0.2.33", 3)
	none := &confFile{path: path, now: f.now, build: f.build}
	if got := none.current().servers[0].addr.String(); got != "127.0.0.1:53" {
		t.Errorf("without a file: %s", got)
	}
}

// TestTriesShareTheTime that is left for all.
func TestTriesShareTheTime(t *testing.T) {
	const much = time.Hour
	near := func(got, want time.Duration) bool { return got <= want && got > want-time.Minute }
	in := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	for name, c := range map[string]struct {
		ctx   context.Context
		tries int
		want  time.Duration
	}{
		"no end":                 {t.Context(), 3, much},
		"an end far away":        {in(10 * much), 2, much},
		"an end for two":         {in(much), 2, much / 2},
		"patience for three":     {withPatience(t.Context(), time.Now().Add(much)), 3, much / 3},
		"patience before an end": {withPatience(in(much), time.Now().Add(much/2)), 1, much / 2},
		"an end before patience": {withPatience(in(much/2), time.Now().Add(much)), 1, much / 2},
		"patience that is over":  {withPatience(t.Context(), time.Now().Add(-much)), 2, much},
		"no patience set":        {withPatience(t.Context(), time.Time{}), 2, much},
	} {
		if got := tryTime(c.ctx, much, c.tries); !near(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := tryTime(in(time.Nanosecond), much, 1); got != minTryTime {
		t.Errorf("nothing left: %v", got)
	}
	for d, want := range map[time.Duration]time.Duration{0: much, -1: 0, 1: 1} {
		if got := durationOr(d, much); got != want {
			t.Errorf("%v: %v", d, got)
		}
	}
}

// TestNobodyToDial: an error of the network, by UDP and TCP alike.
func TestNobodyToDial(t *testing.T) {
	for _, conf := range []string{"", "options use-vc\n"} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(conf+"nameserver 192.0.2.1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := New(Options{ResolvConf: path, Attempts: 1, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no route")
		}})
		if err != nil {
			t.Fatal(err)
		}
		var failure *Error
		if _, err := d.LookupTXT(t.Context(), "k.example"); !errors.As(err, &failure) ||
			failure.Kind != KindNetwork || !failure.Temporary() {
			t.Errorf("%q: %v", conf, err)
		}
	}
}
