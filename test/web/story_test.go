package web_test

import (
	"bytes"
	"context"
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

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
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
	smtptest.StartPostfix(t, mta, far, "myhostname = mx.example.com\n"+
		"non_smtpd_milters = inet:127.0.0.1:"+s.milter+"\nsmtpd_milters = $non_smtpd_milters\n"+
		"milter_default_action = tempfail\n", proctest.FreeAddress(t))
	send := func(rcpt string) (queueID string, message []byte) {
		t.Helper()
		text := "From: Joe <joe@example.com>\nTo: " + rcpt + "\nSubject: About the meeting\nDate: " +
			time.Now().Format(time.RFC1123Z) + "\nMessage-ID: <" + rcpt + ">\n\nHello.\n"
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
		out, err := exec.Command(filepath.Join(testutil.Build(t), "dojang"), append([]string{"web"},
			strings.Fields(args)...)...).CombinedOutput()
		//nolint:errorlint // as os/exec gives it
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 64 && exit.ExitCode() != 78 {
			t.Errorf("%s: %v %s", args, err, out)
		}
	}
}

// TestPasswordAndTLS: an address that others can reach, with both.
func TestPasswordAndTLS(t *testing.T) {
	openssl := testutil.Need(t, "openssl")
	dir := t.TempDir()
	cert, key, file := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "password")
	proctest.Run(t, "", openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
		"/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
	line := proctest.Run(t, "correct horse\n", filepath.Join(testutil.Build(t), "dojang"), "web", "passwd")
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	port := proctest.FreePort(t)
	p := startWeb(t, nil, "--listen", "0.0.0.0:"+port, "--password-file", file, "--tls-cert", cert, "--tls-key", key)
	curl := testutil.Need(t, "curl")
	at := "https://127.0.0.1:" + port
	out := proctest.Run(t, "", curl, "-s", "--cacert", cert, "-o", "/dev/null", "-D", "-", "--data-urlencode",
		"password=correct horse", at+"/login")
	if !strings.Contains(out, "303") || !strings.Contains(out, "Secure") || !strings.Contains(out, "HttpOnly") {
		t.Errorf("%s\n%s", out, p.String())
	}
	out = proctest.Run(t, "", curl, "-s", "--cacert", cert, "-o", "/dev/null", "-w", "%{http_code}", "--data-urlencode",
		"password=wrong", at+"/login")
	if out != "403" {
		t.Errorf("%s", out)
	}
}
