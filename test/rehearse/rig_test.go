package rehearse

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/rehearse"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const patience = time.Minute

// stage is a folder with keys of example.com and a table of what is published.
type stage struct {
	dir    string
	rsa    *rsa.PrivateKey
	reader *os.File // of what rehearsals tell, nil for a file
}

func newStage(t testing.TB) *stage {
	t.Helper()
	testutil.NeedRoot(t)
	s := &stage{dir: testutil.SecureDir(t), rsa: testutil.RSAKey()}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "rsa.pem", testutil.KeyPEM(s.rsa))
	s.write(t, "other.pem", testutil.KeyPEM(other))
	s.write(t, "ed.pem", testutil.KeyPEM(ed))
	s.write(t, "public", "sel._domainkey.example.com "+testutil.KeyRecord(s.rsa)+"\n"+
		"second._domainkey.example.com "+testutil.KeyRecord(other)+"\n")
	s.write(t, "KeyTable", "k example.com:sel:"+s.dir+"/rsa.pem\n")
	s.write(t, "KeyTable.second", "k example.com:second:"+s.dir+"/other.pem\n")
	s.write(t, "SigningTable", "*@example.com k\n*@sub.example.com k\n")
	s.write(t, "SigningTable.fewer", "*@example.com k\n")
	return s
}

func (s *stage) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// base is the configuration of both filters. Later lines go first.
const base = `Mode sv
AuthservID mx.example.org
Canonicalization relaxed/simple
KeyTable KEYS/KeyTable
SigningTable refile:KEYS/SigningTable
OversignHeaders From
TestPublicKeys KEYS/public
AlwaysAddARHeader yes
InternalHosts 127.0.0.1
`

// configured is base with lines added, each of which takes the place of base's line of
// that option.
func (s *stage) configured(more string) string {
	text := base
	for line := range strings.Lines(more) {
		name, _, _ := strings.Cut(line, " ")
		var kept []string
		for old := range strings.Lines(text) {
			if first, _, _ := strings.Cut(old, " "); first != name {
				kept = append(kept, old)
			}
		}
		text = strings.Join(kept, "") + strings.TrimSuffix(line, "\n") + "\n"
	}
	return strings.ReplaceAll(text, "KEYS", s.dir)
}

// rehearsal is a `dojang rehearse` that runs.
type rehearsal struct {
	*proctest.Process
	socket, words string
}

func (s *stage) rehearse(t testing.TB, oldSocket, listen, configuration string) *rehearsal {
	t.Helper()
	dir := testutil.SecureDir(t)
	config := filepath.Join(dir, "conf")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &rehearsal{socket: filepath.Join(dir, "s"), words: filepath.Join(dir, "out")}
	if listen == "" {
		listen = "local:" + r.socket
	}
	out := s.reader
	if out == nil {
		var err error
		if out, err = os.Create(r.words); err != nil {
			t.Fatal(err)
		}
	}
	defer out.Close()
	cmd := exec.Command(filepath.Join(testutil.Build(t), "dojang"), "rehearse", "--beside",
		"local:"+oldSocket, "--socket", listen, "-x", config, "--json")
	cmd.Stdout = out
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // what is killed leaves its socket
	r.Process = proctest.Start(t, cmd)
	if port, found := strings.CutPrefix(listen, "inet:"); found {
		port, _, _ = strings.Cut(port, "@")
		r.Listens(patience, "tcp", "127.0.0.1:"+port)
		return r
	}
	r.Listens(patience, "unix", r.socket)
	return r
}

// half is the process number of the other half.
func (r *rehearsal) half(t testing.TB) int {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.Cmd.Process.Pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		if fields := strings.Fields(string(children)); len(fields) > 0 {
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("dojang rehearse has no other half")
	return 0
}

// end stops the rehearsal and returns what it told.
func (r *rehearsal) end(t testing.TB) (reports []rehearse.Report, numbers rehearse.Summary) {
	t.Helper()
	r.Signal(os.Interrupt)
	if code := r.Wait(2 * patience); code != 0 {
		t.Errorf("dojang rehearse ends with %d: %s", code, r.Process)
	}
	return r.told(t)
}

// numbers asks for the numbers so far.
func (r *rehearsal) numbers(t testing.TB) rehearse.Summary {
	t.Helper()
	printed := func() int {
		text, err := os.ReadFile(r.words)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte(`{"summary":`))
	}
	before := printed()
	r.Signal(syscall.SIGUSR1)
	proctest.Until(t, patience, "the numbers", func() bool { return printed() > before })
	_, numbers := r.told(t)
	return numbers
}

// told is what the rehearsal has told by now, with the last numbers.
func (r *rehearsal) told(t testing.TB) (reports []rehearse.Report, numbers rehearse.Summary) {
	t.Helper()
	text, err := os.ReadFile(r.words)
	if err != nil {
		t.Fatal(err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	in := bufio.NewScanner(bytes.NewReader(text))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var line struct {
			rehearse.Report
			Summary *rehearse.Summary `json:"summary"`
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, in.Bytes())
		}
		if line.Summary != nil {
			numbers = *line.Summary
			continue
		}
		reports = append(reports, line.Report)
	}
	return reports, numbers
}

// signed is a message from outside that bears a signature of example.com.
func (s *stage) signed(t testing.TB, raw string) string {
	return filtertest.Signature(t, raw, dkim.SignOptions{
		Domain: "example.com", Selector: "sel", Key: s.rsa, Time: time.Now(), HeaderCanonicalization: dkim.Relaxed,
		BodyCanonicalization: dkim.Simple,
	}) + raw
}

// mail are messages of the kinds that filters tell apart.
func (s *stage) mail(t testing.TB) map[string]milter.Message {
	const plain = "From: Some One <one@example.com>\r\nTo: two@example.net\r\nSubject: a subject\r\n that is folded\r\n" +
		"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello,\r\n\r\nthis is a body. \r\n"
	here := filtertest.Outside(plain)
	filtertest.FromHere(&here)
	sub := here
	sub.Raw = []byte(strings.Replace(plain, "one@example.com", "one@sub.example.com", 1))
	foreign := here
	foreign.Raw = []byte(strings.Replace(plain, "one@example.com", "one@example.edu", 1))
	long := here
	long.Raw = append([]byte(plain), bytes.Repeat([]byte("a line of a long body, which goes over several chunks\r\n"), 5000)...)
	valid := s.signed(t, plain)
	return map[string]milter.Message{
		"ours": here, "of a subdomain": sub, "of another domain": foreign, "long": long,
		"from outside, unsigned": filtertest.Outside(plain),
		"from outside, signed":   filtertest.Outside(valid),
		"from outside, changed":  filtertest.Outside(strings.Replace(valid, "this is", "this was", 1)),
		"with foreign results":   filtertest.Outside("Authentication-Results: mx.example.org; dkim=pass header.d=example.com\r\n" + valid),
	}
}

// numbered gives a message a queue ID of its own.
func numbered(m milter.Message, job string) milter.Message {
	m.Macros = map[string]string{"j": "mx.example.org", "i": job}
	return m
}

// contains reports whether a text holds another, and is empty where that is.
func contains(text, part string) bool {
	if part == "" {
		return text == ""
	}
	return strings.Contains(text, part)
}

func kill(t testing.TB, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}
