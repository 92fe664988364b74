package config

import (
	"net"
	"net/netip"
	"strings"

	"dojang/internal/resolver"
)

// socketMeant is the socket that is meant, "" where nobody can tell: what people write is
// another spelling of it, or has too much around it.
func socketMeant(text string) string {
	bare := strings.Trim(text, "\"'{};, \t")
	kind, rest, found := strings.Cut(bare, ":")
	address := bare
	switch kind = strings.ToLower(kind); {
	case found && (kind == "local" || kind == "unix"):
		return readable(kind + ":" + trimSpace(rest))
	case strings.HasPrefix(bare, "/"):
		return readable(bare)
	case found && (strings.HasPrefix(kind, "inet") || kind == "tcp" || kind == "tcp4" || kind == "tcp6"):
		address = trimSpace(rest)
	}
	words := strings.FieldsFunc(address, func(r rune) bool { return strings.ContainsRune("@, \t", r) })
	host, port, err := net.SplitHostPort(address)
	switch {
	case len(words) == 2: // PORT@HOST, or what looks like it
		port, host = words[0], strings.TrimRight(words[1], ".;")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
	case len(words) != 1:
		return ""
	case err != nil:
		port, host = words[0], ""
	}
	return readable(inetText(port, strings.Trim(host, "[]*")))
}

// inetText is a socket of the Internet by its port and its host, which may be "".
func inetText(port, host string) string {
	family := "inet"
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		family = "inet6"
	}
	if host != "" {
		host = "@" + host
	}
	return family + ":" + port + host
}

// readable is a socket that can be read, else "".
func readable(text string) string {
	s, err := ParseSocket(text)
	host, _, _ := net.SplitHostPort(s.Address)
	if _, notAddress := netip.ParseAddr(host); err != nil || s.Network != "unix" && notAddress != nil && host != "localhost" && host != "" {
		return ""
	}
	return text
}

// serversIn is the addresses within a text, with commas between them.
func serversIn(text string) string {
	var servers []string
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t,;\"'=", r) }) {
		if i := strings.LastIndexByte(word, '/'); i >= 0 && i < len(word)-1 {
			word = word[i+1:]
		}
		word = strings.Trim(word, "./")
		colon := max(0, strings.LastIndexByte(word, ':'))
		for _, server := range []string{word, "[" + word[:colon] + "]" + word[colon:]} { // ::1:5353
			if _, err := resolver.ParseServer(server); err == nil {
				servers = append(servers, server)
				break
			}
		}
	}
	return strings.Join(servers, ",")
}
