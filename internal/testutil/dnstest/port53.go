package dnstest

import (
	"fmt"
	"hash/fnv"
	"os"
	"testing"

	"dojang/internal/testutil"
)

// OnPort53 starts a server without records on port 53 of an address of loopback, for
// those who know no other port: the resolver of libc, and opendkim's Nameservers. Addr
// is without the port. It needs root.
func OnPort53(t testing.TB) *Server {
	t.Helper()
	testutil.NeedRoot(t)
	s := newServer()
	h := fnv.New32()
	fmt.Fprint(h, t.Name(), os.Getpid()) // tests run at the same time
	var err error
	for i := range uint32(16) {
		n := h.Sum32() + i
		s.Addr = fmt.Sprintf("127.%d.%d.%d", 64+n>>16&63, n>>8&255, 1+n&127)
		if err = s.listen(s.Addr + ":53"); err == nil {
			t.Cleanup(s.Close)
			return s
		}
	}
	if testutil.PeersRequired() {
		t.Fatal(err)
	}
	t.Skipf("cannot serve port 53 on loopback: %v", err)
	return nil
}
