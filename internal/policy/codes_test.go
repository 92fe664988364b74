package policy

import (
	"fmt"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/copied"
)

// TestCodesOfReplies: 550 and 451, but 552 and 452 for what is too large (RFC 5321
// §4.2.3), with the enhanced codes of RFC 3463 that go with them.
func TestCodesOfReplies(t *testing.T) {
	for c, want := range map[Condition][2]string{
		Security:       {"552 5.3.4", "452 4.3.4"},
		BadSignature:   {"550 5.7.0", "451 4.7.0"},
		DNSError:       {"550 5.7.0", "451 4.7.5"},
		NoSignature:    {"550 5.7.0", "451 4.7.0"},
		SignatureError: {"550 5.7.0", "451 4.7.0"},
	} {
		for i, action := range []Action{Reject, TempFail} {
			var v Verdicts
			v.Set(c, action)
			if r := v.reply(c); r.Action != action || fmt.Sprint(r.Code, " ", r.Status) != want[i] || r.Text == "" {
				t.Errorf("condition %d: %+v, want %s", c, r, want[i])
			}
		}
	}
}

// TestWrongNamesWait: a name in the configuration that is none defers mail, whatever
// On-SignatureError says of signing that fails.
func TestWrongNamesWait(t *testing.T) {
	r := &Rules{Sign: true}
	r.Verdicts.Set(SignatureError, Reject)
	f := &Facts{Fields: fieldsOf(t, standardHeader)}
	for err, want := range map[error]Action{fmt.Errorf("selector: %w", dkim.ErrName): TempFail, fmt.Errorf("no key"): Reject} {
		if o := r.Outcome(f, &Plan{Sign: []SignRequest{{}}}, &Verdict{SignError: err}); o.Reply.Action != want {
			t.Errorf("%v: %+v", err, o.Reply)
		}
	}
}

// TestInfoOfVBR is a list of tags, each there once (RFC 5518 §3); without md= and mc= it
// says nothing.
func TestInfoOfVBR(t *testing.T) {
	b := &VBR{TrustedCertifiers: []string{"c.example"}}
	for value, want := range map[string]bool{
		"md=example.com; mc=ALL; mv=c.example":                 true,
		"md=example.com; mc=all; mv=c.example; md=example.net": false,
		"md=example.com; mc=all; mv=c.example; nonsense":       false,
		"mc=all; mv=c.example":                                 false,
		"md=example.com; mv=c.example":                         false,
	} {
		info, ok := b.info([]byte(value))
		if ok != want || ok && (info.domain != "example.com" || info.kind != "all" || len(info.certifiers) != 1) {
			t.Errorf("%s: %+v, %v", value, info, ok)
		}
	}
}

// TestDiagnosisOfEachKind tells what a field was, is, or both.
func TestDiagnosisOfEachKind(t *testing.T) {
	f := &Facts{Fields: fieldsOf(t, standardHeader)}
	for kind, want := range map[copied.Kind]string{
		copied.Added:   "X was added after it was signed\n\tnow:  new\n",
		copied.Removed: "X was removed after it was signed\n\tthen: old\n",
		copied.Changed: "X was changed after it was signed\n\tthen: old\n\tnow:  new\n",
	} {
		text := string(diagnosis(f, nil, []copied.Difference{{Kind: kind, Name: "X", Then: " old", Now: " new"}}))
		if _, got, _ := strings.Cut(text, "Differences:\n\n"); got != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
}

// TestWhoNeedsTheBody: whoever adds what was checked, and reports that the signer asks for.
func TestWhoNeedsTheBody(t *testing.T) {
	quiet := strings.Replace(asking, "r=y; ", "", 1)
	for _, c := range []struct {
		r     Reports
		value string
		want  bool
	}{
		{Reports{}, asking, false}, {Reports{Send: true}, asking, true}, {Reports{Send: true}, quiet, false},
		{Reports{AddCanonicalizedData: true}, quiet, true}, {Reports{AddCanonicalizedData: true}, asking, true},
	} {
		if got := c.r.KeepsBody(parsed(t, c.value, dkim.ReasonNone, 0).Signature); got != c.want {
			t.Errorf("%+v, %.30q: %v", c.r, c.value, got)
		}
	}
}
