package explain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/testutil"
)

// TestNamedEdits: edits that mail in archives shows, each proved under its name.
func TestNamedEdits(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	base := message{[]string{
		"From: Joe Example <joe@example.com>", "Cc: Ann <ann@example.org>, Bob <bob@example.org>", "Subject: Re: About it", "Date: Mon, 2 Nov 2026 09:30:00 +0900",
		"Message-ID: <1@example.com>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
	}, "Hello,\r\n\r\nsee you.\r\n"}
	names := []string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Sender"}
	set := func(name, value string) func(*message) {
		return func(m *message) { m.set(name, value) }
	}
	add := func(field string) func(*message) {
		return func(m *message) { m.fields = append(m.fields, field) }
	}
	both := func(edits ...func(*message)) func(*message) {
		return func(m *message) {
			for _, e := range edits {
				e(m)
			}
		}
	}
	body := func(f func(string) string) func(*message) {
		return func(m *message) { m.body = f(m.body) }
	}
	edits := map[string]struct {
		make func(*message)
		want string
	}{
		"placeholder":      {add("To: unlisted-recipients:; (no To-header on input)"), explain.CodePlaceholder},
		"placeholder, Cc":  {both(add("To: unlisted-recipients:; (no To-header on input)"), set("Cc", "Bob <bob@example.org>, Ann <ann@example.org>")), explain.CodeAddresses},
		"undisclosed":      {add("To: undisclosed-recipients:;"), explain.CodePlaceholder},
		"sender put in":    {add("Sender: devel-bounces@lists.example.net"), explain.CodeFieldAdded},
		"order of Cc":      {set("Cc", "Bob <bob@example.org>, Ann <ann@example.org>"), explain.CodeAddresses},
		"order and tag":    {both(set("Cc", "Bob <bob@example.org>, Ann <ann@example.org>"), set("Subject", "[Devel] Re: About it")), explain.CodeSubjectTag},
		"list's From":      {both(set("From", "Joe Example via Devel <devel@lists.example.net>"), add("Reply-To: Joe Example <joe@example.com>")), explain.CodeFromRewritten},
		"Google's From":    {both(set("From", "'Joe Example' via Devel <devel@example.net>"), add("X-Original-From: Joe Example <joe@example.com>")), explain.CodeRewritten},
		"Exchange's date":  {set("Date", "Mon, 2 Nov 2026 00:30:00 +0000"), explain.CodeDate},
		"Exchange's names": {set("Cc", `"Ann" <ann@example.org>, "Bob" <bob@example.org>`), explain.CodeAddresses},
		"header cut": {func(m *message) {
			m.fields, m.body = m.fields[:5], strings.Join(m.fields[5:], "\r\n")+"\r\n\r\n"+m.body
		}, explain.CodeHeaderCut},
		"header cut, tagged": {func(m *message) {
			m.set("Subject", "[Devel] Re: About it")
			m.fields, m.body = m.fields[:5], strings.Join(m.fields[5:], "\r\n")+"\r\n\r\n"+m.body
		}, explain.CodeSubjectTag},
		"footer":     {body(func(b string) string { return b + "-- \r\nlist\r\n" }), explain.CodeFooter},
		"blank line": {body(func(b string) string { return "\r\n" + b }), explain.CodeBlankLines},
		"banner":     {body(func(b string) string { return "CAUTION: external\r\n\r\n" + b }), explain.CodeBanner},
	}
	arrived, want := map[string]message{}, map[string][]string{}
	for _, c := range []dkim.Canonicalization{dkim.Relaxed, dkim.Simple} {
		for name, e := range edits {
			m := signOver(t, base, c, names...)
			e.make(&m)
			name = fmt.Sprintf("%s, %s", name, c)
			arrived[name], want[name] = m, []string{e.want}
		}
	}
	proofs(t, record, arrived, want)
}

// signOver signs so that no field of the names can be added.
func signOver(t *testing.T, m message, c dkim.Canonicalization, names ...string) message {
	t.Helper()
	field, err := dkim.Sign([]byte(m.String()), dkim.SignOptions{
		Domain: "example.com", Selector: "s2048", Key: testutil.ReadKey(t,
			keyFile), Sign: dkim.NewHeaderSet(names...), Oversign: dkim.NewHeaderSet(names...),
		HeaderCanonicalization: c, BodyCanonicalization: c,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.fields = slices.Insert(slices.Clone(m.fields), 0, strings.TrimSuffix(string(field), "\r\n"))
	return m
}
