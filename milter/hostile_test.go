package milter

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// offerFrame is a negotiation as Postfix sends it.
func offerFrame(version, actions, protocol uint32) []byte {
	b := []byte{0, 0, 0, 13, CommandNegotiate}
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, actions)
	return binary.BigEndian.AppendUint32(b, protocol)
}

func frame(command byte, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	return append(append(b, command), data...)
}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

var (
	offer   = offerFrame(6, 0x1ff, 0x1fffff)
	connect = frame('C', "host\x004\x00\x19192.0.2.1\x00")
	mail    = frame('M', "<a@b>\x00")
	rcpt    = frame('R', "<c@d>\x00")
	eoh     = frame('N', "")
)

// TestTrap01HostileFrames: each must end the connection with an error that says
// what is wrong, and leave the server alive.
func TestTrap01HostileFrames(t *testing.T) {
	cases := []struct {
		name  string
		input []byte
		want  string
	}{
		{"zero length", []byte{0, 0, 0, 0}, "length zero"},
		{"zero length after offer", join(offer, []byte{0, 0, 0, 0, 'C'}), "length zero"},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), "too long"},
		{"long before the negotiation", []byte{0, 0, 0x20, 0, 'O'}, "too long"},
		{"over the cap", join(offer, []byte{0x7f, 0xff, 0xff, 0xff, 'C'}), "too long"},
		{"one above the cap", join(offer, []byte{0, 0x10, 0, 1, 'C'}), "too long"},
		{"most there is", join(offer, []byte{0xff, 0xff, 0xff, 0xff, 'B'}), "too long"},
		{"short offer", frame('O', "\x00\x00\x00\x06"), "4 octets instead of 12"},
		{"version 1", offerFrame(1, 0, 0), "version 1"},
		{"offer again", join(offer, offer), "again"},
		{"before the negotiation", connect, "before the negotiation"},
		{"unknown command", join(offer, frame('z', "")), "unknown"},
		{"NUL as command", join(offer, frame(0, "")), "unknown"},
		{"connect without NUL", join(offer, frame('C', "host")), "without NUL"},
		{"connect empty", join(offer, frame('C', "")), "without NUL"},
		{"connect without family", join(offer, frame('C', "host\x00")), "no address family"},
		{"connect without port", join(offer, frame('C', "host\x004\x00")), "no port"},
		{"connect address without NUL", join(offer, frame('C', "host\x004\x00\x19192.0.2.1")), "without NUL"},
		{"connect address", join(offer, frame('C', "host\x004\x00\x19192.0.2.256\x00")), "192.0.2.256"},
		{"connect family", join(offer, frame('C', "host\x00X\x00\x19192.0.2.1\x00")), "family"},
		{"connect twice", join(offer, connect, connect), "out of order"},
		{"helo without NUL", join(offer, connect, frame('H', "name")), "without NUL"},
		{"helo before connect", join(offer, frame('H', "name\x00")), "before CONNECT"},
		{"mail without NUL", join(offer, connect, frame('M', "<a@b>")), "without NUL"},
		{"mail empty", join(offer, connect, frame('M', "")), "without NUL"},
		{"mail argument without NUL", join(offer, connect, frame('M', "<a@b>\x00SIZE=1")), "without NUL"},
		{"mail before connect", join(offer, mail), "before CONNECT"},
		{"rcpt without mail", join(offer, connect, rcpt), "without MAIL"},
		{"rcpt without NUL", join(offer, connect, mail, frame('R', "<c@d>")), "without NUL"},
		{"rcpt after data", join(offer, connect, mail, rcpt, frame('T', ""), rcpt), "out of order"},
		{"data twice", join(offer, connect, mail, frame('T', ""), frame('T', "")), "out of order"},
		{"header without mail", join(offer, connect, frame('L', "a\x00b\x00")), "without MAIL"},
		{"header without NUL", join(offer, connect, mail, frame('L', "a")), "without NUL"},
		{"header value without NUL", join(offer, connect, mail, frame('L', "a\x00b")), "without NUL"},
		{"header without value", join(offer, connect, mail, frame('L', "a\x00")), "without NUL"},
		{"header after its end", join(offer, connect, mail, eoh, frame('L', "a\x00b\x00")), "out of order"},
		{"end of header twice", join(offer, connect, mail, eoh, eoh), "out of order"},
		{"body before end of header", join(offer, connect, mail, frame('B', "x")), "before end of header"},
		{"end of message before end of header", join(offer, connect, mail, frame('E', "")), "before end of header"},
		{"end of message alone", join(offer, connect, frame('E', "")), "without MAIL"},
		{"end of message twice", join(offer, connect, mail, eoh, frame('E', ""), frame('E', "")), "without MAIL"},
		{"macro without stage", join(offer, frame('D', "")), "no stage"},
		{"macro of no stage", join(offer, frame('D', "zj\x00x\x00")), "macros for"},
		{"macro without value", join(offer, frame('D', "Cj\x00")), "without NUL"},
		{"macro without NUL", join(offer, frame('D', "Cj\x00x")), "without NUL"},
		{"unknown without NUL", join(offer, connect, frame('U', "XFOO")), "without NUL"},
		{"cut within a length", join(offer, []byte{0, 0}), "closed within a frame"},
		{"cut within a frame", join(offer, []byte{0, 0, 0, 9, 'C', 'h'}), "closed within a frame"},
		{"cut within a body", join(offer, connect, mail, eoh, []byte{0, 0, 1, 0, 'B', 'x'}), "closed within a frame"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			rec := &recorder{}
			h := start(t, "unix", Options{}, rec)
			conn, err := net.Dial("unix", h.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			conn.Write(tc.input)
			conn.(*net.UnixConn).CloseWrite()
			if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection was not closed: %v", err)
			}
			waitFor(t, "the log line", func() bool { return len(h.logged()) > 0 })
			if got := strings.Join(h.logged(), "\n"); !strings.Contains(got, tc.want) || strings.Contains(got, "panic") {
				t.Errorf("logged %q, want %q", got, tc.want)
			}
			if send(t, h.dial(ClientOptions{}), sampleMessage()).Final.Kind != ReplyContinue {
				t.Error("the server does not serve any more")
			}
		})
	}
}

