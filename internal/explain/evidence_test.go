package explain

import (
	"os"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
)

const oracle = "../../test/oracle/testdata/"

// publicKeys are the records that the messages of the oracle were signed for.
func publicKeys(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(oracle + "public-keys")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		keys[name] = text
	}
	return keys
}

// evidence is Evidence of a message of the oracle.
func evidence(t *testing.T, keys map[string]string, name string) (fields *header.List, body []byte, results []dkim.Result) {
	t.Helper()
	data, err := os.ReadFile(oracle + "messages/" + name + ".eml")
	if err != nil {
		t.Fatal(err)
	}
	fields, body, err = header.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	v := dkim.NewVerifier(Evidence(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)), fields, &bodies)
	bodies.Write(body)
	bodies.Close()
	for _, q := range v.Queries() {
		text, ok := keys[q.Name]
		answer := dkim.KeyAnswer{NotFound: !ok}
		if ok {
			answer.Texts = []string{text}
		}
		v.SetKey(q, answer)
	}
	return fields, body, v.Finish()
}

// TestEverythingIsLookedAt: whatever makes a verifier stop early, the intact parts of a
// message are seen to be intact, and of what cannot be checked nothing is said.
func TestEverythingIsLookedAt(t *testing.T) {
	keys := publicKeys(t)
	const fits, not, unknown = "fits", "does not fit", "unknown"
	for name, want := range map[string][2]string{ // header and body of the first signature
		"pass":                {fits, fits},
		"expired":             {fits, fits},
		"expired-bad":         {fits, fits},
		"future":              {fits, fits},
		"pass-sha1":           {fits, fits},
		"small-512":           {fits, fits},
		"key-sha1-only":       {fits, fits},
		"strict-identity-sub": {fits, fits},
		"testing-wrong-key":   {not, fits},
		"wrong-key":           {not, fits},
		"bad-body":            {fits, not},
		"key-type-mismatch":   {unknown, fits},
		"not-found":           {unknown, fits},
		"revoked":             {unknown, fits},
		"key-bad-p":           {unknown, fits},
		"algorithm-unknown":   {unknown, unknown},
		"garbage":             {unknown, unknown},
	} {
		fields, body, results := evidence(t, keys, name)
		if len(results) == 0 {
			t.Errorf("%s: no signature", name)
			continue
		}
		s := Signatures(t.Context(), fields, body, results, time.Now())[0]
		if got := [2]string{state(s.HeaderOK, s.HeaderChecked), state(s.BodyOK, s.BodyChecked)}; got != want {
			t.Errorf("%s: header %s, body %s; want %v", name, got[0], got[1], want)
		}
		for _, c := range s.Causes {
			if c.Part == PartHeader && want[0] != not || c.Part == PartBody && want[1] != not {
				t.Errorf("%s: a cause for what is intact or unknown: %+v", name, c)
			}
		}
	}
	_, _, results := evidence(t, keys, "five-good")
	if len(results) != 5 {
		t.Fatalf("%d signatures", len(results))
	}
	for i, r := range results {
		if !r.HeaderOK || !r.BodyOK {
			t.Errorf("signature %d of five: %v", i+1, r.Reason)
		}
	}
}

func state(ok, checked bool) string {
	switch {
	case ok && !checked:
		return "fits without being checked"
	case ok:
		return "fits"
	case checked:
		return "does not fit"
	}
	return "unknown"
}

// TestUnknownWordsStandAsWritten: what is not known is not called by a number of ours.
func TestUnknownWordsStandAsWritten(t *testing.T) {
	keys := publicKeys(t)
	for name, want := range map[string]string{"algorithm-unknown": `"foo"`, "no-algorithm": "no a=", "garbage": "no a=", "pass": "rsa-sha256"} {
		fields, body, results := evidence(t, keys, name)
		if got := Signatures(t.Context(), fields, body, results, time.Now())[0].Algorithm; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestJudgedKeepsWhatWasSeen: the verdict is the filter's, what there is to see is not.
func TestJudgedKeepsWhatWasSeen(t *testing.T) {
	_, _, seen := evidence(t, publicKeys(t), "expired")
	judged := []dkim.Result{{FieldIndex: seen[0].FieldIndex, Status: dkim.StatusPolicy, Reason: dkim.ReasonExpired}}
	if got := Judged(seen, judged)[0]; got.Status != dkim.StatusPolicy || got.Reason != dkim.ReasonExpired ||
		!got.HeaderOK || !got.BodyOK || got.Key == nil {
		t.Errorf("%+v", got)
	}
}
