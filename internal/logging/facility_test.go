package logging_test

import (
	"path/filepath"
	"testing"

	"dojang/internal/config"
	"dojang/internal/logging"
)

// TestFacilities: the log is written under each facility that the configuration takes.
func TestFacilities(t *testing.T) {
	for _, name := range config.Find("SyslogFacility").Allowed {
		s, err := logging.NewSyslog(logging.SyslogOptions{Facility: name, Socket: filepath.Join(t.TempDir(), "log")})
		if err != nil {
			t.Error(err)
			continue
		}
		s.Close()
	}
}