// A monitor that connects and leaves is nobody's fault.
func TestBareConnectIsQuiet(t *testing.T) {
	rec := &recorder{}
	h := start(t, "tcp", Options{}, rec)
	for range 3 {
		conn, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	c := h.dial(ClientOptions{})
	send(t, c, sampleMessage())
	c.Close() // without QUIT
	waitFor(t, "the connections to go", func() bool { return h.server.Connections() == 0 })
	if l := h.logged(); len(l) > 0 {
		t.Error(l)
	}
}

// TestLeavingWithinMessageIsQuiet: Sendmail 8.17 closes the connection without
// ABORT or QUIT when its client leaves, or is thrown out, within DATA. libmilter
// says nothing.
func TestLeavingWithinMessageIsQuiet(t *testing.T) {
	for _, input := range [][]byte{
		join(offer, connect, mail),
		join(offer, connect, mail, rcpt, frame('D', "Ti\x00ID\x00")),
		join(offer, connect, mail, rcpt, frame('L', "a\x00b\x00")),
		join(offer, connect, mail, rcpt, eoh, frame('B', "text")),
	} {
		rec := &recorder{}
		h := start(t, "unix", Options{}, rec)
		conn, err := net.Dial("unix", h.address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(input)
		conn.(*net.UnixConn).CloseWrite()
		io.ReadAll(conn)
		conn.Close()
		waitFor(t, "the connection to go", func() bool { calls := rec.all(); return len(calls) > 0 && calls[len(calls)-1] == "CLOSE" })
		if calls := rec.all(); calls[len(calls)-2] != "ABORT" {
			t.Errorf("the session is not told: %q", calls)
		}
		if l := h.logged(); len(l) > 0 {
			t.Error(l)
		}
	}
}

// TestRemoteOfUnixSocket: who connects by a UNIX socket has no name; Go calls it @.
func TestRemoteOfUnixSocket(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		remotes := make(chan string, 1)
		h := start(t, network, Options{ErrorLog: func(_ error, remote string) { remotes <- remote }}, &recorder{})
		conn, err := net.Dial(network, h.address)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"unix": "local", "tcp": conn.LocalAddr().String()}[network]
		conn.Write([]byte{0, 0, 0, 0, 0})
		if got := <-remotes; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		conn.Close()
	}
}

