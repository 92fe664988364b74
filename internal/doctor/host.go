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
		change = fmt.Sprintf("sed -i %s %s", postfix.Quote(fmt.Sprintf("%dc %s %s", v.Line, name, strings.ReplaceAll(value, `\`, `\\`))), shell(v.File))
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
	return fmt.Sprintf("sed -i '%ds/^/#/' %s && %s", v.Line, shell(v.File), h.take(option))
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

// write is the command that does what the hint of a warning says, where that is a value
// of the option, maybe with another way behind it: "write NAME VALUE"; or to do without
// it. The hint of an error is an example, and nobody knows what was meant.
func (h *host) write(p problem.Problem) string {
	field := h.Config.Field(p.Option)
	if p.Severity != problem.Warning || field == nil || !field.IsSet() {
		return ""
	}
	without := strings.HasPrefix(p.Hint, "leave the option out") || p.Hint == "take the line out" || p.Hint == "for tests only"
	if without && p.File == field.Source().File && p.Line == field.Source().Line {
		return h.leaveOut(field)
	}
	value, ok := strings.CutPrefix(p.Hint, "write "+p.Option+" ")
	value, _, _ = strings.Cut(value, ", or ")
	if !ok || strings.ContainsAny(value, " \t;`") {
		return ""
	}
	return h.setOption(field, value)
}

// inSed escapes what s/// of sed(1) takes for more than itself in a replacement.
var inSed = strings.NewReplacer(`\`, `\\`, "&", `\&`, "/", `\/`)

// respell is the command that does what the hint about an unknown option says, where the
// option that was meant is not set besides. What a value is worth there, the check tells
// before a start.
func (h *host) respell(p problem.Problem) string {
	text := ""
	for _, hint := range []struct{ before, after string }{
		{"did you mean ", "?"}, {"write ", " without a colon"}, {"write a blank instead of the equals sign: ", ""},
	} {
		if rest, ok := strings.CutPrefix(p.Hint, hint.before); ok && strings.HasSuffix(rest, hint.after) {
			text = strings.TrimSuffix(rest, hint.after)
		}
	}
	option, _, _ := strings.Cut(text, " ")
	if field := h.Config.Field(option); p.Option != "" || p.Line == 0 || p.File == "" || field == nil || field.IsSet() {
		return ""
	}
	return fmt.Sprintf("sed -i %s %s && dojang config check --config %s && %s",
		postfix.Quote(fmt.Sprintf(`%ds/[^[:space:]]\{1,\}/%s/`, p.Line, inSed.Replace(text))), shell(p.File), shell(h.File), h.restart())
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
