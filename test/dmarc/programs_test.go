package dmarc

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dojang/internal/testutil"

	"github.com/miekg/dns"
)

// serveDNS answers with TXT records on port 53 of an address of loopback, since
// the resolver of libc knows no other port.
func serveDNS(t *testing.T, records map[string]string) (addr string) {
	t.Helper()
	for i := range 16 {
		addr = fmt.Sprintf("127.%d.%d.%d", 120+i, os.Getpid()>>8&255, 1+os.Getpid()&127)
		conn, err := net.ListenPacket("udp", addr+":53")
		if err != nil {
			continue
		}
		up := make(chan struct{})
		s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			w.WriteMsg(answer(r, records))
		})}
		go s.ActivateAndServe()
		<-up
		t.Cleanup(func() { s.Shutdown() })
		return addr
	}
	t.Skip("cannot serve port 53 on loopback")
	return ""
}

func answer(r *dns.Msg, records map[string]string) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	q := r.Question[0]
	text, known := records[strings.ToLower(strings.TrimSuffix(q.Name, "."))]
	switch {
	case !known:
		m.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeTXT:
		var chunks []string
		for len(text) > 255 {
			chunks, text = append(chunks, text[:255]), text[255:]
		}
		m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: append(chunks, text)})
	}
	return m
}

// run starts a program that serves on a UNIX socket, until the test ends.
func run(t *testing.T, socket, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	eventually(t, program, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func startOurs(t *testing.T, dir, nameserver string) {
	t.Helper()
	socket := filepath.Join(dir, "dkim.sock")
	write(t, filepath.Join(dir, "opendkim.conf"), "Mode v\nAlwaysAddARHeader yes\nSyslog no\nUMask 000\nSocket local:"+socket+"\nNameservers "+nameserver+"\n")
	run(t, socket, filepath.Join(testutil.Build(t), "opendkim"), "-f", "-x", filepath.Join(dir, "opendkim.conf"))
}

// startOpenDMARC gives OpenDMARC, which has no option for it, a resolv.conf of
// its own. Mail from here counts too: its standard is to let that pass unseen.
func startOpenDMARC(t *testing.T, dir, nameserver string) {
	t.Helper()
	socket, conf, resolv, ignored := filepath.Join(dir, "dmarc.sock"), filepath.Join(dir, "opendmarc.conf"), filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "ignored")
	write(t, resolv, "nameserver "+nameserver+"\n")
	write(t, ignored, "192.0.2.99\n")
	suffixes := filepath.Join(dir, "suffixes")
	write(t, suffixes, "example\n")
	write(t, conf, "Syslog false\nUMask 000\nSocket local:"+socket+"\nIgnoreHosts "+ignored+"\nPublicSuffixList "+suffixes+"\nRejectFailures false\n")
	script := `mount --bind "$1" /etc/resolv.conf && exec "$2" -f -c "$3"`
	run(t, socket, "unshare", "-m", "sh", "-c", script, "sh", resolv, testutil.Need(t, "opendmarc"), conf)
}

const mainCF = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/mail.log
maillog_file_prefixes = %[1]s
myhostname = ` + host + `
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = dojang.example
relay_transport = smtp
relayhost = %[2]s
disable_dns_lookups = yes
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_milters = unix:%[3]s/dkim.sock, unix:%[3]s/dmarc.sock
milter_default_action = tempfail
`

const masterCF = `%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// startPostfix starts a Postfix of our own with both filters, ours first, and
// returns where it takes mail. Everything goes to the sink.
func startPostfix(t *testing.T, dir, sink string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	conf := filepath.Join(dir, "postfix")
	for _, sub := range []string{"queue", "data"} {
		if err := os.MkdirAll(filepath.Join(conf, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(conf, "data")).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	at, port, _ := net.SplitHostPort(sink)
	write(t, filepath.Join(conf, "main.cf"), fmt.Sprintf(mainCF, conf, "["+at+"]:"+port, dir))
	write(t, filepath.Join(conf, "master.cf"), fmt.Sprintf(masterCF, address))
	postfix := testutil.Need(t, "postfix")
	t.Cleanup(func() {
		exec.Command(postfix, "-c", conf, "stop").Run()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(conf, "mail.log"))
			t.Logf("Postfix's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	if out, err := exec.Command(postfix, "-c", conf, "start").CombinedOutput(); err != nil {
		t.Fatalf("postfix start: %v\n%s", err, out)
	}
	eventually(t, "Postfix", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address
}

// sink is a mail server that keeps what it gets, by recipient.
type sink struct {
	address string
	mu      sync.Mutex
	mail    map[string]string
}

func newSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &sink{address: l.Addr().String(), mail: map[string]string{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 sink.example ESMTP")
	rcpt, data, inData := "", strings.Builder{}, false
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb := strings.ToUpper(strings.TrimSpace(line))
		switch {
		case inData && verb == ".":
			s.mu.Lock()
			s.mail[rcpt] = data.String()
			s.mu.Unlock()
			data.Reset()
			inData = false
			say("250 ok")
		case inData:
			data.WriteString(strings.TrimPrefix(line, "."))
		case verb == "DATA":
			inData = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return
		case strings.HasPrefix(verb, "RCPT TO:<"):
			rcpt = strings.ToLower(verb[len("RCPT TO:<"):strings.IndexByte(verb, '>')])
			say("250 ok")
		default:
			say("250 ok")
		}
	}
}

func (s *sink) await(t *testing.T, rcpt string) (message string) {
	t.Helper()
	eventually(t, "mail to "+rcpt, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		message = s.mail[rcpt]
		return message != ""
	})
	return message
}
