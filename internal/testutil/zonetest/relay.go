package zonetest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// relay passes what comes to port 53 of an address of loopback on to a server: BIND
// listens at no address that no interface names, and on 127.0.0.1 there is one port 53.
type relay struct {
	address string
	udp     net.PacketConn
	tcp     net.Listener

	mu   sync.Mutex
	bend func(answer *dns.Msg, udp bool) bool
}

// Bend has what answers on port 53 of Public change each answer by f, or, where f
// reports false, give none. nil ends it.
func (s *Server) Bend(f func(answer *dns.Msg, udp bool) bool) {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.bend = f
}

// bent is an answer as it is to be given, nil for none.
func (r *relay) bent(answer []byte, udp bool) []byte {
	r.mu.Lock()
	f := r.bend
	r.mu.Unlock()
	m := new(dns.Msg)
	if f == nil || m.Unpack(answer) != nil {
		return answer
	}
	if !f(m, udp) {
		return nil
	}
	if answer, err := m.Pack(); err == nil {
		return answer
	}
	return nil
}

func newRelay(t testing.TB) *relay {
	t.Helper()
	var err error
	for range 20 {
		r := &relay{address: fmt.Sprintf("127.%d.%d.%d", 130+rand.IntN(100), rand.IntN(256), 1+rand.IntN(254))}
		if r.udp, err = net.ListenPacket("udp", r.address+":53"); err != nil {
			continue
		}
		if r.tcp, err = net.Listen("tcp", r.address+":53"); err != nil {
			r.udp.Close()
			continue
		}
		t.Cleanup(func() { r.udp.Close(); r.tcp.Close() })
		return r
	}
	t.Fatal(err)
	return nil
}

func (r *relay) run(t testing.TB, server string) {
	go func() {
		packet := make([]byte, 65535)
		for {
			n, from, err := r.udp.ReadFrom(packet)
			if err != nil {
				return
			}
			go r.ask(server, append([]byte(nil), packet[:n]...), from)
		}
	}()
	go func() {
		for {
			client, err := r.tcp.Accept()
			if err != nil {
				return
			}
			go r.pass(client, server)
		}
	}()
}

// ask puts one question over UDP.
func (r *relay) ask(server string, question []byte, from net.Addr) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 65535)
	if _, err := conn.Write(question); err != nil {
		return
	}
	if n, err := conn.Read(answer); err == nil {
		if answer := r.bent(answer[:n], true); answer != nil {
			_, _ = r.udp.WriteTo(answer, from)
		}
	}
}

// pass puts the questions of one connection.
func (r *relay) pass(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() { _, _ = io.Copy(upstream, client); upstream.Close() }()
	from, to := dns.Conn{Conn: upstream}, dns.Conn{Conn: client}
	for {
		answer, err := from.ReadMsgHeader(nil)
		if err != nil {
			return
		}
		if answer = r.bent(answer, false); answer == nil {
			continue
		}
		if _, err := to.Write(answer); err != nil {
			return
		}
	}
}
