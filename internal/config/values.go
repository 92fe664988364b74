package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseBoolean looks at the first byte alone, as OpenDKIM does.
func parseBoolean(text string) (bool, error) {
	if text != "" {
		switch text[0] {
		case 'T', 't', 'Y', 'y', '1':
			return true, nil
		case 'F', 'f', 'N', 'n', '0':
			return false, nil
		}
	}
	return false, errors.New("neither yes nor no")
}

// parseInteger reads decimal, 0octal and 0xhexadecimal numbers, as strtol(3)
// with base 0 does. OpenDKIM keeps the low 32 bits of a larger number; here it
// is an error.
func parseInteger(text string) (int64, error) {
	digits := strings.ToLower(strings.TrimLeft(text, "+-"))
	if strings.Contains(digits, "_") || strings.HasPrefix(digits, "0b") || strings.HasPrefix(digits, "0o") || len(text)-len(digits) > 1 {
		return 0, errors.New("not a number")
	}
	n, err := strconv.ParseInt(text, 0, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), n > math.MaxInt32, n < math.MinInt32:
		return 0, errors.New("a number beyond 32 bits")
	case err != nil:
		return 0, errors.New("not a number")
	}
	return n, nil
}

// units of Duration and Rate; "" is seconds.
func unit(letter byte) (time.Duration, bool) {
	switch letter {
	case 's', 'S':
		return time.Second, true
	case 'm', 'M':
		return time.Minute, true
	case 'h', 'H':
		return time.Hour, true
	case 'd', 'D':
		return 24 * time.Hour, true
	case 'w', 'W':
		return 7 * 24 * time.Hour, true
	}
	return 0, false
}

// ParseDuration reads a time as options of dojang's own take it: a number of seconds,
// or one with ms, s, m, h, d or w behind it.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text, true) }

// parseDuration reads seconds. With suffixes it also takes "250ms" and a
// number with s, m, h, d or w behind it.
func parseDuration(text string, suffixes bool) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	number, scale := text, time.Second
	if suffixes {
		if short, found := strings.CutSuffix(strings.ToLower(text), "ms"); found {
			number, scale = short, time.Millisecond
		} else if u, ok := unit(text[len(text)-1]); ok {
			number, scale = text[:len(text)-1], u
		}
	}
	n, err := parseInteger(trimSpace(number))
	if err != nil {
		return 0, err
	}
	if n > int64(math.MaxInt64/scale) || n < int64(math.MinInt64/scale) {
		return 0, errors.New("a time too long")
	}
	return time.Duration(n) * scale, nil
}

// Frequency is how many in which time.
type Frequency struct {
	Count int
	Per   time.Duration
}

// ParseRate reads n/t[u]: n times in t units.
func ParseRate(text string) (Frequency, error) { return parseRate(text) }

// parseRate reads n/t[u]: n times in t units.
func parseRate(text string) (r Frequency, err error) {
	count, interval, found := strings.Cut(text, "/")
	if !found {
		return Frequency{}, errors.New("not a rate")
	}
	n64, err := strconv.ParseUint(trimSpace(count), 10, 31)
	if err != nil {
		return Frequency{}, fmt.Errorf("%q is no count", count)
	}
	interval = trimSpace(interval)
	scale := time.Second
	if interval != "" {
		if u, ok := unit(interval[len(interval)-1]); ok && u <= 24*time.Hour {
			interval, scale = interval[:len(interval)-1], u
		}
	}
	t, err := strconv.ParseUint(interval, 10, 31)
	if err != nil || t == 0 || t > uint64(math.MaxInt64/scale) {
		return Frequency{}, fmt.Errorf("%q is no time", interval)
	}
	return Frequency{int(n64), time.Duration(t) * scale}, nil
}

// parseList returns the parts of a comma-separated value, without white space
// around them and without empty ones.
func parseList(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = trimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
