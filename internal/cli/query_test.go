package cli

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/problem"
)

// A table may hold keys in the place of paths: whoever looks a row up sees the rest of it.
func TestQueryShowsNoKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, curve, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(key)
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
