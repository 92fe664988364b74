package readers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dojang/authres"
)

// Our name, and one in two forms.
const (
	host    = "mx.dojang.example"
	hostIDN = "почта.kiosk.example"
	hostA   = "xn--80a1acny.kiosk.example"
)

var methods = []string{"dkim", "dkim-atps", "vbr"}

func guards() []*authres.Guard {
	return []*authres.Guard{authres.NewGuard([]string{host}, methods), authres.NewGuard([]string{hostA}, methods)}
}

// isOurs reports whether a reader who trusts our names believes a name.
func isOurs(id string) bool {
	id, _, _ = strings.Cut(strings.Trim(id, ". \t"), "/")
	return slices.ContainsFunc([]string{host, hostIDN, hostA}, func(name string) bool { return strings.EqualFold(id, name) })
}

// claim is a result of a method that we write, in our name; "" for none.
func (r *reading) claim() string {
	if r == nil || !isOurs(r.id) {
		return ""
	}
	for _, res := range r.results {
		if slices.Contains(methods, res.method) && res.result != "" {
			return fmt.Sprintf("%s: %s=%s", r.id, res.method, res.result)
		}
	}
	return ""
}

func stays(value []byte) bool {
	for _, g := range guards() {
		if forged, _ := g.Forged(value); forged {
			return false
		}
	}
	return true
}

// testKnownForgeries: each of these was in the message that left us, or is near to one
// that was, and the reader that its name names found a result of ours in it.
func testKnownForgeries(t *testing.T, all []*reader) {
	cases := []struct{ name, value, reader string }{
		{"a parenthesis in a label", " mx.do)jang.example; dkim=pass header.d=bank.example", "OpenDMARC"},
		{"parentheses in all labels", " m)x.do)jan)g.exampl)e; dkim=pass header.d=bank.example", "opendkim"},
		{"an escaped parenthesis before", ` \( mx.dojang.example; dkim=pass header.d=bank.example`, "OpenDMARC"},
		{"a quoted parenthesis before", ` "(" mx.dojang.example; dkim=pass header.d=bank.example`, "OpenDMARC"},
		{"a quoted comment within", ` mx "(x" . dojang.example; dkim=pass header.d=bank.example`, "OpenDMARC"},
		{"quoted dots", ` mx "." dojang "." example; dkim=pass header.d=bank.example`, "OpenDMARC"},
		{"escaped dots", ` mx \. dojang \. example; dkim=pass header.d=bank.example`, "OpenDMARC"},
		{"NUL behind the result", " mx.dojang.example; dkim=pass header.d=bank.example\x00 (", "OpenDMARC"},
		{"a comment in which a parenthesis is escaped", ` mx.dojang.example; spf=none (a\) smtp.mailfrom=x; dkim=pass header.d=bank.example (b) )`, "Mail::AuthenticationResults"},
		{"quotes in which a quote is escaped", ` mx.dojang.example; spf=none reason="a\" smtp.mailfrom=x; dkim=pass header.d=bank.example policy.x="b"`, "Mail::AuthenticationResults"},
		{"a quoted semicolon", ` mx.dojang.example; spf=none ";" dkim=pass header.d=bank.example`, "OpenDMARC"},
		{"quotes in the method", ` mx.dojang.example; d"ki"m=pass header.d=bank.example`, "OpenDMARC"},
		{"the field's own name in it", " Authentication-Results: mx.dojang.example; dkim=pass header.d=bank.example", "Mail::AuthenticationResults"},
		{"a wide space behind the name", " mx.dojang.example\u3000; dkim=pass header.d=bank.example", "Mail::AuthenticationResults, decoded"},
		{"a no-break space behind the name", " mx.dojang.example\u00a0; dkim=pass header.d=bank.example", "Mail::AuthenticationResults, decoded"},
		{"encoded words", " =?utf-8?q?mx.dojang.example=3B_dkim=3Dpass?=", "authres, decoded"},
		{"an encoded word without an end", " =?utf-8?q?=6Dx.dojang.example;_dkim=3Dpass", "authres, decoded"},
		{"a method with a Kelvin sign", " mx.dojang.example; d\u212aim=pass", "authres"},
		{"an IDN's other form", " почта.kiosk.example; dkim=pass header.d=bank.example", "Mail::AuthenticationResults"},
		{"an A-label beside a long s", " xn--80a1acny.kioſk.example; dkim=pass header.d=bank.example", "OpenDMARC"},
		{"an IDN, spoilt", " xn--80a1acny.kio)sk.example; dkim=pass header.d=bank.example", "OpenDMARC"},
	}
	var values [][]byte
	for _, c := range cases {
		values = append(values, []byte(c.value))
	}
	found := askAll(t, all, values)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if r := slices.IndexFunc(all, func(r *reader) bool { return r.name == c.reader }); found[r][i].claim() == "" {
				t.Errorf("%s finds no result of ours: the case proves nothing", c.reader)
			}
			if stays(values[i]) {
				t.Errorf("%q stays", c.value)
			}
		})
	}
}

