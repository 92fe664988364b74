package config

import (
	"math"
	"testing"
	"time"
)

func TestParseBoolean(t *testing.T) {
	for text, want := range map[string]bool{"yes": true, "True": true, "1": true, "t": true,
		"Yellow stuff": true, "no": false, "FALSE": false, "0": false, "nonsense": false} {
		if got, err := parseBoolean(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "on", "off", "2", "-1", "\"yes\"", "j"} {
		if _, err := parseBoolean(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// The values are those that `opendkim -e` prints, but for the errors beyond 32
// bits, where it prints the low 32 bits.
func TestParseInteger(t *testing.T) {
	for text, want := range map[string]int64{"0x12": 18, "0X1f": 31, "012": 10, "-5": -5, "+5": 5,
		"5": 5, "2147483647": math.MaxInt32, "-2147483648": math.MinInt32, "-010": -8, "00": 0} {
		if got, err := parseInteger(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "12x", "12 34", "0x", "08", "1_000", "0b1", "0o7", "-0o7", "--5",
		"+-5", "2147483648", "99999999999999", "99999999999999999999", "1e3", "1.5"} {
		if got, err := parseInteger(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "5s": 5 * time.Second,
		"250ms": 250 * time.Millisecond, "2M": 2 * time.Minute, "3h": 3 * time.Hour, "1d": 24 * time.Hour, "2w": 336 * time.Hour, "10 s": 10 * time.Second} {
		if got, err := parseDuration(text, true); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"s", "5x", "5 5", "2147483647w", "1h30m"} {
		if got, err := parseDuration(text, true); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if _, err := parseDuration("5s", false); err == nil {
		t.Error("a suffix was accepted where OpenDKIM has none")
	}
}

// What OpenDKIM calls "AutoRestartRate invalid" is an error here.
func TestParseRate(t *testing.T) {
	for text, want := range map[string]time.Duration{"10/1h": time.Hour, "10/1H": time.Hour,
		"10/1": time.Second, "10/2m": 2 * time.Minute, "10/30s": 30 * time.Second, "10/1d": 24 * time.Hour} {
		if r, err := parseRate(text); err != nil || r != (Frequency{10, want}) {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"10", "10/", "10/h", "10/0", "10/1x", "10/1hh", "10/1w", "a/1h", "/1h", "-1/1h", "10/-1h", "10/1h/2"} {
		if r, err := parseRate(text); err == nil {
			t.Errorf("%q is %v", text, r)
		}
	}
}
