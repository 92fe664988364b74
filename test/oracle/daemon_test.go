package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// programs are what is compared, made ready once for all cases.
type programs struct {
	root    string // of all temporary folders: not writable by others, keys lie below it
	keys    string
	preload string
	theirs  string
	ours    string
}

// root is the folder that prepare made, for TestMain to remove.
var root string

var prepare = sync.OnceValues(func() (*programs, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	// Compat(opendkim 2.11): a key below a folder that others may write to, /tmp
	// with its sticky bit too, is not safe.
	if root, err = testutil.TempDir(home, ".dojang-oracle-"); err != nil {
		return nil, err
	}
	p := &programs{root: root, keys: filepath.Join(root, "keys"), preload: filepath.Join(root, "syslog.so"),
		ours: os.Getenv("DOJANG_ORACLE_BINARY")}
	if err := os.MkdirAll(p.keys, 0o700); err != nil {
		return p, err
	}
	names, err := filepath.Glob("testdata/keys/*.pem")
	if err != nil || len(names) == 0 {
		return p, fmt.Errorf("no keys in testdata/keys: %v", err)
	}
	for _, name := range append(names, "testdata/public-keys") {
		data, err := os.ReadFile(name)
		if err != nil {
			return p, err
		}
		if err := os.WriteFile(filepath.Join(p.keys, filepath.Base(name)), data, 0o600); err != nil {
			return p, err
		}
	}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O", "-w", "-o", p.preload, "testdata/syslog.c").CombinedOutput(); err != nil {
		return p, fmt.Errorf("gcc: %v: %s", err, out)
	}
	if p.ours == "" {
		p.ours = filepath.Join(root, "opendkim") // the name by which it is opendkim
		build := exec.Command("go", "build", "-o", p.ours, "./cmd/dojang")
		build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return p, fmt.Errorf("go build: %v: %s", err, out)
		}
	}
	return p, nil
})

func ready(t testing.TB) *programs {
	t.Helper()
	testutil.Need(t, "gcc")
	theirs := testutil.Need(t, "opendkim")
	p, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	p2 := *p
	p2.theirs = theirs
	return &p2
}

func TestMain(m *testing.M) {
	code := m.Run()
	if root != "" {
		os.RemoveAll(root)
	}
	os.Exit(code)
}

// side is one of the two filters.
type side struct {
	ours bool
	path string
	env  []string
}

// opendkim is Debian's filter, which logs to the socket of its instance.
func (p *programs) opendkim() side {
	return side{path: p.theirs, env: []string{"LD_PRELOAD=" + p.preload}}
}

// dojang is ours.
func (p *programs) dojang() side { return side{ours: true, path: p.ours} }

func (s side) String() string {
	if s.ours {
		return "ours"
	}
	return "opendkim"
}

// instance is a folder of its own for one run of a side, with its syslog.
type instance struct {
	side
	dir, keys, messages, nameserver string
	log                             *syslog
}

func newInstance(t testing.TB, p *programs, s side, c *testCase, nameserver string) *instance {
	t.Helper()
	dir, err := os.MkdirTemp(p.root, "run-")
	if err != nil {
		t.Fatal(err)
	}
	messages, err := filepath.Abs("testdata/messages")
	if err != nil {
		t.Fatal(err)
	}
	in := &instance{side: s, dir: dir, keys: p.keys, messages: messages, nameserver: nameserver}
	in.log = &syslog{path: filepath.Join(dir, "log")}
	in.log.Syslog = proctest.ListenSyslog(t, in.log.path)
	config := "Syslog yes\n" + in.replace(c.config)
	if !strings.Contains(c.config, "Socket ") {
		config += "Socket local:" + in.socket() + "\n"
	}
	if s.ours {
		config += "SyslogSocket " + filepath.Join(dir, "log") + "\n"
	}
	in.write(t, "conf", config)
	for name, text := range c.files {
		in.write(t, name, in.replace(text))
	}
	return in
}

func (in *instance) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(in.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (in *instance) socket() string { return filepath.Join(in.dir, "s") }

func (in *instance) replace(s string) string {
	return strings.NewReplacer("DIR", in.dir, "KEYS", in.keys, "NAMESERVER", in.nameserver, "MESSAGES", in.messages).Replace(s)
}

// general puts the placeholders back.
func (in *instance) general(s string) string {
	pairs := []string{in.dir, "DIR", in.keys, "KEYS", in.messages, "MESSAGES"}
	if in.nameserver != "" {
		pairs = append(pairs, in.nameserver, "NAMESERVER")
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

func (in *instance) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, in.path, args...)
	cmd.Args[0] = "/usr/sbin/opendkim"
	cmd.Dir = in.dir
	cmd.Env = append(append(os.Environ(), "ORACLE_LOG="+filepath.Join(in.dir, "log")), in.env...)
	return cmd
}

// daemon is a filter that serves.
type daemon struct {
	*instance
	*proctest.Process
}

const patience = time.Minute

// start returns when the filter accepts connections, or when it has ended.
func (in *instance) start(t testing.TB) *daemon {
	t.Helper()
	p := proctest.Start(t, in.command(context.Background(), "-f", "-x", filepath.Join(in.dir, "conf")))
	if err := p.Await(patience, proctest.Dials("unix", in.socket())); err != nil && !p.Ended() {
		t.Error(err)
	}
	return &daemon{in, p}
}

// said waits until a line of the log has the text.
func (d *daemon) said(t testing.TB, text string) {
	t.Helper()
	proctest.Until(t, patience, "the line"+text, func() bool {
		return slices.ContainsFunc(d.log.pending(), func(l logLine) bool { return strings.Contains(l.text, text) })
	})
}

// stop ends the filter and returns how it ended.
func (d *daemon) stop() string {
	if !d.Ended() {
		d.Cmd.Process.Signal(syscall.SIGTERM)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if d.Ended() {
			return "exit " + d.status()
		}
		// libmilter looks every five seconds, and at each connection.
		proctest.Dials("unix", d.socket())()
	}
	return "does not end"
}

// status is how the filter ended.
func (d *daemon) status() string {
	if code := d.Cmd.ProcessState.ExitCode(); code >= 0 {
		return fmt.Sprint(code)
	}
	return d.Cmd.ProcessState.String()
}

func exitStatus(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return fmt.Sprint(exit.ExitCode())
	}
	return err.Error()
}
