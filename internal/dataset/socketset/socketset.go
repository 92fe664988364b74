// Package socketset asks a server of the administrator's for keys, over a stream
// socket:
//
//	socket:/path, socket:local:/path, socket:inet:port@host, socket:inet6:port@[host]
//
// The protocol is that of Postfix's tcp_table(5), for which servers exist: the
// request "get KEY", the replies "200 VALUE", "500 TEXT" when there is no such key and
// "400 TEXT" for a temporary failure, each a line, with %XX for blanks, percent
// signs, control characters and bytes beyond ASCII. A value's columns are
// separated by colons.
package socketset

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
	"dojang/internal/problem"
)

// Options bound the use of the server. The zero value is usable.
type Options struct {
	Timeout time.Duration // of one question; 0 means 5 s
}

// maxReplyBytes bounds a reply: a private key fits.
const maxReplyBytes = 256 << 10

// Set is a server's answers.
type Set struct {
	network, address string
	o                Options
	idle             chan *conn
}

type conn struct {
	net.Conn
	r *bufio.Reader
}

// Opener opens socket: sets behind the wrapper of package remote.
func Opener(o Options, r remote.Options) dataset.Opener {
	return remote.Opener(r, "", func(args string) (dataset.Set, error) { return New(args, o) })
}

// New makes a set of what follows "socket:". It does not connect.
func New(s string, o Options) (*Set, error) {
	o.Timeout = cmp.Or(o.Timeout, remote.DefaultTimeout)
	network, address, err := parse(s)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return &Set{network: network, address: address, o: o, idle: make(chan *conn, remote.MaxConnections)}, nil
}

// parse reads a socket as net.Dial takes it. A port may be the name of a service.
func parse(s string) (network, address string, err error) {
	kind, rest, _ := strings.Cut(s, ":")
	if strings.HasPrefix(s, "/") {
		kind, rest = "local", s
	}
	switch kind = strings.ToLower(kind); {
	case (kind == "local" || kind == "unix") && rest != "":
		return "unix", rest, nil
	case kind != "inet" && kind != "inet6":
		return "", "", errors.New("write socket:/path or socket:inet:port@host")
	}
	port, host, _ := strings.Cut(rest, "@")
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
		return "", "", fmt.Errorf("%s is no port: write socket:%s:port@host", problem.Quote(port), kind)
	}
	host, given, err := remote.HostPort(host, "")
	addr, addrErr := netip.ParseAddr(host)
	switch {
	case err != nil || given != "":
		return "", "", fmt.Errorf("write socket:%s:port@host, an address of IPv6 in brackets", kind)
	case addrErr == nil && addr.Is4() != (kind == "inet"):
		return "", "", fmt.Errorf("%s is none of %s: write socket:inet:port@192.0.2.1 or socket:inet6:port@[2001:db8::1]", host, kind)
	case kind == "inet":
		return "tcp4", net.JoinHostPort(host, port), nil
	}
	return "tcp6", net.JoinHostPort(host, port), nil
}

// Ping connects.
func (s *Set) Ping(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err == nil {
		s.keep(c)
	}
	return err
}

// Close closes the connections kept open.
func (s *Set) Close() error {
	for {
		select {
		case c := <-s.idle:
			c.Close()
		default:
			return nil
		}
	}
}

func (s *Set) dial(ctx context.Context) (*conn, error) {
	d := net.Dialer{Timeout: s.o.Timeout}
	c, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil, err
	}
	return &conn{c, bufio.NewReader(c)}, nil
}

func (s *Set) keep(c *conn) {
	select {
	case s.idle <- c:
	default:
		c.Close()
	}
}

// Lookup asks for one key. A connection that was kept open and is found closed is
// replaced once.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	for {
		var c *conn
		select {
		case c = <-s.idle:
		default:
		}
		kept := c != nil
		if !kept {
			var err error
			if c, err = s.dial(ctx); err != nil {
				return nil, err
			}
		}
		reply, err := s.ask(ctx, c, key)
		if err != nil || c.r.Buffered() > 0 { // what else it says would be taken for the next answer
			c.Close()
		} else {
			s.keep(c)
		}
		if err == nil {
			return s.answer(reply, columns)
		}
		if !kept || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			return nil, err
		}
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func (s *Set) ask(ctx context.Context, c *conn, key string) (string, error) {
	deadline := time.Now().Add(s.o.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = c.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(c, "get "+encode(key)+"\n"); err != nil {
		return "", err
	}
	var line []byte
	for {
		part, err := c.r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxReplyBytes {
			return "", fmt.Errorf("reply is longer than %d bytes", maxReplyBytes)
		}
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

func (s *Set) answer(reply string, columns int) ([]string, error) {
	code, text, _ := strings.Cut(reply, " ")
	switch code {
	case "200":
		value, err := decode(text)
		if err != nil {
			return nil, &dataset.Error{Err: err}
		}
		return dataset.Split(value, columns), nil
	case "500":
		return nil, dataset.ErrNotFound
	case "400":
		return nil, fmt.Errorf("server says %s", problem.Quote(text))
	}
	return nil, fmt.Errorf("reply is not of the protocol: %s", problem.Quote(reply))
}

// encode writes what is not a visible ASCII character, and the percent sign, as %XX.
func encode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func decode(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		var c byte
		if i+2 >= len(s) {
			return "", errors.New("reply has a broken escape")
		}
		if _, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c); err != nil {
			return "", errors.New("reply has a broken escape")
		}
		out = append(out, c)
		i += 2
	}
	return string(out), nil
}
