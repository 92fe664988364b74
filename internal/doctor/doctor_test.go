package doctor

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/config"
	"dojang/milter"
)

// want asks that exactly one finding has the status and contains the words.
func want(t *testing.T, r Report, s Status, words string) {
	t.Helper()
	found := 0
	for _, f := range r {
		if f.Status == s && strings.Contains(f.Text+" -> "+f.Remedy, words) {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d findings of status %s contain %q in:\n%s", found, s, words, show(r))
	}
}

func show(r Report) string {
	var b strings.Builder
	for _, f := range r {
		b.WriteString(string(f.Status) + " " + f.Check + ": " + f.Text + " -> " + f.Remedy + "\n")
	}
	return b.String()
}

var socket8891 = config.Socket{Network: "tcp4", Address: "localhost:8891"}

// good is a Postfix that uses the filter as it should.
func good() map[string]string {
	return map[string]string{
		"smtpd_milters": "inet:127.0.0.1:8891, inet:127.0.0.1:8893", "non_smtpd_milters": "inet:127.0.0.1:8891", "milter_default_action": "accept",
		"milter_protocol": "6", "milter_mail_macros": "i {mail_addr} {auth_type} {auth_authen}", "queue_directory": "/var/spool/postfix",
		"-M": "smtp inet n - n - - smtpd", "-P": "submission/inet/syslog_name = postfix/submission\n",
	}
}

func postconf(set map[string]string) Postfix {
	return Postfix{Postconf: func(_ context.Context, args ...string) (string, error) {
		if args[0] == "-M" || args[0] == "-P" {
			return set[args[0]], nil
		}
		var b strings.Builder
		for _, name := range args[1:] {
			b.WriteString(name + " = " + set[name] + "\n")
		}
		return b.String(), nil
	}}
}

// One fault each, each named.
func TestPostfixFaults(t *testing.T) {
	var r Report
	r.Postfix(t.Context(), postconf(good()), []config.Socket{socket8891})
	if r.Worst() != Good {
		t.Fatalf("a good server is not called good:\n%s", show(r))
	}
	for _, c := range []struct {
		name, parameter, value string
		status                 Status
		words                  string
	}{
		{"no milter", "smtpd_milters", "", Bad, "smtpd_milters is empty"},
		{"another milter", "smtpd_milters", "inet:127.0.0.1:8893", Bad, "does not name the filter's socket"},
		{"local mail", "non_smtpd_milters", "", Warning, "postconf -e 'non_smtpd_milters = $smtpd_milters'"},
		{"order", "smtpd_milters", "inet:127.0.0.1:8893 inet:127.0.0.1:8891", Bad, "OpenDMARC comes before the filter"},
		{"default action", "milter_default_action", "reject", Warning, "milter_default_action = reject"},
		{"protocol", "milter_protocol", "2", Warning, "milter_protocol = 2"},
		{"macros", "milter_mail_macros", "i {mail_addr}", Warning, "leaves out {auth_type}"},
		{"submission without milters", "-P", "submission/inet/smtpd_milters = \n", Bad, "submission/inet has no milters"},
		{"content filter's way back", "-P", "127.0.0.1:10025/inet/smtpd_milters =\n", Warning, "127.0.0.1:10025/inet has no milters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := good()
			set[c.parameter] = c.value
			var r Report
			r.Postfix(t.Context(), postconf(set), []config.Socket{socket8891})
			want(t, r, c.status, c.words)
		})
	}
	t.Run("chroot", func(t *testing.T) {
		set := good()
		set["smtpd_milters"], set["non_smtpd_milters"] = "unix:/run/opendkim/opendkim.sock", "unix:/run/opendkim/opendkim.sock"
		set["queue_directory"] = t.TempDir()
		set["-M"] = "smtp inet n - y - - smtpd"
		var r Report
		r.Postfix(t.Context(), postconf(set), []config.Socket{{Network: "unix", Address: "/run/opendkim/opendkim.sock"}})
		want(t, r, Bad, "smtpd runs in the chroot")
	})
	t.Run("no Postfix", func(t *testing.T) {
		var r Report
		r.Postfix(t.Context(), Postfix{Postconf: func(context.Context, ...string) (string, error) { return "", errors.New("not found") }}, nil)
		want(t, r, Skipped, "cannot be read")
	})
}

func TestKeyFaults(t *testing.T) {
	dir, err := os.MkdirTemp("/var/lib", "doctor-test-")
	if err != nil {
		t.Skipf("needs a folder that is not below /tmp: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	me := Person{Name: "me", UID: os.Getuid(), Groups: []int{os.Getgid()}}
	other := Person{Name: "opendkim", UID: 64999, Groups: []int{64999}}
	key := filepath.Join(dir, "mail.private")
	if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(path string, p Person) Report {
		var r Report
		r.KeyFile(path, p, nil)
		return r
	}
	chmod := func(path string, mode os.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	want(t, look(key, me), Good, "readable by user me and by nobody else")
	want(t, look(filepath.Join(dir, "gone"), me), Bad, "no such file or directory")
	want(t, look(key, other), Bad, "user opendkim may not search the folder "+dir)
	chmod(dir, 0o755)
	want(t, look(key, other), Bad, "chown opendkim "+key)
	chmod(key, 0o644)
	want(t, look(key, me), Bad, "can be read or written by other users")
}

func TestSocketFaults(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sock")
	s := config.Socket{Network: "unix", Address: path}
	look := func(p *Person) Report {
		var r Report
		r.Socket(s, p)
		return r
	}
	want(t, look(nil), Bad, "the socket "+path+" is not there")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	want(t, look(nil), Good, "the filter answers on "+path)
	stranger := &Person{Name: "postfix", UID: 64999, Groups: []int{64999}}
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			break
		}
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, look(stranger), Bad, "user postfix may not write to the socket")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, look(stranger), Bad, "user postfix may not search the folder "+dir)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	want(t, look(nil), Bad, "connection refused")
}

