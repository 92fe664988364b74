package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/internal/problem"
)

// Role says what is done with mail that arrives over a socket.
type Role uint8

// RoleMode leaves it to the Mode option.
const (
	RoleMode Role = iota
	RoleSign
	RoleVerify
	RoleBoth
)

func (r Role) String() string { return [...]string{"", "sign", "verify", "both"}[r] }

// Socket is one address to listen on.
type Socket struct {
	Network string // "unix", "tcp4" (inet:) or "tcp6" (inet6:), fit for net.Listen
	Address string // path, or "host:port" with an empty host for all interfaces
	Mode    fs.FileMode
	HasMode bool // Mode was given; else UMask decides
	Owner   string
	Group   string
	Role    Role
}

// DialAddress is where the socket is reached from this host: by localhost when it
// listens on every interface.
func (s Socket) DialAddress() string {
	if s.Network != "unix" && strings.HasPrefix(s.Address, ":") {
		return "localhost" + s.Address
	}
	return s.Address
}

// ForPostfix is how Postfix on this host names the socket in main.cf: in its queue
// folder from there, which holds for services in its chroot and for others.
func (s Socket) ForPostfix() string {
	if inQueue, ok := strings.CutPrefix(s.Address, "/var/spool/postfix/"); s.Network == "unix" && ok {
		return "unix:" + inQueue
	}
	if s.Network == "unix" {
		return "unix:" + s.Address
	}
	return "inet:127.0.0.1:" + s.Address[strings.LastIndexByte(s.Address, ':')+1:]
}

// ParseSocket reads inet:PORT[@HOST], inet6:PORT[@HOST], local:PATH, unix:PATH
// or a bare PATH, then any of mode=, owner=, group= (UNIX sockets alone),
// role=sign, role=verify and role=both, or sign, verify, both for short.
func ParseSocket(text string) (Socket, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(space, r) })
	if len(words) == 0 {
		return Socket{}, errors.New("no address")
	}
	if len(words) > 1 && strings.HasPrefix(words[1], "@") { // as libmilter reads it
		words = slices.Insert(words[2:], 0, words[0]+words[1])
	}
	s, err := parseAddress(words[0])
	if err != nil {
		return Socket{}, err
	}
	for _, word := range words[1:] {
		if err := s.attribute(word); err != nil {
			return Socket{}, err
		}
	}
	return s, nil
}

func parseAddress(text string) (Socket, error) {
	kind, rest, found := strings.Cut(text, ":")
	if !found || strings.HasPrefix(text, "/") {
		return unixSocket(text)
	}
	switch strings.ToLower(kind) {
	case "local", "unix":
		return unixSocket(rest)
	case "inet":
		return inetSocket("tcp4", rest)
	case "inet6":
		return inetSocket("tcp6", rest)
	}
	return Socket{}, fmt.Errorf("unknown kind of socket %s", problem.Quote(kind))
}

func unixSocket(path string) (Socket, error) {
	const maxPathBytes = 107 // sun_path of Linux, less its NUL
	switch {
	case path == "":
		return Socket{}, errors.New("no path")
	case len(path) > maxPathBytes:
		return Socket{}, fmt.Errorf("the path is %d bytes long; a UNIX socket's may have %d", len(path), maxPathBytes)
	case strings.Contains(path, "\x00"):
		return Socket{}, errors.New("a NUL byte in the path")
	}
	return Socket{Network: "unix", Address: path}, nil
}

func inetSocket(network, text string) (Socket, error) {
	portText, host, hasHost := strings.Cut(text, "@")
	port, err := portNumber(portText)
	if err != nil {
		return Socket{}, err
	}
	if hasHost {
		if host, err = checkHost(network, host); err != nil {
			return Socket{}, err
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return Socket{Network: network, Address: host + ":" + strconv.Itoa(port)}, nil
}

// portNumber reads a number or the name of a service.
// Compat(opendkim 2.11): libmilter looks names up in /etc/services.
func portNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil {
		return int(n), nil
	}
	if text != "" && (text[0] >= 'a' && text[0] <= 'z' || text[0] >= 'A' && text[0] <= 'Z') {
		if port, err := net.LookupPort("tcp", text); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("%s is no port number", problem.Quote(text))
}

// checkHost takes the brackets off and finds an address of the other family.
// Compat(opendkim 2.11): a literal address may stand in brackets or not.
func checkHost(network, host string) (string, error) {
	if strings.HasPrefix(host, "[") != strings.HasSuffix(host, "]") {
		return "", fmt.Errorf("%s lacks a bracket", problem.Quote(host))
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if bare == "" {
		return "", errors.New("no host after @")
	}
	if strings.ContainsAny(bare, "[]@/") {
		return "", fmt.Errorf("%s is no host", problem.Quote(host))
	}
	addr, err := netip.ParseAddr(bare)
	switch {
	case err != nil && strings.Contains(bare, ":"):
		return "", fmt.Errorf("%s is no address", problem.Quote(bare))
	case err != nil && (!dkim.ValidDomain(strings.TrimSuffix(bare, ".")) || strings.Trim(bare, "0123456789.") == ""):
		return "", fmt.Errorf("%s is no host", problem.Quote(host))
	case err == nil && network == "tcp4" && !addr.Is4():
		return "", fmt.Errorf("%s is an IPv6 address: write inet6: before the port", bare)
	case err == nil && network == "tcp6" && addr.Is4():
		return "", fmt.Errorf("%s is an IPv4 address: write inet: before the port", bare)
	}
	return bare, nil
}

// attribute reads one word behind the address.
func (s *Socket) attribute(word string) error {
	name, value, found := strings.Cut(word, "=")
	if !found {
		name, value = "role", word
	}
	name = strings.ToLower(name)
	if s.Network != "unix" && (name == "mode" || name == "owner" || name == "group") {
		return fmt.Errorf("%s= is for local: sockets", name)
	}
	if value == "" {
		return fmt.Errorf("%s= needs a value", name)
	}
	switch name {
	case "mode":
		mode, err := strconv.ParseUint(value, 8, 32)
		if err != nil || mode > 0o777 {
			return fmt.Errorf("mode=%s is not an octal mode such as 0660", problem.Quote(value))
		}
		s.Mode, s.HasMode = fs.FileMode(mode), true
	case "owner":
		s.Owner = value
	case "group":
		s.Group = value
	case "role":
		return s.role(value)
	default:
		return fmt.Errorf("unknown attribute %s", problem.Quote(word))
	}
	return nil
}

func (s *Socket) role(value string) error {
	switch strings.ToLower(value) {
	case "sign", "s":
		s.Role = RoleSign
	case "verify", "v":
		s.Role = RoleVerify
	case "both", "sv", "vs":
		s.Role = RoleBoth
	default:
		return fmt.Errorf("unknown word %s: the attributes are mode=, owner=, group=, sign, verify and both", problem.Quote(value))
	}
	return nil
}

// Sockets returns the addresses to listen on.
//
// Compat(opendkim 2.11): of several Socket lines the last wins, unless one of
// them carries an attribute of ours: then all count. A file written for
// OpenDKIM must not open a port that OpenDKIM would have left closed.
func (c *Config) Sockets() []Socket {
	return slices.Clone(c.Socket.read[firstCounting(c.Socket.given):])
}

// firstCounting is the index of the first value of Socket that counts.
func firstCounting(given []Value) int {
	if slices.ContainsFunc(given, func(v Value) bool { return strings.ContainsAny(v.Text, space) }) {
		return 0
	}
	return max(0, len(given)-1)
}
