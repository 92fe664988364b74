package header

import (
	"errors"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// TestAddresses has expectations out of RFC 5322 and RFC 6532. Opendkim 2.11
// signs for the same domain in each case that is no error here; of those that
// are, it takes a@b@c for c, the mailbox in a group for the author whatever the
// group is called, "a b@example.com" for example.com and
// "a@exam ple.com" for that, and it dies of 8-bit addresses.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		in, want string // mailboxes joined with "|"
		err      error
	}{
		{" a@example.com", "a@example.com", nil},
		{" <a@example.com>", "a@example.com", nil},
		{" Alice <a@example.com>", "a@example.com", nil},
		{" \"Alice, the <first>\" <a@example.com>", "a@example.com", nil},
		{" Doe, John <a@example.com>", "a@example.com", nil},
		{" Re: me <a@example.com>", "a@example.com", nil},
		{" bob@evil.example <a@example.com>", "a@example.com", nil},
		{" \"bob@evil.example\" <a@example.com>", "a@example.com", nil},
		{" a@example.com (comment (nested) \\) @x)", "a@example.com", nil},
		{" (c) a (c) . (c) b (c) @ (c) example (c) . (c) com (c)", "a.b@example.com", nil},
		{" Alice\r\n\t<a@\r\n example.com>", "a@example.com", nil},
		{" \"a b\"@example.com", "a b@example.com", nil},
		{" \"a\\\"b\"@example.com", "a\"b@example.com", nil},
		{" \"a@b\"@example.com", "a@b@example.com", nil},
		{" <@relay.example,@two.example:a@example.com>", "a@example.com", nil},
		{" <@relay.example:a@example.com>", "a@example.com", nil},
		{" a@[192.0.2.1]", "a@[192.0.2.1]", nil},
		{" a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", nil},
		{" a@example.com, B <b@example.org>,, c@d", "a@example.com|b@example.org|c@d", nil},
		{" Team: a@example.com, <b@example.org>; , c@d", "a@example.com|b@example.org|c@d", nil},
		{" undisclosed-recipients:;", "", ErrNoAddress},
		{" =?utf-8?q?J=C3=B6rg?= <j@example.com>", "j@example.com", nil},
		{" Jörg <jörg@bücher.example>", "jörg@bücher.example", nil},
		{" 이순신 <이순신@도장.한국>", "이순신@도장.한국", nil},
		{" J\xf6rg <j@example.com>", "j@example.com", nil},
		{" a+b=c/d!#$%&'*?^_`{|}~-@example.com", "a+b=c/d!#$%&'*?^_`{|}~-@example.com", nil},
		{" a@example.com.", "a@example.com.", nil},
		{"", "", ErrNoAddress},
		{" ", "", ErrNoAddress},
		{" <>", "", ErrNoAddress},
		{" root", "", ErrNoAddress},
		{" <root>", "", ErrNoAddress},
		{" (only a comment)", "", ErrNoAddress},
		{" a@b@c", "", ErrAddressSyntax},
		{" @example.com", "", ErrAddressSyntax},
		{" a@", "", ErrAddressSyntax},
		{" <a@>", "", ErrAddressSyntax},
		{" a b@example.com", "", ErrAddressSyntax},
		{" a@exam ple.com", "", ErrAddressSyntax},
		{" \"open <a@example.com>", "", ErrAddressSyntax},
		{" (open a@example.com", "", ErrAddressSyntax},
		{" boss@example.com: a@example.com;", "", ErrAddressSyntax},
		{" <a@example.com> boss@example.com", "a@example.com", ErrAddressSyntax},
		{" <a@example.com> (x) \"y\" z, b@example.com", "a@example.com|b@example.com", nil},
		{" @relay.example:a@example.com", "a@example.com", nil},
		{" <a@example.com", "a@example.com", nil},
		{" Alice <a@example.com (open", "", ErrAddressSyntax},
		{" a@example.com>", "", ErrAddressSyntax},
		{" <<a@example.com>>", "a@example.com", nil},
		{" Alice <<a@example.com>>, b@example.com", "a@example.com|b@example.com", nil},
		{" <<a@example.com>", "a@example.com", nil},
		{" <<a@example.com>>>", "a@example.com", ErrAddressSyntax},
		{" <a<b@example.com>>", "", ErrAddressSyntax},
		{" <a@example.com> <b@example.org>", "a@example.com", ErrAddressSyntax},
		{" <a@example.com>, x@y@z", "a@example.com", ErrAddressSyntax},
		{" a\x00b@example.com", "", ErrAddressSyntax},
		{" j\xf6rg@example.com", "", ErrAddressSyntax},
		{" a@[192.0.2.1", "", ErrAddressSyntax},
		{" a@x[192.0.2.1]", "", ErrAddressSyntax},
		{" a@\"b\"", "", ErrAddressSyntax},
		{" a\\b@example.com", "", ErrAddressSyntax},
		{" <@relay a@example.com>", "", ErrAddressSyntax},
		{" \"a\\", "", ErrAddressSyntax},
		// RFC 5322 §4.4: *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":"
		{" <@relay.example, (c)\r\n @two.example:a@example.com>", "a@example.com", nil},
		{" <@relay.example,,@two.example:a@example.com>", "a@example.com", nil},
		{" <boss@example.org:a@example.com>", "", ErrAddressSyntax},
		{" <boss@example.org,@x:a@example.com>", "", ErrAddressSyntax},
		// RFC 5322 §3.2.4, §3.4.1: folding is invisible in a quoted string and in a literal.
		{" \"a\r\n b\"@example.com", "a b@example.com", nil},
		{" a@[192.0.2.1\r\n ]", "a@[192.0.2.1]", nil},
		{" \"a\tb\"@example.com", "a\tb@example.com", nil},
		{" \"a\x01b\"@example.com", "", ErrAddressSyntax},
		{" \"a\x7fb\"@example.com", "", ErrAddressSyntax},
		// RFC 5322 §3.4.1: words stand side by side with a dot between them only, and a
		// domain is dot-atom or literal, not both.
		{" a (c) b@example.com", "", ErrAddressSyntax},
		{" a(c)b@example.com", "", ErrAddressSyntax},
		{" a \"b\"@example.com", "", ErrAddressSyntax},
		{" @boss@example.com", "", ErrAddressSyntax},
		{" <a@example.com> @example.org", "a@example.com", ErrAddressSyntax},
		{" a@[192.0.2.1]example.com", "", ErrAddressSyntax},
		{" a@[192.0.2.1].example.com", "", ErrAddressSyntax},
		{" a@[192.0.2.1][192.0.2.2]", "", ErrAddressSyntax},
		{" a@ [192.0.2.1] b", "", ErrAddressSyntax},
		{" [192.0.2.1]@example.com", "", ErrAddressSyntax},
		{" a@[192.0.2.1<b>]", "", ErrAddressSyntax},
		{" a@[192.0.2.1_]", "", ErrAddressSyntax},
	} {
		all, err := Addresses([]byte(c.in))
		var got []string
		for _, m := range all {
			got = append(got, m.String())
		}
		if strings.Join(got, "|") != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v; want %q, %v", c.in, got, err, c.want, c.err)
		}
		local, domain, err := Address([]byte(c.in))
		if len(all) > 0 {
			if err != nil || local != all[0].Local || domain != all[0].Domain {
				t.Errorf("first of %q: %q %q %v", c.in, local, domain, err)
			}
		} else if !errors.Is(err, c.err) {
			t.Errorf("first of %q: %v, want %v", c.in, err, c.err)
		}
	}
}

