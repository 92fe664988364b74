package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/milter"

	"github.com/google/go-cmp/cmp"
)

// TestToolsDoAsTheFilter: for every message of every case, opendkim -t and dojang
// testmsg --as-filter tell the reply, the changes and the log lines that the filter
// gives over its socket for the same message from the same client.
func TestToolsDoAsTheFilter(t *testing.T) {
	p := *ours(t)
	modern := filepath.Join(p.root, "dojang")
	if err := os.Symlink(p.ours, modern); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	compared := 0
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases(t) {
			if len(c.sends) == 0 {
				continue
			}
			n := len(c.messagesSent())
			compared += n
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				compareTools(t, &p, modern, c)
			})
		}
	})
	t.Logf("%d messages", compared)
}

// ours prepares our program alone.
func ours(t *testing.T) *programs {
	t.Helper()
	testutil.Need(t, "gcc")
	p, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// messagesSent are the messages of a case, each once, by the words of its line.
func (c *testCase) messagesSent() map[string][]byte {
	all := map[string][]byte{}
	for _, s := range c.sends {
		name, _, _ := strings.Cut(s.label, " ")
		all[name] = s.message.Raw
	}
	return all
}

func compareTools(t *testing.T, p *programs, modern string, c *testCase) {
	nameserver := ""
	if len(c.dns) > 0 {
		nameserver = serveDNS(t, c.dns)
	}
	in := newInstance(t, p, p.dojang(), c, nameserver)
	d := in.start(t)
	if d.Ended() {
		return // a case about a configuration that is refused
	}
	d.said(t, " starting (args: ") // it is no line about a message, however late it comes
	for name, raw := range c.messagesSent() {
		path := filepath.Join(in.dir, name+".eml")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		classic, refused := in.testMode(t, path)
		if refused {
			continue // it has lines that are no header, or no CRLF under StrictTestMode
		}
		values := in.asFilter(t, modern, path)
		d.log.take()
		// A file has lines, however they end: opendkim -t hands them on with CRLF.
		lines := bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		want, err := d.deliver(t, lines, classic)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want == "" {
			continue // PeerList lets the client pass: opendkim -t does not ask it
		}
		if diff := cmp.Diff(want, classic); diff != "" {
			t.Errorf("%s: (-filter +opendkim -t)\n%s", name, diff)
		}
		if diff := cmp.Diff(want, values); diff != "" {
			t.Errorf("%s: (-filter +testmsg --as-filter)\n%s", name, diff)
		}
	}
	d.stop()
}

// deliver sends a message as opendkim -t pretends it came, and returns what became of
// it: a change a line as opendkim -t writes it, the answer, log lines. expected says
// what lines to wait for.
func (d *daemon) deliver(t testing.TB, raw []byte, expected string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	client, err := milter.Dial("unix", d.socket(), milter.ClientOptions{
		Macros: func(_ byte, name string) (string, bool) { return "DEBUG-" + strings.Trim(name, "{}"), true },
	})
	if err != nil {
		return "", err
	}
	defer client.Quit()
	out, err := client.Send(ctx, milter.Message{
		Raw: raw,
		Envelope: milter.Envelope{
			Host: "localhost", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port: 1},
			From: "sender@example.org", Rcpts: []string{"recipient@example.com"},
		},
	})
	if err != nil {
		return "", err
	}
	if out.Step == milter.CommandConnect {
		return "", nil
	}
	var b strings.Builder
	quarantine := ""
	for _, e := range out.Edits {
		if e.Kind == milter.ReplyQuarantine {
			quarantine = "### QUARANTINE: reason='" + e.Value + "'\n"
			continue
		}
		b.WriteString(classicEdit(e))
	}
	if out.Final.Kind == milter.ReplyCode {
		b.WriteString(setReply(out.Final.Text))
	}
	b.WriteString(quarantine + "answer " + answerWord(&out.Final) + "\n")
	done := b.String()
	settle(t, d.log, d.log, func(_, _ []logLine) bool { return comparedText(d.instance, done, d.logged()) == expected })
	return comparedText(d.instance, done, d.logged()), nil
}

func (d *daemon) logged() string {
	var b strings.Builder
	for _, l := range d.log.pending() {
		b.WriteString("log " + l.text + "\n")
	}
	return b.String()
}

func classicEdit(e milter.Edit) string {
	value := strings.TrimPrefix(e.Value, " ")
	switch e.Kind {
	case milter.ReplyInsertHeader:
		return fmt.Sprintf("### INSHEADER: idx=%d hname='%s' hvalue='%s'\n", e.Index, e.Name, value)
	case milter.ReplyAddHeader:
		return fmt.Sprintf("### ADDHEADER: hname='%s' hvalue='%s'\n", e.Name, value)
	case milter.ReplyChangeHeader:
		if value == "" {
			value = "(null)"
		}
		return fmt.Sprintf("### CHGHEADER: hname='%s' idx=%d hvalue='%s'\n", e.Name, e.Index, value)
	case milter.ReplyAddRcpt, milter.ReplyAddRcptArgs:
		return fmt.Sprintf("### ADDRCPT: '%s'\n", e.Value)
	case milter.ReplyDelRcpt:
		return fmt.Sprintf("### DELRCPT: '%s'\n", e.Value)
	}
	return fmt.Sprintf("%+v\n", e)
}

