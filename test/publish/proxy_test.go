package publish

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/publish"
	"dojang/internal/testutil/zonetest"
)

// proxy stands between a publisher and its server.
type proxy struct {
	addr    string
	updates atomic.Int32 // seen so far
	// meddle is given an update's number, from 1, and the server's answer; what it
	// returns is sent on, or the connection closed when that is nil.
	meddle func(n int, update *dns.Msg, answer []byte) []byte
	// before is asked whether the server is to see an update at all; nil: all.
	before func(n int) bool
}

func startProxy(t *testing.T, server string, p *proxy) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn, server)
		}
	}()
	return p
}

func (p *proxy) serve(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	for {
		question, err := frame(client)
		if err != nil {
			return
		}
		m, n := new(dns.Msg), 0
		if m.Unpack(question) == nil && m.Opcode == dns.OpcodeUpdate {
			n = int(p.updates.Add(1))
		}
		var answer []byte
		if n == 0 || p.before == nil || p.before(n) {
			if write(upstream, question) != nil {
				return
			}
			if answer, err = frame(upstream); err != nil {
				return
			}
		}
		if n > 0 && p.meddle != nil {
			if answer = p.meddle(n, m, answer); answer == nil {
				return
			}
		}
		if write(client, answer) != nil {
			return
		}
	}
}

func frame(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	data := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, data)
	return data, err
}

func write(w io.Writer, data []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(data))), data...))
	return err
}

func pack(m *dns.Msg) []byte {
	data, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return data
}

// The change was made and nobody says so: asking the server finds it.
func TestAnswersLostAfterTheChange(t *testing.T) {
	eachServer(t, func(t *testing.T, s *zonetest.Server, _ publish.Publisher) {
		for lost := 1; lost <= 3; lost++ {
			p := startProxy(t, s.Addr, &proxy{meddle: func(n int, _ *dns.Msg, answer []byte) []byte {
				if n <= lost {
					return nil
				}
				return answer
			}})
			u := open(t, "rfc2136", "server="+p.addr, "key="+s.KeyFile)
			var changes []publish.Change
			for i := range 120 {
				changes = append(changes, publish.Present(name(fmt.Sprintf("l%d-%d", lost, i), zone), record(i), time.Minute))
			}
			states, _, err := apply(t, u, zone, changes...)
			for i, state := range states {
				if err != nil || state != publish.Done {
					t.Fatalf("%d lost, %d: %q, %v", lost, i, state, err)
				}
			}
			// Each message was sent once: what was made is not made again.
			if n := p.updates.Load(); n != 2 {
				t.Errorf("%d lost: %d updates were sent", lost, n)
			}
		}
	})
}

// The update is lost before the server sees it: it is sent again, and no more often than
// is sensible; a server that is gone leaves everything unknown or unsent.
func TestUpdatesLostBeforeTheServer(t *testing.T) {
	s := zonetest.Start(t, "bind", zones()...)
	p := startProxy(t, s.Addr, &proxy{before: func(n int) bool { return n > 1 }, meddle: func(n int, _ *dns.Msg, answer []byte) []byte {
		if n == 1 {
			return nil
		}
		return answer
	}})
	u := open(t, "rfc2136", "server="+p.addr, "key="+s.KeyFile)
	want(t, u, zone, publish.Present(name("m1", zone), record(1), time.Minute), publish.Done)

	never := startProxy(t, s.Addr, &proxy{before: func(int) bool { return false },
		meddle: func(int, *dns.Msg, []byte) []byte { return nil }})
	u = open(t, "rfc2136", "server="+never.addr, "key="+s.KeyFile)
	var changes []publish.Change
	for i := range 150 {
		changes = append(changes, publish.Present(name(fmt.Sprintf("n%d", i), zone), record(i), time.Minute))
	}
	states, results, err := apply(t, u, zone, changes...)
	if err == nil || states[0] != "" || states[90] != "" || states[149] != publish.Retry {
		t.Errorf("%d results, %v: %q", len(results), err, states)
	}
	if n := never.updates.Load(); n < 2 || n > 8 {
		t.Errorf("%d updates were sent to a server that does not answer", n)
	}
}

// Who cannot sign cannot say that a change was made.
func TestUnsignedAnswers(t *testing.T) {
	s := zonetest.Start(t, "bind", zones()...)
	for what, answer := range map[string]func(update *dns.Msg) []byte{
		"unsigned": func(update *dns.Msg) []byte {
			m := new(dns.Msg)
			m.SetReply(update)
			return pack(m)
		},
		"signed by somebody else": func(update *dns.Msg) []byte {
			m := new(dns.Msg)
			m.SetReply(update)
			m.SetTsig("rotate.", dns.HmacSHA256, 300, time.Now().Unix())
			data, _, err := dns.TsigGenerate(m, "d3Jvbmc=", update.IsTsig().MAC, false)
			if err != nil {
				panic(err)
			}
			return data
		},
		"signed, to another question": func(update *dns.Msg) []byte {
			m := new(dns.Msg)
			m.SetReply(update)
			m.SetTsig("rotate.", dns.HmacSHA256, 300, time.Now().Unix())
			data, _, err := dns.TsigGenerate(m, zonetest.Secret, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false)
			if err != nil {
				panic(err)
			}
			return data
		},
		"garbage": func(*dns.Msg) []byte { return []byte("\x00\x01garbage that is no message at all") },
		"short":   func(*dns.Msg) []byte { return []byte{1} },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, s.Addr, &proxy{before: func(int) bool { return false },
				meddle: func(_ int, update *dns.Msg, _ []byte) []byte { return answer(update) }})
			u := open(t, "rfc2136", "server="+p.addr, "key="+s.KeyFile)
			c := publish.Present(name("lie", zone), record(1), time.Minute)
			states, results, err := apply(t, u, zone, c)
			if err == nil || states[0] != "" {
				t.Errorf("believed: %+v, %v", results, err)
			}
			t.Log(err)
		})
	}
}
