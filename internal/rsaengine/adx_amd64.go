package rsaengine

import "golang.org/x/sys/cpu"

//go:generate go run ./asm -kernels adx -out kernel_adx_amd64.s -stubs kernel_adx_amd64.go -pkg rsaengine

// missingForADX names what the ADX kernels need and the machine does not have, or
// is "".
func missingForADX() string {
	switch x := &cpu.X86; {
	case !x.HasBMI2:
		return "the CPU has no BMI2"
	case !x.HasADX:
		return "the CPU has no ADX"
	case !x.HasAVX2: // for the table look-up
		return "the CPU or the operating system has no AVX2"
	}
	return ""
}

// multiply sets r = a·b/2^(64·d) modulo m, in d limbs; r may be a or b. t is
// scratch of twice the length.
func (m *modulus) multiply(r, a, b, t []uint64) {
	adxMultiply(&r[0], &a[0], &b[0], &m.m[0], m.negative, &t[0], len(m.m)/blockLimbs)
}

// squareTimes sets x = x²/2^(64·d) modulo m, n times over.
func (m *modulus) squareTimes(x, t []uint64, n int) {
	adxSquare(&x[0], &m.m[0], m.negative, &t[0], len(m.m)/blockLimbs, n)
}

// pickLimbs sets r to the entry of table that is numbered index.
func pickLimbs(r, table []uint64, index uint64, entries int) {
	adxPick(&r[0], &table[0], index, len(r)/blockLimbs, entries)
}

// blockLimbs is how many limbs the kernels handle at once.
const blockLimbs = 8
