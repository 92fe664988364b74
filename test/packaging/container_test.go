package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// TestContainer builds the image without a network and runs it as itself: not
// root, with nothing but the program, options from the environment and a key
// that is mounted.
func TestContainer(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.Need(t, "buildah")
	dir := testutil.SecureDir(t)
	buildah := func(args ...string) *exec.Cmd {
		return exec.Command("buildah", append([]string{"--storage-driver", "vfs", "--root",
			filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run")}, args...)...)
	}
	say := func(args ...string) string {
		cmd := buildah(args...)
		var problems strings.Builder
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, &problems)
		}
		return strings.TrimSpace(string(out))
	}
	must(t, os.MkdirAll(filepath.Join(dir, "context", "bin"), 0o755))
	binary, err := os.ReadFile(filepath.Join(testutil.Build(t), "dojang"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "context", "bin", "dojang"), binary, 0o755))
	say("build", "--isolation", "chroot", "-t", "dojang", "-f", "../../packaging/container/Containerfile", filepath.Join(dir, "context"))

	mounted := filepath.Join(dir, "mounted")
	must(t, os.Mkdir(mounted, 0o700))
	if out, err := exec.Command(filepath.Join(testutil.Build(t), "opendkim-genkey"), "-D", mounted,
		"-d", "example.com", "-s", "mail").CombinedOutput(); err != nil {
		t.Fatalf("opendkim-genkey: %v\n%s", err, out)
	}
	must(t, os.Chown(mounted, 65532, 65532))
	must(t, os.Chown(filepath.Join(mounted, "mail.private"), 65532, 65532))

	container := say("from", "dojang")
	entry := say("inspect", "--type", "image", "--format", "{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}", "dojang")
	run := []string{"run", "--isolation", "chroot", "--volume", mounted + ":/keys"}
	for _, option := range []string{"Socket=local:/keys/s", "Domain=example.com", "Selector=mail", "KeyFile=/keys/mail.private"} {
		run = append(run, "--env", "OPENDKIM_"+option)
	}
	cmd := buildah(append(append(run, container), strings.Fields(entry)...)...)
	var log strings.Builder
	cmd.Stdout = &log
	must(t, cmd.Start())
	socket := filepath.Join(mounted, "s")
	for range 300 {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := added(t, socket, message, "DKIM-Signature"); !strings.Contains(got, "d=example.com;") {
		t.Errorf("not signed: %q", got)
	}
	must(t, cmd.Process.Signal(os.Interrupt))
	cmd.Wait()
	if want := "JOB: DKIM-Signature field added (s=mail, d=example.com)"; !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %q: %s", want, log.String())
	}
}
