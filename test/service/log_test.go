package service

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil/proctest"
)

// story makes one of each: a start, a message signed, one from outside, a reload,
// a broken one, a stop.
func (w *world) story(p *proctest.Process) {
	w.t.Helper()
	w.signs()
	foreign := message()
	foreign.Host, foreign.Addr.Addr = "mail.example.net", netipAddr("192.0.2.1")
	if _, err := w.dial("unix", w.path("s")).Send(w.t.Context(), foreign); err != nil {
		w.t.Fatal(err)
	}
	w.newKeyTable("new")
	p.Signal(syscall.SIGUSR1)
	w.until("a reload", func() bool { return strings.Contains(w.log.String()+p.String(), "configuration reloaded") })
	if got := w.send(); !strings.Contains(got, "s=new;") {
		w.t.Errorf("after the reload: %q", got)
	}
	w.write("opendkim.conf", "Nonsense yes\n")
	p.Signal(syscall.SIGUSR1)
	w.until("a broken reload", func() bool { return strings.Contains(w.log.String()+p.String(), "configuration not reloaded") })
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(patience); code != 0 {
		w.t.Errorf("exit %d", code)
	}
}

var (
	times = regexp.MustCompile(`"(time|took_seconds)":("[^"]*"|[\d.e-]+)`)
	build = regexp.MustCompile(`"version":"[^"]*"`)
)

// objects reads a log of JSON objects, one a line, with what changes from run to
// run taken out.
func (w *world) objects(lines string) string {
	w.t.Helper()
	var out strings.Builder
	for line := range strings.Lines(lines) {
		if !json.Valid([]byte(line)) {
			w.t.Errorf("no JSON: %q", line)
			continue
		}
		line = times.ReplaceAllString(strings.ReplaceAll(line, w.dir, "DIR"), `"$1":0`)
		line = build.ReplaceAllString(line, `"version":"V"`)
		out.WriteString(line)
	}
	return out.String()
}

const jsonConfig = "LogFormat json\nLogWhy yes\nSigningEngine go\nSignatureTTL 10\n"

func TestJSONLog(t *testing.T) {
	want, err := os.ReadFile("testdata/json.log")
	must(t, err)
	t.Run("standard error", func(t *testing.T) {
		w := newWorld(t)
		w.configure(jsonConfig)
		text, err := os.ReadFile(w.path("opendkim.conf"))
		must(t, err)
		w.write("opendkim.conf", "#\n#\n"+strings.TrimPrefix(string(text), w.text("Syslog yes\nSyslogSocket DIR/log\n")))
		p := w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
		w.story(p)
		if diff := cmp.Diff(string(want), w.objects(p.String())); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if text := w.log.String(); text != "\n" {
			t.Errorf("in syslog: %s", text)
		}
	})
	t.Run("syslog", func(t *testing.T) {
		w := newWorld(t)
		p := w.serve(jsonConfig)
		w.story(p)
		w.logged("terminating with status 0")
		var lines strings.Builder
		for line := range strings.Lines(w.log.String()) {
			severity, object, _ := strings.Cut(line, " ")
			if !strings.Contains(object, `"level":"`+severity+`"`) {
				t.Errorf("severity %s: %s", severity, object)
			}
			lines.WriteString(object)
		}
		if diff := cmp.Diff(string(want), w.objects(lines.String())); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if strings.Contains(p.String(), `{"time"`) {
			t.Errorf("on standard error besides: %s", p)
		}
	})
}

// TestClassicLog is the same story in OpenDKIM's words, and through StdoutLog.
func TestClassicLog(t *testing.T) {
	w := newWorld(t)
	p := w.serve("StdoutLog yes\nLogWhy yes\n")
	w.story(p)
	w.logged("terminating with status 0")
	for _, want := range []string{
		"info OpenDKIM Filter v2.11.0 starting (args: -f -x " + w.path("opendkim.conf") + ")",
		"info JOB: DKIM-Signature field added (s=sel, d=example.com)",
		"info JOB: mail.example.net [192.0.2.1] not internal",
		"info JOB: not authenticated",
		"debug JOB: no signature data",
		"info configuration reloaded from " + w.path("opendkim.conf"),
		"info JOB: DKIM-Signature field added (s=new, d=example.com)",
		"info OpenDKIM Filter v2.11.0 terminating with status 0, errno = 0",
	} {
		if !strings.Contains(w.log.String(), want+"\n") {
			t.Errorf("not in syslog: %s\n%s", want, w.log)
		}
		if _, text, _ := strings.Cut(want, " "); !strings.Contains(p.String(), text+"\n") {
			t.Errorf("not on standard output: %s\n%s", text, p)
		}
	}
}

func TestSyslogNameAndFacility(t *testing.T) {
	w := newWorld(t)
	raw := proctest.ListenSyslog(t, w.path("raw"))
	w.serve("SyslogSocket DIR/raw\nSyslogName seal\nSyslogFacility local3\n")
	// local3 is 19, info 6.
	w.until("a line by that name", func() bool {
		packets := strings.Join(raw.Packets(0), "\n")
		return strings.HasPrefix(packets, "<158>") && strings.Contains(packets, " seal[")
	})
}
