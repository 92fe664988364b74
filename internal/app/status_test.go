package app

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/internal/status"
	"dojang/internal/testutil"
	"dojang/milter"
)

const statusConf = "StatusSocket local:%s mode=0600\nStatusFile %s\nMetricsSocket local:%s\n"

func newStatusServer(t *testing.T, more string) (*server, *status.Client) {
	t.Helper()
	dir := t.TempDir()
	s := newServer(t, fmt.Sprintf(statusConf, dir+"/status.sock", dir+"/status", dir+"/metrics")+more)
	c, err := status.NewClient("local:" + dir + "/status.sock")
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func (s *server) send(id, from, client string) milter.Outcome {
	s.t.Helper()
	m := inside
	m.Addr = milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr(client)}
	m.Macros = map[string]string{"i": id, "j": "mx.example.com"}
	m.Raw = []byte("From: " + from + "\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\nSubject: s\r\n\r\nhello\r\n")
	out, err := s.dial().Send(s.t.Context(), m)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// Why was this message not signed? LogWhy is off, and the log says nothing of it.
func TestStatusTellsWhyWithoutLogWhy(t *testing.T) {
	s, c := newStatusServer(t, "")
	s.send("SIGNED", "a@example.com", "127.0.0.1")
	s.send("OUTSIDE", "a@example.com", "203.0.113.9")
	s.send("STRANGER", "x@stranger.example", "203.0.113.9")
	s.send("NOROW", "x@norow.example", "127.0.0.1")
	for _, want := range []struct {
		id     string
		result status.Result
		reason string
		event  string
	}{
		{"SIGNED", status.Signed, "", "signed"},
		{"OUTSIDE", status.Unsigned, "not_internal", "not_internal"},
		{"STRANGER", status.None, "", "not_internal"},
		{"NOROW", status.None, "", "no_signing_table_match"},
	} {
		rows, err := c.Messages(t.Context(), want.id, "", "", 5)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %v, %v", want.id, rows, err)
		}
		if m := rows[0]; m.Result != want.result || m.Reason != want.reason ||
			!strings.Contains(strings.Join(m.Events, " "), want.event) || m.Client != "" || m.Author != "" {
			t.Errorf("%s: %+v", want.id, m)
		}
	}
	if strings.Contains(s.log.String(), "not internal") {
		t.Error("the log tells it too")
	}
	domains, err := c.Domains(t.Context())
	if err != nil || len(domains) != 1 || domains[0].Domain != "example.com" || domains[0].SignedTotal != 1 ||
		domains[0].UnsignedTotal != 1 {
		t.Errorf("domains %+v, %v", domains, err)
	}
	if got := s.metrics(t); !strings.Contains(got, `dojang_unsigned_total{reason="not_internal"} 1`) {
		t.Error("no metric of unsigned mail")
	}
}

func (s *server) metrics(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.app.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// A key that cannot be had is our mail's trouble, whatever the tables say.
func TestStatusCountsTroubleWithKeys(t *testing.T) {
	s, c := newStatusServer(t, "")
	if err := os.Remove(s.path("key.private")); err != nil {
		t.Fatal(err)
	}
	if problems := s.app.Reload(t.Context()); len(problems) == 0 || problems.HasErrors() {
		t.Fatal("a key that is gone is told, and keeps no reload from being done:", problems)
	}
	var rows []status.Message
	var err error
	// The file is looked at again after a while (keystore.Options.Recheck).
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		s.send("LOST", "a@example.com", "127.0.0.1")
		rows, err = c.Messages(t.Context(), "LOST", "", "", 1)
		if err != nil || len(rows) == 1 && rows[0].Result == status.Unsigned {
			break
		}
	}
	if err != nil || len(rows) != 1 || rows[0].Result != status.Unsigned || rows[0].Reason != "key_error" || rows[0].Answer != "tempfail" {
		t.Errorf("%+v, %v", rows, err)
	}
	server, err := c.Server(t.Context())
	if err != nil || server.LastReload == nil || !server.LastReload.OK || len(server.LastReload.Problems) == 0 ||
		server.UnsignedDay["key_error"] != 1 {
		t.Errorf("%+v, %v", server, err)
	}
}

// Keys stand with their public half and never with the other.
func TestStatusTellsPublicKeysOnly(t *testing.T) {
	s, c := newStatusServer(t, "")
	s.send("Q", "a@example.com", "127.0.0.1")
	keys, err := c.Keys(t.Context(), "", "", 0)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%+v, %v", keys, err)
	}
	k := keys[0]
	if k.Name != "k" || k.Bits != 2048 || k.Algorithm != "rsa" ||
		!strings.HasPrefix(k.Record, "v=DKIM1; h=sha256; k=rsa; p=MII") || k.Source != "file" || k.Modified == nil ||
		k.Use != "used" || k.SignedTotal != 1 || len(k.Fingerprint) != 64 {
		t.Errorf("%+v", k)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(testutil.KeyPEM(testutil.RSAKey()), "\n")
	for _, secret := range lines[len(lines)/2 : len(lines)-3] { // behind the modulus, which is public
		if strings.Contains(string(text), secret) {
			t.Error("a part of the private key is told")
		}
	}
	if got, err := c.Keys(t.Context(), "stranger.example", "", 0); err != nil || len(got) != 0 {
		t.Errorf("of a stranger: %+v, %v", got, err)
	}
}

// Counts outlive a restart; after it no use of a key is forgotten.
func TestStatusOutlivesARestart(t *testing.T) {
	s, c := newStatusServer(t, "")
	s.send("BEFORE", "a@example.com", "127.0.0.1")
	before, err := c.Keys(t.Context(), "example.com", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	s.halt()
	s.start()
	after, err := c.Keys(t.Context(), "example.com", "", 0)
	if err != nil || len(after) != 1 || !after[0].LastSigned.Equal(*before[0].LastSigned) || after[0].SignedTotal != 1 {
		t.Errorf("after %+v, before %+v, %v", after, before, err)
	}
	if rows, err := c.Messages(t.Context(), "BEFORE", "", "", 5); err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
	s.send("AFTER", "a@example.com", "127.0.0.1")
	if domains, err := c.Domains(t.Context()); err != nil || domains[0].SignedTotal != 2 {
		t.Errorf("%+v, %v", domains, err)
	}
}