// setReply writes "550 5.7.1 text" as opendkim -t does.
func setReply(text string) string {
	code, rest, _ := strings.Cut(text, " ")
	status, words, _ := strings.Cut(rest, " ")
	return fmt.Sprintf("### SETREPLY: rcode='%s' xcode='%s' replytxt='%s'\n", code, status, words)
}

func answerWord(a *milter.Answer) string {
	switch {
	case a.Kind == milter.ReplyReject, a.Kind == milter.ReplyCode && a.Text[0] == '5':
		return "REJECT"
	case a.Kind == milter.ReplyTempFail, a.Kind == milter.ReplyCode:
		return "TEMPFAIL"
	case a.Kind == milter.ReplyDiscard:
		return "DISCARD"
	}
	return "ACCEPT"
}

var (
	stepLine = regexp.MustCompile(`^opendkim: (?:\S*: )?(?:line \d+: )?mlfi_(\w+)\(\) returned SMFIS_(\w+)$`)
	verdicts = regexp.MustCompile(`(?m)^opendkim: \S+: (?:verification .*|message not signed|not signed: .*|no signature added: .*)\n`)
)

// testMode is what opendkim -t tells of a message. refused reports whether it does not
// take the message.
func (in *instance) testMode(t *testing.T, path string) (told string, refused bool) {
	t.Helper()
	cmd := in.command(t.Context(), "-x", filepath.Join(in.dir, "conf"), "-vv", "-t", path)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() == 65 { // EX_DATAERR
		return "", true
	}
	var log strings.Builder
	last := ""
	for line := range strings.Lines(problems.String()) {
		line = strings.TrimSuffix(line, "\n")
		switch m := stepLine.FindStringSubmatch(line); {
		case strings.Contains(line, "deprecated; use"): // told at a start, of the configuration
		case m == nil:
			log.WriteString("log " + strings.TrimPrefix(line, "opendkim: ") + "\n")
		case m[1] == "eom" || m[2] != "CONTINUE":
			last = m[2]
		}
	}
	return comparedText(in, verdicts.ReplaceAllString(out.String(), "")+"answer "+last+"\n", log.String()), false
}

// asFilter is what dojang testmsg --as-filter --json tells of a message.
func (in *instance) asFilter(t *testing.T, program, path string) string {
	t.Helper()
	cmd := in.command(t.Context(), "testmsg", "-x", filepath.Join(in.dir, "conf"), "--as-filter", "--json", path)
	cmd.Path, cmd.Args[0] = program, "dojang"
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var tested []struct {
		Reply struct {
			Action, Status, Text string
			Code                 int
		}
		Quarantine string
		Edits      []struct {
			Edit, Name, Value string
			Index             uint32
		}
		Log []struct{ Msg string }
	}
	if err := json.Unmarshal(out, &tested); err != nil || len(tested) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	kinds := map[string]byte{"insert": milter.ReplyInsertHeader, "append": milter.ReplyAddHeader,
		"change": milter.ReplyChangeHeader, "delete": milter.ReplyChangeHeader,
		"add recipient": milter.ReplyAddRcpt, "delete recipient": milter.ReplyDelRcpt}
	var told, log strings.Builder
	m := tested[0]
	for _, e := range m.Edits {
		told.WriteString(classicEdit(milter.Edit{Kind: kinds[e.Edit], Name: e.Name, Value: e.Value, Index: e.Index}))
	}
	if r := m.Reply; r.Code != 0 {
		told.WriteString(setReply(fmt.Sprint(r.Code, " ", r.Status, " ", r.Text)))
	}
	if m.Quarantine != "" {
		told.WriteString("### QUARANTINE: reason='" + m.Quarantine + "'\n")
	}
	word := map[string]string{"reject": "REJECT", "tempfail": "TEMPFAIL", "discard": "DISCARD"}[m.Reply.Action]
	if word == "" {
		word = "ACCEPT"
	}
	told.WriteString("answer " + word + "\n")
	for _, l := range m.Log {
		log.WriteString("log " + l.Msg + "\n")
	}
	return comparedText(in, told.String(), log.String())
}

// comparedText is what may not differ: without the time of signatures.
func comparedText(in *instance, told, log string) string {
	text := in.general(told + log)
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return signatureParts.ReplaceAllString(text, "$1=")
}

// signatureParts are what depends on the second in which a signature was made.
var signatureParts = regexp.MustCompile(`\b(t|x)=\d+|\b(b)=[A-Za-z0-9+/=\s]+`)
