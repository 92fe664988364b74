package doctor

import (
	"fmt"
	"os"
	"strings"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/doctor/postfix"
	"dojang/internal/problem"
)

// host is the server that is looked at.
type host struct {
	Config *config.Config
	File   string  // the configuration's, as it was named
	Filter person  // whom the filter runs as
	MTA    *person // Postfix's user; nil where there is none
	// KeyFolder is where the keys lie that sign already, "" where none is a file.
	KeyFolder string
	// Process is the filter that runs; the zero value where it is not known.
	Process process
	unused  []config.Socket // those of the file that the running filter's command line overrules
}

// Reload is the command that makes the running filter read its files anew.
func (h *host) Reload() string {
	switch _, err := os.Stat("/run/systemd/system"); {
	case err == nil:
		return "systemctl reload opendkim"
	case h.Config.MetricsSocket.IsSet():
		return "dojang reload --config " + shell(h.File)
	case h.Process.PID > 0:
		return fmt.Sprintf("kill -USR1 %d", h.Process.PID)
	}
	return h.restart()
}

// restart is the command that starts the filter anew.
func (h *host) restart() string { return "systemctl restart opendkim" }

// setOption is the command that gives an option another value, in the line that sets it
// or behind the last one, and has the filter take it; "" where a command line or the
// environment sets it.
func (h *host) setOption(option config.Field, value string) string {
	v := option.Source()
	name := option.Option().Name
	change := ""
	switch {
	case v.File == config.CommandLine || v.File == config.Environment:
		return ""
	case v.Line == 0 || v.File == "":
		change = appendLine(h.File, name+" "+value)
	default:
		change = rewrite(v.File, v.Line, name, value)
	}
	return change + " && " + h.take(option)
}

// leaveOut is the command that takes out the line which sets an option, and has the
// filter take that; "" where no line does.
func (h *host) leaveOut(option config.Field) string {
	v := option.Source()
	if v.Line == 0 || v.File == "" {
		return ""
	}
	return comment(v.File, v.Line) + " && " + h.take(option)
}

// rewrite is the command that gives a line of a file an option and its value.
func rewrite(file string, line int, option, value string) string {
	return "sed -i " + postfix.Quote(fmt.Sprintf("%dc %s %s", line, option, strings.ReplaceAll(value, `\`, `\\`))) + " " + shell(file)
}

// comment is the command that makes a line of a file a comment.
func comment(file string, line int) string {
	return fmt.Sprintf("sed -i '%ds/^/#/' %s", line, shell(file))
}

// take is the command by which the filter takes another value of an option.
func (h *host) take(option config.Field) string {
	if option.Option().NeedsRestart {
		return h.restart()
	}
	return h.Reload()
}

// appendLine is the command that puts lines behind the last one of a file, which may
// lack its end.
func appendLine(path string, lines ...string) string {
	format := strings.Repeat(`%s\n`, len(lines))
	if data, err := os.ReadFile(path); err == nil && len(data) > 0 && data[len(data)-1] != '\n' {
		format = `\n` + format
	}
	command := "printf '" + format + "'"
	for _, line := range lines {
		command += " " + postfix.Quote(line)
	}
	return command + " >> " + shell(path)
}

// inSed escapes what s/// of sed(1) takes for more than itself in a replacement.
var inSed = strings.NewReplacer(`\`, `\\`, "&", `\&`, "/", `\/`)

// mend is the command that does what a problem's Mend says, and has the filter take it;
// "" where there is none, or the problem stands in no line of a file.
func (h *host) mend(p problem.Problem) string {
	if p.File == "" || p.Line == 0 {
		return ""
	}
	take := h.restart() // an error: no filter started with this
	field := h.Config.Field(p.Option)
	if p.Severity == problem.Warning && field != nil {
		take = h.take(field)
	}
	switch p.Mend.Edit {
	case problem.LeaveOut:
		return comment(p.File, p.Line) + " && " + take
	case problem.Rewrite:
		return rewrite(p.File, p.Line, p.Option, p.Mend.Text) + " && " + take
	case problem.Respell:
		// Where the option that was meant is set besides, nobody knows which of them counts. What
		// the value is worth there, the check tells before a start.
		option, _, _ := strings.Cut(p.Mend.Text, " ")
		if meant := h.Config.Field(option); meant == nil || meant.IsSet() {
			return ""
		}
		edit := fmt.Sprintf(`%ds/[^[:space:]]\{1,\}/%s/`, p.Line, inSed.Replace(p.Mend.Text))
		return fmt.Sprintf("sed -i %s %s && dojang config check --config %s && %s", postfix.Quote(edit), shell(p.File), shell(h.File), take)
	case problem.NoEdit:
	}
	return ""
}

// shell quotes a word where a shell wants it quoted.
func shell(word string) string {
	if word != "" && strings.IndexFunc(word, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+:@%=,", c))
	}) < 0 {
		return word
	}
	return postfix.Quote(word)
}

// csl are the members of a list that stands in the configuration itself; nil for a data
// set of another kind.
func csl(text string) []string {
	spec, err := dataset.ParseSpec(text)
	if err != nil || spec.Type != dataset.TypeList {
		return nil
	}
	return strings.FieldsFunc(spec.Args, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
}
