package dnstest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
)

// Internet is the name servers at public addresses, by address and port. Through its
// Dial they are reached where they really are.
type Internet map[string]*Server

// Serve starts a server of zones with the records of text, at an address.
func (n Internet) Serve(t testing.TB, address, text string, zones ...string) *Server {
	t.Helper()
	s := New(t, text)
	s.ServeZones(zones...)
	n[address+":53"] = s
	return s
}

// Dial is for resolver.Options. Nobody is at another address's port 53.
func (n Internet) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s := n[address]; s != nil {
		address = s.Addr
	} else if strings.HasSuffix(address, ":53") {
		return nil, fmt.Errorf("no server at %s", address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
