//go:build !amd64

package rsaengine

const noADX = "rsaengine: ADX kernel called on a machine without it"

func missingForADX() string { return "the CPU is not an x86-64" }

func (m *modulus) multiply(r, a, b, t []uint64) { panic(noADX) }

func (m *modulus) squareTimes(x, t []uint64, n int) { panic(noADX) }

func pickLimbs(r, table []uint64, index uint64, entries int) { panic(noADX) }

func adxWipe() {}
