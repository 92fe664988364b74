package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// resolv.conf(5)'s own limits.
const (
	maxConfServers  = 8
	maxConfTimeout  = 30 * time.Second
	maxConfAttempts = 5
	dnsPort         = 53
)

// resolvConf is what of resolv.conf(5) matters to a resolver that is only asked
// absolute names: search, domain, ndots and sortlist mean nothing to it.
type resolvConf struct {
	servers  []netip.AddrPort
	timeout  time.Duration // 0: not said
	attempts int           // 0: not said
	trustAD  bool
	useTCP   bool // use-vc
	rotate   bool
	noEDNS   bool // edns0 is our default; "no-edns0" turns it off
}

// parseResolvConf never fails: like the C library it passes over what it does not
// know. Without any server there is the one on this machine.
func parseResolvConf(data []byte) resolvConf {
	var c resolvConf
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0][0] == '#' || fields[0][0] == ';' {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil && len(c.servers) < maxConfServers {
				c.servers = append(c.servers, netip.AddrPortFrom(addr.Unmap(), dnsPort))
			}
		case "options":
			for _, option := range fields[1:] {
				c.setOption(option)
			}
		}
	}
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)}
	}
	return c
}

func (c *resolvConf) setOption(option string) {
	name, value, _ := strings.Cut(option, ":")
	switch name {
	case "timeout":
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			c.timeout = min(time.Duration(min(n, 3600))*time.Second, maxConfTimeout)
		}
	case "attempts":
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			c.attempts = min(n, maxConfAttempts)
		}
	case "trust-ad":
		c.trustAD = true
	case "use-vc", "usevc", "tcp":
		c.useTCP = true
	case "rotate":
		c.rotate = true
	case "edns0":
		c.noEDNS = false
	case "no-edns0":
		c.noEDNS = true
	}
}

// ParseServer reads a name server's address: "192.0.2.1", "192.0.2.1:5353",
// "2001:db8::1", "[2001:db8::1]:5353". The port is 53 unless given. "::1:5353" is an
// address by itself, of those that nobody has (RFC 4291 §2.5.5.1): an error.
//
// Compat(opendkim 2.11): built with unbound it takes "192.0.2.1@5353" too.
func ParseServer(text string) (netip.AddrPort, error) {
	text = strings.TrimSpace(text)
	host, port, ok := strings.Cut(text, "@")
	if !ok {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			host, port = text, strconv.Itoa(dnsPort)
		}
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	addr, err := netip.ParseAddr(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	// A zone may hold any character, even "]:53": it is what is left of such a mistake.
	if err != nil || portErr != nil || number == 0 || strings.ContainsAny(addr.Zone(), "[]:") || isNobodys(addr) {
		return netip.AddrPort{}, fmt.Errorf("%s is not a name server's address: write 192.0.2.1, 192.0.2.1:5353 or "+
			"[2001:db8::1]:5353", problem.Quote(text))
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}

// isNobodys reports whether an address is IPv4-compatible: deprecated, and never had.
func isNobodys(addr netip.Addr) bool {
	compatible := netip.PrefixFrom(netip.IPv6Unspecified(), 96)
	return compatible.Contains(addr) && !addr.IsLoopback() && !addr.IsUnspecified()
}

func serverName(server netip.AddrPort) string {
	if server.Port() == dnsPort {
		return server.Addr().String()
	}
	return net.JoinHostPort(server.Addr().String(), strconv.Itoa(int(server.Port())))
}

// confRecheck is how often a changed resolv.conf is looked for.
const confRecheck = 2 * time.Second

// confFile keeps a resolv.conf and reads it again when it changed: DHCP clients and
// VPNs rewrite it under a running daemon.
type confFile struct {
	path string
	now  func() time.Time

	mu      sync.Mutex
	checked time.Time
	stamp   fileStamp
	set     *serverSet
	build   func(resolvConf) *serverSet
}

type fileStamp struct {
	modified time.Time
	size     int64
	exists   bool
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{modified: info.ModTime(), size: info.Size(), exists: true}
}

// current gives the servers to ask now.
func (f *confFile) current() *serverSet {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if age := now.Sub(f.checked); f.set != nil && age >= 0 && age < confRecheck {
		return f.set
	}
	f.checked = now
	stamp := stampOf(f.path)
	if f.set != nil && stamp == f.stamp {
		return f.set
	}
	data, err := privilege.ReadAsIs(f.path)
	if err != nil && f.set != nil {
		return f.set // being replaced just now: the old servers are better than none
	}
	f.stamp = stamp
	f.set = f.build(parseResolvConf(data))
	return f.set
}
