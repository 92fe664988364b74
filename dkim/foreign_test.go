package dkim

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/header"
)

// verifyMessage verifies a whole message, its body cut at the given place.
// With kept false the header is told as by an MTA that cuts leading spaces.
func verifyMessage(t testing.TB, message []byte, o VerifyOptions, key func(name string) KeyAnswer, cut int, kept bool) []Result {
	t.Helper()
	parsed, body, err := header.Parse(message)
	if err != nil {
		t.Fatal(err)
	}
	fields := new(header.List)
	for i := range parsed.Len() {
		f := parsed.At(i)
		value := bytes.ReplaceAll(f.Value(), []byte("\r\n"), []byte("\n"))
		if !kept && len(value) > 0 && value[0] == ' ' {
			fields.Add(f.Name(), value[1:], false)
		} else {
			fields.Add(f.Name(), value, true)
		}
	}
	var bodies BodyHashes
	v := NewVerifier(o, fields, &bodies)
	for _, q := range v.Queries() {
		v.SetKey(q, key(q.Name))
	}
	if cut >= 0 {
		bodies.Write(body[:min(cut, len(body))])
		body = body[min(cut, len(body)):]
	}
	bodies.Write(body)
	bodies.Close()
	return v.Finish()
}

func wantPass(t testing.TB, what string, n int, results []Result) {
	t.Helper()
	if len(results) != n {
		t.Errorf("%s: %d results, want %d", what, len(results), n)
	}
	for i, r := range results {
		if r.Status != StatusPass {
			t.Errorf("%s, signature %d: %v (%v), header %v, body %v", what, i, r.Status, r.Reason, r.HeaderOK, r.BodyOK)
		}
	}
}

// TestForeignSignatures verifies what Mail::DKIM and dkimpy signed.
func TestForeignSignatures(t *testing.T) {
	for _, file := range vectorFiles(t, "foreign/*.json") {
		var v struct {
			Record  string
			Message latin1
		}
		readJSON(t, file, &v)
		key := func(string) KeyAnswer { return KeyAnswer{Texts: []string{v.Record}} }
		o := VerifyOptions{Now: time.Unix(4000000000, 0)}
		name := filepath.Base(file)
		bodyLen := len(v.Message) - bytes.Index(v.Message, []byte("\r\n\r\n")) - 4
		for cut := 0; cut <= min(bodyLen, 100); cut++ {
			wantPass(t, fmt.Sprintf("%s cut at %d", name, cut), 1, verifyMessage(t, v.Message, o, key, cut, true))
		}
		wantPass(t, name+" without leading space", 1, verifyMessage(t, v.Message, o, key, -1, false))

		changed := bytes.Replace(v.Message, []byte("Subject: "), []byte("Subject: x"), 1)
		if r := verifyMessage(t, changed, o, key, -1, true)[0]; r.Reason != ReasonBadSignature || r.HeaderOK || !r.BodyOK {
			t.Errorf("%s with another subject: %v, header %v, body %v", name, r.Reason, r.HeaderOK, r.BodyOK)
		}
		if bytes.Contains(v.Message, []byte("; l=")) {
			continue
		}
		changed = append(bytes.Clone(v.Message), "footer\r\n"...)
		if r := verifyMessage(t, changed, o, key, -1, true)[0]; r.Reason != ReasonBodyHash || !r.HeaderOK || r.BodyOK {
			t.Errorf("%s with a footer: %v, header %v, body %v", name, r.Reason, r.HeaderOK, r.BodyOK)
		}
	}
}

// TestRFCExamples verifies the examples of RFC 6376 appendix A and RFC 8463
// appendix A.
func TestRFCExamples(t *testing.T) {
	for _, file := range vectorFiles(t, "rfc/*.eml") {
		message, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		message = bytes.ReplaceAll(message, []byte("\n"), []byte("\r\n"))
		zone, err := os.ReadFile(strings.TrimSuffix(file, ".eml") + ".dns")
		if err != nil {
			t.Fatal(err)
		}
		key := func(name string) KeyAnswer {
			for line := range strings.Lines(string(zone)) {
				if n, text, _ := strings.Cut(line, ": "); n == name {
					return KeyAnswer{Texts: []string{strings.TrimSpace(text)}}
				}
			}
			return KeyAnswer{NotFound: true}
		}
		n := bytes.Count(message, []byte("DKIM-Signature:"))
		for cut := range 60 {
			wantPass(t, fmt.Sprintf("%s cut at %d", file, cut), n,
				verifyMessage(t, message, VerifyOptions{Now: time.Unix(1528637909, 0)}, key, cut, true))
		}
		wantPass(t, file, n, verifyMessage(t, message, VerifyOptions{Now: time.Unix(1528637909, 0)}, key, -1, false))
	}
}
