package explain

import (
	"context"
	"strings"
	"testing"
	"time"
)

// BenchmarkUnknownHeader is a search that finds nothing, to its end.
func BenchmarkUnknownHeader(b *testing.B) {
	m := strings.Replace(vector(b, "relaxed.eml"), "Subject: About", "Subject: [x] Concerning", 1)
	m = strings.Replace(m, "\r\nMessage-ID:", "\r\nX-BeenThere: x\r\nMessage-ID:", 1)
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		storiesWithin(b, ctx, m, goodRecords(b))
		cancel()
	}
}
