package oracle

import (
	"fmt"
	"regexp"
	"strings"

	"dojang/milter"
)

// render writes what a filter did with a message, a line each: edits in their
// order, the answer that decided with its step, log lines with their level.
// Bodies skipped or not make no difference to a message and are left out.
func render(in *instance, o *milter.Outcome, err error, lines []logLine) string {
	var b strings.Builder
	for _, e := range o.Edits {
		b.WriteString(renderEdit(e, in.ours) + "\n")
	}
	switch {
	case err != nil:
		fmt.Fprintf(&b, "connection lost\n")
	case o.Step != 0:
		fmt.Fprintf(&b, "answer%s %s\n", step(o.Step), answer(&o.Final))
	default:
		fmt.Fprintf(&b, "answer none\n")
	}
	for _, l := range lines {
		text := l.String()
		if in.ours && in.nameserver == "" {
			// opendkim has no more to say about a file of test keys.
			text = testKeyText.ReplaceAllString(text, "$1")
		}
		b.WriteString(escape(text) + "\n")
	}
	return in.general(b.String())
}

// step tells the steps before the message's text apart. We promise not to answer
// fields and the header's end, and give at the end of the message the answer that
// opendkim gives there.
func step(command byte) string {
	switch command {
	case milter.CommandConnect, milter.CommandHelo, milter.CommandMail, milter.CommandRcpt:
		return " " + string(command)
	}
	return ""
}

func answer(a *milter.Answer) string {
	switch a.Kind {
	case milter.ReplyAccept:
		return "accept"
	case milter.ReplyContinue:
		return "continue"
	case milter.ReplyReject:
		return "reject"
	case milter.ReplyTempFail:
		return "tempfail"
	case milter.ReplyDiscard:
		return "discard"
	case milter.ReplyCode:
		return a.Text
	}
	return a.String()
}

func renderEdit(e milter.Edit, ours bool) string {
	value := e.Value
	if !ours {
		value = withoutATPS(value)
	}
	// opendkim forgets the blank that a field with only a method's failure begins with.
	if !ours && e.Kind == milter.ReplyInsertHeader && !strings.HasPrefix(value, " ") {
		value = " " + value
	}
	switch e.Kind {
	case milter.ReplyInsertHeader:
		return fmt.Sprintf("insert %d %s:%s", e.Index, e.Name, escape(value))
	case milter.ReplyAddHeader:
		return fmt.Sprintf("add %s:%s", e.Name, escape(value))
	case milter.ReplyChangeHeader:
		if value == "" {
			return fmt.Sprintf("delete %d %s", e.Index, e.Name)
		}
		return fmt.Sprintf("change %d %s:%s", e.Index, e.Name, escape(value))
	case milter.ReplyQuarantine:
		return "quarantine " + escape(value)
	case milter.ReplyAddRcpt, milter.ReplyAddRcptArgs:
		return "add-recipient " + value + e.Args
	case milter.ReplyDelRcpt:
		return "delete-recipient " + value
	}
	return fmt.Sprintf("edit %c %s%s", e.Kind, escape(value), e.Args)
}

// withoutATPS leaves out the method that opendkim names and did not try.
func withoutATPS(s string) string {
	return strings.NewReplacer(";\n\tdkim-atps=neutral", "", "; dkim-atps=neutral", "").Replace(s)
}

func escape(s string) string {
	return strings.NewReplacer("\r", `\r`, "\n", `\n`, "\t", `\t`).Replace(s)
}

var (
	signedAt    = regexp.MustCompile(`(DKIM-Signature:.*?[;\s]|\\t)t=(\d+)`)
	timeOrValue = regexp.MustCompile(`([; ]|\\t)([tx])=\d+;?|([; ]|\\t)b=[^;]*`)
	folds       = regexp.MustCompile(`(?:\\n\\t| )+`)
	sslText     = regexp.MustCompile(`SSL error:.*`)
	testKeyText = regexp.MustCompile(`(key retrieval failed \(.*?\)): '\S+' record not found$`)
	filterName  = regexp.MustCompile(`(DKIM-Filter: )\S+ Filter v\S+`)
)

// seconds are the t= of the signatures in a transcript.
func seconds(transcript string) string {
	var all []string
	for line := range strings.Lines(transcript) {
		if strings.Contains(line, "DKIM-Signature:") {
			for _, m := range signedAt.FindAllStringSubmatch(line, -1) {
				all = append(all, m[2])
			}
		}
	}
	return strings.Join(all, " ")
}

// withoutTime leaves out what differs between two signatures of the same message
// made in different seconds.
func withoutTime(transcript string) string {
	var b strings.Builder
	for line := range strings.Lines(transcript) {
		if strings.Contains(line, "DKIM-Signature:") {
			line = folds.ReplaceAllString(timeOrValue.ReplaceAllString(strings.TrimSuffix(line, "\n"), " $2"), " ") + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// comparable takes out of a transcript what the two may word differently: the
// text of the crypto library behind "SSL error:", and the filters' own names.
func comparable(transcript string) string {
	return filterName.ReplaceAllString(sslText.ReplaceAllString(transcript, "SSL error"), "${1}FILTER")
}
