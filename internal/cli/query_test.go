package cli

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/problem"
	"dojang/internal/testutil"
)

// A table may hold keys in the place of paths: whoever looks a row up sees the rest of it.
func TestQueryShowsNoKey(t *testing.T) {
	_, curve, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(testutil.RSAKey())
	inOneLine := strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), "\n", `\n`)
	file := filepath.Join(t.TempDir(), "KeyTable")
	for form, value := range map[string]string{
		"PKCS#1": base64.StdEncoding.EncodeToString(pkcs1), "PKCS#8": base64.StdEncoding.EncodeToString(pkcs8),
		"seed": base64.StdEncoding.EncodeToString(curve.Seed()), "PEM": inOneLine,
		"a path": "/etc/opendkim/keys/mail.private",
	} {
		if err := os.WriteFile(file, []byte("k example.com:mail:"+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		want := problem.Redacted
		if form == "a path" {
			want = value
		}
		for _, ask := range []struct {
			args []string
			in   string
			rest string
		}{
			{[]string{"dojang", "query", "-n", "3", "file:" + file, "k"}, "", "example.com\nmail\n" + want + "\n"},
			{[]string{"opendkim", "-Q"}, "file:" + file + "\nk/3\n", "'example.com'\n'mail'\n'" + want + "'\n"},
		} {
			var out, errs bytes.Buffer
			Main(t.Context(), ask.args, Streams{In: strings.NewReader(ask.in), Out: &out, Err: &errs})
			if !strings.Contains(out.String(), ask.rest) || want != value && strings.Contains(out.String()+errs.String(), value[24:40]) {
				t.Errorf("%s, %q:\n%s%s", form, ask.args, out.String(), errs.String())
			}
		}
	}
}

// 75 is for what may be there later, whenever it turns out.
func TestQueryStatus(t *testing.T) {
	for spec, want := range map[string]int{
		"csl:k=v": 0, "csl:x": 1, "file:/nonexistent": 65, "redis://h:0": 65, "nosuch:x": 65,
		"redis://127.0.0.1:1": 75, "socket:inet:1@127.0.0.1": 75, "http://127.0.0.1:1/{key}": 75, "memcache:127.0.0.1:1/x": 75, "ldap://127.0.0.1:1/": 75,
		"dsn:mysql://u:geheim@1+127.0.0.1/d/table=t?keycol=k?datacol=v": 75,
	} {
		var errs bytes.Buffer
		got := Main(t.Context(), []string{"dojang", "query", spec, "k"}, Streams{In: strings.NewReader(""), Out: io.Discard, Err: &errs})
		if got != want || strings.Contains(errs.String(), "geheim") {
			t.Errorf("%s: %d, want %d: %s", spec, got, want, errs.String())
		}
	}
}
