package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dojang/header"
	"dojang/internal/keystore"
)

// TestRequireSenderMatchJudgesWhatIsShown: wherever the author was found, a login signs
// only mail in which every address that a reader may be shown is its own.
func TestRequireSenderMatchJudgesWhatIsShown(t *testing.T) {
	for _, c := range []struct {
		from string
		want bool
	}{
		{"joe@example.com", true},
		{"Joe <joe@example.com>", true},
		{`"joe@example.com" <joe@example.com>`, true},
		{`"'joe@example.com'" <joe@example.com>`, true},
		{"“joe@example.com” <joe@example.com>", true},
		{`"joe@example.com at work" <joe@example.com>`, true},
		{"Sales @ Example <joe@example.com>", true},
		{"Example Inc. <joe@example.com>", true},
		{`"Oe, Joe J." <joe@example.com> (at home)`, true},
		{"=?utf-8?q?J=C3=B6?= =?utf-8?q?rg_=40_work?= <joe@example.com>", true},
		{"=?iso-2022-jp?B?GyRCO3NFRBsoQg==?= <joe@example.com>", true},
		{"joe (joe at work) @ example . com", true},
		{"joe@example.com, ann@example.com", true},
		{"ceo@bank.example", false},
		{"joe@example.com, ceo@bank.example", false},
		{"joe@example.com\nFrom: ceo@bank.example", false},
		{"joe@example.com\nfrom : ceo@bank.example", false},
		{"ceo@bank.example <joe@example.com>", false},
		{`"ceo@bank.example" <joe@example.com>`, false},
		{`"ceo\@bank.example" <joe@example.com>`, false},
		{`"ceo@@bank.example" <joe@example.com>`, false},
		{`"ceo@ bank.example" <joe@example.com>`, false},
		{`c"e"o@bank.example <joe@example.com>`, false},
		{"joe@example.com (ceo@bank.example)", false},
		{"ceo(x)@bank.example <joe@example.com>", false},
		{"ceo@(x)bank.example <joe@example.com>", false},
		{"ceo@bank(x).example <joe@example.com>", false},
		{"ceo @ bank . example <joe@example.com>", false},
		{"ceo@bank.(example) <joe@example.com>", false},
		{"ceo@bank.\r\n example <joe@example.com>", false},
		{"ceo＠bank.example <joe@example.com>", false},
		{"ceo@bank。example <joe@example.com>", false},
		{"c\u200beo@ba\u00adnk.example <joe@example.com>", false},
		{"=?utf-8?q?ceo=40bank.example?= <joe@example.com>", false},
		{"=?UTF-8*en?Q?ceo=40bank.example?= <joe@example.com>", false},
		{"=?utf-8?q?ceo?=\r\n =?utf-8?b?QGJhbmsuZXhhbXBsZQ?= <joe@example.com>", false},
		{`"=?utf-8?q?ceo=40bank.example?=" <joe@example.com>`, false},
		{`"=?utf-8?q?ceo=40bank.=20example?=" <joe@example.com>`, false},
		{"=?utf-8?b?PT91dGYtOD9xP2Nlbz00MGJhbmsuZXhhbXBsZT89?= <joe@example.com>", false},
		{"=?utf-16le?b?YwBlAG8AQABiAGEAbgBrAC4AZQB4AGEAbQBwAGwAZQA=?= <joe@example.com>", false},
		{"=?utf-7?q?ceo+AEA-bank.example?= <joe@example.com>", false},
		{"=?iso-2022-jp?B?GyRCO3NFRBsoQmNlb0BiYW5rLmV4YW1wbGU=?= <joe@example.com>", false},
		{"<@bank.example:joe@example.com>", false},
		{"team: joe@example.com, ceo@bank.example;", false},
		{"joe@example.com, \"x", false},
		{"joe@example.com\nFrom: <", false},
		{strings.Repeat("joe@example.com, ", 2000) + "joe@example.com", false},
	} {
		for _, found := range []string{"From", "Sender", "X-Macro", "List-Post"} {
			if got := signsAs(t, "joe@example.com", found, c.from); got != c.want {
				t.Errorf("author in %s, From: %.100q: signed %v", found, c.from, got)
			}
		}
	}
	if signsAs(t, "joe@example.com", "Sender", "joe@example.com\nX-Identity: ceo@bank.example") {
		t.Error("signed with the identity of another")
	}
}

