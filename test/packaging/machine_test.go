package packaging

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// machine is a copy of this system that is thrown away when the test ends, with
// systemd as its first process and a network of its own. What packages do to it
// is done for real.
type machine struct {
	t    *testing.T
	init string
}

// boot starts a machine and puts the files into its /root.
func boot(t *testing.T, files ...string) *machine {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "opendkim", "opendkim-genkey", "unshare", "nsenter", "ip", "systemctl")
	group := fmt.Sprintf("dojang-test-%d-%s", os.Getpid(), strings.NewReplacer("/", "-").Replace(t.Name()))
	cmd := exec.Command("sh", "testdata/boot.sh", t.TempDir(), group)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Kill() // the machine dies with it
		<-ended
		for _, dir := range []string{"", "systemd", "unified"} {
			removeGroup(filepath.Join("/sys/fs/cgroup", dir, group))
		}
	})
	for range 600 {
		m := &machine{t: t, init: firstChild(cmd.Process.Pid)}
		if m.init != "" && m.command("systemctl is-active --quiet proof.target").Run() == nil {
			for _, name := range files {
				m.put(name)
			}
			return m
		}
		select {
		case err := <-ended:
			t.Fatalf("the machine does not start: %v\n%s", err, &said)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("systemd does not start")
	return nil
}

// firstChild is the process's one child, or "" while there is none.
func firstChild(pid int) string {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strings.TrimSpace(string(children))
}

// removeGroup removes an empty control group with those below it; the kernel
// may take a moment to see that it is empty.
func removeGroup(dir string) {
	below, _ := os.ReadDir(dir)
	for _, d := range below {
		if d.IsDir() {
			removeGroup(filepath.Join(dir, d.Name()))
		}
	}
	for range 500 {
		if err := os.Remove(dir); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (m *machine) command(script string) *exec.Cmd {
	return exec.Command("nsenter", "--target", m.init, "--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc", "--root", "--wd",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", script)
}

// run has the machine's shell run the script, and returns what it says.
func (m *machine) run(script string) string {
	m.t.Helper()
	out, err := m.command(script).CombinedOutput()
	if err != nil {
		log, _ := m.command("journalctl --no-pager -n 30 | grep -i opendkim; systemctl status --no-pager opendkim").CombinedOutput()
		m.t.Fatalf("%v in:\n%s\n%s\n%s", err, script, out, log)
	}
	return string(out)
}

// want runs the script, which must say just that.
func (m *machine) want(what, script string) {
	m.t.Helper()
	if got := strings.TrimSpace(m.run(script)); got != what {
		m.t.Errorf("%s:\n%s\nwant\n%s", script, got, what)
	}
}

// path is where the machine's file is seen from here.
func (m *machine) path(name string) string { return "/proc/" + m.init + "/root" + name }

func (m *machine) put(name string) {
	m.t.Helper()
	content, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(m.path("/root/"+filepath.Base(name)), content, 0o644)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// signs has a message of example.com signed with the selector by the filter
// that systemd started, on the socket that the configuration names.
func (m *machine) signs(selector string) {
	m.t.Helper()
	got := added(m.t, m.path("/run/opendkim/opendkim.sock"), message, "DKIM-Signature")
	if !strings.Contains(got, "d=example.com;") || !strings.Contains(got, "s="+selector+";") {
		m.t.Errorf("mail is not signed as before: %q", got)
	}
}