// TestBlanksBeforeAddresses mean nothing for what follows the first word.
func TestBlanksBeforeAddresses(t *testing.T) {
	for _, text := range []string{`a"b"@example.com`, `"a"b@example.com`, `a"b"c@example.com`, `a.b@example.com`, `joe@example.com`} {
		local, domain, err := Address([]byte(text))
		for _, blank := range []string{" ", "\t", "\r\n ", "(x) ", " (x)"} {
			l, d, e := Address([]byte(blank + text))
			if l != local || d != domain || !errors.Is(e, err) {
				t.Errorf("%q before %s: %q, %q, %v; without: %q, %q, %v", blank, text, l, d, e, local, domain, err)
			}
		}
	}
}

// TestOctetsOfAddressLiterals (RFC 5321 §4.1.3) are letters, digits, colons, dots and hyphens.
func TestOctetsOfAddressLiterals(t *testing.T) {
	const all = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:.-"
	for c := range 256 {
		octet := string([]byte{byte(c)})
		if c == '[' || c == ']' || c == '\\' || strings.Contains(" \t\r\n", octet) {
			continue // brackets, and what separates or escapes
		}
		_, domain, err := Address([]byte("joe@[1" + octet + "2]"))
		if want := strings.Contains(all, octet); (err == nil) != want || want && domain != "[1"+octet+"2]" {
			t.Errorf("%q: %q, %v", octet, domain, err)
		}
	}
}