// signsAs reports whether mail with that From is signed for a login whose own address
// stands where the author is looked for.
func signsAs(t *testing.T, login, found, from string) bool {
	t.Helper()
	fields := new(header.List)
	text := "List-Post: <mailto:" + login + "?subject=x>\nSender: " + login + "\nFrom: " + strings.ReplaceAll(from, "\r\n ", "\x00")
	for line := range strings.SplitSeq(text, "\n") {
		fields.AddRaw([]byte(strings.ReplaceAll(line, "\x00", "\r\n ")))
	}
	r := &Rules{Sign: true, Keys: Keys{Domain: csl(t, "example.com"), DefaultKey: &keystore.SigningKey{Selector: "s"}},
		RequireSenderMatch: SenderMatch{Required: true}}
	r.Signing.IdentityHeader = "X-Identity"
	macros := map[string]string{"auth_type": "PLAIN", "auth_authen": login}
	switch found {
	case "X-Macro":
		r.SenderMacro, macros["author"] = "{author}", login
	default:
		r.SenderHeaders = []string{found, "From"}
	}
	p := r.Plan(context.Background(), &Facts{Fields: fields, Macro: func(name string) string { return macros[name] }})
	return len(p.Sign) > 0
}

// TestShownIsBounded: so much is read of who sent a message, and no more is signed.
func TestShownIsBounded(t *testing.T) {
	const own = "joe@example.com"
	for _, c := range []struct {
		octets, fields int
		want           bool
	}{{16 << 10, 1, true}, {16<<10 + 1, 1, false}, {16 << 10, 16, true}, {16<<10 + 1, 16, false}, {1000, 16, true}, {1000, 17, false}} {
		var l header.List
		left := c.octets
		for i := range c.fields {
			n := len(own)
			if i == c.fields-1 {
				n = left
			}
			l.AddRaw([]byte("From:" + strings.Repeat(" ", n-len(own)) + own))
			left -= n
		}
		s := &Signing{}
		found, problem := s.shown(&Plan{Author: Author{User: "joe", Domain: "example.com", Field: "From"}}, &Facts{Fields: &l})
		if problem == nil != c.want || c.want && len(found) != 1 {
			t.Errorf("%d octets in %d fields: %v, %v", c.octets, c.fields, found, problem)
		}
	}
	// A field without a name is none of the author's, whatever is not set.
	var l header.List
	l.AddRaw([]byte("From: " + own))
	l.Add(nil, []byte("ceo@bank.example"), false)
	if found, problem := (&Signing{}).shown(&Plan{Author: Author{User: "joe", Domain: "example.com"}},
		&Facts{Fields: &l}); problem != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, problem)
	}
}

func TestAuthorInAFieldOfURLs(t *testing.T) {
	for _, c := range []struct{ headers, want string }{
		{"List-Post: <mailto:talk@example.com>\nFrom: a@example.net", "talk@example.com"},
		{"List-Post: <https://example.com/?x=y@z>,\n <mailto:talk@example.com?subject=a%40b>\nFrom: a@example.net", "talk@example.com"},
		{"List-Post: NO (posting not allowed)\nFrom: a@example.net", "a@example.net"},
		{"List-Post: <https://example.com/>\nFrom: a@example.net", "a@example.net"},
		{"From: a@example.net", "a@example.net"},
	} {
		r := &Rules{Authors: Authors{SenderHeaders: []string{"List-Post", "Sender", "From"}}}
		author, problem := r.author(&Facts{Fields: fieldsOf(t, c.headers)}, &r.Signing)
		if got := author.User + "@" + author.Domain; problem != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.headers, got, problem)
		}
	}
}

func TestIdentityHeaderNamesAMailbox(t *testing.T) {
	for value, want := range map[string]string{
		"joe@example.com": "joe@example.com", "Joe <joe@sub.example.com>": "joe@sub.example.com", "@example.com": "@example.com",
		"<mailto:joe@example.com>": "", "joe@example.net": "", "a b <c d@example.com": "", strings.Repeat("x", 250) + "@example.com": "",
	} {
		r := &Rules{}
		r.Signing.IdentityHeader = "X-Identity"
		o := r.SignOptions(&Facts{Fields: fieldsOf(t, "X-Identity: "+value)}, &Plan{},
			SignRequest{Key: &keystore.SigningKey{Selector: "s"}, Domain: "example.com"}, time.Unix(1, 0))
		if o.Identity != want {
			t.Errorf("%q: %q, want %q", value, o.Identity, want)
		}
		o = r.SignOptions(&Facts{Fields: fieldsOf(t, "X-Identity: "+value)}, &Plan{}, // a table or script has said it
			SignRequest{Key: &keystore.SigningKey{Selector: "s"}, Domain: "example.com", Identity: "ann@example.com"}, time.Unix(1, 0))
		if o.Identity != "ann@example.com" {
			t.Errorf("%q: %q", value, o.Identity)
		}
	}
}

// TestMailboxesAreBounded: mail with more authors is nobody's.
func TestMailboxesAreBounded(t *testing.T) {
	for n, want := range map[int]bool{99: true, 100: false} { // beside joe
		text := "From: joe@example.com"
		for i := range n {
			text += fmt.Sprintf(", a%d@example.com", i)
		}
		found, problem := (&Signing{}).shown(&Plan{Author: Author{User: "joe", Domain: "example.com", Field: "From"}},
			&Facts{Fields: fieldsOf(t, text)})
		if (problem == nil) != want {
			t.Errorf("%d more: %d found, %v", n, len(found), problem)
		}
	}
}
