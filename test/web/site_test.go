package web_test

import (
	"crypto/rsa"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/zonetest"
	"dojang/internal/words"
	"dojang/milter"
)

// site is the machine of a mail administrator: a zone on BIND, the filter, Postfix and the pages.
type site struct {
	t      *testing.T
	dir    string
	dojang string
	zone   *zonetest.Server
	dns    string // of a resolver
	milter string
	metric string
	filter *proctest.Process
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: testutil.SecureDir(t), dojang: filepath.Join(testutil.Build(t), "dojang"),
		milter: proctest.FreePort(t), metric: proctest.FreePort(t)}
	parent := dnstest.OnPort53(t)
	s.zone = zonetest.StartOnPort53(t, "bind", zonetest.Zone{Name: "example.com"})
	for _, rr := range []string{". IN NS a.root.", "a.root. IN A " + parent.Addr, "com. IN NS a.root.",
		"example.com. IN NS ns.example.com.", "ns.example.com. IN A " + s.zone.Public} {
		parent.AddRR(rr)
	}
	parent.ServeZones(".", "com")
	hints := dnstest.New(t, ". IN NS a.root.\na.root. IN A "+parent.Addr+"\n")
	recursive := dnstest.New(t, "")
	recursive.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		to := hints.Addr
		if dns.IsSubDomain("example.com.", q.Question[0].Name) {
			to = s.zone.Addr
		}
		if m, err := dns.Exchange(q, to); err == nil {
			m.RecursionAvailable, m.Authoritative = true, false
			_ = w.WriteMsg(m) // who does not wait any more has no answer
		}
	}))
	s.dns = recursive.Addr
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the filter on a configuration, in the place of the one before.
func (s *site) start(configuration string) {
	s.t.Helper()
	if s.filter != nil {
		s.filter.Signal(os.Interrupt)
		s.filter.Wait(20 * time.Second)
	}
	s.write("conf", strings.ReplaceAll(configuration, "DIR", s.dir)+"\nMode sv\nSyslog no\nNameservers "+s.dns+
		"\nSocket inet:"+s.milter+"@127.0.0.1\n"+
		"StatusSocket local:"+s.path("status.sock")+" mode=0600\nMetricsSocket inet:"+s.metric+"@127.0.0.1\n")
	s.filter = proctest.Start(s.t, exec.Command(s.dojang, "serve", "-c", s.path("conf")))
	proctest.Until(s.t, 20*time.Second, "the filter", func() bool {
		return proctest.Dials("tcp", "127.0.0.1:"+s.milter)() && proctest.Dials("unix", s.path("status.sock"))() || s.filter.Ended()
	})
}

// noSecret looks for the private key in what the pages tell.
func (s *site) noSecret(p *program) {
	s.t.Helper()
	key := testutil.ReadKey(s.t, s.path("mail2026.private")).(*rsa.PrivateKey)
	secrets := []string{base64.StdEncoding.EncodeToString(key.D.Bytes())[:40],
		base64.StdEncoding.EncodeToString(key.Primes[0].Bytes())[:40]}
	private, err := os.ReadFile(s.path("mail2026.private"))
	if err != nil {
		s.t.Fatal(err)
	}
	_, record := p.get("/api/v1/publish?d=example.com&s=mail2026")
	for _, line := range strings.Split(strings.TrimSpace(string(private)), "\n")[3:20] {
		if !strings.Contains(record, line) {
			secrets = append(secrets, line)
		}
	}
	for _, path := range []string{"/keys", "/api/v1/keys", "/status", "/publish?d=example.com&s=mail2026",
		"/check?d=example.com&s=mail2026"} {
		_, body := p.get(path)
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				s.t.Errorf("%s shows the private key", path)
			}
		}
	}
}

// TestOwnMailUnsigned: each way in which our own mail comes to leave unsigned is told, by its
// reason: on the page's first line, by the metric, and by doctor's first line.
func TestOwnMailUnsigned(t *testing.T) {
	s := newSite(t)
	proctest.Run(t, "", s.dojang, "genkey", "-d", "example.com", "-s", "mail2026", "-D", s.dir)
	const keyTable, signingTable = "k example.com:mail2026:DIR/mail2026.private\nother " +
		"example.org:x:DIR/mail2026.private\n", "*@example.com k\n*@example.org other\n"
	key, err := os.ReadFile(s.path("mail2026.private"))
	if err != nil {
		t.Fatal(err)
	}
	p := startWeb(t, nil, "--listen", "127.0.0.1:0", "--socket", s.path("status.sock"), "--nameservers", s.dns)
	p.get(strings.TrimPrefix(p.url, p.at(""))) // logs in
	const tables = "KeyTable refile:DIR/KeyTable\nSigningTable refile:DIR/SigningTable\n"
	for i, c := range []struct {
		reason, configuration string
		prepare               func()
	}{
		{"key_error", tables, func() { os.Remove(s.path("mail2026.private")) }},
		{"key_error", tables, func() { os.Chmod(s.path("mail2026.private"), 0o666) }},
		{"key_undecodable", tables, func() { s.write("mail2026.private", "garbage\n") }},
		{"unknown_key", tables, func() { s.write("KeyTable", "another"+strings.ReplaceAll(keyTable, "DIR", s.dir)) }},
		{"no_signing_table_match", tables, func() { s.write("SigningTable", "*@example.org other\n") }},
		{"not_internal", tables + "InternalHosts 192.0.2.1\n", func() {}},
		{"exempted", tables + "ExemptDomains example.com\n", func() {}},
		{"dont_sign_mail_to", tables + "DontSignMailTo ann@example.net\n", func() {}},
		{"external_host", "Domain example.com\nSelector mail2026\nKeyFile DIR/mail2026.private\nInternalHosts 192.0.2.1\n", func() {}},
	} {
		s.write("mail2026.private", string(key))
		s.write("KeyTable", strings.ReplaceAll(keyTable, "DIR", s.dir))
		s.write("SigningTable", signingTable)
		if err := os.Chmod(s.path("mail2026.private"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.prepare()
		s.start(c.configuration)
		message := filtertest.Outside("From: joe@example.com\r\nTo: ann@example.net\r\nSubject: x\r\nDate: Tue, 24 Nov 2026 " +
			"09:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n")
		filtertest.FromHere(&message)
		message.Rcpts = []string{"ann@example.net"}
		message.Macros["i"] = "4F1A2BE2EF"
		client, err := milter.Dial("tcp", "127.0.0.1:"+s.milter, milter.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		client.Close()
		text, _ := words.English.Unsigned(c.reason)
		p.sees("/status", "1 message of our domains left unsigned", text, ">"+c.reason+"<")
		r, err := http.Get("http://127.0.0.1:" + s.metric + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := io.ReadAll(r.Body)
		r.Body.Close()
		if want := `dojang_unsigned_total{reason="` + c.reason + `"} 1`; err != nil || !strings.Contains(string(metrics), want) {
			t.Errorf("no %s: %v", want, err)
		}
		if i%3 > 0 {
			continue // it takes its time
		}
		out, _ := exec.Command(s.dojang, "doctor", "-c", s.path("conf")).Output() // it finds faults, and says so by its status
		if first, _, _ := strings.Cut(string(out), "\n"); !strings.Contains(first, "example.com left unsigned") ||
			!strings.Contains(first, c.reason) {
			t.Errorf("%s: doctor says first: %s", c.reason, first)
		}
	}
}
