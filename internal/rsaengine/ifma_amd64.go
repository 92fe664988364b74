package rsaengine

import "golang.org/x/sys/cpu"

//go:generate go run ./asm -out kernel_amd64.s -stubs kernel_amd64.go -pkg rsaengine

// missingForIFMA names what the IFMA kernels need and the machine does not have,
// or is "". The flags are set only when the operating system saves the registers.
func missingForIFMA() string {
	switch x := &cpu.X86; {
	case !x.HasAVX512F:
		return "the CPU or the operating system has no AVX-512"
	case !x.HasAVX512IFMA:
		return "the CPU has no IFMA"
	case !x.HasBMI2:
		return "the CPU has no BMI2"
	}
	return ""
}

// multiply sets r = a·b/2^(52·digits) modulo the moduli; r may be a or b.
func (k *moduli) multiply(r, a, b vector) {
	switch (layout{k.digits, k.group}) {
	case layout{20, 4}:
		solo2(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0], 1)
	case layout{40, 8}:
		solo1(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0], 1)
	case layout{10, 1}:
		mul10(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0])
	case layout{20, 1}:
		mul20(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0])
	default:
		mul(&r[0], &a[0], &b[0], &k.m[0], &k.negative[0], &k.scratch[0], k.digits/5)
	}
}

// squareTimes sets x = x²/2^(52·digits) modulo the moduli, n times over.
func (k *moduli) squareTimes(x vector, n int) {
	switch (layout{k.digits, k.group}) {
	case layout{20, 4}:
		solo2(&x[0], &x[0], &x[0], &k.m[0], &k.negative[0], n)
	case layout{40, 8}:
		solo1(&x[0], &x[0], &x[0], &k.m[0], &k.negative[0], n)
	case layout{10, 1}:
		sqr10(&x[0], &k.m[0], &k.negative[0], &k.scratch[0], n)
	case layout{20, 1}:
		sqr20(&x[0], &k.m[0], &k.negative[0], &k.scratch[0], n)
	default:
		sqr(&x[0], &k.m[0], &k.negative[0], &k.scratch[0], k.digits/10, n)
	}
}

// pick sets each lane of r to the entry of table that its byte of index names, the
// lowest for the first lane.
func (k *moduli) pick(r, table vector, index *uint64, entries int) {
	if k.group > 1 {
		pick5(&r[0], &table[0], index, k.size()/lanes/5, entries)
		return
	}
	pick10(&r[0], &table[0], index, k.size()/lanes/10, entries)
}
