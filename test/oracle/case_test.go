package oracle

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/milter"

	"github.com/rogpeppe/go-internal/txtar"
)

// testCase is one configuration and what happens under it, from a txtar file:
//
//	text that says what is shown
//	-- config --              opendkim.conf; DIR, KEYS, MESSAGES and NAMESERVER are replaced
//	-- file NAME --           DIR/NAME
//	-- dns --                 NAME TEXT…, or NAME and one of SERVFAIL TIMEOUT REFUSED NODATA
//	-- send --                a line a message: MESSAGE ATTRIBUTE…, see readAttribute
//	-- message NAME --        a message of this case; others are testdata/messages/NAME.eml
//	-- run ARGUMENTS --       a run of the program that ends; the section is its standard input
//	-- differs LINE --        what ours does for that line, start, stop or run, where it is
//	                          another thing on purpose; the first line names the reason
type testCase struct {
	name     string
	config   string
	files    map[string]string
	dns      map[string]string
	sends    []send
	runs     []run
	messages map[string][]byte
	differs  map[string]difference
}

type send struct {
	label    string
	message  milter.Message
	protocol milter.ClientOptions
}

type run struct {
	label string
	args  []string
	stdin string
}

type difference struct{ reason, ours string }

func readCase(t testing.TB, path string) *testCase {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{
		name:  strings.TrimSuffix(filepath.Base(path), ".txtar"),
		files: map[string]string{}, dns: map[string]string{}, messages: map[string][]byte{}, differs: map[string]difference{},
	}
	var lines []string
	for _, f := range archive.Files {
		kind, rest, _ := strings.Cut(f.Name, " ")
		text := string(f.Data)
		switch kind {
		case "config":
			c.config = text
		case "file":
			c.files[rest] = text
		case "message":
			c.messages[rest] = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
		case "dns":
			for line := range strings.Lines(text) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
				c.dns[name] = value
			}
		case "send":
			lines = strings.Split(strings.TrimSpace(text), "\n")
		case "run":
			c.runs = append(c.runs, run{label: f.Name, args: strings.Fields(rest), stdin: text})
		case "differs":
			reason, ours, _ := strings.Cut(text, "\n")
			c.differs[rest] = difference{strings.TrimPrefix(reason, "because: "), ours}
		default:
			t.Fatalf("%s: unknown section %q", path, f.Name)
		}
	}
	for _, line := range lines {
		s, err := c.readSend(line)
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		c.sends = append(c.sends, s)
	}
	if len(c.sends) == 0 && len(c.runs) == 0 {
		t.Fatalf("%s: nothing to do", path)
	}
	return c
}

func (c *testCase) readSend(line string) (send, error) {
	words := strings.Fields(line)
	raw, ok := c.messages[words[0]]
	if !ok {
		var err error
		if raw, err = os.ReadFile("testdata/messages/" + words[0] + ".eml"); err != nil {
			return send{}, err
		}
	}
	s := send{label: strings.Join(words, " "), message: milter.Message{
		Raw: raw,
		Envelope: milter.Envelope{
			Host: "mail.example.net", Helo: "helo.example.net", From: "user@example.com", Rcpts: []string{"rcpt@example.net"},
			Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 12345},
		},
		Macros: map[string]string{"j": "mx.example.org", "daemon_name": "smtpd", "v": "Postfix",
			"i": "JOB", "mail_addr": "user@example.com"},
	}}
	for _, word := range words[1:] {
		if err := s.readAttribute(word); err != nil {
			return send{}, err
		}
	}
	return s, nil
}

// readAttribute: external (the standard), local, auth, host=H, addr=A, family=U,
// from=A, rcpt=A,A…, macro:NAME=VALUE, no:NAME, v2, noskip.
func (s *send) readAttribute(word string) error {
	name, value, _ := strings.Cut(word, "=")
	m := &s.message
	switch {
	case name == "external":
	case name == "local":
		m.Host, m.Addr.Addr = "localhost", netip.MustParseAddr("127.0.0.1")
	case name == "auth":
		m.Macros["auth_type"] = "PLAIN"
	case name == "host":
		m.Host = value
	case name == "addr":
		addr, err := netip.ParseAddr(value)
		if err != nil {
			return err
		}
		m.Addr.Addr = addr
		if addr.Is6() {
			m.Addr.Family = milter.FamilyInet6
		}
	case name == "family":
		m.Addr = milter.ConnAddr{Family: value[0], Path: "/run/smtp"}
	case name == "from":
		m.From = value
	case name == "rcpt":
		m.Rcpts = strings.Split(value, ",")
	case strings.HasPrefix(name, "macro:"):
		m.Macros[name[len("macro:"):]] = value
	case strings.HasPrefix(name, "no:"):
		delete(m.Macros, name[len("no:"):])
	case name == "v2":
		s.protocol.Version = 2
	case name == "noskip":
		s.protocol.Protocol = 0x1fffff &^ milter.CanSkip
	default:
		return fmt.Errorf("unknown attribute %q", word)
	}
	return nil
}
