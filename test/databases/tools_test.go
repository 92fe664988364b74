package databases

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// toolWorld is a configuration over tables on a server, for tools.
type toolWorld struct {
	conf, settings string
	env            []string
}

func (tb tables) forTools(t *testing.T, options string) toolWorld {
	t.Helper()
	dir := t.TempDir()
	w := toolWorld{conf: filepath.Join(dir, "opendkim.conf")}
	var text strings.Builder
	for name, record := range tb.records {
		text.WriteString(name + " " + record + "\n")
	}
	must(t, os.WriteFile(filepath.Join(dir, "records"), []byte(text.String()), 0o600))
	must(t, os.WriteFile(w.conf, []byte("Mode s\nMultipleSignatures yes\nSocket local:"+filepath.Join(dir,
		"s")+"\nTestPublicKeys "+filepath.Join(dir, "records")+"\n"+options+tb.identities), 0o600))
	w.settings = filepath.Join(dir, "rotate.conf")
	must(t, os.WriteFile(w.settings, []byte("Config "+w.conf+"\nState "+filepath.Join(dir, "state")+"\n"), 0o600))
	w.env = append(os.Environ(), "PATH="+testutil.Build(t)+":"+os.Getenv("PATH"))
	return w
}

// run runs dojang with the configuration.
func (w toolWorld) run(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(testutil.Build(t), "dojang"), args...)
	cmd.Env = w.env
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// tools: what tools say of tables that are on a server is what they say of files.
func (tb tables) tools(t *testing.T, options string) {
	w := tb.forTools(t, options)
	for _, c := range []struct {
		args   []string
		code   int
		has    []string
		hasNot string
	}{
		{[]string{"testkey", "--config", w.conf}, 0, []string{"ok   a._domainkey.example.com", "ok   r._domainkey.example.com: 2048-bit", "ok   sub._domainkey.example.com", "3 keys: 3 right", "'any' is a key for any domain"}, "FAIL"},
		{[]string{"testkey", "--config", w.conf, "--domain", "elsewhere.example"}, 0, []string{"ok   any._domainkey.elsewhere.example"}, "example.com"},
		{[]string{"zone", "--config", w.conf}, 0, []string{"a._domainkey.example.com.", "r._domainkey.example.com.", "sub._domainkey.example.com."}, "any._domainkey"},
		{[]string{"keys", "--settings", w.settings}, 0, []string{"example.com", "unmanaged", "ed25519", "rsa"}, "cannot be listed"},
		{[]string{"config", "check", "--config", w.conf}, 0, []string{"configuration is good"}, "error"},
		{[]string{"doctor", "--config", w.conf}, 2, []string{"a._domainkey.example.com is published and fits", "r._domainkey.example.com is published", "sub._domainkey.example.com is published", "example.com has no DMARC record"}, "no author is known"},
	} {
		code, out := w.run(t, c.args...)
		wrong := code != c.code || strings.Contains(out, c.hasNot)
		for _, text := range c.has {
			wrong = wrong || !strings.Contains(out, text)
		}
		if wrong {
			t.Errorf("%v: exit status %d\n%s", c.args, code, out)
		}
	}
}
