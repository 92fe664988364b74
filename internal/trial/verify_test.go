package trial

import (
	"dojang/internal/explain"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/header"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/keytable"
	"dojang/internal/testutil"
)

// What opendkim-testmsg 2.11 says of messages that dkimpy signed, asked of a
// name server with the same records.
func TestClassicVerifyWords(t *testing.T) {
	record := func(name string) string {
		return testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/"+name+".private"))
	}
	keys := filepath.Join(t.TempDir(), "keys")
	records := "good._domainkey.example.com " + record("s2048") + "\n" +
		"other._domainkey.example.com " + record("s4096") + "\n" +
		"revoked._domainkey.example.com v=DKIM1; k=rsa; p=\n" +
		"badh._domainkey.example.com " + strings.Replace(record("s2048"), "k=", "h=rsa-sha256; k=", 1) + "\n"
	if err := os.WriteFile(keys, []byte(records), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.New()
	if problems := cfg.Set("TestPublicKeys", keys, config.CommandLine); problems != nil {
		t.Fatal(problems)
	}
	v, done, err := NewVerifier(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	message := "From: Joe <joe@example.com>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nHello\r\n"
	sign := func(selector string) string {
		key, err := keytable.LoadFile("../keyrecord/testdata/s2048.private")
		if err != nil {
			t.Fatal(err)
		}
		fields, body := mustParse(t, message)
		o := Signing{CRLF: true, Domain: "example.com", Selector: selector, Now: time.Unix(1700000000, 0)}
		field, err := o.Field(key, fields, body)
		if err != nil {
			t.Fatal(err)
		}
		return field + message
	}
	good := sign("good")
	tests := map[string]struct{ message, want string }{
		"passes":      {good, ""},
		"line ends":   {strings.ReplaceAll(good, "\r\n", "\n"), ""},
		"other key":   {sign("other"), "dkim_eom(): Bad signature"},
		"revoked":     {sign("revoked"), "dkim_eom(): Revoked key"},
		"absent":      {sign("missing"), "dkim_eom(): Key retrieval failed"},
		"hash":        {sign("badh"), "dkim_eom(): Unable to verify"},
		"body":        {strings.Replace(good, "Hello", "Jello", 1), "dkim_eom(): Bad signature"},
		"header":      {strings.Replace(good, "Joe", "Jim", 1), "dkim_eom(): Bad signature"},
		"version":     {strings.Replace(good, "v=1", "v=2", 1), "dkim_eom(): Unable to verify"},
		"no selector": {strings.Replace(good, " s=good;", "", 1), "dkim_chunk(): Syntax error"},
		"not signed":  {message, "dkim_chunk(): No signature"},
		"no date":     {strings.Replace(good, "Date:", "X-Date:", 1), "dkim_chunk(): Syntax error"},
		"no message":  {"", "dkim_chunk(): Syntax error"},
		"second of 2": {strings.Replace(sign("other"), message, good, 1), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := ClassicVerify(t.Context(), strings.NewReader(tt.message), v, time.Unix(1700000100, 0))
			got := ""
			if err != nil {
				got = err.Error()
				if exit.Status(err) != exit.Software {
					t.Errorf("exit status %d", exit.Status(err))
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func mustParse(t *testing.T, message string) (*header.List, []byte) {
	t.Helper()
	fields, body, err := header.Parse([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return fields, explain.WithCRLF(body)
}
