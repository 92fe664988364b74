package web_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
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
	"dojang/internal/testutil/smtptest"
	"dojang/internal/testutil/zonetest"
	"dojang/internal/words"
	"dojang/milter"
)

// program is a running `dojang web`, asked as a browser would.
type program struct {
	*proctest.Process
	t      *testing.T
	url    string // the first line it prints
	client http.Client
}

func startWeb(t *testing.T, environment []string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(filepath.Join(testutil.Build(t), "dojang"), append([]string{"web"}, args...)...)
	cmd.Env = append(os.Environ(), environment...)
	p := &program{Process: proctest.Start(t, cmd), t: t}
	proctest.Until(t, 20*time.Second, "the address", func() bool {
		line, _, found := strings.Cut(p.String(), "\n")
		p.url = strings.TrimSpace(line)
		return found || p.Ended()
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.client = http.Client{Jar: jar}
	return p
}

func (p *program) at(path string) string {
	u, err := url.Parse(p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host + path
}

func (p *program) get(path string) (code int, body string) {
	p.t.Helper()
	r, err := p.client.Get(p.at(path))
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(data)
}

func (p *program) sees(path string, wants ...string) string {
	p.t.Helper()
	code, body := p.get(path)
	for _, want := range wants {
		if !strings.Contains(unescape(body), want) {
			p.t.Errorf("%s (%d): no %q", path, code, want)
		}
	}
	return body
}

// explain uploads a message as the form does.
func (p *program) explain(message string) string {
	p.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", "<img src=x onerror=alert(1)>.eml")
	if err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprint(part, message)
	form.Close()
	r, err := p.client.Post(p.at("/explain"), form.FormDataContentType(), &b)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

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
	s := &site{t: t, dir: testutil.SecureDir(t), dojang: filepath.Join(testutil.Build(t), "dojang"), milter: proctest.FreePort(t), metric: proctest.FreePort(t)}
	parent := dnstest.OnPort53(t)
	s.zone = zonetest.StartOnPort53(t, "bind", zonetest.Zone{Name: "example.com"})
	for _, rr := range []string{". IN NS a.root.", "a.root. IN A " + parent.Addr, "com. IN NS a.root.", "example.com. IN NS ns.example.com.", "ns.example.com. IN A " + s.zone.Public} {
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
	s.write("conf", strings.ReplaceAll(configuration, "DIR", s.dir)+"\nMode sv\nSyslog no\nNameservers "+s.dns+"\nSocket inet:"+s.milter+"@127.0.0.1\n"+
		"StatusSocket local:"+s.path("status.sock")+" mode=0600\nMetricsSocket inet:"+s.metric+"@127.0.0.1\n")
	s.filter = proctest.Start(s.t, exec.Command(s.dojang, "serve", "-c", s.path("conf")))
	proctest.Until(s.t, 20*time.Second, "the filter", func() bool {
		return proctest.Dials("tcp", "127.0.0.1:"+s.milter)() && proctest.Dials("unix", s.path("status.sock"))() || s.filter.Ended()
	})
}

// TestStory: genkey, publish, check, send, status, break, explain, with the programs that people
// run: BIND, nsupdate and Postfix.
func TestStory(t *testing.T) {
	nsupdate, sendmail := testutil.Need(t, "nsupdate"), testutil.Need(t, "sendmail")
	s := newSite(t)
	proctest.Run(t, "", s.dojang, "genkey", "-d", "example.com", "-s", "mail2026", "-D", s.dir)
	s.start("Domain example.com\nSelector mail2026\nKeyFile DIR/mail2026.private")
	p := startWeb(t, nil, "--listen", "127.0.0.1:0", "--socket", s.path("status.sock"), "--nameservers", s.dns)
	token := p.url
	if code, _ := p.get("/api/v1/status"); code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", code)
	}
	if r, err := p.client.Get(token); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", r, err)
	}

	// Publish as the page says, and check.
	p.sees("/check?d=example.com&s=mail2026", ">absent<")
	change := p.sees("/api/v1/publish?d=example.com&s=mail2026&format=nsupdate", "update add mail2026._domainkey.example.com.")
	update := func(lines string) {
		t.Helper()
		proctest.Run(t, "server 127.0.0.1 "+s.zone.Port+"\n"+lines, nsupdate, "-k", s.zone.KeyFile)
	}
	update(change)
	p.sees("/check?d=example.com&s=mail2026&lang=ko", "2048비트", s.zone.Public, "필터의 키와 일치")
	if body := p.sees("/api/v1/check?d=example.com&s=mail2026", `"ok": true`, `"publication": "published"`); strings.Contains(body, "mismatch") {
		t.Error(body)
	}

	// Send, and look it up.
	far := smtptest.NewSink(t)
	mta := s.path("postfix")
	smtptest.StartPostfix(t, mta, far, "myhostname = mx.example.com\nnon_smtpd_milters = inet:127.0.0.1:"+s.milter+"\nsmtpd_milters = $non_smtpd_milters\nmilter_default_action = tempfail\n", proctest.FreeAddress(t))
	send := func(rcpt string) (queueID string, message []byte) {
		t.Helper()
		text := "From: Joe <joe@example.com>\nTo: " + rcpt + "\nSubject: About the meeting\nDate: " + time.Now().Format(time.RFC1123Z) + "\nMessage-ID: <" + rcpt + ">\n\nHello.\n"
		proctest.Run(t, text, sendmail, "-C", mta, "-i", "-f", "joe@example.com", rcpt)
		message = far.Await(t, rcpt)
		proctest.Until(t, 20*time.Second, "Postfix's log", func() bool {
			log, _ := os.ReadFile(filepath.Join(mta, "mail.log")) // it may not be there yet
			before, _, found := strings.Cut(string(log), ": to=<"+rcpt+">")
			queueID = before[strings.LastIndexByte(before, ' ')+1:]
			return found
		})
		return queueID, message
	}
	id, message := send("ann@example.net")
	p.sees("/status?q="+id, id, "signed", "mail2026._domainkey.example.com", "No mail of our domains left unsigned")
	p.sees("/keys", "mail2026._domainkey.example.com", "published and in use")
	if body := p.explain(string(message)); !strings.Contains(body, "DKIM passes") {
		t.Errorf("%s", body)
	}

	// Break the message, and explain.
	broken := strings.Replace(string(message), "Subject: About", "Subject: [list] About", 1) + "-- \r\nlist footer\r\n"
	for _, want := range []string{">proved<", "subject-tag", "footer", "list footer"} {
		if body := p.explain(broken); !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}

	// Break DNS, and then the filter.
	update("update delete mail2026._domainkey.example.com. TXT\nsend\n")
	p.sees("/check?d=example.com&s=mail2026", ">absent<")
	p.sees("/keys", "signs and is not published")
	if body := p.explain(string(message)); !strings.Contains(body, ">absent<") {
		t.Errorf("%s", body)
	}
	s.start("Domain example.com\nSelector mail2026\nKeyFile DIR/mail2026.private\nInternalHosts 192.0.2.1")
	id, message = send("bob@example.net")
	if fields := smtptest.Fields(message, "DKIM-Signature"); len(fields) > 0 {
		t.Errorf("signed: %v", fields)
	}
	p.sees("/status", "1 message of our domains left unsigned", "InternalHosts")
	p.sees("/status?q="+id+"&lang=ko", id, "서명 없이 나감", "SMTP AUTH")
	s.noSecret(p)
	s.filter.Signal(os.Interrupt)
	s.filter.Wait(20 * time.Second)
	p.sees("/status", "does not answer")
}

// noSecret looks for the private key in what the pages tell.
func (s *site) noSecret(p *program) {
	s.t.Helper()
	key := testutil.ReadKey(s.t, s.path("mail2026.private")).(*rsa.PrivateKey)
	secrets := []string{base64.StdEncoding.EncodeToString(key.D.Bytes())[:40], base64.StdEncoding.EncodeToString(key.Primes[0].Bytes())[:40]}
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
	for _, path := range []string{"/keys", "/api/v1/keys", "/status", "/publish?d=example.com&s=mail2026", "/check?d=example.com&s=mail2026"} {
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
	const keyTable, signingTable = "k example.com:mail2026:DIR/mail2026.private\nother example.org:x:DIR/mail2026.private\n", "*@example.com k\n*@example.org other\n"
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
		message := filtertest.Outside("From: joe@example.com\r\nTo: ann@example.net\r\nSubject: x\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n")
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
		if first, _, _ := strings.Cut(string(out), "\n"); !strings.Contains(first, "example.com left unsigned") || !strings.Contains(first, c.reason) {
			t.Errorf("%s: doctor says first: %s", c.reason, first)
		}
	}
}

// TestSockets: a token through the service's socket, and pages on a UNIX socket behind a proxy.
func TestSockets(t *testing.T) {
	dir := testutil.SecureDir(t)
	path := filepath.Join(dir, "web.sock")
	run := "RUNTIME_DIRECTORY=" + dir
	p := startWeb(t, []string{run}, "--listen", "unix:"+path, "--name", "mail.example.com", "--user-header", "X-Remote-User")
	login := exec.Command(filepath.Join(testutil.Build(t), "dojang"), "web", "login")
	login.Env = append(os.Environ(), run)
	out, err := login.Output()
	if err != nil || !strings.HasPrefix(string(out), "https://mail.example.com/login?token=") {
		t.Fatalf("%v %q %q", err, out, p.String())
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	ask := func(host, url string, header ...string) int {
		r, err := http.NewRequest(http.MethodGet, "http://"+host+url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	_, query, _ := strings.Cut(strings.TrimSpace(string(out)), "/login")
	for _, c := range []struct {
		want int
		got  int
	}{
		{200, ask("mail.example.com", "/check")}, {421, ask("other.example.com", "/check")}, {401, ask("mail.example.com", "/api/v1/status")},
		{502, ask("mail.example.com", "/api/v1/status", "X-Remote-User", "root")}, {303, ask("mail.example.com", "/login"+query)}, {403, ask("mail.example.com", "/login"+query)},
	} {
		if c.got != c.want {
			t.Errorf("%d, want %d", c.got, c.want)
		}
	}
}

// TestRefusedFlags: what would let strangers in does not start.
func TestRefusedFlags(t *testing.T) {
	for _, args := range []string{
		"--listen 0.0.0.0:0", "--listen [::]:0", "--listen 192.0.2.1:0", "--listen nonsense", "--listen unix:", "--user-header X", "--public --user-header X --listen unix:/tmp/x", "--max-message x", "--max-message 0",
		"--key-age x", "--tls-cert x", "--trust-anchor /nonexistent", "--nameservers x", "x",
	} {
		out, err := exec.Command(filepath.Join(testutil.Build(t), "dojang"), append([]string{"web"}, strings.Fields(args)...)...).CombinedOutput()
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 64 && exit.ExitCode() != 78 { //nolint:errorlint // as os/exec gives it
			t.Errorf("%s: %v %s", args, err, out)
		}
	}
}

// TestPasswordAndTLS: an address that others can reach, with both.
func TestPasswordAndTLS(t *testing.T) {
	openssl := testutil.Need(t, "openssl")
	dir := t.TempDir()
	cert, key, file := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "password")
	proctest.Run(t, "", openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
	line := proctest.Run(t, "correct horse\n", filepath.Join(testutil.Build(t), "dojang"), "web", "passwd")
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	port := proctest.FreePort(t)
	p := startWeb(t, nil, "--listen", "0.0.0.0:"+port, "--password-file", file, "--tls-cert", cert, "--tls-key", key)
	curl := testutil.Need(t, "curl")
	at := "https://127.0.0.1:" + port
	out := proctest.Run(t, "", curl, "-s", "--cacert", cert, "-o", "/dev/null", "-D", "-", "--data-urlencode", "password=correct horse", at+"/login")
	if !strings.Contains(out, "303") || !strings.Contains(out, "Secure") || !strings.Contains(out, "HttpOnly") {
		t.Errorf("%s\n%s", out, p.String())
	}
	out = proctest.Run(t, "", curl, "-s", "--cacert", cert, "-o", "/dev/null", "-w", "%{http_code}", "--data-urlencode", "password=wrong", at+"/login")
	if out != "403" {
		t.Errorf("%s", out)
	}
}
