package authres

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/milter"
)

// The files in testdata/opendkim are what Debian's opendkim 2.11.0~beta2 wrote,
// one field's value a file, made by
//
//	DOJANG_RECORD=1 go test -run TestRecordOpendkim ./authres
//
// Reading and writing each must give the same octets.
func TestOpendkimFields(t *testing.T) {
	files, err := filepath.Glob("testdata/opendkim/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		value, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkOpendkimField(t, filepath.Base(file), string(value))
	}
}

func checkOpendkimField(t *testing.T, name, value string) {
	t.Helper()
	r, err := Parse([]byte(value))
	if err != nil {
		t.Errorf("%s: %v\n%q", name, err, value)
		return
	}
	want := strings.TrimPrefix(strings.ReplaceAll(value, "\n", "\r\n"), " ")
	if got := r.Format(); got != want {
		t.Errorf("%s: wrote\n%q\nOpenDKIM wrote\n%q", name, got, want)
	}
	if forged, err := NewGuard([]string{r.AuthservID}, []string{"dkim"}).Forged([]byte(value)); !forged || err != nil {
		t.Errorf("%s: not taken for one of %q, %v", name, r.AuthservID, err)
	}
}

// opendkim runs the daemon with a configuration and returns a client.
func opendkim(t *testing.T, dir, name, configuration string) *milter.Client {
	t.Helper()
	return opendkimAs(t, dir, name, "mx.example.com", configuration)
}

