// Package oracle compares dojang with Debian's opendkim: the same configuration
// and the same messages through both, and the same answers, edits, log lines and
// exit status from both. Cases are data, in testdata/cases; what we do
// differently on purpose stands in the case, with its reason in
// docs/differences.md.
//
// ORACLE_UPDATE=1 writes our transcripts anew where a case says that we differ,
// ORACLE_REPORT=FILE collects what differs besides, and DOJANG_ORACLE_BINARY names
// a program that is built already.
package oracle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/milter"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func cases(t testing.TB) []*testCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in testdata/cases: %v", err)
	}
	var all []*testCase
	for _, path := range paths {
		all = append(all, readCase(t, path))
	}
	return all
}

func TestAgainstOpenDKIM(t *testing.T) {
	p := ready(t)
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// opendkim ends with a crash at times, in the middle of anything: then the
			// case is played again. A case that always ends it is judged all the same.
			var wrong []string
			for range 3 {
				var died bool
				if wrong, died = compare(t, p, c); !died || len(wrong) == 0 {
					break
				}
			}
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}

// compare plays a case on both sides. It returns what differs, and whether
// opendkim was ended by a signal that was not ours.
func compare(t *testing.T, p *programs, c *testCase) (wrong []string, died bool) {
	check := func(label, theirs, ours string) {
		if w := c.check(t, label, theirs, ours); w != "" {
			wrong = append(wrong, w)
		}
	}
	nameserver := ""
	if len(c.dns) > 0 {
		nameserver = serveDNS(t, c.dns)
	}
	theirs := newInstance(t, p, p.opendkim(), c, nameserver)
	ours := newInstance(t, p, p.dojang(), c, nameserver)
	for _, r := range c.runs {
		check(r.label, theirs.run(t, r), ours.run(t, r))
	}
	if len(c.sends) == 0 {
		return wrong, false
	}
	a, b := theirs.start(t), ours.start(t)
	settle(t, a.log, b.log, c.logged("start", a, b))
	check("start", started(a), started(b))
	for _, s := range c.sends {
		theirs, ours := c.exchange(t, s, a, b)
		check(s.label, theirs, ours)
	}
	endA, endB := a.stop(), b.stop()
	settle(t, a.log, b.log, c.logged("stop", a, b))
	check("stop", render(a.instance, &milter.Outcome{}, nil, a.log.take())+endA+"\n",
		render(b.instance, &milter.Outcome{}, nil, b.log.take())+endB+"\n")
	return wrong, strings.Contains(endA, "signal:")
}

func started(d *daemon) string {
	state := "serves\n"
	if d.Ended() {
		state = "exit " + d.status() + "\n"
	}
	var b strings.Builder
	for _, l := range d.log.take() {
		b.WriteString(l.String() + "\n")
	}
	return state + d.general(b.String())
}

// logged reports whether all that is awaited at a label has been logged: the same by
// both, or by ours what the case says. opendkim writes its lines before it answers, and
// those of ours follow its answer.
func (c *testCase) logged(label string, a, b *daemon) func(x, y []logLine) bool {
	text := func(d *daemon, lines []logLine) string {
		return withoutTime(comparable(render(d.instance, &milter.Outcome{}, nil, lines)))
	}
	said, deliberate := "", false
	if d, ok := c.differs[label]; ok {
		deliberate = true
		for line := range strings.Lines(withoutTime(comparable(d.ours))) {
			if strings.HasPrefix(line, "log ") {
				said += line
			}
		}
		said = "answer none\n" + said
	}
	var since time.Time // ours said what the case says
	return func(x, y []logLine) bool {
		ours := text(b, y)
		if !deliberate || ours != said {
			return !deliberate && ours == text(a, x)
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) > 50*time.Millisecond
	}
}

// exchange sends a message to both at the same moment; a message that they signed
// in different seconds is sent again.
func (c *testCase) exchange(t testing.TB, s send, a, b *daemon) (theirs, ours string) {
	for range 4 {
		theirs, ours = c.both(t, s, a, b)
		if seconds(theirs) == seconds(ours) {
			break
		}
	}
	if seconds(theirs) != seconds(ours) {
		theirs, ours = withoutTime(theirs), withoutTime(ours)
	}
	return theirs, ours
}

func (c *testCase) both(t testing.TB, s send, a, b *daemon) (theirs, ours string) {
	type result struct {
		outcome milter.Outcome
		err     error
	}
	done := make(chan result, 1)
	go func() {
		o, err := sendTo(a, s)
		done <- result{o, err}
	}()
	o, err := sendTo(b, s)
	first := <-done
	settle(t, a.log, b.log, c.logged(s.label, a, b))
	return render(a.instance, &first.outcome, first.err, a.log.take()), render(b.instance, &o, err, b.log.take())
}

func sendTo(d *daemon, s send) (milter.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	client, err := milter.Dial("unix", d.socket(), s.protocol)
	if err != nil {
		return milter.Outcome{}, err
	}
	defer client.Quit()
	return client.Send(ctx, s.message)
}

// check compares, and where a case says that we differ, holds us to what it says.
func (c *testCase) check(t *testing.T, label, theirs, ours string) (wrong string) {
	t.Helper()
	theirs, ours = comparable(theirs), comparable(ours)
	d, deliberate := c.differs[label]
	switch diff := cmp.Diff(theirs, ours); {
	case !deliberate && diff != "":
		report(c.name, label, theirs, ours)
		return fmt.Sprintf("%s: (-opendkim +ours)\n%s", label, diff)
	case deliberate && diff == "":
		return fmt.Sprintf("%s: no longer different (%s)", label, d.reason)
	case deliberate && withoutTime(ours) != withoutTime(d.ours) && os.Getenv("ORACLE_UPDATE") != "":
		c.update(t, label, ours)
	case deliberate && withoutTime(ours) != withoutTime(d.ours):
		return fmt.Sprintf("%s: we differ from opendkim (%s), but not as said: (-said +ours)\n%s",
			label, d.reason, cmp.Diff(withoutTime(d.ours), withoutTime(ours)))
	}
	return ""
}

// update writes what we do now into the case, for somebody to read: only where the
// case says already that, and why, we differ.
func (c *testCase) update(t *testing.T, label, ours string) {
	t.Helper()
	path := "testdata/cases/" + c.name + ".txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range archive.Files {
		if f.Name == "differs "+label {
			archive.Files[i].Data = []byte("because: " + c.differs[label].reason + "\n" + ours)
		}
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// report appends a difference to the file that ORACLE_REPORT names.
func report(name, label, theirs, ours string) {
	path := os.Getenv("ORACLE_REPORT")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString("## " + name + ": " + label + "\ntheirs:\n" + theirs + "ours:\n" + ours + "\n")
}

// run runs a program to its end. What it says on standard error is not compared:
// we say more.
func (in *instance) run(t *testing.T, r run) string {
	t.Helper()
	const enough = 3 * time.Second // for a program that serves where it should have ended
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	var args []string
	for _, arg := range r.args {
		args = append(args, in.replace(arg))
	}
	cmd := in.command(ctx, args...)
	cmd.Stdin = strings.NewReader(in.replace(r.stdin))
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	text := strings.TrimRight(string(out), "\n")
	if !in.ours {
		text = withoutATPS(text)
	}
	if text != "" {
		text += "\n"
	}
	return "exit " + exitStatus(err) + "\n" + in.general(text)
}
