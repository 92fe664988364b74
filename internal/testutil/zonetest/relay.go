package zonetest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// relay passes what comes to port 53 of an address of loopback on to a server: BIND
// listens at no address that no interface names, and on 127.0.0.1 there is one port 53.
type relay struct {
	address string
	udp     net.PacketConn
	tcp     net.Listener
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
			go pass(client, server)
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
		_, _ = r.udp.WriteTo(answer[:n], from)
	}
}

func pass(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() { _, _ = io.Copy(upstream, client); upstream.Close() }()
	_, _ = io.Copy(client, upstream)
}
