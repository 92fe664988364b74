package authres

import (
	"strings"
	"testing"
)

func BenchmarkForged(b *testing.B) {
	for name, piece := range map[string]string{
		"open": "(", "comments": "()", "ours": " mx.example.com; spf=pass (", "ours, dkim": "mx.example.com; spf=pass dkim ", "encoded": "=?utf-8?q?x?=", "wide": "ü ", "xn": "xn--ü.", "quotes": `"`, "own": "Authentication-Results:", "space": " ",
		"plain": " mail.example.org; spf=pass smtp.mailfrom=joe@example.org; dkim=pass header.d=example.org (x) ",
	} {
		value := []byte(strings.Repeat(piece, 60_000/len(piece)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				NewGuard([]string{ours}, []string{"dkim", "dkim-atps", "vbr"}).Forged(value)
			}
		})
	}
}
