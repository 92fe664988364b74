package policy

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Minimum says how much of the body a signature with l= must cover. The zero value accepts everything.
type Minimum struct {
	Bytes    int64 // at least so many octets, or all of a shorter body
	Percent  int   // at least this part of the body
	Unsigned int64 // with LimitUnsigned: at most so many octets behind l=

	LimitUnsigned bool
}

// ParseMinimum reads "N", "N%" or "N+".
func ParseMinimum(s string) (Minimum, error) {
	number, kind := s, byte(0)
	if n := len(s); n > 0 && (s[n-1] == '%' || s[n-1] == '+') {
		number, kind = s[:n-1], s[n-1]
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || kind == '%' && n > 100 {
		return Minimum{}, fmt.Errorf("%.256q is not a number of bytes, a number with %% up to 100, or a number with +", s)
	}
	switch kind {
	case '%':
		return Minimum{Percent: int(n)}, nil
	case '+':
		return Minimum{Unsigned: n, LimitUnsigned: true}, nil
	}
	return Minimum{Bytes: n}, nil
}

// covered is how dkim is told of a minimum: nil for none.
func (m Minimum) covered() func(length, total int64) bool {
	if m == (Minimum{}) {
		return nil
	}
	return m.allows
}

// allows reports whether l= of length octets is enough for a canonical body of
// total octets. A body without octets is covered by any signature.
func (m Minimum) allows(length, total int64) bool {
	switch {
	case length < m.Bytes && length < total:
		return false
	case m.LimitUnsigned && total-length > m.Unsigned:
		return false
	case m.Percent > 0:
		return !lessPart(length, total, m.Percent)
	}
	return true
}

// lessPart reports whether length is less than percent of total, for lengths of
// any size.
func lessPart(length, total int64, percent int) bool {
	h1, l1 := bits.Mul64(uint64(length), 100)
	h2, l2 := bits.Mul64(uint64(total), uint64(percent))
	return h1 < h2 || h1 == h2 && l1 < l2
}
