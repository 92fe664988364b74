package milter

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// noop is a filter that wants everything and does nothing but insert a field.
type noop struct{}

func (noop) Negotiated(Negotiation)             {}
func (noop) Connect(string, ConnAddr) Response  { return Continue }
func (noop) Helo(string) Response               { return Continue }
func (noop) MailFrom(string, []string) Response { return Continue }
func (noop) Rcpt(string, []string) Response     { return Continue }
func (noop) Data() Response                     { return Continue }
func (noop) Header(_, _ []byte) Response        { return Continue }
func (noop) EndOfHeader() Response              { return Continue }
func (noop) Body([]byte) Response               { return Continue }
func (noop) EndOfMessage(e *Edits) Response {
	e.InsertHeader(0, "DKIM-Signature", benchField)
	return Accept
}
func (noop) Abort()                  {}
func (noop) Unknown(string) Response { return Continue }
func (noop) Close()                  {}

const benchField = " v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=sel;\r\n\tt=1172620939; " +
	"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\th=From:Date:Subject;\r\n\tb=abcdefghijklmnopqrstuvwxyz"

func benchOptions() Options {
	return Options{
		Actions: AllActions, WantSkip: true, WantHeaderLeadingSpace: true,
		NoReply: StepConnect | StepHelo | StepMail | StepRcpt | StepHeader | StepEndOfHeader | StepBody,
		Skip:    StepHelo | StepUnknown | StepData,
	}
}

func benchMessage(bytesOfBody int) Message {
	m := sampleMessage()
	var b bytes.Buffer
	for i := range 12 {
		fmt.Fprintf(&b, "X-Field-%d: the value of a field of usual length, number %d\r\n", i, i)
	}
	b.WriteString("From: a@example.com\r\nTo: b@example.org\r\nSubject: one\r\n\r\n")
	for b.Len() < bytesOfBody {
		b.WriteString("This is a line of the body, as long as lines are used to be in mail.\r\n")
	}
	m.Raw = b.Bytes()
	return m
}

func benchServer(b *testing.B, network string, o Options) string {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(b.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		b.Fatal(err)
	}
	s := NewServer(func(*Conn) Session { return noop{} }, o)
	go s.Serve(l)
	b.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func BenchmarkMessage(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		for _, size := range []int{4 << 10, 100 << 10, 10 << 20} {
			b.Run(fmt.Sprintf("%s/%dkB", network, size>>10), func(b *testing.B) {
				benchMessages(b, network, benchOptions(), size)
			})
		}
	}
	b.Run("unix/4kB-every-step-answered", func(b *testing.B) {
		benchMessages(b, "unix", Options{Actions: AllActions}, 4<<10)
	})
}

func benchMessages(b *testing.B, network string, o Options, size int) {
	address := benchServer(b, network, o)
	c, err := Dial(network, address, ClientOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	m := benchMessage(size)
	var out Outcome
	b.ReportAllocs()
	b.SetBytes(int64(len(m.Raw)))
	for b.Loop() {
		if err := c.SendTo(context.Background(), &m, &out); err != nil || out.Final.Kind != ReplyAccept {
			b.Fatal(err, out.Final)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
