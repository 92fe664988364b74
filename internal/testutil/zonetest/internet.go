package zonetest

import (
	"testing"

	"dojang/internal/testutil/dnstest"
)

// Internet is the DNS that a server's zones are in: a root with com and example, which
// delegate to it, and a resolver that knows the root alone.
type Internet struct {
	*Server
	Parent   *dnstest.Server
	Resolver *dnstest.Server
}

// NewInternet starts a server of the kind with the zones, and what leads to it. The
// domain customer.example is in no zone of its own. It needs root.
func NewInternet(t testing.TB, kind string, zones ...Zone) *Internet {
	t.Helper()
	in := &Internet{Parent: dnstest.OnPort53(t), Server: StartOnPort53(t, kind, zones...)}
	root := ". IN NS a.root.\na.root. IN A " + in.Parent.Addr + "\n"
	for _, zone := range []string{".", "com.", "example.", "customer.example."} {
		in.Parent.AddRR(zone + " IN NS a.root.")
		in.Parent.AddRR(zone + " IN SOA a.root. hostmaster.a.root. 1 3600 600 86400 2")
	}
	in.Parent.AddRR("a.root. IN A " + in.Parent.Addr)
	names := ""
	for _, z := range zones {
		in.Parent.AddRR(z.Name + ". IN NS ns." + z.Name + ".")
		in.Parent.AddRR("ns." + z.Name + ". IN A " + in.Public)
		names += "ns." + z.Name + ". IN A " + in.Public + "\n"
	}
	in.Parent.ServeZones(".", "com", "example", "customer.example")
	in.Resolver = dnstest.New(t, root+names)
	return in
}
