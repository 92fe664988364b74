//go:build !amd64

package rsaengine

const unavailable = "rsaengine: IFMA kernel called on a machine without it"

func missingForIFMA() string { return "the CPU is not an x86-64" }

func (k *moduli) multiply(r, a, b vector) { panic(unavailable) }

func (k *moduli) squareTimes(x vector, n int) { panic(unavailable) }

func (k *moduli) pick(r, table vector, index *uint64, entries int) { panic(unavailable) }

func wipe() {}