// Every frame may arrive in any pieces, and all frames at once.
func TestFramesInPieces(t *testing.T) {
	input := join(offer, frame('D', "C{daemon_name}\x00smtpd\x00"), connect, frame('H', "name\x00"), mail, rcpt, frame('T', ""),
		frame('L', "From\x00 x\x00"), frame('L', "To\x00 y\n\tz\x00"), eoh, frame('B', "abcdefgh"),
		frame('B', ""), frame('E', "ijkl"), frame('Q', ""))
	want := []string{"NEGOTIATED 6", "CONNECT host 192.0.2.1:25", "HELO name", "MAIL <a@b>", "RCPT <c@d>",
		"DATA", "HEADER From: x", "HEADER To: y\n\tz", "EOH"}
	for _, network := range []string{"unix", "tcp", "pipe"} {
		for _, size := range []int{1, 2, 3, 7, len(input)} {
			rec := &recorder{}
			var body strings.Builder
			rec.onCall = func(string) {}
			var conn net.Conn
			if network == "pipe" {
				s := NewServer(func(*Conn) Session { return rec }, Options{})
				server, client := net.Pipe()
				conn = client
				go s.serve(s.add(server))
			} else {
				h := start(t, network, Options{}, rec)
				var err error
				if conn, err = net.Dial(network, h.address); err != nil {
					t.Fatal(err)
				}
			}
			replies := make(chan []byte)
			go func() { b, _ := io.ReadAll(conn); replies <- b }()
			for rest := input; len(rest) > 0; {
				n := min(size, len(rest))
				conn.Write(rest[:n])
				rest = rest[n:]
			}
			got := string(<-replies)
			if n := strings.Count(got, "\x00\x00\x00\x01c"); n != 11 || !strings.HasPrefix(got, "\x00\x00\x00\rO\x00\x00\x00\x06") {
				t.Errorf("%s by %d: %d answers: %q", network, size, n, got)
			}
			conn.Close()
			calls := rec.all()
			for i, w := range want {
				if i >= len(calls) || calls[i] != w {
					t.Fatalf("%s by %d: %q", network, size, calls)
				}
			}
			for _, call := range calls[len(want):] {
				if s, ok := strings.CutPrefix(call, `BODY "`); ok {
					body.WriteString(strings.TrimSuffix(s, `"`))
				}
			}
			if body.String() != "abcdefghijkl" || calls[len(calls)-2] != "EOM" || calls[len(calls)-1] != "CLOSE" {
				t.Errorf("%s by %d: %q", network, size, calls)
			}
		}
	}
}

// Memory for a long frame grows with what arrives, up to the limit.
func TestLongFrames(t *testing.T) {
	rec := &recorder{}
	h := start(t, "unix", Options{MaxFrameBytes: 300 << 10}, rec)
	value := strings.Repeat("v", 250<<10)
	c := h.dial(ClientOptions{})
	m := sampleMessage()
	m.Raw = []byte("X: " + value + "\r\nY: b\r\n\r\n" + strings.Repeat("body\r\n", 100_000))
	send(t, c, m)
	if calls := strings.Join(rec.all(), "\n"); !strings.Contains(calls, "HEADER X:"+value+"\nHEADER Y:b\nEOH") {
		t.Error("the long field did not arrive")
	}
	if rec.body != 600_000 {
		t.Errorf("%d octets of body", rec.body)
	}
	c.Queue(CommandMail, []byte(value+value))
	if _, err := c.ReadReply(); err == nil {
		t.Error("a frame over the limit was answered")
	}
	if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "limit is 307200") {
		t.Error(l)
	}
}