func TestURLAddress(t *testing.T) {
	for _, c := range []struct {
		in, want string
		err      error
	}{ // the first ones are RFC 2369's and RFC 6068's own
		{" <mailto:list@host.com>", "list@host.com", nil},
		{" <mailto:moderator@host.com> (Postings are Moderated)", "moderator@host.com", nil},
		{" <mailto:moderator@host.com?subject=list%20posting>", "moderator@host.com", nil},
		{" NO (posting not allowed on this list)", "", ErrNoAddress},
		{" <http://www.host.com/list.cgi?cmd=sub&lst=list>,\r\n\t<mailto:list-manager@host.com?subject=subscribe>", "list-manager@host.com", nil},
		{" <mailto:gorby%25kremvax@example.com>", "gorby%kremvax@example.com", nil},
		{" <mailto:%22not%40me%22@example.org>", "not@me@example.org", nil},
		{" <MailTo:\r\n list@host.com>", "list@host.com", nil},
		{" mailto:list@host.com", "list@host.com", nil},
		{" <mailto:>", "", ErrNoAddress},
		{" <mailto:?to=joe@example.com>", "", ErrNoAddress},
		{" list@host.com", "", ErrNoAddress},
		{"", "", ErrNoAddress},
		{"mailto", "", ErrNoAddress},
		{"\u0130 <mailto:list@host.com>", "", ErrNoAddress}, // which has another length in lower case
	} {
		local, domain, err := URLAddress([]byte(c.in))
		if err == nil {
			local += "@" + domain
		}
		if local != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v; want %q, %v", c.in, local, err, c.want, c.err)
		}
	}
}

// TestAddressesAreLinear gives 400 kB of everything that could go back, which would
// take minutes.
func TestAddressesAreLinear(t *testing.T) {
	for _, unit := range []string{"(", "((a)", "\"", "\\", "<", "a@b,", "@a,", "<@a,", "a ", "a.",
		"[", "x:", ";", ">", "\"a\" ", "<@a:@b:", "\xff", "é", "a@b ", "=?"} {
		in := []byte(strings.Repeat(unit, 400<<10/len(unit)))
		start := testutil.ProcessorTime(t)
		_, _ = Addresses(in)
		_, _, _ = Address(append([]byte("<"), in...))
		if d := testutil.ProcessorTime(t) - start; d > 20*time.Second {
			t.Errorf("%q: %v", unit, d)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@example.com", "A <a@b>, \"c\"@[d] (e)", "g: <@r:a@b>;", "Jörg <jörg@bücher.example>", "<", "a@b@c"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		all, err := Addresses(value)
		if err == nil && len(all) == 0 {
			t.Fatal("neither mailbox nor error")
		}
		for _, m := range all {
			if m.Local == "" || m.Domain == "" || strings.ContainsAny(m.Domain, "@<>,; \t\r\n\"") {
				t.Fatalf("%q has mailbox %+v", value, m)
			}
		}
		local, domain, err := Address(value)
		if len(all) > 0 != (err == nil) || err == nil && (all[0] != Mailbox{local, domain}) {
			t.Fatalf("%q: first is %q@%q, %v; all %v", value, local, domain, err, all)
		}
	})
}

func BenchmarkAddress(b *testing.B) {
	value := []byte(" \"Alice Liddell\" <alice@example.com>")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Address(value); err != nil {
			b.Fatal(err)
		}
	}
}
