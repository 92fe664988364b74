package filter_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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
		m.Raw = withCRLF(raw)
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
