package postfix

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// TestFailedStart: what keeps the filter from starting is told to whoever
// started it, with a status, and nothing is left behind. A supervisor must not
// try again and again.
func TestFailedStart(t *testing.T) {
	testutil.NeedRoot(t)
	account(t, "opendkim")
	for _, watched := range []string{"no", "yes"} {
		t.Run("AutoRestart "+watched, func(t *testing.T) {
			f := newFilter(t, "127.0.0.1", "AutoRestart "+watched+"\n")
			write(t, f.path("KeyTable"), "")
			began := time.Now()
			out := f.tool(78, "opendkim", "-x", f.path("opendkim.conf"))
			if want := f.path("SigningTable") + ": No such file or directory"; !strings.Contains(out, want) {
				t.Errorf("no %q in %q", want, out)
			}
			write(t, f.path("SigningTable"), "")
			l, err := net.Listen("tcp", f.socket)
			must(t, err)
			defer l.Close()
			out = f.tool(69, "opendkim", "-x", f.path("opendkim.conf"))
			if !strings.Contains(out, "address already in use") {
				t.Errorf("a socket in use is not told: %q", out)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if _, err := os.Stat(f.pidFile); !os.IsNotExist(err) {
				t.Error("a pid file is left behind")
			}
		})
	}
}
