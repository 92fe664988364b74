package rsaengine

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

func TestFirst(t *testing.T) {
	t0 := time.Now()
	e, err := New(Options{Mode: ModeIFMA})
	t.Log(time.Since(t0))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range classes {
		key, _ := rsa.GenerateKey(rand.Reader, c.bits)
		s, err := e.Wrap(key)
		if err != nil {
			t.Fatal(err)
		}
		d := sha256.Sum256([]byte("x"))
		got, err := s.Sign(nil, d[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA256, d[:])
		if !bytes.Equal(got, want) {
			t.Error(c.bits)
		}
	}
	t.Logf("%+v", e.Stats())
}

func BenchmarkBatch(b *testing.B) {
	for i := range classes {
		c := &classes[i]
		key, _ := rsa.GenerateKey(rand.Reader, c.bits)
		k := newConstants(key)
		d := sha256.Sum256([]byte("x"))
		for _, n := range []int{1, 4} {
			b.Run(fmt.Sprintf("%d/%d", c.bits, n), func(b *testing.B) {
				w := newWork(c)
				var rs []*request
				for range n {
					rs = append(rs, &request{key: k, message: make([]byte, c.bits/8)})
				}
				for b.Loop() {
					for _, r := range rs {
						encode(r.message, digestInfo(crypto.SHA256), d[:])
					}
					w.batch = append(w.batch[:0], rs...)
					w.sign()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/signature")
			})
		}
		b.Run(fmt.Sprintf("%d/crypto-rsa", c.bits), func(b *testing.B) {
			for b.Loop() {
				rsa.SignPKCS1v15(nil, key, crypto.SHA256, d[:])
			}
		})
	}
}
