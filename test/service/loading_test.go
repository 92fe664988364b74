package service

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/testutil"
	"dojang/milter"
)

// mistake is one thing that is wrong in a configuration or in what it names.
type mistake struct {
	name, file, text string // the text of a file, with DIR; "" for one that is not there
	more             string // lines of opendkim.conf
	refused          bool   // what OpenDKIM would not start with either, or cannot mean anything
	at               string // the place that is told
	defers           bool   // mail of the author's row waits
}

const goodKey = "k example.com:sel:DIR/key.private\n"

var mistakes = []mistake{
	{name: "no key file", file: "KeyTable", text: goodKey + "w example.com:w:DIR/none\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "a folder as key", file: "KeyTable", text: goodKey + "w example.com:w:DIR\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "no private key", file: "KeyTable", text: goodKey + "w example.com:w:DIR/keys\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "two fields", file: "KeyTable", text: goodKey + "w example.com:w\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "no domain", file: "KeyTable", text: goodKey + "w @example.com:w:DIR/key.private\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "selector of two words", file: "KeyTable", text: goodKey + "w example.com:my sel:DIR/key.private\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "selector with _domainkey", file: "KeyTable", text: goodKey + "w example.com:w._domainkey:DIR/key.private\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "a key of the wrong kind", file: "KeyTable", text: goodKey + "w example.com:w:DIR/key.private:ed25519-sha256\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "a path without slash", file: "KeyTable", text: goodKey + "w example.com:w:key.private\n", at: "DIR/KeyTable:2: KeyTable: "},
	{name: "the author's own row", file: "KeyTable", text: "k example.com:sel:DIR/none\n", at: "DIR/KeyTable:1: KeyTable: ", defers: true},
	{name: "no such key", file: "SigningTable", text: "*@example.com k\nx@example.net none\n", at: "DIR/SigningTable:2: SigningTable: "},
	{name: "the author's own key", file: "SigningTable", text: "*@example.com none\n", at: "DIR/SigningTable:1: SigningTable: ", defers: true},
	{name: "no key", file: "SigningTable", text: "*@example.com k\nx@example.net\n", at: "DIR/SigningTable:2: SigningTable: "},
	{name: "a sender that is none", file: "SigningTable", text: "*@example.com k\n<x@example.net> k\n", at: "DIR/SigningTable:2: SigningTable: "},
	{name: "an identity that is none", file: "SigningTable", text: "*@example.com k\nx@example.net k:user\n", at: "DIR/SigningTable:2: SigningTable: "},
	{name: "blanks in a list", more: "InternalHosts 127.0.0.1,10.0.0.1 10.0.0.2\n", at: "DIR/opendkim.conf:7: InternalHosts: "},
	{name: "a host that is none", more: "PeerList 10.0.0.1:25\n", at: "DIR/opendkim.conf:7: PeerList: "},
	{name: "a field that is none", more: "OversignHeaders <From>\n", at: "DIR/opendkim.conf:7: OversignHeaders: "},
	{name: "a field left out", more: "SignHeaders From,Bcc\n", at: "DIR/opendkim.conf:7: SignHeaders: "},
	{name: "a list in a file", file: "list", text: "a.example\n*.b.example\n", more: "ExemptDomains DIR/list\n", at: "DIR/list:2: ExemptDomains: "},
	{name: "an unknown action", more: "On-Default defer\n", at: "DIR/opendkim.conf:7: On-Default: "},

	{name: "a NUL in a table", file: "KeyTable", text: goodKey + "w\x00 example.com:w:DIR/key.private\n", refused: true, at: "DIR/KeyTable:2: "},
	{name: "no table", more: "KeyTable DIR/gone\n", refused: true, at: "DIR/opendkim.conf:7: KeyTable: "},
	{name: "no list", more: "InternalHosts refile:DIR/gone\n", refused: true, at: "DIR/opendkim.conf:7: InternalHosts: "},
	{name: "an unknown option", more: "Nonsense yes\n", refused: true, at: "DIR/opendkim.conf:7: "},
	{name: "neither yes nor no", more: "SubDomains perhaps\n", refused: true, at: "DIR/opendkim.conf:7: SubDomains: "},
	{name: "an unknown kind of table", more: "ExemptDomains hash:DIR/list\n", refused: true, at: "DIR/opendkim.conf:7: ExemptDomains: "},
	{name: "no name server", more: "Nameservers ns.example.com\n", refused: true, at: "DIR/opendkim.conf:7: Nameservers: "},
	{name: "a broken expression", file: "rules", text: "a\tb\n\\(a\tb\n", more: "ReplaceRules DIR/rules\n", refused: true, at: "DIR/rules:2: "},
	{name: "a broken script", file: "setup.lua", text: "\nlocal = 1\n", more: "SetupPolicyScript DIR/setup.lua\n", refused: true, at: "DIR/setup.lua:2: "},
	{name: "no included file", more: "Include DIR/gone.conf\n", refused: true, at: "DIR/opendkim.conf:7: Include: "},
}

