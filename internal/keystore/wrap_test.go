package keystore

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dojang/internal/dataset"
	"dojang/internal/testutil"
)

func run(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return out
}

// TestKeysWrappedByAge opens what the age program wrapped, and has it open what
// Wrap wrapped.
func TestKeysWrappedByAge(t *testing.T) {
	program, keygen := testutil.Need(t, "age"), testutil.Need(t, "age-keygen")
	dir := t.TempDir()
	identity := run(t, nil, keygen)
	if err := os.WriteFile(dir+"/id", identity, 0o600); err != nil {
		t.Fatal(err)
	}
	recipient := strings.TrimSpace(string(run(t, nil, keygen, "-y", dir+"/id")))
	plain, err := os.ReadFile("testdata/ed25519.pkcs8.pem")
	if err != nil {
		t.Fatal(err)
	}
	unwrap, err := unwrapper(dir + "/id")
	if err != nil {
		t.Fatal(err)
	}
	binary, armored := run(t, plain, program, "-r", recipient), run(t, plain, program, "-a", "-r", recipient)
	text := agePrefix + base64.StdEncoding.EncodeToString(binary)
	for name, data := range map[string][]byte{"binary": binary, "armored": armored, "text": []byte(text)} {
		got, wrapped, err := unwrap(data)
		if err != nil || !wrapped || !bytes.Equal(got, plain) {
			t.Errorf("%s: %q, %v, %v", name, got, wrapped, err)
		}
		column := Column(data)
		if got, wrapped, err := unwrap([]byte(column)); err != nil || !wrapped || !bytes.Equal(got, plain) ||
			strings.ContainsAny(column, " \n") {
			t.Errorf("%s in a column: %q, %v", name, column, err)
		}
	}
	if _, wrapped, err := unwrap(plain); wrapped || err != nil {
		t.Errorf("a plain key: %v, %v", wrapped, err)
	}
	ours, err := Wrap(plain, recipient)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(ours[len(agePrefix):])
	if got := run(t, raw, program, "-d", "-i", dir+"/id"); !bytes.Equal(got, plain) {
		t.Errorf("age reads %q", got)
	}
	t.Run("rows", func(t *testing.T) { wrappedRows(t, dir, text, armored, unwrap) })
	for _, data := range []string{"age:!", "age:", "age:" + base64.StdEncoding.EncodeToString(binary[:100])} {
		if _, wrapped, err := unwrap([]byte(data)); !wrapped || err == nil {
			t.Errorf("%q: no error", data)
		}
	}
}

func wrappedRows(t *testing.T, dir, text string, armored []byte, unwrap func([]byte) ([]byte, bool, error)) {
	if err := os.WriteFile(dir+"/key.age", armored, 0o600); err != nil {
		t.Fatal(err)
	}
	table := "a example.com:s:" + text + "\nb example.com:s:" + text + ":ed25519-sha256\nc example.com:s:" + dir + "/key.age\n"
	if err := os.WriteFile(dir+"/table", []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Open(context.Background(), dir+"/table", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := New(set, Options{UID: os.Getuid(), Unwrap: unwrap})
	for _, name := range []string{"a", "b", "c"} {
		if key, err := store.Key(context.Background(), name, ""); err != nil || key.Bits != 256 {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	if list := store.Lint(context.Background()); list.HasErrors() {
		t.Error(list)
	}
	for _, name := range []string{"a", "c"} {
		_, err = New(set, Options{UID: os.Getuid()}).Key(context.Background(), name, "")
		if err == nil || !strings.Contains(err.Error(), "KeyIdentities") {
			t.Errorf("%s: a wrapped key without its identity: %v", name, err)
		}
	}
}

func TestNoIdentities(t *testing.T) {
	path := t.TempDir() + "/id"
	if err := os.WriteFile(path, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + "2"} {
		if _, err := unwrapper(p); err == nil {
			t.Errorf("%s: no error", p)
		}
	}
	if _, _, err := unwrap([]byte("age:!"), nil); err == nil || err.Error() != "what follows age: is not base64" {
		t.Errorf("%v", err)
	}
	for _, broken := range []string{"age:!", "-----BEGIN AGE ENCRYPTED FILE-----", "no key"} { // as they stand
		if got := Column([]byte(broken + "\n")); got != broken {
			t.Errorf("%s in a column: %s", broken, got)
		}
	}
	if _, err := Wrap([]byte("x"), "nobody"); err == nil {
		t.Error("wrapped for nobody")
	}
}
