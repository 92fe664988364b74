package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Options configures a DNS resolver. The zero value asks the servers of
// /etc/resolv.conf.
type Options struct {
	// Nameservers to ask instead of resolv.conf's, as ParseServer reads them.
	Nameservers []string
	// ResolvConf is the file naming the servers when Nameservers is empty, default
	// /etc/resolv.conf. It is read again when it changes.
	ResolvConf string
	// Timeout of one query to one server, default 5 s or what resolv.conf says. It is
	// cut so that every try fits before the context's deadline.
	Timeout time.Duration
	// Attempts is how often the list of servers is gone through, default 2 or what
	// resolv.conf says.
	Attempts int
	// UseTCP asks over TCP at once (DNSConnect).
	UseTCP bool
	// TrustAD believes the AD bit of every server. Without it only that of servers on
	// loopback counts, and of all when resolv.conf has "options trust-ad".
	TrustAD bool
	// TrustAnchorFile holds DS or DNSKEY records. When given, answers are validated in
	// this process and no AD bit is believed. Name servers that pass no signatures on
	// at all, not even the anchor zone's own, leave everything SecurityUnknown: nothing
	// counts as secure then, but mail flows as it does without trust anchor. A server that
	// passed them on within the last day is held to it.
	TrustAnchorFile string
	// Warn is told once when name servers begin to pass no signatures on, and once
	// when they pass them on again; may be nil.
	Warn func(text string)

	// CacheSize is the number of answers kept, default 16,384; negative: none.
	CacheSize int
	// MaxTTL and MinTTL bound how long an answer is kept, default 24 h and 5 s.
	MaxTTL, MinTTL time.Duration
	// NegativeTTL bounds how long an absence is kept, default 5 min: who publishes a
	// new key should not wait for the zone's SOA to run out.
	NegativeTTL time.Duration
	// FailureTTL is how long a temporary failure is repeated without asking, default
	// 1 s; negative: never. It keeps a burst of mail from one dead domain off the servers.
	FailureTTL time.Duration

	// MaxAnswerBytes bounds an answer on the wire, default 65,535 (all of TCP).
	MaxAnswerBytes int
	// MaxCNAMEs bounds the aliases followed, default 8.
	MaxCNAMEs int
	// MaxSockets bounds the sockets open at once, default 2048. Strangers choose names
	// that nobody answers for, nine in a message, and each holds one for the whole
	// time-out: too few, and the look-ups of all others find none free.
	MaxSockets int
	// AuthoritativePort is where the servers of a zone are asked by those who find them,
	// default 53.
	AuthoritativePort uint16

	// Now is the clock for TTLs and signature times, default time.Now.
	Now func() time.Time
	// Dial opens a socket, default net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultTimeout    = 5 * time.Second
	defaultAttempts   = 2
	defaultCacheSize  = 16384
	defaultMaxTTL     = 24 * time.Hour
	defaultMinTTL     = 5 * time.Second
	defaultNegative   = 5 * time.Minute
	defaultFailure    = time.Second
	defaultMaxCNAMEs  = 8
	defaultMaxSockets = 2048
	maxWireBytes      = 65535
)

func (o Options) withDefaults() Options {
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	if o.CacheSize == 0 {
		o.CacheSize = defaultCacheSize
	}
	o.MaxTTL = durationOr(o.MaxTTL, defaultMaxTTL)
	o.MinTTL = min(durationOr(o.MinTTL, defaultMinTTL), o.MaxTTL)
	o.NegativeTTL = durationOr(o.NegativeTTL, defaultNegative)
	o.FailureTTL = durationOr(o.FailureTTL, defaultFailure)
	if o.MaxAnswerBytes <= 0 || o.MaxAnswerBytes > maxWireBytes {
		o.MaxAnswerBytes = maxWireBytes
	}
	if o.MaxCNAMEs <= 0 {
		o.MaxCNAMEs = defaultMaxCNAMEs
	}
	if o.MaxSockets <= 0 {
		o.MaxSockets = defaultMaxSockets
	}
	if o.AuthoritativePort == 0 {
		o.AuthoritativePort = dnsPort
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

// durationOr gives d, the default for zero, and zero for negative.
func durationOr(d, standard time.Duration) time.Duration {
	switch {
	case d == 0:
		return standard
	case d < 0:
		return 0
	}
	return d
}

// parseServers reads Options.Nameservers.
func parseServers(list []string) ([]netip.AddrPort, error) {
	servers := make([]netip.AddrPort, 0, len(list))
	var problems []error
	for _, text := range list {
		server, err := ParseServer(text)
		servers, problems = append(servers, server), append(problems, err)
	}
	return servers, errors.Join(problems...)
}
