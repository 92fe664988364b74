package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// The labels are what Debian's opendkim was seen to ask for about example.com.
const (
	sha1Label   = "bsvpesvrudbtiqganl7jtx4ymns3a6a7"
	sha256Label = "un42n5xov642kxrxrqiyanhcoupgql5lt4wtbkyt2ijflbwodfdq===="
)

func answers(texts map[string]string) map[string]dkim.KeyAnswer {
	out := map[string]dkim.KeyAnswer{}
	for name, text := range texts {
		switch text {
		case "TEMPERROR":
			out[name] = dkim.KeyAnswer{Temporary: true}
		case "NOTFOUND":
			out[name] = dkim.KeyAnswer{NotFound: true}
		default:
			out[name] = dkim.KeyAnswer{Texts: []string{text}}
		}
	}
	return out
}

// methods are the results that stand behind those of dkim in our field.
func methods(o *Outcome) string {
	for _, e := range o.Edits {
		if e.Name == fieldName && e.Op == InsertField {
			var further []string
			for _, part := range strings.Split(e.Value, ";")[1:] {
				if part = strings.TrimSpace(part); !strings.HasPrefix(part, "dkim=") {
					further = append(further, part)
				}
			}
			return strings.Join(further, "; ")
		}
	}
	return "no field"
}

// TestATPSNamesAreASCII: an author's domain in letters of its own is claimed by the name
// that DNS has for it (RFC 8616 §5), and one that has none is not.
func TestATPSNamesAreASCII(t *testing.T) {
	a := &ATPS{Hash: "none"}
	for domain, want := range map[string]string{
		"bücher.example": "xn--bcher-kva.example", "example.com": "example.com", "a..b": "", "": "",
	} {
		got := ""
		for _, tag := range a.tags(&Plan{ATPS: domain}) {
			if !dkim.ValidTag(tag[0], tag[1]) {
				t.Errorf("%s: no tag is %q", domain, tag)
			}
			if tag[0] == "atps" {
				got = tag[1]
			}
		}
		if got != want {
			t.Errorf("%q is claimed as %q, want %q", domain, got, want)
		}
	}
}

