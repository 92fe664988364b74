package doctor

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/smtptest"
)

// fault is one change to a good server.
type fault struct {
	name  string
	make  func(*server)
	code  string                 // of the finding that must name it
	mends func(*server, finding) // does what the advice says, where no command can; nil: there is a command
}

// TestNothingIsWrong: right set-ups are called right.
func TestNothingIsWrong(t *testing.T) {
	var all sync.Map
	t.Cleanup(func() {
		for _, check := range []string{"configuration", "key", "dns", "socket", "process", "postfix",
			"clock", "message", "domain", "unsigned"} {
			if _, ok := all.Load(check); !ok {
				t.Errorf("%s was not looked at", check)
			}
		}
	})
	for _, u := range append([]fault{{"good", func(*server) {}, "", nil}}, usual...) {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			u.make(s)
			s.start()
			s.isGood()
			_, found := s.examine()
			for _, f := range found {
				all.Store(f.Check, true)
			}
		})
	}
}

// seeded are some of the faults: DOCTOR_SEED chooses others.
func seeded(t *testing.T, faults []fault, n int) []fault {
	if testutil.Long() {
		return faults
	}
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("DOCTOR_SEED"), 10, 64); err == nil {
		seed = n
	}
	random := rand.New(rand.NewPCG(seed, 0))
	list := slices.Clone(faults)
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:n]
}

// TestOneFaultEach: each fault is named; what doctor says to type mends it, and changes
// nothing else.
func TestOneFaultEach(t *testing.T) {
	faults := slices.Concat(byPostfix, byFilter)
	if len(faults) < 60 {
		t.Fatalf("%d faults", len(faults))
	}
	for _, f := range seeded(t, faults, 12) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.mta = slices.ContainsFunc(byPostfix, func(p fault) bool { return p.name == f.name })
			f.make(s)
			s.start()
			s.mend(f)
		})
	}
}

// mend looks for the finding, does what it says and looks again.
func (s *server) mend(f fault) {
	s.t.Helper()
	wrong, _ := s.examine()
	i := slices.IndexFunc(wrong, func(w finding) bool { return w.Code == f.code })
	if i < 0 {
		s.t.Fatalf("%s was not found: %v", f.code, wrong)
	}
	if f.mends != nil {
		if wrong[i].Advice == "" {
			s.t.Errorf("no advice: %s", wrong[i])
		}
		f.mends(s, wrong[i])
		s.isGood()
		return
	}
	before := s.settings()
	// One change may be in the way of two kinds of mail: each has its own remedy.
	typed := map[string]bool{}
	for w, found := s.next(f.code, typed); found; w, found = s.next(f.code, typed) {
		if len(typed) == 3 {
			s.t.Fatalf("three commands did not mend it: %s", w)
		}
		s.t.Logf("%s\n-> %s", w.Text, w.Remedy)
		typed[w.Remedy] = true
		s.type_(w.Remedy)
	}
	s.oneChange(before, len(typed))
	if s.mta {
		s.mailIsSigned()
	}
}

// mailIsSigned sends mail by Postfix: what doctor calls good is. Postfix takes its time
// until a reload counts for each of its processes.
func (s *server) mailIsSigned() {
	s.t.Helper()
	text, sent := "", 0
	for end := time.Now().Add(patience); time.Now().Before(end) && !strings.Contains(text, "DKIM-Signature:"); sent++ {
		friend := fmt.Sprintf("friend%d@example.org", sent)
		client := smtptest.Dial(s.t, s.address+":587", "127.0.0.1")
		client.Expect(220)
		client.Hello()
		client.Send("joe@example.com", friend, []byte("From: joe@example.com\r\nTo: "+friend+"\r\nSubject: hi\r\n\r\nhi\r\n"))
		client.Quit()
		text = string(s.sink.Await(s.t, friend))
		time.Sleep(50 * time.Millisecond)
	}
	if !strings.Contains(text, "DKIM-Signature:") {
		s.t.Errorf("what Postfix sent is not signed:\n%s", text)
	}
}

// settings are all lines of the server's files that say something, those of one setting
// in one.
func (s *server) settings() map[string][]string {
	s.t.Helper()
	all := map[string][]string{"main.cf": nil, "opendkim.conf": strings.Split(s.read("opendkim.conf"), "\n"),
		"SigningTable": strings.Split(s.read("SigningTable"), "\n")}
	for line := range strings.SplitSeq(s.read("main.cf"), "\n") {
		if n := len(all["main.cf"]); n > 0 && strings.HasPrefix(line, " ") {
			all["main.cf"][n-1] += "\n" + line
			continue
		}
		all["main.cf"] = append(all["main.cf"], line)
	}
	for _, flag := range []string{"-M", "-P"} {
		cmd := exec.Command("postconf", "-c", s.dir, flag)
		out, err := cmd.Output()
		s.must(err)
		for line := range strings.Lines(string(out)) {
			if fields := strings.Fields(line); flag == "-M" {
				line = strings.Join(fields[:8], " ") // what follows, -P shows
			}
			all["master.cf"] = append(all["master.cf"], strings.TrimSpace(line))
		}
	}
	if text, err := os.ReadFile(s.path("table")); err == nil {
		all["table"] = strings.Split(string(text), "\n")
	}
	return all
}

// oneChange wants no more than n lines of each file changed, the others untouched and in
// their order, and one file changed for Postfix.
func (s *server) oneChange(before map[string][]string, n int) {
	s.t.Helper()
	changes := 0
	for name, now := range s.settings() {
		gone := missing(before[name], now)
		come := missing(now, before[name])
		if len(gone) > n || len(come) > n {
			s.t.Errorf("%s: more changed than one line:\n- %s\n+ %s", name, strings.Join(gone, "\n- "), strings.Join(come, "\n+ "))
		}
		if rest := without(before[name], gone); !slices.Equal(rest, without(now, come)) {
			s.t.Errorf("%s: lines changed their order", name)
		}
		if len(gone)+len(come) > 0 {
			changes++
		}
	}
	if changes > n+1 {
		s.t.Errorf("%d files changed", changes)
	}
}

// missing are the lines of a that b has not.
func missing(a, b []string) (lines []string) {
	for _, line := range a {
		if !slices.Contains(b, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func without(list, lines []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(line string) bool { return slices.Contains(lines, line) })
}