// entrance is a way by which a configuration comes into force, or is asked about. It returns
// all that is said, and the exit status where there is one.
type entrance struct {
	name string
	come func(*loadings) (said string, code int)
}

// loadings are a filter that runs, and one with AutoReload, of the same tables.
type loadings struct {
	*world
	signal func(syscall.Signal)
	auto   *world
	words  string // that are told of the mistake
}

var entrances = []entrance{
	{"opendkim -n", func(l *loadings) (string, int) {
		r := l.run("", "opendkim", "-n", "-x", "DIR/opendkim.conf")
		return r.out + r.err, r.code
	}},
	{"config check", func(l *loadings) (string, int) {
		r := l.run("", "dojang", "config", "check", "-x", "DIR/opendkim.conf")
		return r.out + r.err, r.code
	}},
	{"dojang reload", func(l *loadings) (string, int) {
		r := l.run("", "dojang", "reload", "-x", "DIR/opendkim.conf")
		return r.out + r.err, r.code
	}},
	{"doctor", func(l *loadings) (string, int) {
		r := l.run("", "dojang", "doctor", "-x", "DIR/opendkim.conf")
		return r.out + r.err, -1 // of all that it looks at
	}},
	{"USR1", func(l *loadings) (string, int) { return l.signalled(syscall.SIGUSR1), -1 }},
	{"HUP", func(l *loadings) (string, int) { return l.signalled(syscall.SIGHUP), -1 }},
}

// signalled is what the running filter logs of a signal.
func (l *loadings) signalled(signal syscall.Signal) string {
	before := len(l.log.String())
	l.signal(signal)
	return l.judged(before)
}

// judged waits for the filter's word on a reload, and returns what it logged.
func (w *world) judged(before int) string {
	w.t.Helper()
	said := ""
	w.until("a reload", func() bool {
		said = w.log.String()[before:]
		return strings.Contains(said, "configuration reloaded from") || strings.Contains(said, "configuration not reloaded")
	})
	return said
}

// TestOneRuleOfLoading: what OpenDKIM starts with is a warning, and the mail of that row
// waits; all else is refused, and the old configuration lives on. Every entrance has the same
// judgement in the same words.
func TestOneRuleOfLoading(t *testing.T) {
	w := newWorld(t)
	auto := newWorldBeside(t)
	auto.serve("AutoReload yes\n")
	p := w.serve("PidFile DIR/pid\n")
	l := &loadings{world: w, signal: func(s syscall.Signal) { p.Signal(s) }, auto: auto}
	w.until("the pid file", func() bool { pid, _ := os.ReadFile(w.path("pid")); return len(pid) > 0 })
	chosen := slices.Clone(mistakes)
	if !testutil.Long() {
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:4]
	}
	for _, m := range chosen {
		t.Run(m.name, func(t *testing.T) { l.tell(t, m) })
	}
}

