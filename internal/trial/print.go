package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"dojang/dkim"
	"dojang/internal/message"
	"dojang/internal/policy"
)

func milterAnswer(r policy.Reply) string {
	switch r.Action {
	case policy.Discard:
		return "DISCARD"
	case policy.Reject:
		return "REJECT"
	case policy.TempFail:
		return "TEMPFAIL"
	case policy.Continue, policy.Accept, policy.Quarantine:
	}
	return "ACCEPT"
}

// printEdits tells each change to the message.
func printEdits(w io.Writer, o *policy.Outcome) {
	for _, e := range o.Edits {
		value := strings.ReplaceAll(strings.TrimPrefix(e.Value, " "), "\r\n", "\n")
		switch e.Op {
		case policy.InsertField:
			fmt.Fprintf(w, "### INSHEADER: idx=%d hname='%s' hvalue='%s'\n", e.Index, e.Name, value)
		case policy.AppendField:
			fmt.Fprintf(w, "### ADDHEADER: hname='%s' hvalue='%s'\n", e.Name, value)
		case policy.ChangeField:
			fmt.Fprintf(w, "### CHGHEADER: hname='%s' idx=%d hvalue='%s'\n", e.Name, e.Index, value)
		case policy.DeleteField:
			fmt.Fprintf(w, "### CHGHEADER: hname='%s' idx=%d hvalue='(null)'\n", e.Name, e.Index)
		case policy.AddRecipient:
			fmt.Fprintf(w, "### ADDRCPT: '%s'\n", e.Value)
		case policy.DeleteRecipient:
			fmt.Fprintf(w, "### DELRCPT: '%s'\n", e.Value)
		}
	}
	printReply(w, o.Reply)
	if o.Quarantine != "" {
		fmt.Fprintf(w, "### QUARANTINE: reason='%s'\n", o.Quarantine)
	}
}

func printReply(w io.Writer, r policy.Reply) {
	if r.Code != 0 {
		fmt.Fprintf(w, "### SETREPLY: rcode='%d' xcode='%s' replytxt='%s'\n", r.Code, r.Status, r.Text)
	}
}

// printVerdict tells the signature made, or the one the message's fate follows.
func (t *filterRun) printVerdict(name string, run *message.Run) {
	w, deciding := t.Out, run.Plan.Deciding(run.Verdict.Results)
	switch {
	case len(run.Verdict.Signatures) > 0:
		if t.Verbose >= 2 {
			return
		}
		for _, made := range run.Verdict.Signatures {
			fmt.Fprintf(w, "%s: %s:\n%s:%s\n", t.Program, name, dkim.FieldName, made.Value)
		}
	case run.Verdict.SignError != nil:
		fmt.Fprintf(w, "%s: %s: not signed: %v\n", t.Program, name, run.Verdict.SignError)
	case run.Plan.Mode() == policy.Malforms:
	case len(run.Plan.Sign) > 0 && run.Plan.Scripted.Ends():
		fmt.Fprintf(w, "%s: %s: no signature added: unknown error\n", t.Program, name)
	case deciding < 0:
		fmt.Fprintf(w, "%s: %s: message not signed\n", t.Program, name)
	default:
		printResult(w, t.Program+": "+name, &run.Verdict.Results[deciding])
	}
}

func printResult(w io.Writer, where string, r *dkim.Result) {
	g := r.Signature
	if r.Status == dkim.StatusPass {
		fmt.Fprintf(w, "%s: verification (s=%s, d=%s, %d-bit key) succeeded\n", where, g.Selector, g.Domain, r.KeyBits)
		return
	}
	reason := r.Reason
	if reason == dkim.ReasonBodyHash {
		reason = dkim.ReasonBadSignature // Compat(opendkim 2.11): it knows one text for both
	}
	fmt.Fprintf(w, "%s: verification (s=%s d=%s, %d-bit key, %s) failed: %s\n", where, g.Selector, g.Domain, r.KeyBits, r.Security, reason)
}

// Tested is the JSON form of what the filter would do with a message.
type Tested struct {
	File       string              `json:"file"`
	Stage      string              `json:"stage"` // when it is answered: end of header, end of message
	Reply      testedReply         `json:"reply"`
	Quarantine string              `json:"quarantine,omitempty"` // reason
	Edits      []testedEdit        `json:"edits"`
	Signatures []verifiedSignature `json:"signatures"`      // those verified
	Error      string              `json:"error,omitempty"` // why it could not be signed
	Log        []json.RawMessage   `json:"log"`
}

type testedReply struct {
	Action string `json:"action"`
	Code   int    `json:"code,omitempty"`
	Status string `json:"status,omitempty"`
	Text   string `json:"text,omitempty"`
}

type testedEdit struct {
	Edit  string `json:"edit"`
	Index int    `json:"index,omitempty"` // "insert": among all fields, from 0; else among those of the name, from 1
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
}

// editWords name the kinds of changes.
var editWords = map[policy.EditOp]string{
	policy.InsertField: "insert", policy.AppendField: "append", policy.ChangeField: "change", policy.DeleteField: "delete",
	policy.AddRecipient: "add recipient", policy.DeleteRecipient: "delete recipient",
}

func testedOf(file string, run *message.Run, log []json.RawMessage) Tested {
	m := Tested{
		File: file, Stage: "end of header", Reply: replyOf(run.Plan.Reply),
		Edits: []testedEdit{}, Signatures: []verifiedSignature{}, Log: log,
	}
	for i := range run.Verdict.Results {
		m.Signatures = append(m.Signatures, verifiedOf(&run.Verdict.Results[i]))
	}
	if run.Verdict.SignError != nil {
		m.Error = run.Verdict.SignError.Error()
	}
	if o := run.Outcome; o != nil {
		m.Stage, m.Reply, m.Quarantine = "end of message", replyOf(o.Reply), o.Quarantine
		for _, e := range o.Edits {
			m.Edits = append(m.Edits, testedEdit{Edit: editWords[e.Op], Index: e.Index, Name: e.Name, Value: e.Value})
		}
	}
	return m
}

func replyOf(r policy.Reply) testedReply {
	return testedReply{Action: r.Action.String(), Code: r.Code, Status: r.Status, Text: r.Text}
}

// takeLines returns what was logged since, an object a line.
func takeLines(log *bytes.Buffer) []json.RawMessage {
	lines := []json.RawMessage{}
	for line := range bytes.Lines(log.Bytes()) {
		lines = append(lines, bytes.Clone(bytes.TrimSpace(line)))
	}
	log.Reset()
	return lines
}
