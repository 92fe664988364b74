package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/trial"
)

// explained is what `dojang explain --json` says of a message of the oracle.
func explained(t *testing.T, path, config string, args ...string) trial.Story {
	t.Helper()
	keys, err := filepath.Abs("../../test/oracle/testdata/public-keys")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "opendkim.conf")
	config = "TestPublicKeys " + keys + "\nSocket local:/run/x\n" + config + "\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args = append([]string{"dojang", "explain", "--json", "--config", file}, append(args, path)...)
	if code := Main(t.Context(), args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit status %d: %s", code, &errs)
	}
	var stories []trial.Story
	if err := json.Unmarshal(out.Bytes(), &stories); err != nil || len(stories) != 1 {
		t.Fatalf("%v: %s", err, &out)
	}
	return stories[0]
}

const oracleMessages = "../../test/oracle/testdata/messages/"

// TestIntactIsIntact: whatever a policy or a fault of the key makes of an intact message, and
// whether the filter looks at it or not, its header and body are said to fit, and nothing is
// explained that did not happen. What cannot be checked is said to be unknown.
func TestIntactIsIntact(t *testing.T) {
	policies := map[string]string{
		"verifying": "Mode v", "signing only": "Mode s", "exempt": "Mode v\nExemptDomains example.com", "peer": "Mode v\nPeerList 192.0.2.1",
		"from inside": "Mode sv\nInternalHosts 192.0.2.1", "one signature": "Mode v\nMaximumSignaturesToVerify 1", "large keys": "Mode v\nMinimumKeyBits 8192",
		"must be signed": "Mode v\nMustBeSigned Message-ID", "all of the body": "Mode v\nMinimum 100%",
	}
	const good, unknown = "fits", ""
	messages := map[string][2]string{
		"pass": {good, good}, "expired": {good, good}, "future": {good, good}, "pass-sha1": {good, good}, "small-512": {good, good}, "key-sha1-only": {good, good},
		"strict-identity-sub": {good, good}, "five-good": {good, good}, "key-type-mismatch": {unknown, good}, "not-found": {unknown, good}, "revoked": {unknown, good},
	}
	for policy, want := range map[string]string{"verifying": "pass", "large keys": "policy", "must be signed": "policy",
		"signing only": "pass"} {
		if got := explained(t, oracleMessages+"pass.eml", policies[policy]).Signatures[0].Result; got != want {
			t.Errorf("%s: %s, want %s", policy, got, want)
		}
	}
	for policy, config := range policies {
		for name, want := range messages {
			story := explained(t, oracleMessages+name+".eml", config)
			if len(story.Signatures) == 0 {
				t.Errorf("%s, %s: no signature", policy, name)
			}
			for _, s := range story.Signatures {
				if got := [2]string{fits(s.HeaderOK, s.HeaderChecked), fits(s.BodyOK, s.BodyChecked)}; got != want {
					t.Errorf("%s, %s, signature %d: %q, want %q", policy, name, s.Number, got, want)
				}
				for _, c := range s.Causes {
					if c.Part == "header" || c.Part == "body" {
						t.Errorf("%s, %s: %+v", policy, name, c)
					}
				}
			}
		}
	}
}

// TestExpiredSinceItCame: mail is judged by the time of its arrival, and an expiry since is told.
func TestExpiredSinceItCame(t *testing.T) {
	data, err := os.ReadFile(oracleMessages + "expired.eml")
	if err != nil {
		t.Fatal(err)
	}
	now := explained(t, oracleMessages+"expired.eml", "Mode v").Signatures[0]
	if now.Result == "pass" || now.Reason != "signature expired" {
		t.Fatalf("%+v", now)
	}
	for date, result := range map[string]string{now.Signed: "pass", "2099-01-01T00:00:00Z": now.Result, now.Expires: "pass"} {
		var year, month, day, hour, minute, second int
		if _, err := fmt.Sscanf(date, "%d-%d-%dT%d:%d:%dZ", &year, &month, &day, &hour, &minute, &second); err != nil {
			t.Fatal(date, err)
		}
		months := "JanFebMarAprMayJunJulAugSepOctNovDec"
		received := fmt.Sprintf("Received: from a by b; %d %s %d %02d:%02d:%02d +0000\r\n", day, months[3*month-3:3*month],
			year, hour, minute, second)
		path := filepath.Join(t.TempDir(), "message")
		if err := os.WriteFile(path, append([]byte(received), data...), 0o600); err != nil {
			t.Fatal(err)
		}
		story := explained(t, path, "Mode v")
		s := story.Signatures[0]
		told := false
		for _, n := range s.Notes {
			told = told || n.Code == "note-expired-since"
		}
		if s.Result != result || told != (result == "pass") || (story.Arrived == date) != (result == "pass") {
			t.Errorf("arrived at %s: %s, %+v, %s", date, s.Result, s.Notes, story.Arrived)
		}
	}
}

// TestAlignment: by RFC 7489's strict and relaxed modes.
func TestAlignmentIsTold(t *testing.T) {
	data, err := os.ReadFile(oracleMessages + "pass.eml")
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(data), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for from, want := range map[string]string{
		"joe@example.com": "strict", "joe@mail.example.com": "relaxed", "joe@example.org": "none", "joe@example.com, ann@example.org": "unknown",
		"joe@example.com, ann@example.com": "strict", "joe@EXAMPLE.com": "strict", "joe@xexample.com": "none", "nobody": "unknown",
	} {
		changed := make([]string, len(lines))
		for i, line := range lines {
			changed[i] = line
			if strings.HasPrefix(line, "From:") {
				changed[i] = "From: " + from
			}
		}
		path := filepath.Join(t.TempDir(), "message")
		if err := os.WriteFile(path, []byte(strings.Join(changed, "\r\n")+"\r\n\r\n"+body), 0o600); err != nil {
			t.Fatal(err)
		}
		a := explained(t, path, "Mode v").Signatures[0].Alignment
		got := "none"
		switch {
		case a.Author == "":
			got = "unknown"
		case a.Strict:
			got = "strict"
		case a.Relaxed:
			got = "relaxed"
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%+v)", from, got, want, a)
		}
	}
}

// fits is what is said of one half of a message.
func fits(ok, checked bool) string {
	return map[[2]bool]string{{true, true}: "fits", {true, false}: "fits", {false, true}: "does not fit"}[[2]bool{ok, checked}]
}
