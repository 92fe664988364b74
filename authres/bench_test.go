package authres

import (
	"slices"
	"strings"
	"testing"
)

func BenchmarkForged(b *testing.B) {
	var distinct strings.Builder
	for r := '\u4e00'; distinct.Len() < 990; r++ {
		distinct.WriteRune(r)
	}
	for name, piece := range map[string]string{
		"names of 1000 octets": `\` + distinct.String() + "(", "A-labels": "xn--" + strings.Repeat("a", 900) + "(",
		"open": "(", "comments": "()", "ours": " mx.example.com; spf=pass (", "ours, dkim": "mx.example.com; spf=pass dkim ", "encoded": "=?utf-8?q?x?=", "wide": "ü ", "xn": "xn--ü.", "quotes": `"`, "own": "Authentication-Results:", "space": " ",
		"plain": " mail.example.org; spf=pass smtp.mailfrom=joe@example.org; dkim=pass header.d=example.org (x) ",
	} {
		value := []byte(strings.Repeat(piece, 60_000/len(piece)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				g := NewGuard([]string{ours}, []string{"dkim", "dkim-atps", "vbr"})
				for part := range slices.Chunk(value, 1000) {
					g.Forged(part)
				}
			}
		})
	}
}
