package rsaengine

import "golang.org/x/sys/cpu"

//go:generate go run ./asm -out kernel_amd64.s -stubs kernel_amd64.go -pkg rsaengine

// missingFeature names what the kernels need and the machine does not have, or
// is "". The flags are set only when the operating system saves the registers.
func missingFeature() string {
	switch x := &cpu.X86; {
	case !x.HasAVX512F:
		return "the CPU or the operating system has no AVX-512"
	case !x.HasAVX512IFMA:
		return "the CPU has no IFMA"
	}
	return ""
}

// multiply sets r = a·b/2^(52·digits) modulo the moduli; r may be a or b.
func (k *moduli) multiply(r, a, b vector) {
	switch k.digits {
	case 10:
		mul10(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0])
	case 20:
		mul20(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0])
	default:
		mul(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0], &k.scratch[0], k.digits/5)
	}
}

// squareTimes sets x = x²/2^(52·digits) modulo the moduli, n times over.
func (k *moduli) squareTimes(x vector, n int) {
	switch k.digits {
	case 10:
		sqr10(&x[0], &k.m[0], &k.negative[0], &k.scratch[0], n)
	case 20:
		sqr20(&x[0], &k.m[0], &k.negative[0], &k.scratch[0], n)
	default:
		sqr(&x[0], &k.m[0], &k.negative[0], &k.scratch[0], k.digits/10, n)
	}
}

// pick sets each lane of r to the entry of table that its lane of index names.
func (k *moduli) pick(r, table, index vector, entries int) {
	pick(&r[0], &table[0], &index[0], k.digits/10, entries)
}