// fakeDNS is a name server that answers, refuses, or is slow.
type fakeDNS struct {
	rcode   int
	err     error
	servers []string
}

func (f fakeDNS) QueryServer(context.Context, string, string, uint16) (*dns.Msg, error) {
	return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: f.rcode}}, f.err
}
func (f fakeDNS) Servers() []string { return f.servers }
func (f fakeDNS) Validating() bool  { return false }

func TestDNSFaults(t *testing.T) {
	look := func(f fakeDNS) Report {
		var r Report
		r.DNS(t.Context(), f)
		return r
	}
	want(t, look(fakeDNS{servers: []string{"192.0.2.1"}}), Good, "192.0.2.1 answers")
	want(t, look(fakeDNS{}), Bad, "there is no name server")
	want(t, look(fakeDNS{servers: []string{"192.0.2.1"}, err: errors.New("i/o timeout")}), Bad, "does not answer: i/o timeout")
	want(t, look(fakeDNS{servers: []string{"192.0.2.1"}, rcode: dns.RcodeRefused}), Bad, "refuses to answer")
}

// signingSession is a filter that signs everything, or nothing, or refuses.
type signingSession struct {
	milter.Session
	key    ed25519.PrivateKey
	reply  milter.Response
	fields header.List
	bodies dkim.BodyHashes
	signer *dkim.Signer
}

func (s *signingSession) Negotiated(milter.Negotiation)                   {}
func (s *signingSession) Connect(string, milter.ConnAddr) milter.Response { return milter.Continue }
func (s *signingSession) Helo(string) milter.Response                     { return milter.Continue }
func (s *signingSession) MailFrom(string, []string) milter.Response       { return milter.Continue }
func (s *signingSession) Rcpt(string, []string) milter.Response           { return milter.Continue }
func (s *signingSession) Data() milter.Response                           { return milter.Continue }
func (s *signingSession) Abort()                                          {}
func (s *signingSession) Close()                                          {}
func (s *signingSession) Header(name, value []byte) milter.Response {
	s.fields.Add(name, value, false)
	return milter.Continue
}
func (s *signingSession) EndOfHeader() milter.Response {
	if s.key != nil {
		var err error
		if s.signer, err = dkim.NewSigner(dkim.SignOptions{Domain: "example.com", Selector: "s", Key: s.key, Time: time.Now()}, &s.fields, &s.bodies); err != nil {
			return milter.TempFail
		}
	}
	return milter.Continue
}
func (s *signingSession) Body(chunk []byte) milter.Response {
	s.bodies.Write(chunk)
	return milter.Continue
}
func (s *signingSession) EndOfMessage(e *milter.Edits) milter.Response {
	s.bodies.Close()
	if s.signer != nil {
		value, err := s.signer.Sign()
		if err != nil || e.InsertHeader(0, dkim.FieldName, value) != nil {
			return milter.TempFail
		}
	}
	return s.reply
}

// verifier checks signatures against one answer to every look-up.
func verifier(answer dkim.KeyAnswer) func(context.Context, *header.List, []byte) []dkim.Result {
	return func(_ context.Context, fields *header.List, body []byte) []dkim.Result {
		var bodies dkim.BodyHashes
		v := dkim.NewVerifier(dkim.VerifyOptions{Now: time.Now()}, fields, &bodies)
		bodies.Write(body)
		bodies.Close()
		for _, q := range v.Queries() {
			v.SetKey(q, answer)
		}
		return v.Finish()
	}
}

func TestMessageFaults(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	for _, c := range []struct {
		name   string
		key    ed25519.PrivateKey
		reply  milter.Response
		answer dkim.KeyAnswer
		status Status
		words  string
	}{
		{"signed and published", private, milter.Accept, dkim.KeyAnswer{Texts: []string{record}}, Good, "the signature holds"},
		{"not signed", nil, milter.Accept, dkim.KeyAnswer{}, Bad, "was not signed"},
		{"not published", private, milter.Accept, dkim.KeyAnswer{NotFound: true}, Bad, "is not in DNS"},
		{"another key published", private, milter.Accept, dkim.KeyAnswer{Texts: []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))}}, Bad, "dojang testkey --domain example.com"},
		{"refused", private, milter.TempFail, dkim.KeyAnswer{}, Bad, "is answered with tempfail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sock")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			server := milter.NewServer(func(*milter.Conn) milter.Session { return &signingSession{key: c.key, reply: c.reply} }, milter.Options{Actions: milter.ActionAddHeaders})
			go server.Serve(l) //nolint:errcheck // ends with the test
			t.Cleanup(func() { server.Close() })
			var r Report
			r.Message(t.Context(), config.Socket{Network: "unix", Address: path}, "joe@example.com", verifier(c.answer))
			want(t, r, c.status, c.words)
		})
	}
}
