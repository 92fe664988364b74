// Package dnstest is a name server for tests: on loopback, UDP and TCP, answering as a
// recursive server would from the records it was given, and misbehaving on demand.
package dnstest

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Fault is how the server treats queries for one name (or all, see SetDefaultFault).
// The zero Fault is none.
type Fault struct {
	Rcode         int           // answer with this code and nothing else, e.g. dns.RcodeServerFailure
	Silent        bool          // never answer
	SilentTCP     bool          // accept TCP and say nothing (UDP answers are truncated)
	CloseTCP      bool          // close TCP before answering (UDP answers are truncated)
	Truncate      bool          // UDP answers are empty with TC set; TCP works
	TruncateTCP   bool          // TCP answers have TC set too
	Delay         time.Duration // wait before answering
	NoData        bool          // NOERROR without records
	WrongID       bool          // the answer's ID is another
	WrongQuestion bool          // the answer is to another name
	NoQuestion    bool          // the question section is empty
	NoEDNS        bool          // FORMERR to queries with an OPT record
	Referral      bool          // NS records instead of an answer
	NoAA          bool          // without the AA bit, as from a cache (of ServeZones)
	StrayFirst    int           // so many wrong answers before the right one, over UDP
	Wire          []byte        // these octets, after the right ID, as the answer (its first two are replaced)
	FirstOnly     bool          // the fault happens once for the name, then is gone
	OnlyUDP       bool          // the fault happens over UDP only
}

// Server is a running name server.
type Server struct {
	// Addr is "127.0.0.1:port", fit for Nameservers.
	Addr string

	mu       sync.Mutex
	records  map[string][]dns.RR // by canonical name
	faults   map[string]Fault
	standard Fault
	queries  map[string]int
	byType   map[question]int
	total    int
	tcp      int
	lastEDNS bool
	negative uint32
	ad       bool
	noChase  bool
	zones    []string // canonical; nil: answers as a recursive server
	handler  dns.Handler
	done     chan struct{}
	closing  sync.Once
	stop     func()
}

type question struct {
	name  string
	qtype uint16
}

// New starts a server with the records of zone, in master file syntax; names without a
// final dot are absolute too. It ends with the test.
func New(t testing.TB, zone string) *Server {
	t.Helper()
	s := newServer()
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "dnstest")
	parser.SetDefaultTTL(300)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		s.add(rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatalf("dnstest: %v", err)
	}
	var err error
	for range 20 { // the port must be free for both protocols
		if err = s.listen("127.0.0.1:0"); err == nil {
			t.Cleanup(s.Close)
			return s
		}
	}
	t.Fatalf("dnstest: no port for UDP and TCP: %v", err)
	return nil
}

func newServer() *Server {
	return &Server{
		records:  make(map[string][]dns.RR),
		faults:   make(map[string]Fault),
		queries:  make(map[string]int),
		byType:   make(map[question]int),
		negative: 60,
		done:     make(chan struct{}),
	}
}

// FromMap starts a server with TXT records. A value may also be one of the words
// TEMPERROR (SERVFAIL), TIMEOUT (silence), NOTFOUND (NXDOMAIN) or NODATA.
func FromMap(t testing.TB, texts map[string]string) *Server {
	t.Helper()
	s := New(t, "")
	for name, text := range texts {
		switch text {
		case "TEMPERROR":
			s.SetFault(name, Fault{Rcode: dns.RcodeServerFailure})
		case "TIMEOUT":
			s.SetFault(name, Fault{Silent: true})
		case "NOTFOUND":
			s.SetFault(name, Fault{Rcode: dns.RcodeNameError})
		case "NODATA":
			s.SetFault(name, Fault{NoData: true})
		default:
			s.AddTXT(name, text)
		}
	}
	return s
}

// listen sets Addr unless the port was asked for.
func (s *Server) listen(address string) error {
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		packets.Close()
		return err
	}
	if s.Addr == "" {
		s.Addr = packets.LocalAddr().String()
	}
	s.serve(packets, listener)
	return nil
}

func (s *Server) serve(packets net.PacketConn, listener net.Listener) {
	var ready sync.WaitGroup
	ready.Add(2)
	accept := func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
	udp := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(s.serveDNS), NotifyStartedFunc: ready.Done, MsgAcceptFunc: accept}
	tcp := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(s.serveDNS), NotifyStartedFunc: ready.Done, MsgAcceptFunc: accept}
	go udp.ActivateAndServe()
	go tcp.ActivateAndServe()
	ready.Wait()
	s.stop = func() {
		close(s.done)
		udp.Shutdown()
		tcp.Shutdown()
	}
}

// Close stops the server; queries then find a closed port. New calls it at the end of
// the test.
func (s *Server) Close() { s.closing.Do(s.stop) }

// AddRR adds a record in master file syntax; it panics when it is none.
func (s *Server) AddRR(text string) {
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "dnstest")
	parser.SetDefaultTTL(300)
	rr, ok := parser.Next()
	if !ok {
		panic("dnstest: not a record: " + text)
	}
	s.add(rr)
}

func (s *Server) add(rr dns.RR) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := dns.CanonicalName(rr.Header().Name)
	s.records[name] = append(s.records[name], rr)
}

// AddTXT adds one TXT record whose strings, cut at 255 octets, join to text. Any octet
// may stand in text.
func (s *Server) AddTXT(name, text string) { s.AddTXTWithTTL(name, text, 300) }

// AddTXTWithTTL is AddTXT with a life in seconds.
func (s *Server) AddTXTWithTTL(name, text string, ttl uint32) {
	var parts []string
	for len(text) > 255 {
		parts = append(parts, escape(text[:255]))
		text = text[255:]
	}
	parts = append(parts, escape(text))
	s.add(&dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: ttl}, Txt: parts})
}

// escape is miekg/dns's presentation form, in which it keeps strings.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

// AddCNAME adds an alias.
func (s *Server) AddCNAME(name, target string) {
	s.AddRR(dns.Fqdn(name) + " 300 IN CNAME " + dns.Fqdn(target))
}

// Remove takes all records and the fault of a name away.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, dns.CanonicalName(name))
	delete(s.faults, dns.CanonicalName(name))
}

// SetFault makes the server treat a name so.
func (s *Server) SetFault(name string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[dns.CanonicalName(name)] = f
}

// SetDefaultFault makes the server treat all names so that have no fault of their own.
func (s *Server) SetDefaultFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standard = f
}

// SetNegativeTTL is the SOA's minimum in negative answers; 0 leaves the SOA out.
func (s *Server) SetNegativeTTL(seconds uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.negative = seconds
}

// SetChase reports whether an answer holds what an alias leads to (the default, as
// recursive servers do) or the alias alone.
func (s *Server) SetChase(chase bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noChase = !chase
}

// SetAuthenticatedData reports whether answers have the AD bit, as a validating server's.
func (s *Server) SetAuthenticatedData(ad bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ad = ad
}

// SetHandler makes h answer everything; queries are still counted. nil undoes it.
func (s *Server) SetHandler(h dns.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

// Queries counts the queries for a name, of all types.
func (s *Server) Queries(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[dns.CanonicalName(name)]
}

// QueriesOf counts the queries for a name and type.
func (s *Server) QueriesOf(name string, qtype uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byType[question{dns.CanonicalName(name), qtype}]
}

// Total counts all queries, TCP the ones among them that came over TCP.
func (s *Server) Total() (total, tcp int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.tcp
}

// LastHadEDNS reports whether the last query had an OPT record.
func (s *Server) LastHadEDNS() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastEDNS
}
