package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	// ednsBytes is what DNS Flag Day 2020 asks for: it passes every path unfragmented.
	ednsBytes = 1232
	// udpBufferBytes holds whatever a server may send over UDP against our wish.
	udpBufferBytes = 4096
	headerBytes    = 12
	// maxStrayDatagrams is how many answers to something else are passed over in one
	// query before it is put over TCP: the server is broken or attacked.
	maxStrayDatagrams = 64
)

// query is one question as it goes to one server.
type query struct {
	name   string // canonical
	qtype  uint16
	dnssec bool // DO and CD: we validate
	// checked leaves CD away: a validating server passes over those of a zone's servers
	// whose signatures are not good, as it may not with CD (RFC 6840 §5.9).
	checked bool
	noRD    bool // for authoritative servers
	// refuse says why an answer is not enough and the next server is to be asked; may be nil.
	refuse func(*dns.Msg, *server) error
}

// failure is a try that gave no usable answer.
type failure struct {
	kind Kind
	err  error
}

var (
	errStray     = errors.New("only answers to other questions came")
	errShort     = errors.New("the message is cut short")
	errTCPLength = errors.New("the length before the message is wrong")
)

var udpBuffers = sync.Pool{New: func() any { return new([udpBufferBytes]byte) }}

// wire builds the query. The ID is random and every query has its own socket, so its
// port is the kernel's choice (RFC 5452).
func (q query) wire(edns bool) ([]byte, uint16, error) {
	m := dns.Msg{Question: []dns.Question{{Name: q.name, Qtype: q.qtype, Qclass: dns.ClassINET}}}
	m.Id = uint16(rand.Uint32())
	m.RecursionDesired = !q.noRD
	m.CheckingDisabled = q.dnssec && !q.checked
	// RFC 6840 §5.7: AD in a query asks for AD in the answer without DO's bulk.
	m.AuthenticatedData = !q.dnssec
	if edns {
		m.SetEdns0(ednsBytes, q.dnssec)
	}
	packed, err := m.Pack()
	return packed, m.Id, err
}

// ask puts the query to one server: over UDP, and over TCP when the answer does not
// fit; without EDNS when the server does not know it.
func (d *DNS) ask(ctx context.Context, s *server, q query, useTCP bool) (*dns.Msg, *failure) {
	if err := d.acquire(ctx); err != nil {
		return nil, &failure{contextKind(ctx), err}
	}
	defer d.release()
	edns := q.dnssec || !s.noEDNS(d.now())
	m, fail := d.askWith(ctx, s.addr, q, edns, useTCP)
	if fail != nil || !edns {
		return m, fail
	}
	// RFC 6891 §7: a server without EDNS answers FORMERR, some NOTIMP.
	if m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented || m.Rcode == dns.RcodeBadVers {
		plain, fail := d.askWith(ctx, s.addr, q, false, useTCP)
		// A validator never goes without EDNS for long: one name's trouble must not cost
		// the others their signatures.
		if fail == nil && plain.Rcode != dns.RcodeFormatError && !q.dnssec {
			s.setNoEDNS(d.now())
		}
		return plain, fail
	}
	return m, nil
}

func (d *DNS) askWith(ctx context.Context, server netip.AddrPort, q query, edns, useTCP bool) (*dns.Msg, *failure) {
	packed, id, err := q.wire(edns)
	if err != nil {
		return nil, &failure{KindBadName, err}
	}
	if !useTCP {
		m, truncated, fail := d.askUDP(ctx, server, q, packed, id)
		if !truncated {
			return m, fail
		}
	}
	return d.askTCP(ctx, server, q, packed, id)
}

func (d *DNS) dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, *failure) {
	conn, err := d.options.Dial(ctx, network, server.String())
	if err != nil {
		return nil, networkFailure(ctx, err)
	}
	return conn, nil
}

// watch makes the end of the context that of blocking reads and writes.
func watch(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
}

