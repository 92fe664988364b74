package filter_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/message"
	"dojang/internal/trial"
	"dojang/milter"
)

// fromFiles is what the tools tell of messages in files, and the same messages as they
// pretend that they came. Both are empty where a file is no message.
func (p *pair) fromFiles(t *testing.T, random *rand.Rand, names []string) (sent []milter.Message, tested []trial.Tested) {
	t.Helper()
	var files []string
	for k := range 3 {
		name := names[random.IntN(len(names))]
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		raw = spoiled(random, raw)
		file := filepath.Join(filepath.Dir(p.path), fmt.Sprint(k, filepath.Base(name)))
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		m := inside()
		m.From, m.Rcpts, m.Macros = "sender@example.org", []string{"recipient@example.com"}, map[string]string{}
		for macro := range strings.FieldsSeq("i j daemon_name client_name client_addr auth_type auth_authen mail_addr foo") {
			m.Macros[macro] = "DEBUG-" + macro
		}
		// A file has lines, however they end.
		m.Raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		files, sent = append(files, file), append(sent, m)
	}
	c, problems := config.Load(p.path)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	var told bytes.Buffer
	tested, status := trial.Filter{Out: &told, Err: &told, Program: "opendkim", Files: files, JSON: true,
		Effects: message.Effects{Counters: true}, Now: then()}.Run(t.Context(), c)
	switch {
	case status == exit.DataErr:
		return nil, nil
	case status != exit.OK:
		t.Fatalf("status %d: %s", status, told.String())
	}
	return sent, tested
}

func testedTranscript(t *testing.T, m trial.Tested) string {
	t.Helper()
	kinds := map[string]byte{"insert": milter.ReplyInsertHeader, "append": milter.ReplyAddHeader, "change": milter.ReplyChangeHeader,
		"delete": milter.ReplyChangeHeader, "add recipient": milter.ReplyAddRcpt, "delete recipient": milter.ReplyDelRcpt}
	var edits []milter.Edit
	for _, e := range m.Edits {
		edits = append(edits, milter.Edit{Kind: kinds[e.Edit], Index: uint32(e.Index), Name: e.Name, Value: e.Value})
	}
	var log []string
	for _, line := range m.Log {
		var l struct{ Level, Msg string }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		log = append(log, l.Level+" "+l.Msg)
	}
	return transcript(held(edits, m.Quarantine), answerOf(m.Reply.Action, m.Reply.Code, m.Reply.Status, m.Reply.Text), log)
}

// spoiled is a message with some of what else comes by mail.
func spoiled(random *rand.Rand, raw []byte) []byte {
	more := []string{"X-Odd : v", "Subject:", "X-Null: a\x00b", "X-Fold:\r\n \t\r\n\tb  ",
		"X-Canon: relaxed/simple\r\nX-Id: <a@example.com>", "From: other@example.net", "X-VBR-Type: list\r\nX-VBR-Certifiers: v.example", "X-Eight: \xff\xc3\xb6", "VBR-Info: md=example.com; mc=all; mv=v.example", "Reply-To: a@b, c@d"}
	for range random.IntN(3) {
		header, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		fields := bytes.Split(header, []byte("\r\n"))
		switch at := random.IntN(len(fields)); random.IntN(8) {
		case 0:
			fields = slices.Delete(fields, at, at+1)
		case 1:
			body = nil
		case 2:
			body = append(body, "a\nb\rc\r\n\r\n\r\nno end"...)
		default:
			fields = slices.Insert(fields, at, []byte(more[random.IntN(len(more))]))
		}
		raw = append(append(bytes.Join(fields, []byte("\r\n")), "\r\n\r\n"...), body...)
	}
	if random.IntN(6) == 0 {
		raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	}
	return raw
}
