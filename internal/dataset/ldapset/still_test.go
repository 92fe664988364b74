package ldapset

import (
	"context"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// A server that stands still closes no connection, and takes new ones: the next server is
// asked, with a connection that was in use and without.
func TestServerStandsStill(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for time-outs")
	}
	first, second := start(t), start(t)
	o := Options{BindUser: "cn=reader,dc=test", BindPassword: "geheim", Timeout: 4 * time.Second}
	urls := "ldap://127.0.0.1:" + first.port + "/" + rowsQuery + " ldap://127.0.0.1:" + second.port + "/"
	used, err := New(urls, o)
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	if _, err := used.Lookup(t.Context(), "one", 1); err != nil {
		t.Fatal(err)
	}
	fresh, err := New(urls, o)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if err := syscall.Kill(first.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(first.Pid(), syscall.SIGCONT)
	for name, set := range map[string]*Set{"used": used, "fresh": fresh} {
		proctest.Until(t, time.Minute, "an answer of the second: "+name, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), o.Timeout)
			defer cancel()
			values, err := set.Lookup(ctx, "one", 1)
			return err == nil && values[0] == "v1"
		})
	}
}