func opendkimAs(t *testing.T, dir, name, authservID, configuration string) *milter.Client {
	t.Helper()
	folder, err := os.MkdirTemp(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	f := filtertest.Start(t, testutil.Need(t, "opendkim"), folder, configuration+"\nRequireSafeKeys no\nAuthservID "+authservID, nil)
	return f.Dial(t, milter.ClientOptions{Timeout: 20 * time.Second})
}

// fieldsOfOpendkim has opendkim sign and verify messages and returns the fields
// it adds, by the name of what was done.
func fieldsOfOpendkim(t *testing.T) map[string]string {
	dir := testutil.HomeDir(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"rsa": testutil.RSAKey(), "ed": edKey} {
		if err := os.WriteFile(path(name), []byte(testutil.KeyPEM(key)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rsaRecord, edRecord := testutil.KeyRecord(testutil.RSAKey()), testutil.KeyRecord(edKey)
	records := fmt.Sprintf("rsa._domainkey.example.com %s\ned._domainkey.example.com %s\nrevoked._domainkey.example.com "+
		"v=DKIM1; p=\nwrong._domainkey.example.com %s\ntest._domainkey.example.com %s\nrsa._domainkey.other.example %s\n",
		rsaRecord, edRecord, testutil.KeyRecord(other), strings.Replace(rsaRecord, "k=rsa", "k=rsa; t=y", 1), rsaRecord)
	if err := os.WriteFile(path("keys"), []byte(records), 0o600); err != nil {
		t.Fatal(err)
	}
	signer := func(name, domain, selector, key, more string) func(string) string {
		var c *milter.Client
		return func(raw string) string {
			if c == nil {
				c = opendkim(t, dir, name,
					fmt.Sprintf("Mode s\nDomain %s\nSelector %s\nKeyFile %s\nInternalHosts 192.0.2.1\n%s",
						domain, selector, path(key), more))
			}
			return through(t, c, raw)
		}
	}
	rsaSign := signer("s1", "example.com", "rsa", "rsa", "SignatureAlgorithm rsa-sha256")
	edSign := signer("s2", "example.com", "ed", "ed", "SignatureAlgorithm ed25519-sha256\nCanonicalization relaxed/relaxed")
	revoked := signer("s3", "example.com", "revoked", "rsa", "")
	missing := signer("s4", "example.com", "missing", "rsa", "")
	wrong := signer("s5", "example.com", "wrong", "rsa", "")
	testing := signer("s6", "example.com", "test", "rsa", "")

	const plain = "From: a@example.com\r\nTo: b@example.org\r\nSubject: one\r\n\r\nHello\r\n"
	changed := func(raw string) string { return strings.Replace(raw, "Hello", "Hallo", 1) }
	messages := map[string]string{
		"none":             plain,
		"rsa":              rsaSign(plain),
		"ed25519":          edSign(plain),
		"both":             edSign(rsaSign(plain)),
		"body-changed":     changed(rsaSign(plain)),
		"header-changed":   strings.Replace(rsaSign(plain), "Subject: one", "Subject: two", 1),
		"both-changed":     changed(edSign(rsaSign(plain))),
		"revoked":          revoked(plain),
		"missing":          missing(plain),
		"wrong-key":        wrong(plain),
		"testing":          testing(plain),
		"testing-changed":  changed(testing(plain)),
		"one-good-one-bad": revoked(rsaSign(plain)),
		"syntax":           "DKIM-Signature: v=1; nothing else\r\n" + plain,
		"syntax-and-good":  "DKIM-Signature: v=1; nothing else\r\n" + rsaSign(plain),
		"version":          strings.Replace(rsaSign(plain), "v=1", "v=2", 1),
		"no-from":          "To: b@example.org\r\n\r\nHello\r\n",
		"same-twice":       twice(rsaSign(plain)),
		"identity-quoted":  strings.Replace(rsaSign(plain), "d=example.com;", "d=example.com; i=\"a b\"@example.com;", 1),
		"identity-sub":     strings.Replace(rsaSign(plain), "d=example.com;", "d=example.com; i=joe@sub.example.com;", 1),
		"identity-outside": strings.Replace(rsaSign(plain), "d=example.com;", "d=example.com; i=@example.org;", 1),
		"identity-utf8":    strings.Replace(rsaSign(plain), "d=example.com;", "d=example.com; i=пример@example.com;", 1),
		"selector-missing": strings.Replace(rsaSign(plain), "s=rsa;", "", 1),
		"unsigned-from":    strings.Replace(rsaSign(plain), "h=From:", "h=X:", 1),
	}
	fields := map[string]string{}
	verify := func(suffix, authservID, more string) {
		c := opendkimAs(t, dir, "v"+suffix, authservID, "Mode v\nAlwaysAddARHeader yes\nTestPublicKeys "+path("keys")+"\n"+more)
		for name, raw := range messages {
			o, err := c.Send(context.Background(), message(raw, "198.51.100.1"))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			n := 0
			for _, e := range o.Edits {
				if e.Name == "Authentication-Results" && e.Kind == milter.ReplyInsertHeader {
					fields[name+suffix] = e.Value
					n++
				}
			}
			if n != 1 {
				t.Logf("%s%s: %d fields, %v, edits %v", name, suffix, n, o.Final.String(), o.Edits)
			}
		}
	}
	verify("", "mx.example.com", "")
	verify("-no-header-b", "mx.example.com", "NoHeaderB yes\nAuthservIDWithJobID yes")
	messages = map[string]string{"none": plain, "no-from": messages["no-from"], "rsa": messages["rsa"]}
	for _, n := range []int{1, 20, 21, 37, 38, 60, 80} { // where lines end
		verify(fmt.Sprintf("-id-of-%d", n), strings.Repeat("a", n), "")
	}
	return fields
}

func twice(raw string) string {
	end := strings.Index(raw, "\r\nFrom:")
	return raw[:end+2] + raw
}

func message(raw, address string) milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{Host: "client.example", From: "a@example.com", Rcpts: []string{"b@example.org"},
			Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr(address), Port: 25}},
		Macros: map[string]string{"j": "mx.example.com", "i": "4XyZ", "daemon_name": "smtpd"},
		Raw:    []byte(raw),
	}
}

func through(t *testing.T, c *milter.Client, raw string) string {
	t.Helper()
	m := message(raw, "192.0.2.1")
	o, err := c.Send(context.Background(), m)
	if err != nil || len(o.Edits) != 1 {
		t.Fatalf("%d edits, %v, %v", len(o.Edits), o.Final.String(), err)
	}
	return string(milter.Apply(m.Raw, o.Edits))
}

// TestRecordOpendkim compares with the daemon itself, and records.
func TestRecordOpendkim(t *testing.T) {
	testutil.Need(t, "opendkim")
	fields := fieldsOfOpendkim(t)
	if len(fields) < 10 {
		t.Fatalf("%d fields", len(fields))
	}
	for name, value := range fields {
		checkOpendkimField(t, name, value)
		if os.Getenv("DOJANG_RECORD") != "" {
			if err := os.MkdirAll("testdata/opendkim", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("testdata/opendkim/"+name+".txt", []byte(value), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
