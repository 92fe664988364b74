package filter_test

import (
	"testing"

	"dojang/milter"
)

// BenchmarkMessage is a message over a socket, both ends of it.
func BenchmarkMessage(b *testing.B) {
	r := newRig(b, signing, nil, milter.Options{}, nil)
	mine := inside()
	theirs := signed(b, mine, r.send(r.dial(milter.ClientOptions{}), mine))
	theirs.Host, theirs.Addr = outside().Host, outside().Addr
	for name, m := range map[string]milter.Message{"sign": mine, "verify": theirs} {
		b.Run(name, func(b *testing.B) {
			c := r.dial(milter.ClientOptions{})
			b.ReportAllocs()
			var out milter.Outcome
			for b.Loop() {
				if err := c.SendTo(b.Context(), &m, &out); err != nil || len(out.Edits) == 0 {
					b.Fatal(err, out)
				}
				r.log.take()
			}
		})
	}
}
