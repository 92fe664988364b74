package loadgen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"dojang/milter"
)

// Mix is work of several kinds in one run, as a real server has it.
type Mix struct {
	// Sign, Verify and None are shares: mail of our own that is to be signed, a
	// stranger's, and mail of our own of an author whom no table has.
	Sign, Verify, None int
	// From is the author of what is to be signed. "%d" in it stands for a number
	// below Domains.
	From    string
	Domains int
	// Signed is what strangers send; nil for mail without a signature.
	Signed []byte
	// BodyBytes is the size of made-up bodies; 0 for sizes as real mail has them.
	BodyBytes int
}

// ParseShares reads shares as "sign=70,verify=20,none=10"; what is not named has none.
func (m *Mix) ParseShares(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		share, err := strconv.Atoi(value)
		into := map[string]*int{"sign": &m.Sign, "verify": &m.Verify, "none": &m.None}[name]
		if into == nil || err != nil || share < 0 || share > 1_000_000 {
			return fmt.Errorf("%.40q is not sign=N, verify=N or none=N", part)
		}
		*into = share
	}
	if m.Sign+m.Verify+m.None == 0 {
		return fmt.Errorf("%.40q leaves nothing to send", s)
	}
	return nil
}

// sizes of bodies, and how many of 100 messages have them: most mail is small, and
// most bytes are in the few that are not.
var sizes = []struct{ share, bytes int }{{35, 2 << 10}, {25, 8 << 10}, {20, 32 << 10}, {14, 80 << 10}, {5, 400 << 10}, {1, 3 << 20}}

// maker makes a Mix's messages. The same number always gives the same one.
type maker struct {
	m      Mix
	bodies [][]byte // by size
}

// Maker returns what Options.Make wants.
func (m Mix) Maker() func(n int64, to *milter.Message) (expect string) {
	k := &maker{m: m}
	for _, s := range sizes {
		bytes := s.bytes
		if m.BodyBytes > 0 {
			bytes = m.BodyBytes
		}
		k.bodies = append(k.bodies, body(bytes))
	}
	return k.make
}

func (k *maker) make(n int64, to *milter.Message) (expect string) {
	random := rand.New(rand.NewPCG(uint64(n), 6376))
	kind := random.IntN(k.m.Sign + k.m.Verify + k.m.None)
	to.Addr.Addr = netip.MustParseAddr("127.0.0.1")
	switch {
	case kind < k.m.Sign:
		to.From, expect = k.author(random), "DKIM-Signature"
	case kind < k.m.Sign+k.m.Verify:
		to.From, to.Addr.Addr = "stranger@elsewhere.invalid", netip.MustParseAddr("192.0.2.1")
		if k.m.Signed != nil {
			to.Raw = append(to.Raw[:0], k.m.Signed...)
			return ""
		}
	default:
		to.From = "nobody@bench.invalid"
	}
	to.Raw = append(append(to.Raw[:0], head(to.From)...), k.body(random)...)
	return expect
}

// author is one of the domains' authors, each as likely as another.
func (k *maker) author(random *rand.Rand) string {
	return strings.Replace(k.m.From, "%d", strconv.Itoa(random.IntN(max(k.m.Domains, 1))), 1)
}

func (k *maker) body(random *rand.Rand) []byte {
	percent := random.IntN(100)
	for i, s := range sizes {
		if percent -= s.share; percent < 0 {
			return k.bodies[i]
		}
	}
	return k.bodies[0]
}
