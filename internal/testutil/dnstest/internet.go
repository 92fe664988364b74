package dnstest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
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

// Dial is for resolver.Options. Nobody is at another address's port 53. Over UDP the time for
// an answer is up at once where the server never answers: nobody has to wait for that, and
// those who ask may have all the time that a busy machine takes.
func (n Internet) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s := n[address]; s != nil {
		conn, err := new(net.Dialer).DialContext(ctx, network, s.Addr)
		if err == nil && strings.HasPrefix(network, "udp") {
			conn = &impatient{Conn: conn, server: s}
		}
		return conn, err
	} else if strings.HasSuffix(address, ":53") {
		return nil, fmt.Errorf("no server at %s", address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// impatient is a connection of who gives up at once where no answer will come.
type impatient struct {
	net.Conn
	server *Server
	silent bool
}

// Write implements net.Conn.
func (c *impatient) Write(b []byte) (int, error) {
	var m dns.Msg
	if m.Unpack(b) == nil && len(m.Question) == 1 {
		c.server.mu.Lock()
		f := c.server.fault(dns.CanonicalName(m.Question[0].Name))
		c.server.mu.Unlock()
		c.silent = f.Silent && !f.FirstOnly
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *impatient) Read(b []byte) (int, error) {
	if c.silent {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(b)
}
