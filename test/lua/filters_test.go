package lua

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/testutil"
	"dojang/milter"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const patience = 10 * time.Second

// world is what both filters share: keys, their public halves, and a folder that
// opendkim holds to be safe.
type world struct {
	dir  string
	key  *rsa.PrivateKey
	ours string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "opendkim")
	w := &world{dir: testutil.SecureDir(t), ours: filepath.Join(testutil.Build(t), "opendkim")}
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, w.dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(w.key)})))
	w.write(t, w.dir, "public-keys", "sel._domainkey.example.com v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(public)+"\n")
	return w
}

func (w *world) write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs one filter with a case's configuration and scripts. The function
// sends it a message; it fails when the filter does not start.
func (w *world) start(t *testing.T, program string, c *scriptCase) (send func(mail) string, err error) {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "run-")
	if err != nil {
		t.Fatal(err)
	}
	replace := func(s string) string { return strings.NewReplacer("DIR", dir, "WORLD", w.dir).Replace(s) }
	config := "Syslog no\nMode sv\nTestPublicKeys WORLD/public-keys\nSocket local:DIR/socket\n" + c.config
	if !strings.Contains(c.config, "Domain") {
		config += "KeyTable csl:k1=example.com:sel:WORLD/key.pem,k2=other.example:two:WORLD/key.pem,any=%:any:WORLD/key.pem\n"
		if !strings.Contains(c.config, "SigningTable") {
			config += "SigningTable csl:nobody.example=k1\n"
		}
	}
	for name, text := range map[string]string{"Setup": c.setup, "Screen": c.screen, "Final": c.final} {
		if text != "" {
			w.write(t, dir, name+".lua", helpers+replace(text))
			config += name + "PolicyScript DIR/" + name + ".lua\n"
		}
	}
	if c.table != "" {
		w.write(t, dir, "table.lua", c.table)
	}
	w.write(t, dir, "conf", replace(config))
	cmd := exec.Command(program, "-f", "-x", filepath.Join(dir, "conf"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &output, &output, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // opendkim takes seconds to stop
		<-exited
	})
	socket := filepath.Join(dir, "socket")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return func(m mail) string { return w.send(t, socket, m) }, nil
		}
		select {
		case <-exited:
			return nil, fmt.Errorf("%s: %s", cmd.ProcessState, output.String())
		default:
		}
	}
	t.Fatalf("%s does not listen: %s", program, output.String())
	return nil, nil
}

// helpers begin every script: words make one line of any values, alike in both
// versions of Lua.
const helpers = `local function word(v)
	if type(v) == "number" then return string.format("%d", v) end
	if type(v) == "userdata" then return "userdata" end
	if type(v) ~= "table" then return tostring(v) end
	local s = "{"
	for i = 1, #v do s = s .. word(v[i]) .. "," end
	return s .. "}"
end
local function words(...)
	local s = ""
	for i = 1, select("#", ...) do s = s .. (i > 1 and "|" or "") .. word((select(i, ...))) end
	return (string.gsub(s, "[%c]", "~"))
end
local function tell(...) odkim.add_header(ctx, "X-Told", " " .. words(...)) end
`

// mail is a message and where it comes from.
type mail string

const (
	local      mail = "local"        // from an internal client
	external   mail = "external"     // from another one
	signed     mail = "signed"       // external, signed by example.com
	badBody    mail = "bad body"     // signed, and its body changed
	badHeader  mail = "bad header"   // signed, and its subject changed
	twice      mail = "twice"        // external, with two signatures: the upper one's key is missing
	notAllBody mail = "not all"      // signed with l=12
	noAuthor   mail = "no author"    // local, without From
	elsewhere  mail = "other domain" // local, from another domain
)

const plainMessage = "Received: first\r\nReceived:  second (x)\r\nFrom: User One <user@example.com>\r\nTo: rcpt@example.net\r\n" +
	"Subject: test message\r\nX-Fold: a\r\n\tb\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHello world.\r\n\r\nSecond line.\r\n"