func (d *DNS) askUDP(ctx context.Context, server netip.AddrPort, q query, packed []byte,
	id uint16) (m *dns.Msg, truncated bool, fail *failure) {
	conn, fail := d.dial(ctx, "udp", server)
	if fail != nil {
		return nil, false, fail
	}
	defer conn.Close()
	defer watch(ctx, conn)()
	if _, err := conn.Write(packed); err != nil {
		return nil, false, networkFailure(ctx, err)
	}
	buffer := udpBuffers.Get().(*[udpBufferBytes]byte)
	defer udpBuffers.Put(buffer)
	for stray := 0; stray < maxStrayDatagrams; {
		n, err := conn.Read(buffer[:])
		if err != nil {
			if stray > 0 && isTimeout(err) {
				return nil, false, &failure{KindMalformed, errStray}
			}
			return nil, false, networkFailure(ctx, err)
		}
		if !answersID(buffer[:n], id) {
			stray++
			continue
		}
		m, err := q.parse(buffer[:n])
		switch {
		case errors.Is(err, errOtherQuestion):
			stray++
			continue
		case isTruncated(buffer[:n]) || n == len(buffer):
			return nil, true, nil
		case err != nil:
			return nil, false, &failure{KindMalformed, err}
		}
		return m, false, nil
	}
	return nil, true, nil // a flood of forged answers: RFC 5452 §9.2 has TCP resist it
}

func (d *DNS) askTCP(ctx context.Context, server netip.AddrPort, q query, packed []byte, id uint16) (*dns.Msg, *failure) {
	conn, fail := d.dial(ctx, "tcp", server)
	if fail != nil {
		return nil, fail
	}
	defer conn.Close()
	defer watch(ctx, conn)()
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(packed)), uint16(len(packed)))
	if _, err := conn.Write(append(framed, packed...)); err != nil {
		return nil, networkFailure(ctx, err)
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, networkFailure(ctx, err)
	}
	size := int(binary.BigEndian.Uint16(length[:]))
	if size > d.options.MaxAnswerBytes {
		return nil, &failure{KindTooLarge, fmt.Errorf("%d octets, the limit is %d", size, d.options.MaxAnswerBytes)}
	}
	if size < headerBytes {
		return nil, &failure{KindMalformed, errTCPLength}
	}
	wire := make([]byte, size)
	if _, err := io.ReadFull(conn, wire); err != nil {
		return nil, networkFailure(ctx, err)
	}
	if !answersID(wire, id) {
		return nil, &failure{KindMalformed, errStray}
	}
	m, err := q.parse(wire)
	if err != nil {
		return nil, &failure{KindMalformed, err}
	}
	if m.Truncated {
		return nil, &failure{KindMalformed, errShort}
	}
	return m, nil
}

func answersID(wire []byte, id uint16) bool {
	const response = 0x80
	return len(wire) >= headerBytes && binary.BigEndian.Uint16(wire) == id && wire[2]&response != 0
}

func isTruncated(wire []byte) bool {
	const truncated = 0x02
	return wire[2]&truncated != 0
}

var errOtherQuestion = errors.New("the answer is to another question")

// parse reads an answer and holds it against the question: RFC 5452 §9.1.
func (q query) parse(wire []byte) (*dns.Msg, error) {
	m := new(dns.Msg)
	err := m.Unpack(wire)
	if err != nil && len(m.Question) == 0 {
		return nil, err
	}
	// Some servers answer an error with an empty question section.
	if err == nil && len(m.Question) == 0 && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return m, nil
	}
	if m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 || m.Question[0].Qtype != q.qtype ||
		m.Question[0].Qclass != dns.ClassINET || !sameName(m.Question[0].Name, q.name) {
		return nil, errOtherQuestion
	}
	return m, err
}

// acquire waits for one of the sockets we may have open.
func (d *DNS) acquire(ctx context.Context) error {
	select {
	case d.sockets <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *DNS) release() { <-d.sockets }

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// contextKind says why a context ended.
func contextKind(ctx context.Context) Kind {
	if errors.Is(ctx.Err(), context.Canceled) {
		return KindCanceled
	}
	return KindTimeout
}

func networkFailure(ctx context.Context, err error) *failure {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &failure{KindCanceled, context.Cause(ctx)}
	case ctx.Err() != nil || isTimeout(err):
		return &failure{KindTimeout, nil}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{KindNetwork, errors.New("the connection was closed before the answer")}
	}
	// "dial udp 192.0.2.1:53: connect: network is unreachable" says the address twice
	// once the server is added; the last words are enough.
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	return &failure{KindNetwork, err}
}
