//go:build linux

package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/loadgen"
)

const (
	domain   = "bench.example"
	selector = "bench"
	author   = "joe@" + domain
	// nameServer is an address that every filter can be told to ask: one of them
	// takes no port.
	nameServer = "127.9.9.53"
)

// site is what every filter is given: keys, and a name server that publishes
// them under every selector.
type site struct {
	dir             string
	rsa             *rsa.PrivateKey
	rsaPath, edPath string
	edSeedPath      string // 32 octets in base64, as dkimpy wants it
	edPairPath      string // seed and public key in base64, as rspamd does
	dns             []*dns.Server
	dnsErr          error
	record          string
	count           int
	signed          map[int][]byte // by selector number
	sizes           map[int]string // paths of RSA keys by their bits
	pool            [][]byte       // keys of many domains
}

func newSite(dir string) (*site, error) {
	s := &site{dir: dir, rsaPath: filepath.Join(dir, "rsa.private"), edPath: filepath.Join(dir, "ed25519.private"),
		edSeedPath: filepath.Join(dir, "ed25519.seed")}
	var err error
	if s.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := writeKey(s.rsaPath, s.rsa); err != nil {
		return nil, err
	}
	if err := writeKey(s.edPath, ed); err != nil {
		return nil, err
	}
	s.edPairPath = filepath.Join(dir, "ed25519.pair")
	if err := os.WriteFile(s.edPairPath, []byte(base64.StdEncoding.EncodeToString(ed)), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.edSeedPath, []byte(base64.StdEncoding.EncodeToString(ed.Seed())), 0o600); err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&s.rsa.PublicKey)
	if err != nil {
		return nil, err
	}
	s.record = "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)
	s.dnsErr = s.serveDNS()
	return s, nil
}

func writeKey(path string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// keyOf is the path of an RSA key of so many bits.
func (s *site) keyOf(bits int) (string, error) {
	if bits == 0 {
		return s.rsaPath, nil
	}
	if path := s.sizes[bits]; path != "" {
		return path, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, fmt.Sprintf("rsa%d.private", bits))
	if s.sizes == nil {
		s.sizes = map[int]string{}
	}
	s.sizes[bits] = path
	return path, writeKey(path, key)
}

// keyFile is the file of domain i's key. Of different ones there are 64, since to make
// one takes long; what a filter does with a file does not depend on that.
func (s *site) keyFile(i int) (string, error) {
	for len(s.pool) < 64 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return "", err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return "", err
		}
		s.pool = append(s.pool, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	folder := filepath.Join(s.dir, fmt.Sprintf("keys%03d", i/1000))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(folder, rowDomain(i)+".private")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, os.WriteFile(path, s.pool[i%len(s.pool)], 0o600)
}

// serveDNS answers every question for a TXT record with the RSA key's.
func (s *site) serveDNS() error {
	packets, err := net.ListenPacket("udp", nameServer+":53")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", nameServer+":53")
	if err != nil {
		packets.Close()
		return err
	}
	handler := dns.HandlerFunc(s.answer)
	s.dns = []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}}
	for _, server := range s.dns {
		go server.ActivateAndServe()
	}
	return nil
}

func (s *site) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeTXT && strings.Contains(strings.ToLower(q.Question[0].Name), "._domainkey.") {
		text := &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 3600}}
		for rest := s.record; rest != ""; {
			n := min(len(rest), 255)
			text.Txt, rest = append(text.Txt, rest[:n]), rest[n:]
		}
		m.Answer = append(m.Answer, text)
	}
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(4096, false)
	}
	w.WriteMsg(m) //nolint:errcheck // the asker asks again
}

func (s *site) close() {
	for _, server := range s.dns {
		server.Shutdown()
	}
}

// folder makes a folder for one start of a filter.
func (s *site) folder(name string) (string, error) {
	s.count++
	dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", name, s.count))
	return dir, os.Mkdir(dir, 0o755)
}

// signedMessages are messages that verify, each with a key of another name when
// distinct is set. They are made once.
func (s *site) signedMessages(n, bytes int, distinct bool) ([][]byte, error) {
	if !distinct {
		n = 1
	}
	if s.signed == nil {
		s.signed = map[int][]byte{}
	}
	list := make([][]byte, n)
	for i := range list {
		if s.signed[i] == nil {
			message, err := s.sign(loadgen.Message(author, bytes), fmt.Sprintf("s%d", i))
			if err != nil {
				return nil, err
			}
			s.signed[i] = message
		}
		list[i] = s.signed[i]
	}
	return list, nil
}

func (s *site) sign(message []byte, selector string) ([]byte, error) {
	fields, body, err := header.Parse(message)
	if err != nil {
		return nil, err
	}
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(dkim.SignOptions{Domain: domain, Selector: selector, Key: s.rsa,
		HeaderCanonicalization: dkim.Relaxed, BodyCanonicalization: dkim.Simple, Time: time.Now()}, fields, &bodies)
	if err != nil {
		return nil, err
	}
	bodies.Write(body)
	bodies.Close()
	value, err := signer.Sign()
	return append([]byte("DKIM-Signature:"+value+"\r\n"), message...), err
}
