package words

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"dojang/dkim"
)

func isHangul(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0xac00 && r <= 0xd7a3 })
}

// TestEveryFaultIsSaidInKorean: in each of its cases, and with a remedy where English has one.
func TestEveryFaultIsSaidInKorean(t *testing.T) {
	cases := []map[string]string{nil, {"bits": "2047"}, {"bits": "512"}, {"state": "absent"}, {"mended": "yes"},
		{"mended": "yes", "backslashes": "yes"}, {"record": "x"}, {"selector": "x"}, {"k": "ed25519"}, {"detail": "x"}}
	for c := range strings.FieldsSeq("halves length key missing url-alphabet duplicate path sha1 algorithm") {
		cases = append(cases, map[string]string{"case": c})
	}
	for how := range strings.FieldsSeq("domain-doubled domainkey-appended domainkey-doubled domainkey-missing " +
		"underscore-missing domainkeys order selector-missing name-missing parent") {
		cases = append(cases, map[string]string{"how": how})
	}
	for e := range strings.FieldsSeq("silent unreachable no-route refused failure not-authoritative malformed no-address forbidden limit") {
		cases = append(cases, map[string]string{"error": e})
	}
	for code := range faultsEnglish {
		for _, args := range cases {
			_, englishHint := English.Fault(code, args)
			text, hint := Korean.Fault(code, args)
			if !isHangul(text) || englishHint != "" && !isHangul(hint) {
				t.Errorf("%s %v: %q %q", code, args, text, hint)
			}
			if strings.Contains(text+hint, "%!") {
				t.Errorf("%s %v: %q %q", code, args, text, hint)
			}
		}
	}
	for code := range faultsKorean {
		if faultsEnglish[code] == nil {
			t.Errorf("%s is no code", code)
		}
	}
}

// TestEveryUnsignedReasonIsSaid: all that the filter may give as the reason, in both languages.
func TestEveryUnsignedReasonIsSaid(t *testing.T) {
	source, err := os.ReadFile("../message/record.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(source), "var troubles = [...]string{")
	list, _, _ = strings.Cut(list, "\n}")
	names := append(regexp.MustCompile(`[a-z_]{4,}`).FindAllString(list, -1), "other")
	if !ok || len(names) < 15 {
		t.Fatalf("the reasons were not found: %q", names)
	}
	for _, name := range names {
		for l, good := range map[Language]func(string) bool{English: func(s string) bool { return s != "" && !isHangul(s) },
			Korean: isHangul} {
			if text, hint := l.Unsigned(name); !good(text) || !good(hint) || text == name {
				t.Errorf("%s in %s: %q %q", name, l, text, hint)
			}
		}
	}
	if len(unsigned) != len(names) {
		t.Errorf("%d reasons have words, of %d", len(unsigned), len(names))
	}
}

func TestParseLanguage(t *testing.T) {
	for accept, want := range map[string]Language{
		"": English, "ko": Korean, "ko-KR,ko;q=0.9,en;q=0.8": Korean, "en,ko;q=0.5": English, "fr,ko;q=0.3": Korean, "de": English,
		"ko;q=0,en": English, "ko;q=2": English, "KO-kr": Korean, ";;;,,": English, "ko;q=NaN": English, strings.Repeat("x,", 1e5) + "ko": English,
	} {
		if got := ParseLanguage(accept); got != want {
			t.Errorf("%.40q: %s", accept, got)
		}
	}
}

// TestEveryReasonIsSaidInKorean: all that the verifier may give.
func TestEveryReasonIsSaidInKorean(t *testing.T) {
	last := dkim.ReasonInternal
	for r := dkim.ReasonNone; r <= last; r++ {
		if !isHangul(Korean.Reason(r)) || isHangul(English.Reason(r)) || English.Reason(r) == "" {
			t.Errorf("%v: %q %q", r, Korean.Reason(r), English.Reason(r))
		}
	}
	if len(reasonsKorean) != int(last)+1 {
		t.Errorf("%d reasons have words, of %d", len(reasonsKorean), last+1)
	}
}
