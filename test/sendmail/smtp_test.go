package sendmail

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"dojang/internal/testutil/smtptest"
)

// dial opens a session from an address of ours.
func (m *mta) dial(t testing.TB, entrance, from string) *smtptest.Client {
	t.Helper()
	c := m.connect(t, entrance, from)
	c.Expect(220)
	c.Hello()
	return c
}

func (m *mta) connect(t testing.TB, entrance, from string) *smtptest.Client {
	t.Helper()
	return smtptest.Dial(t, "127.0.0.1:"+m.port[entrance], from)
}

// login is AUTH PLAIN with what servePasswords takes.
func login(c *smtptest.Client) {
	c.Command(235, "AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00ann\x00secret")))
}

// servePasswords is saslauthd for one user: ann, whose password is secret. A
// question is four strings (user, password, service, realm), each behind its
// length in two octets; so is the answer.
func servePasswords(t testing.TB, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			var asked [4]string
			for i := range asked {
				var size [2]byte
				io.ReadFull(conn, size[:])
				text := make([]byte, binary.BigEndian.Uint16(size[:]))
				io.ReadFull(conn, text)
				asked[i] = string(text)
			}
			answer := "NO"
			if asked[0] == "ann" && asked[1] == "secret" {
				answer = "OK"
			}
			conn.Write(append([]byte{0, byte(len(answer))}, answer...))
			conn.Close()
		}
	}()
}

// patience is for a machine with other work to do; nothing takes that long.
const patience = time.Minute
