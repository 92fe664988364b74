package soak

import (
	"context"
	"testing"

	"dojang/milter"
	"dojang/test/faults/rig"
)

// BenchmarkFilter is one message after the other through the whole filter, over
// a socket within the process: the client's share is in the figures too.
func BenchmarkFilter(b *testing.B) {
	socket := serve(b)
	plain := rig.Message("benchmark", 4096)
	cases := map[string]struct {
		message milter.Message
		field   string
	}{
		"sign":     {plain, "DKIM-Signature"},
		"verify":   {rig.SignedBy(b, rig.Foreign(plain), rig.Selector), "Authentication-Results"},
		"unsigned": {rig.Foreign(plain), ""},
	}
	for name, x := range cases {
		b.Run(name, func(b *testing.B) {
			c, err := milter.Dial("unix", socket, milter.ClientOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			b.SetBytes(int64(len(x.message.Raw)))
			var o milter.Outcome
			for b.Loop() {
				if err := c.SendTo(context.Background(), &x.message, &o); err != nil {
					b.Fatal(err)
				}
				if x.field != "" && (len(o.Edits) != 1 || o.Edits[0].Name != x.field) {
					b.Fatalf("edits %v", o.Edits)
				}
			}
		})
	}
}