func TestATPS(t *testing.T) {
	claim := func(tags string) string { return strings.Replace(asking, "r=y;", tags, 1) }
	author := Author{User: "ann", Domain: "author.example"}
	for _, c := range []struct {
		name, tags string
		reason     dkim.Reason
		texts      map[string]string
		asked      []string
		want       string
	}{
		{"no claim", "", dkim.ReasonNone, nil, nil, ""},
		{"consent", "atps=author.example; atpsh=sha1;", dkim.ReasonNone, map[string]string{sha1Label + "._atps.author.example": "v=ATPS1"},
			[]string{sha1Label + "._atps.author.example"}, "dkim-atps=pass"},
		{"consent by name", "atps=author.example; atpsh=none;", dkim.ReasonNone, map[string]string{"example.com._atps.author.example": "v=ATPS1; d=Example.com"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=pass"},
		{"padded", "atps=author.example; atpsh=sha256;", dkim.ReasonNone, map[string]string{sha256Label + "._atps.author.example": "v=ATPS1; d=example.com"},
			[]string{sha256Label + "._atps.author.example", strings.TrimRight(sha256Label, "=") + "._atps.author.example"}, "dkim-atps=pass"},
		{"not padded", "atps=author.example; atpsh=sha256;", dkim.ReasonNone,
			map[string]string{sha256Label + "._atps.author.example": "NOTFOUND", strings.TrimRight(sha256Label, "=") + "._atps.author.example": "v=ATPS1"},
			[]string{sha256Label + "._atps.author.example", strings.TrimRight(sha256Label, "=") + "._atps.author.example"}, "dkim-atps=pass"},
		{"for another signer", "atps=author.example; atpsh=none;", dkim.ReasonNone, map[string]string{"example.com._atps.author.example": "v=ATPS1; d=other.example"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=fail"},
		{"another version", "atps=author.example; atpsh=none;", dkim.ReasonNone, map[string]string{"example.com._atps.author.example": "v=ATPS2"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=fail"},
		{"nothing published", "atps=author.example; atpsh=none;", dkim.ReasonNone, map[string]string{"example.com._atps.author.example": "NOTFOUND"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=neutral"},
		{"no answer", "atps=author.example; atpsh=none;", dkim.ReasonNone, map[string]string{"example.com._atps.author.example": "TEMPERROR"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=temperror"},
		{"signature fails", "atps=author.example; atpsh=none;", dkim.ReasonBadSignature, map[string]string{"example.com._atps.author.example": "v=ATPS1"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=neutral"},
		{"not the author's", "atps=other.example; atpsh=none;", dkim.ReasonNone, nil, nil, "dkim-atps=neutral"},
		{"the author's in capitals", "atps=AUTHOR.example; atpsh=none;", dkim.ReasonNone, map[string]string{"example.com._atps.author.example": "v=ATPS1"},
			[]string{"example.com._atps.author.example"}, "dkim-atps=pass"},
		{"unknown hash", "atps=author.example; atpsh=md5;", dkim.ReasonNone, nil, nil, "dkim-atps=neutral"},
		{"no hash", "atps=author.example;", dkim.ReasonNone, nil, nil, "dkim-atps=neutral"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx"}}
			f := &Facts{JobID: "JOB", Fields: fieldsOf(t, standardHeader)}
			p := &Plan{Verify: true, Author: author}
			result := parsed(t, claim(c.tags), c.reason, 0)
			if diff := cmp.Diff(c.asked, r.Questions(f, p, slices.Values([]*dkim.Signature{result.Signature}))); diff != "" {
				t.Errorf("asked (-want +got)\n%s", diff)
			}
			o := r.Outcome(f, p, &Verdict{Results: []dkim.Result{result}, Answers: answers(c.texts)})
			if got := methods(o); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestATPSOfNoNames asks for nothing where a name is none.
func TestATPSOfNoNames(t *testing.T) {
	long := strings.Repeat("a.", 150) + "example"
	s := parsed(t, strings.Replace(asking, "r=y;", "atps="+long+"; atpsh=none;", 1), dkim.ReasonNone, 0).Signature
	if got := atpsNames(s, Author{User: "ann", Domain: long}); got != nil {
		t.Errorf("of an author: %q", got)
	}
	s = parsed(t, strings.Replace(asking, "r=y;", "atps=author.example; atpsh=none;", 1), dkim.ReasonNone, 0).Signature
	s.Domain = long
	if got := atpsNames(s, Author{User: "ann", Domain: "author.example"}); got != nil {
		t.Errorf("of a signer: %q", got)
	}
}

// TestATPSIsClaimed wants the tags of opendkim 2.11, in its order.
func TestATPSIsClaimed(t *testing.T) {
	set, err := dataset.Open(context.Background(), "csl:author.example", dataset.Options{FoldCase: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &Rules{Sign: true, ATPS: ATPS{Domains: set, Hash: "sha256"}, Signing: Signing{RequestReports: true}}
	for domain, want := range map[string]string{"Author.example": "[[atpsh sha256] [atps author.example] [r y]]",
		"example.com": "[[r y]]"} {
		request := SignRequest{Key: &keystore.SigningKey{Domain: "example.com", Selector: "sel", Algorithm: dkim.RSASHA256},
			Domain: "example.com"}
		p := &Plan{Author: Author{User: "ann", Domain: domain}, Sign: []SignRequest{request}}
		if err := r.ATPS.claim(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(r.SignOptions(&Facts{Fields: fieldsOf(t, standardHeader)},
			p, request, time.Unix(1, 0)).ExtraTags), "{", "["), "}", "]"); got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
}

// TestVBRText: what stands in a tag of VBR-Info is of letters, digits and what names have, and short.
func TestVBRText(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:", byte(c)) >= 0
		if isVBRText(string([]byte{'a', byte(c)})) != want {
			t.Errorf("%q is taken: %v", byte(c), !want)
		}
	}
	for n, want := range map[int]bool{0: false, 1: true, 256: true, 257: false} {
		if isVBRText(strings.Repeat("a", n)) != want {
			t.Errorf("%d octets are taken: %v", n, !want)
		}
	}
}

// TestVBR: the questions and results are those of Debian's opendkim, but for
// the field's form, which it breaks, and what it crashes at.
func TestVBR(t *testing.T) {
	const at, at2 = "example.com._vouch.cert.example", "example.com._vouch.cert2.example"
	published := map[string]string{at: "all", at2: "transaction list", "example.com._vouch.none.example": "NOTFOUND",
		"example.com._vouch.away.example": "TEMPERROR"}
	for _, c := range []struct {
		name, field string
		reason      dkim.Reason
		only        bool
		asked       []string
		want        string
	}{
		{"vouched", "md=example.com; mc=all; mv=cert.example", dkim.ReasonNone, false, []string{at}, "vbr=pass header.md=example.com header.mv=cert.example"},
		{"for this kind", "md=example.com; mc=list; mv=cert2.example", dkim.ReasonNone, false, []string{at2}, "vbr=pass header.md=example.com header.mv=cert2.example"},
		{"for another kind", "md=example.com; mc=newsletter; mv=cert2.example", dkim.ReasonNone, false, []string{at2}, "vbr=fail header.md=example.com"},
		{"the second vouches", "md=example.com; mc=all; mv=cert2.example:cert.example", dkim.ReasonNone, false, []string{at2, at}, "vbr=pass header.md=example.com header.mv=cert.example"},
		{"not believed", "md=example.com; mc=all; mv=evil.example", dkim.ReasonNone, false, nil, "vbr=fail header.md=example.com"},
		{"only those we believe", "md=example.com; mc=all; mv=evil.example", dkim.ReasonNone, true, []string{at, at2, "example.com._vouch.none.example", "example.com._vouch.away.example"}, "vbr=pass header.md=example.com header.mv=cert.example"},
		{"unknown there", "md=example.com; mc=all; mv=none.example", dkim.ReasonNone, false, []string{"example.com._vouch.none.example"}, "vbr=fail header.md=example.com"},
		{"no answer", "md=example.com; mc=all; mv=away.example", dkim.ReasonNone, false, []string{"example.com._vouch.away.example"}, "vbr=temperror header.md=example.com"},
		{"signature fails", "md=example.com; mc=all; mv=cert.example", dkim.ReasonBadSignature, false, []string{at}, "vbr=none header.md=example.com"},
		{"another domain", "md=other.example; mc=all; mv=cert.example", dkim.ReasonNone, false, nil, "vbr=none header.md=other.example"},
		{"capitals and blanks", "md=EXAMPLE.com; mc=ALL; mv= Cert.example : cert2.example", dkim.ReasonNone, false, []string{at, at2}, "vbr=pass header.md=EXAMPLE.com header.mv=Cert.example"},
		{"no certifiers", "md=example.com; mc=all", dkim.ReasonNone, false, nil, "vbr=fail header.md=example.com"},
		{"no kind", "md=example.com; mv=cert.example", dkim.ReasonNone, false, nil, ""},
		{"no domain", "md=; mc=all; mv=cert.example", dkim.ReasonNone, false, nil, ""},
		{"no list of tags", "!!!", dkim.ReasonNone, false, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx"},
				VBR: VBR{TrustedCertifiers: []string{"cert.example", "cert2.example", "none.example", "away.example"},
					TrustedCertifiersOnly: c.only}}
			f := &Facts{JobID: "JOB", Fields: fieldsOf(t, "VBR-Info: "+c.field+"\n"+standardHeader)}
			p := &Plan{Verify: true}
			result := parsed(t, asking, c.reason, 0)
			if diff := cmp.Diff(c.asked, r.Questions(f, p, slices.Values([]*dkim.Signature{result.Signature}))); diff != "" {
				t.Errorf("asked (-want +got)\n%s", diff)
			}
			o := r.Outcome(f, p, &Verdict{Results: []dkim.Result{result}, Answers: answers(published)})
			if got := methods(o); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			r.VBR.TrustedCertifiers = nil
			if got := methods(r.Outcome(f, p, &Verdict{Results: []dkim.Result{result}})); got != "" {
				t.Errorf("nobody is believed, but %q", got)
			}
		})
	}
}

// TestQuestionsAreFew: no header makes us ask without end.
func TestQuestionsAreFew(t *testing.T) {
	var certifiers []string
	for i := range 100 {
		certifiers = append(certifiers, "c"+string(rune('a'+i%26))+strings.Repeat("x", i%50)+".example")
	}
	header := standardHeader
	for field := range slices.Chunk(certifiers, 10) {
		header = "VBR-Info: md=example.com; mc=all; mv=" + strings.Join(field, ":") + "\n" + header
	}
	r := &Rules{VBR: VBR{TrustedCertifiers: certifiers}}
	s := parsed(t, asking, dkim.ReasonNone, 0).Signature
	if n := len(r.Questions(&Facts{Fields: fieldsOf(t, header)}, &Plan{}, slices.Values([]*dkim.Signature{s}))); n == 0 ||
		n > 16 {
		t.Errorf("%d questions", n)
	}
	one := "VBR-Info: md=example.com; mc=all; mv=" + strings.Join(certifiers[:20], ":") + "\n" + standardHeader
	if n := len(r.Questions(&Facts{Fields: fieldsOf(t, one)}, &Plan{}, slices.Values([]*dkim.Signature{s}))); n != 8 {
		t.Errorf("%d questions about one field", n)
	}
}

// TestVBRInfoIsAdded: wishes in the header outrank the options.
func TestVBRInfoIsAdded(t *testing.T) {
	const info = "insert 0 VBR-Info: md=example.com; "
	for _, c := range []struct {
		name, header string
		vbr          VBR
		want         []string
	}{
		{"options", "", VBR{Type: "transaction", Certifiers: "cert.example:cert2.example"}, []string{info + "mc=transaction; mv=cert.example:cert2.example"}},
		{"wishes", "X-VBR-Type: list\nX-VBR-Certifiers: foo.example\n", VBR{Type: "transaction", Certifiers: "cert.example", PurgeFields: true},
			[]string{"delete X-VBR-Type 1", "delete X-VBR-Certifiers 1", info + "mc=list; mv=foo.example"}},
		{"wishes alone", "X-VBR-Type: list\nX-VBR-Certifiers: foo.example\n", VBR{}, []string{info + "mc=list; mv=foo.example"}},
		{"an evil wish", "X-VBR-Type: list; md=bank.example\n", VBR{Type: "all", Certifiers: "cert.example"}, []string{info + "mc=all; mv=cert.example"}},
		{"half", "", VBR{Type: "all"}, nil},
		{"nothing", "", VBR{}, nil},
	} {
		r := &Rules{Sign: true, VBR: c.vbr}
		request := SignRequest{Key: &keystore.SigningKey{Domain: "example.com", Selector: "sel"}, Domain: "example.com"}
		o := r.Outcome(&Facts{Fields: fieldsOf(t, c.header+standardHeader)}, &Plan{Sign: []SignRequest{request}},
			&Verdict{Signatures: []Signature{{Request: request, Value: " v=1"}}})
		var got []string
		for _, line := range describeOutcome(o) {
			if strings.Contains(line, "VBR") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}