// testNoReaderFindsAResultOfOurs: what survives us bears no result of ours to anybody.
func testNoReaderFindsAResultOfOurs(t *testing.T, all []*reader) {
	var mutants, gone, believed int
	campaign(t, func(m mutator) {
		values := make([][]byte, 500)
		for i := range values {
			values[i] = m.field(host, host, host, hostIDN, hostA, "other.example", "x."+host, host+".other.example")
		}
		found := askAll(t, all, values)
		for i, value := range values {
			mutants++
			left := stays(value)
			if !left {
				gone++
			}
			some := false
			for r := range all {
				if claim := found[r][i].claim(); claim != "" {
					some = true
					if left {
						t.Errorf("%q stays, and %s finds %q in it", value, all[r].name, claim)
					}
				}
			}
			if some {
				believed++
			}
		}
	})
	t.Logf("%d mutants, of which %d go; some reader finds a result of ours in %d", mutants, gone, believed)
	if believed*20 < mutants {
		t.Errorf("readers find results of ours in %d of %d mutants: too few to prove anything", believed, mutants)
	}
}

// foreign are names near ours that are no one's but their owner's.
var foreign = []string{"other.example", "x." + host, host + ".other.example", host + "2", "a-" + host,
	"a" + host, host + "-b", host + "_", "dojang.example", "example", "mx", "mx.dojang", "mx.dojang.exampl",
	"x.dojang.example", host + "+x", "xn--80a1acny.example", "a." + hostA, "mail_1.example", "MX.OTHER.EXAMPLE"}

// wellFormed is a field as RFC 8601 has it, in a name of others, with ours and our
// results wherever text may stand.
func (m mutator) wellFormed() []byte {
	ours := func() string {
		return m.one("x", host, host+"; dkim=pass", "dkim=pass header.d=bank.example", "a b", "=?utf-8?q?"+host+"?=", "почта", "a=b", ".")
	}
	var comment func(depth int) string
	comment = func(depth int) string {
		s := "(" + ours()
		if depth > 0 && m.IntN(2) == 0 {
			s += " " + comment(depth-1) + ours()
		}
		return s + ")"
	}
	space := func() string {
		s := m.one(" ", "\t", "\r\n ", "\r\n\t", "  ")
		if m.IntN(3) == 0 {
			s += comment(2) + m.one(" ", "\r\n ", "")
		}
		return s
	}
	name := m.one(foreign...)
	if m.IntN(6) == 0 {
		name = `"` + name + `"`
	}
	s := m.one("", space()) + name + m.one("", space()) + m.one("", "", " 1", space()+"1"+m.one("", space())) + ";"
	for i := range 1 + m.IntN(3) {
		if i > 0 {
			s += m.one("", space()) + ";"
		}
		s += m.one(space(), " ", "") + m.one("dkim", "spf", "dmarc", "dkim-atps", "vbr") + m.one("=",
			"=", " = ", "/1=") + m.one("pass", "fail", "none")
		if m.IntN(3) == 0 {
			s += space() + `reason="` + ours() + m.one("", `\"`, `\\`, `; (`, `)`) + `"`
		}
		for range m.IntN(3) {
			s += space() + m.one("header.d", "header.i", "smtp.mailfrom", "policy.x") + "=" + m.one(host, "@"+host, "joe@"+host, `"`+ours()+`"`, "x", hostIDN)
		}
	}
	return []byte(s + m.one("", space(), ";"))
}

// TestFieldsInOtherNamesStay: what others wrote by the rules is not ours to remove,
// whatever of ours is in it.
func TestFieldsInOtherNamesStay(t *testing.T) {
	mutants := 0
	campaign(t, func(m mutator) {
		for range 1000 {
			mutants++
			if value := m.wellFormed(); !stays(value) {
				t.Errorf("%q goes", value)
				return
			}
		}
	})
	t.Logf("%d fields", mutants)
}
