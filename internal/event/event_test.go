package event

import (
	"log/slog"
	"testing"

	"dojang/internal/logging"
)

// TestLevels wants the syslog priorities that opendkim 2.11 was seen to use.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  slog.Level
	}{
		{NoSignature(), slog.LevelDebug},
		{NotInternal("host", "192.0.2.1"), slog.LevelInfo},
		{Verified(), slog.LevelInfo},
		{Signature("s", "d", "rsa-sha256", ""), slog.LevelInfo},
		{BadSignature(), logging.LevelNotice},
		{NoSignatureRefused(), logging.LevelNotice},
		{KeyRevoked("s", "d", "rsa-sha256"), logging.LevelNotice},
		{ExternalHost("host", "d"), logging.LevelNotice},
		{NoJobID(), slog.LevelWarn},
		{KeyNotFound("s", "d", "s._domainkey.d"), slog.LevelError},
		{UnknownKey("k"), slog.LevelError},
		{SyntaxError("why"), slog.LevelError},
		{RateExceeded("unsigned mail", 1), slog.LevelError}, // as upstream's source says
	} {
		if c.event.Level != c.want {
			t.Errorf("%q is told at level %v, want %v", c.event.Text, c.event.Level, c.want)
		}
	}
}
