package filter_test

import (
	"testing"

	"dojang/internal/testutil/dnstest"
	"dojang/milter"
)

// TestBlockListsBesideTestKeys: a script asks its block list whatever the keys are
// read from.
func TestBlockListsBesideTestKeys(t *testing.T) {
	s := dnstest.New(t, "")
	s.AddRR("1.2.0.192.list.example. 300 IN A 127.0.0.4")
	const script = `local a, b, c, d = odkim.rbl_check(ctx, "1.2.0.192", "list.example")
odkim.add_header(ctx, "X-List", string.format("%s.%s.%s.%s", a, b, c, d))
`
	for _, keys := range []string{"TestPublicKeys KEYS/keys", "TestDNSData KEYS/keys", ""} {
		r := newRig(t, "Mode v\nNameservers "+s.Addr+"\n"+keys+"\nFinalPolicyScript DIR/final.lua\n",
			map[string]string{"final.lua": script}, milter.Options{}, nil)
		out := r.send(r.dial(milter.ClientOptions{}), outside())
		got := ""
		for _, e := range out.Edits {
			if e.Name == "X-List" {
				got = e.Value
			}
		}
		if got != "127.0.0.4" && got != " 127.0.0.4" {
			t.Errorf("%s: %q; %q", keys, got, r.log.take())
		}
	}
}