func (w *world) raw(t *testing.T, m mail) string {
	t.Helper()
	switch m {
	case signed:
		return w.sign(t, plainMessage, "sel", -1)
	case badBody:
		return strings.Replace(w.sign(t, plainMessage, "sel", -1), "Second", "Third", 1)
	case badHeader:
		return strings.Replace(w.sign(t, plainMessage, "sel", -1), "test message", "other", 1)
	case twice:
		return w.sign(t, w.sign(t, plainMessage, "sel", -1), "missing", -1)
	case notAllBody:
		return w.sign(t, plainMessage, "sel", 12)
	case noAuthor:
		return strings.Replace(plainMessage, "From:", "X-From:", 1)
	case elsewhere:
		return strings.Replace(plainMessage, "user@example.com", "x@elsewhere.example", 1)
	}
	return plainMessage
}

func (w *world) sign(t *testing.T, raw, selector string, length int64) string {
	t.Helper()
	fields, body, err := header.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(dkim.SignOptions{Domain: "example.com", Selector: selector, Key: w.key, Algorithm: dkim.RSASHA256, BodyLength: length, Time: time.Now()}, fields, &bodies)
	if err != nil {
		t.Fatal(err)
	}
	bodies.Write(body)
	bodies.Close()
	value, err := signer.Sign()
	if err != nil {
		t.Fatal(err)
	}
	return "DKIM-Signature:" + strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n") + "\r\n" + raw
}

// send gives a message to a filter and returns what that did with it, a line each.
func (w *world) send(t *testing.T, socket string, m mail) string {
	t.Helper()
	message := milter.Message{
		Raw: []byte(w.raw(t, m)),
		Envelope: milter.Envelope{Host: "mail.example.net", Helo: "helo.example.net", From: "bounce@example.com", Rcpts: []string{"a@example.net", "b@example.net"},
			Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 12345}},
		Macros: map[string]string{"j": "mx.example.org", "daemon_name": "smtpd", "i": "JOB"},
	}
	if m == local || m == noAuthor || m == elsewhere {
		message.Host, message.Addr.Addr = "localhost", netip.MustParseAddr("127.0.0.1")
	}
	client, err := milter.Dial("unix", socket, milter.ClientOptions{})
	if err != nil {
		return "connection refused\n"
	}
	defer client.Quit()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	o, err := client.Send(ctx, message)
	if err != nil {
		return "connection lost\n"
	}
	return render(&o)
}

var (
	folds   = regexp.MustCompile(`\r?\n[ \t]+`)
	changes = regexp.MustCompile(` ?\b(t|bh|b)=[^;]*(;|$)`) // differ from run to run, or by what is hashed
	shortB  = regexp.MustCompile(` header\.b=\S+`)
)

func render(o *milter.Outcome) string {
	var b strings.Builder
	for _, e := range o.Edits {
		value := folds.ReplaceAllString(e.Value, " ")
		switch e.Name {
		case "DKIM-Signature":
			value = changes.ReplaceAllString(value, "")
		case "Authentication-Results":
			value = shortB.ReplaceAllString(strings.Replace(value, "; dkim-atps=neutral", "", 1), "")
		}
		switch e.Kind {
		case milter.ReplyInsertHeader:
			// opendkim does not put the blank behind the colon.
			fmt.Fprintf(&b, "insert %d %s: %s\n", e.Index, e.Name, strings.TrimPrefix(value, " "))
		case milter.ReplyAddHeader:
			fmt.Fprintf(&b, "add %s: %s\n", e.Name, strings.TrimPrefix(value, " "))
		case milter.ReplyChangeHeader:
			fmt.Fprintf(&b, "change %d %s:%s\n", e.Index, e.Name, value)
		default:
			fmt.Fprintf(&b, "%c %s%s\n", e.Kind, e.Value, e.Args)
		}
	}
	return b.String() + o.Final.String() + "\n"
}
