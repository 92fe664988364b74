package policy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/dataset"
)

// TestSyntaxErrorsAreTold: what is wrong with a signature, and where, in OpenDKIM's words
// where it has some.
func TestSyntaxErrorsAreTold(t *testing.T) {
	for value, want := range map[string]string{
		" v=1; -x=1":         "syntax error in signature data (ASCII 0x2d at offset 6)",
		" v=1; d=a\x01b":     "syntax error in signature data (ASCII 0x01 at offset 9)",
		" v=1;; d=a":         "syntax error in signature data (ASCII 0x3b at offset 5)",
		" garbage":           "tag without value at end of signature data",
		" v=1; a=x; v=1":     `tag occurs more than once: "v" in signature data`,
		" v=1; !x=1":         "a tag that must be understood, unknown to version 1, in signature data",
		many("t%d=x; ", 200): "too many tags in signature data",
	} {
		s, err := dkim.ParseSignature([]byte(value))
		var reason dkim.Reason
		if !errors.As(err, &reason) {
			t.Errorf("%.40q is a signature", value)
			continue
		}
		if got := syntaxWords(&judgement{Result: dkim.Result{Signature: s, Reason: reason}}); got != want {
			t.Errorf("%.40q: %q, want %q", value, got, want)
		}
	}
}

func many(form string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(form, "%d", strings.Repeat("x", i), 1))
	}
	return b.String()
}

// counted is a set that takes several keys in one question, and counts questions.
type counted struct {
	dataset.Set
	asked, keys int
}

func (c *counted) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	c.asked++
	return c.Set.Lookup(ctx, key, columns)
}

func (c *counted) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	c.asked, c.keys = c.asked+1, c.keys+len(keys)
	rows := make([][]string, len(keys))
	for i, k := range keys {
		if values, err := c.Set.Lookup(ctx, k, columns); err == nil {
			rows[i] = append([]string{}, values...)
		}
	}
	return rows, nil
}

// TestAuthorsCostFewQuestions: whatever stands in From, a table is asked a few times, for
// a bounded number of keys.
func TestAuthorsCostFewQuestions(t *testing.T) {
	for _, from := range []string{
		"a@" + strings.Repeat("a.", 29_000) + "example", "a@" + strings.Repeat("a.", 120) + "example", "a@" + strings.Repeat("ü.", 20) + "example",
		"a@" + strings.Repeat("xn--bcher-kva.", 15) + "example", strings.Repeat("a", 60_000) + "@example", "a@" + strings.Repeat("ü", 30_000) + ".example",
	} {
		for name, change := range map[string]func(*Rules, *counted){
			"SigningTable": func(r *Rules, c *counted) { r.SigningTable = c },
			"SubDomains":   func(r *Rules, c *counted) { r.Domain, r.SubDomains, r.Verify = c, true, true },
			"ResignMailTo": func(r *Rules, c *counted) { r.Resign.MailTo = c },
		} {
			set := &counted{Set: csl(t, "nobody.example")}
			r := &Rules{Sign: true, Origin: Origin{InternalHosts: clients{"192.0.2.1"}}}
			change(r, set)
			f := &Facts{Fields: fieldsOf(t, "From: "+from), Recipients: []string{from}}
			f.ClientAddr = netip.MustParseAddr("192.0.2.1")
			r.Plan(t.Context(), f)
			if set.asked > 4 || set.keys > 600 {
				t.Errorf("%s, %.20q… of %d octets: %d questions, %d keys", name, from, len(from), set.asked, set.keys)
			}
		}
	}
}
