package remote

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ErrAddress repeats nothing of what was written: it is a part of a password as often
// as not.
var ErrAddress = errors.New("write the server as host, host:port or [address]:port, with a port from 1 to 65535")

// HostPort reads a server's "host", "host:port", "address" or "[address]:port"; without a
// port it has the standard one, without a host it is localhost. An IPv6 address whose
// end may be meant as a port needs its brackets.
func HostPort(text, standard string) (host, port string, err error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	// A zone may hold any character.
	if addr, err := netip.ParseAddr(bare); err == nil && !strings.ContainsAny(addr.Zone(), "[]:") && (bare != text || !endsInPort(bare)) {
		return bare, standard, nil
	}
	host, port = text, standard
	if strings.Contains(text, ":") {
		if host, port, err = net.SplitHostPort(text); err != nil || !IsPort(port) {
			return "", "", ErrAddress
		}
	}
	if strings.ContainsAny(host, "[]@ ") {
		return "", "", ErrAddress
	}
	return cmp.Or(host, "localhost"), port, nil
}

// endsInPort reports whether an address has a shorter one in front of what is a port as well.
func endsInPort(addr string) bool {
	colon := max(0, strings.LastIndexByte(addr, ':'))
	_, err := netip.ParseAddr(addr[:colon])
	return err == nil && IsPort(addr[colon+1:])
}

// IsPort reports whether a text is the number of a port.
func IsPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}
