//go:build !amd64

package rsaengine

const unavailable = "rsaengine: IFMA kernel called on a machine without it"

func missingForIFMA() string { return "the CPU is not an x86-64" }

func (k *moduli) multiply(r, a, b vector) { panic(unavailable) }

func (k *moduli) squareTimes(x vector, n int) { panic(unavailable) }

func (k *moduli) pick(r, table, index vector, entries int) { panic(unavailable) }

func wipe() {}
