package rsaengine

import "testing"

func TestScalarMixedKeysAndSizesTogether(t *testing.T) {
	needADX(t)
	e := newEngine(t, Options{Mode: ModeADX})
	together(t, jobs(t, e, 60, mixed...), 3)
	const slow = 3 * 7 // of 60 jobs, those with mixed[6]
	if got, want := e.Stats(), (Stats{Signatures: 180 - slow, Fallbacks: slow}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// TestScalarFaultIsNotLetOut corrupts one of the two results: a signature made
// with it would give away the key.
func TestScalarFaultIsNotLetOut(t *testing.T) {
	needADX(t)
	for _, name := range []string{"1024-a", "2048-a", "3072-a", "4096-a"} {
		for what, inject := range map[string]func(sp, sq []uint64){
			"p": func(sp, _ []uint64) { sp[5] ^= 1 << 17 },
			"q": func(_, sq []uint64) { sq[0] ^= 1 },
		} {
			e := newEngine(t, Options{Mode: ModeADX})
			e.injectScalar = inject
			together(t, jobs(t, e, 1, name), 1) // compares with crypto/rsa
			if got, want := e.Stats(), (Stats{Signatures: 1, Faults: 1, Fallbacks: 1}); got != want {
				t.Errorf("%s, modulo %s: stats %+v, want %+v", name, what, got, want)
			}
		}
	}
}

// TestScalarPanicIsWiped: what a panic leaves behind is not secret.
func TestScalarPanicIsWiped(t *testing.T) {
	needADX(t)
	c := classOf(adxClasses, 2048)
	w := newScalar(c)
	w.inject = func(_, _ []uint64) { panic("injected") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		w.sign(newConstants(testKey(t, "2048-a"), c), make([]byte, c.bits/8))
	}()
	for at, v := range w.memory {
		if v != 0 {
			t.Fatalf("word %d of the working memory is %#x", at, v)
		}
	}
}