// tell makes a mistake, comes in by every entrance, and mends it.
func (l *loadings) tell(t *testing.T, m mistake) {
	good := map[string]string{"KeyTable": goodKey, "SigningTable": "*@example.com k\n"}
	defer func() {
		for name, text := range good {
			l.write(name, l.text(text))
		}
		l.configure("PidFile DIR/pid\n")
		if said := l.signalled(syscall.SIGHUP); !strings.Contains(said, "configuration reloaded from") {
			t.Errorf("mended: %s", said)
		}
	}()
	broken := maps.Clone(good)
	if m.file != "" {
		broken[m.file] = m.text
	}
	for name, text := range broken {
		l.write(name, l.text(text))
	}
	l.configure(m.more + "PidFile DIR/pid\n")
	want := map[bool]int{false: 0, true: 78}[m.refused]
	var hint string
	l.words = "" // as the first entrance has them
	for _, e := range append(slices.Clone(entrances), entrance{"start", (*loadings).started}, entrance{"AutoReload", (*loadings).watched}) {
		said, code := e.come(l)
		if l.words == "" {
			l.words, hint = wordsAt(said, l.text(m.at))
		}
		if l.words == "" || hint == "" || !strings.Contains(said, l.words) || !strings.Contains(said, hint) {
			t.Errorf("%s does not say %q and %q:\n%s", e.name, l.words, hint, said)
		}
		if code >= 0 && code != want {
			t.Errorf("%s: exit %d, want %d\n%s", e.name, code, want, said)
		}
		if strings.Contains(said, "configuration reloaded from") && m.refused || strings.Contains(said, "not reloaded") && !m.refused {
			t.Errorf("%s: %s", e.name, said)
		}
	}
	l.waits(t, m)
}

// wordsAt is what a text says of a place, and what it says to type.
func wordsAt(said, place string) (words, hint string) {
	_, rest, found := strings.Cut(said, place)
	if !found {
		return "", ""
	}
	words, rest, _ = strings.Cut(rest, "\n")
	if after, ok := strings.CutPrefix(rest, "    hint: "); ok {
		hint, _, _ = strings.Cut(after, "\n")
	}
	return place + strings.TrimSuffix(words, " (warning)"), hint
}

// started is what a filter says that is started with the configuration, beside the one that
// runs: its exit status, 0 when it listens.
func (l *loadings) started() (string, int) {
	l.t.Helper()
	other := newWorldBeside(l.t)
	text, err := os.ReadFile(l.path("opendkim.conf"))
	must(l.t, err)
	other.write("opendkim.conf", l.of(other, string(text)))
	place := func(said string) string {
		return strings.ReplaceAll(said, other.path("opendkim.conf"), l.path("opendkim.conf"))
	}
	r := other.run("", "opendkim", "-x", "DIR/opendkim.conf")
	if r.code == 0 {
		other.terminate(other.pid("pid"))
	}
	return place(r.out + r.err), r.code
}

// of is a configuration with the socket, pid file and log of another filter.
func (l *loadings) of(other *world, text string) string {
	for _, name := range []string{"Socket local:DIR/s", "PidFile DIR/pid", "SyslogSocket DIR/log"} {
		text = strings.ReplaceAll(text, l.text(name), other.text(name))
	}
	return text
}

// watched is what a filter with AutoReload logs of the same files.
func (l *loadings) watched() (string, int) {
	l.t.Helper()
	text, err := os.ReadFile(l.path("opendkim.conf"))
	must(l.t, err)
	before := len(l.auto.log.String())
	l.auto.write("opendkim.conf", l.of(l.auto, string(text))+"AutoReload yes\n")
	said := ""
	l.auto.until("a reload with "+l.words, func() bool { // not the one of a file half written
		said = strings.ReplaceAll(l.auto.log.String()[before:], l.auto.path("opendkim.conf"), l.path("opendkim.conf"))
		_, behind, found := strings.Cut(said, l.words)
		said = l.words + behind
		return found && (strings.Contains(behind, "configuration reloaded from") || strings.Contains(behind, "configuration not reloaded"))
	})
	return said, -1
}

// waits looks at the author's mail: it is signed as before, unless its own row is wrong.
func (l *loadings) waits(t *testing.T, m mistake) {
	out, err := l.dial("unix", l.path("s")).Send(t.Context(), message())
	if err != nil {
		t.Fatal(err)
	}
	signed := slices.ContainsFunc(out.Edits, func(e milter.Edit) bool { return e.Name == "DKIM-Signature" })
	answer := out.Final.String()
	if signed == m.defers || m.defers && !strings.Contains(answer, "451") && !strings.Contains(answer, "tempfail") {
		t.Errorf("the author's mail: %+v", out)
	}
}
