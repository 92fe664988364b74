package milter

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	emersion "github.com/emersion/go-milter"
	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// An independent client against our server.
func TestEmersionClient(t *testing.T) {
	rec := &recorder{answers: map[string]Response{"RCPT <bad@x>": Reply(550, "5.1.1", "100% no")}}
	rec.atEnd = func(c *Conn, e *Edits) Response {
		if c.Macro("i") != "QID" || c.Macro("{j}") != "host" {
			t.Errorf("macros %q %q", c.Macro("i"), c.Macro("{j}"))
		}
		e.InsertHeader(0, "X-A", " one\r\n\ttwo")
		e.ChangeHeader(2, "X-B", " three")
		e.AddRcpt("<new@x>")
		e.DelRcpt("<b@x>")
		e.ChangeFrom("<from@x>")
		e.Quarantine("held")
		return Accept
	}
	options := wholeOptions()
	options.Skip = 0
	h := start(t, "tcp", options, rec)
	client := emersion.NewClientWithOptions("tcp", h.address, emersion.ClientOptions{ActionMask: 0x1ff,
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second})
	defer client.Close()
	s, err := client.Session()
	if err != nil {
		t.Fatal(err)
	}
	must := func(a *emersion.Action, err error) *emersion.Action {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if err := s.Macros(emersion.CodeConn, "j", "host"); err != nil {
		t.Fatal(err)
	}
	must(s.Conn("client", emersion.FamilyInet6, 25, "2001:db8::1"))
	must(s.Helo("helo"))
	for range 2 {
		must(s.Mail("a@x", []string{"SIZE=5", "BODY=8BITMIME"}))
		if a := must(s.Rcpt("bad@x", nil)); a.SMTPCode != 550 || !strings.Contains(a.SMTPText, "no") {
			t.Errorf("%+v", a)
		}
		if err := s.Macros(emersion.CodeRcpt, "i", "QID"); err != nil {
			t.Fatal(err)
		}
		must(s.Rcpt("b@x", nil))
		must(s.HeaderField("Subject", "one"))
		must(s.HeaderEnd())
		edits, a, err := s.BodyReadFrom(bytes.NewReader(bytes.Repeat([]byte("0123456789"), 20_000)))
		if err != nil || a.Code != emersion.ActAccept {
			t.Fatal(a, err)
		}
		var got []string
		for _, e := range edits {
			got = append(got, fmt.Sprintf("%c %d %s:%s%s%s%s", e.Code, e.HeaderIndex, e.HeaderName,
				e.HeaderValue, e.Rcpt, e.From, e.Reason))
		}
		if d := cmp.Diff([]string{"i 0 X-A:one\n\ttwo", "m 2 X-B:three", "+ 0 :<new@x>", "- 0 :<b@x>",
			"e 0 :<from@x>", "q 0 :held"}, got); d != "" {
			t.Error(d)
		}
	}
	s.Close()
	if rec.body != 400_000 {
		t.Errorf("%d octets of body", rec.body)
	}
	calls := strings.Join(rec.all(), "\n")
	for _, want := range []string{"CONNECT client [2001:db8::1]:25", "HELO helo", "MAIL <a@x> SIZE=5 BODY=8BITMIME"} {
		if !strings.Contains(calls, want) {
			t.Errorf("no %q", want)
		}
	}
	if l := h.logged(); len(l) > 0 {
		t.Error(l)
	}
}

type emersionFilter struct {
	emersion.NoOpMilter
	calls *[]string
}

func (f emersionFilter) MailFrom(from string, m *emersion.Modifier) (emersion.Response, error) {
	*f.calls = append(*f.calls, "MAIL "+from+" "+m.Macros["i"])
	return emersion.RespContinue, nil
}

func (f emersionFilter) Header(name, value string, _ *emersion.Modifier) (emersion.Response, error) {
	*f.calls = append(*f.calls, "HEADER "+name+":"+value)
	return nil, nil // what that server wants where no answer is due
}

func (f emersionFilter) Headers(textproto.MIMEHeader, *emersion.Modifier) (emersion.Response, error) {
	return emersion.RespContinue, nil
}

func (f emersionFilter) Body(m *emersion.Modifier) (emersion.Response, error) {
	m.InsertHeader(1, "X-A", "one")
	m.Quarantine("held")
	return emersion.RespAccept, nil
}

// Our client against an independent server.
func TestEmersionServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	server := &emersion.Server{
		NewMilter: func() emersion.Milter { return emersionFilter{calls: &calls} },
		Actions:   emersion.OptAddHeader | emersion.OptQuarantine | emersion.OptSetSymList,
		Protocol:  emersion.OptNoHelo | emersion.OptNoHeaderReply,
		SymList:   map[emersion.Stage][]string{emersion.StageMailFrom: {"i"}},
	}
	go server.Serve(l)
	defer server.Close()
	c, err := Dial("tcp", l.Addr().String(), ClientOptions{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		o := send(t, c, sampleMessage())
		if d := cmp.Diff([]Edit{{Kind: ReplyInsertHeader, Index: 1, Name: "X-A", Value: " one"},
			{Kind: ReplyQuarantine, Value: "held"}}, o.Edits); d != "" {
			t.Error(d)
		}
		if o.Final.Kind != ReplyAccept {
			t.Error(o.Final)
		}
	}
	want := []string{"MAIL a@example.com 4XyZ", "HEADER From:a@example.com", "HEADER To:b@example.org", "HEADER Subject:one\n\ttwo"}
	if d := cmp.Diff(append(want, want...), calls); d != "" {
		t.Error(d)
	}
}

// Our client against OpenDKIM: it signs, and the edits come through.
func TestClientWithOpendkim(t *testing.T) {
	program := testutil.Need(t, "opendkim")
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	// OpenDKIM refuses a configuration below a directory others may write to, as /tmp is.
	dir := testutil.HomeDir(t)
	socket := filepath.Join(dir, "s")
	configuration := "Mode s\nDomain example.com\nSelector sel\nSignatureAlgorithm ed25519-sha256\nInternalHosts " +
		"192.0.2.1\nKeyFile " + filepath.Join(dir, "key") +
		"\nSocket local:" + socket + "\nBackground no\nSyslog no\nRequireSafeKeys no\n"
	for name, text := range map[string]string{"key": testutil.KeyPEM(private), "conf": configuration} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	proctest.Start(t, exec.Command(program, "-f", "-x", filepath.Join(dir, "conf"))).Listens(10*time.Second, "unix", socket)
	for _, version := range []uint32{2, 6} {
		c, err := Dial("unix", socket, ClientOptions{Version: version, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("version %d: %+v", version, c.Negotiation())
		for range 3 {
			o, err := c.Send(context.Background(), sampleMessage())
			if err != nil {
				t.Fatal(err)
			}
			if len(o.Edits) != 1 || o.Edits[0].Kind != ReplyInsertHeader || o.Edits[0].Name != "DKIM-Signature" ||
				!strings.HasPrefix(o.Edits[0].Value, " v=1; a=ed25519-sha256;") {
				t.Errorf("version %d: %+v, %v", version, o.Edits, o.Final)
			}
		}
		if err := c.Quit(); err != nil {
			t.Error(err)
		}
	}
}

// miltertest drives our server.
func TestMiltertest(t *testing.T) {
	program := testutil.Need(t, "miltertest")
	rec := &recorder{atEnd: func(c *Conn, e *Edits) Response {
		if c.Macro("i") != "test-id" {
			t.Errorf("macro i is %q", c.Macro("i"))
		}
		e.InsertHeader(0, "Test-Header", " value")
		e.DeleteHeader(1, "Date")
		e.Quarantine("why")
		return Accept
	}}
	h := start(t, "tcp", Options{Actions: AllActions, WantSkip: true}, rec)
	_, port, _ := net.SplitHostPort(h.address)
	script := filepath.Join(t.TempDir(), "script.lua")
	if err := os.WriteFile(script, []byte(fmt.Sprintf(miltertestScript, port)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "-s", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	waitFor(t, "the connection to go", func() bool { return h.server.Connections() == 0 })
	calls := strings.Join(rec.all(), "\n")
	for _, want := range []string{"CONNECT localhost 127.0.0.1:", "MAIL user@example.com", "HEADER From:user@example.com", `BODY "This is a test!\r\n"`, "EOM\nCLOSE"} {
		if !strings.Contains(calls, want) {
			t.Errorf("no %q in\n%s", want, calls)
		}
	}
	if l := h.logged(); len(l) > 0 {
		t.Error(l)
	}
}

const miltertestScript = `
conn = mt.connect("inet:%s@127.0.0.1")
if conn == nil then error "mt.connect() failed" end
local function continue(what, r)
	if r ~= nil then error(what .. " failed") end
	if mt.getreply(conn) ~= SMFIR_CONTINUE then error(what .. ": unexpected reply") end
end
continue("conninfo", mt.conninfo(conn, "localhost", "127.0.0.1"))
mt.macro(conn, SMFIC_MAIL, "i", "test-id")
continue("mailfrom", mt.mailfrom(conn, "user@example.com"))
continue("header", mt.header(conn, "From", "user@example.com"))
continue("header", mt.header(conn, "Date", "Tue, 22 Dec 2009 13:04:12 -0800"))
continue("eoh", mt.eoh(conn))
continue("body", mt.bodystring(conn, "This is a test!\r\n"))
if mt.eom(conn) ~= nil then error "eom failed" end
if mt.getreply(conn) ~= SMFIR_ACCEPT then error "eom: unexpected reply" end
if not mt.eom_check(conn, MT_HDRINSERT, "Test-Header") then error "no header added" end
if not mt.eom_check(conn, MT_HDRDELETE, "Date") then error "no header deleted" end
if not mt.eom_check(conn, MT_QUARANTINE, "why") then error "no quarantine" end
mt.disconnect(conn)
`
