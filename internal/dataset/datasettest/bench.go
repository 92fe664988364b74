package datasettest

import (
	"context"
	"testing"

	"dojang/internal/dataset"
)

// Bench measures what signing one message asks: a sender in a SigningTable and a
// name in a KeyTable. The set holds Rows and is asked by many at once.
func Bench(b *testing.B, name string, set dataset.Set) {
	b.Run(name, func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			ctx := context.Background()
			for pb.Next() {
				err := dataset.SigningLookup(ctx, set, "other", "sub.example.com", 2, false, func(dataset.Entry) bool { return true })
				if err == nil {
					_, err = set.Lookup(ctx, "three", 4)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
