package sendmail

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/smtptest"
	"dojang/milter"
)

// TestMacros: what Sendmail tells of a client, when asked for by name. Each
// filter signs if it gets a macro as Sendmail should send it.
func TestMacros(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	w.write("Senders", "ann user@example.com\n")
	w.write("Others", "ann other@example.com\n")
	cases := []struct {
		name, options string
		login, signed bool
	}{
		{"daemon", "MTA daemon\n", false, true},
		{"daemon-else", "MTA daemon\n", false, false},
		{"if-name", "MacroList if_name=localhost\n", false, true},
		{"if-name-else", "MacroList if_name=elsewhere\n", false, false},
		{"client-addr", "MacroList client_addr=" + outsideIP + "\n", false, true},
		{"client-name", "MacroList {client_name}=" + outside + "\n", false, true},
		{"mailer", "MacroList mail_mailer=relay\n", false, true},
		{"auth-type", "MacroList auth_type=PLAIN\n", true, true},
		{"auth-type-none", "MacroList auth_type\n", false, false},
		{"sender", "RequireSenderMatch file:DIR/Senders\n", true, true},
		{"sender-else", "RequireSenderMatch file:DIR/Others\n", true, false},
	}
	var filters []entrance
	for _, c := range cases {
		filters = append(filters, behind(c.name, w.filter(filtertest.Ours(t), w.unix(c.name), c.options)))
	}
	m.start(m.entrances(filters))
	for _, x := range cases {
		c := m.dial(t, x.name, outsideIP)
		if x.login {
			login(c)
		}
		c.Send("user@example.com", x.name+"@example.com", letter("user@example.com", "", "Hello.\r\n"))
		c.Quit()
		if got := len(smtptest.Fields(m.far.Await(t, x.name+"@example.com"), "DKIM-Signature")) == 1; got != x.signed {
			t.Errorf("%s: signed is %v, want %v", x.name, got, x.signed)
		}
	}
}

// TestSkipped: Sendmail is told to keep the rest of a long body, of which only the
// beginning is signed, and a whole connection.
func TestSkipped(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	peer := w.filter(filtertest.Ours(t), w.unix("peer"), "PeerList "+insideIP+"\n")
	m.start(m.entrances([]entrance{
		behind("begin", w.filter(filtertest.Ours(t), w.unix("begin"), "MaximumSignedBytes 1000\n")),
		behind("peer", peer),
	}))
	long := letter("user@example.com", "", strings.Repeat("0123456789\r\n", 100_000))
	m.passages(t, w, "begin", []passage{{"first", insideIP, long, ourSignature, nil}})
	before := peer.String()
	m.passages(t, w, "peer", []passage{{"second", insideIP, long, "", nil}})
	if got := strings.TrimPrefix(peer.String(), before); got != "" {
		t.Errorf("the filter says of a peer's mail: %s", got)
	}
}

// TestOldSendmail: a Sendmail of before 8.14 offers version 2 of the protocol: no
// macros by wish, no leading blanks, no step without an answer.
func TestOldSendmail(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	const always = "AlwaysAddARHeader yes\n"
	f := w.filter(filtertest.Ours(t), w.unix("ours"), always+"MilterDebug 1\n")
	m.start(m.entrances([]entrance{
		{"dojang", "S=" + old(t, f) + ", F=T"},
		{"opendkim", "S=" + old(t, w.filter(opendkim(t), w.unix("theirs"), always)) + ", F=T"},
	}))
	for _, e := range []string{"dojang", "opendkim"} {
		// No filter can know whether a blank stood before a word or before nothing.
		fields := strings.NewReplacer("X-One:no", "X-One: no", "X-Five:\r\n", "X-Five: \r\n").Replace(awkward)
		if e == "opendkim" {
			fields = "X-One: a\r\nX-Four: folded\r\n  twice,\r\n\tthe second time by a tab  \r\n" // docs/differences.md
		}
		mine, far := letter("user@example.com", fields, awkwardBody), letter("a@example.org", fields, awkwardBody)
		t.Run(e, func(t *testing.T) {
			m.passages(t, w, e, []passage{
				{"inside", insideIP, mine, ourSignature, nil},
				{"login", "login", mine, ourSignature, nil},
				{"outside", outsideIP, mine, "", []string{host + "; dkim=none"}},
				{"signed", outsideIP, w.signOutside(t, far, "simple/simple")[0], "pass d=example.org s=org i=@example.org", []string{passed}},
			})
		})
	}
	f.logged(t, "milter: negotiated version 2, actions 0x11, protocol 0x2")
}

// old stands between Sendmail and a filter, has Sendmail offer what version 2
// has, and returns its socket.
func old(t testing.TB, f *filter) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			go func() {
				defer conn.Close()
				filter, err := f.dial()
				if err != nil {
					return
				}
				defer filter.Close()
				var offer [17]byte // length, command, version, actions, protocol
				if _, err := io.ReadFull(conn, offer[:]); err != nil || offer[4] != milter.CommandNegotiate {
					return
				}
				binary.BigEndian.PutUint32(offer[5:], 2)
				binary.BigEndian.PutUint32(offer[9:], 0x3f)
				binary.BigEndian.PutUint32(offer[13:], 0x7f)
				filter.Write(offer[:])
				go io.Copy(conn, filter)
				io.Copy(filter, conn)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "inet:" + port + "@127.0.0.1"
}
