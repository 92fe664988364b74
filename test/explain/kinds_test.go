package explain

import (
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/testutil"
)

// ofText is a message of 8-bit text from somebody who writes capital letters.
func ofText(body string) message {
	m := coded("8bit", body)
	m.set("From", "Joe Example <Joe.Example@Example.com>")
	m.set("Date", "Mon, 2 Nov 2026 09:30:00 +0100 (CET)")
	m.fields = append(m.fields, "Thread-Topic: About it", "Cc: Ann <ann@example.org>, Bob <Bob.B@Example.org>")
	return m
}

func about(subject string) message {
	m := ofText(umlauts)
	m.set("Subject", subject)
	return m
}

// ofParts is a message of two parts, with what stands above and below them.
func ofParts(above, below string) message {
	m := ofText(above + alternative("=_alt", umlauts, page, true) + below)
	m.set("Content-Type", `multipart/alternative; boundary="=_alt"`)
	return m
}

const (
	formatFlowed = "This is a paragraph that goes on and on until here and then \r\nit goes on.\r\n\r\n" +
		"> quoted text that goes on and on until here and then it goes on \r\n> and on\r\n\r\n-- \r\nJoe\r\n"
	preamble = "This is a multi-part message in MIME format.\r\n"
)

func without(name string) func(*message) {
	return func(m *message) {
		i := m.at(name)
		m.fields = append(m.fields[:i:i], m.fields[i+1:]...)
	}
}

func all(edits ...func(*message)) func(*message) {
	return func(m *message) {
		for _, e := range edits {
			e(m)
		}
	}
}

// kinds are more edits that programs make, with the cause that is to be proved; "" where
// nothing can know what stood there.
var kinds = []struct {
	name string
	m    message
	edit func(*message)
	want string
}{
	{"To removed, told by Delivered-To", ofText(umlauts), all(without("To"), func(m *message) {
		m.fields = append([]string{"Delivered-To: devel@lists.example.net"}, m.fields...)
	}), explain.CodeFieldRemoved},
	{"To removed", ofText(umlauts), without("To"), ""},
	{"Subject removed, kept by Exchange", ofText(umlauts), without("Subject"), explain.CodeFieldRemoved},
	{"addresses in small letters", ofText(umlauts), fieldOf("Cc", "Ann <ann@example.org>, Bob <bob.b@example.org>"), explain.CodeAddresses},
	{"From in small letters", ofText(umlauts), fieldOf("From", "Joe Example <joe.example@example.com>"), explain.CodeAddresses},
	{"name of the zone cut off", ofText(umlauts), fieldOf("Date", "Mon, 2 Nov 2026 09:30:00 +0100"), explain.CodeDate},
	{"zone made UTC", ofText(umlauts), fieldOf("Date", "Mon, 2 Nov 2026 08:30:00 +0000"), explain.CodeDate},
	{"a parameter put in", ofParts("", ""), fieldOf("Content-Type", `multipart/alternative; charset=utf-8; boundary="=_alt"`), explain.CodeRewritten},
	{"boundaries made anew", ofParts("", ""), all(fieldOf("Content-Type", `multipart/alternative; boundary="=_new"`), editOf("=_alt", "=_new")), ""},
	{"tag and footer", ofText(umlauts), all(fieldOf("Subject", "[Devel] About it"), func(m *message) { m.body += listFooter }), explain.CodeFooter},
	{"footer in one part of an alternative", ofParts("", ""), editOf("Joe\r\n", "Joe\r\n"+listFooter), explain.CodeFooter},
	{"footer in both parts of an alternative", ofParts("", ""), editOf("Joe\r\n", "Joe\r\n"+listFooter, "</body>", "<hr>list</body>"), explain.CodeFooter},
	{"preamble cut off", ofParts(preamble, ""), editOf(preamble, ""), explain.CodeFrame},
	{"preamble put in", ofParts("", ""), editOf("--=_alt\r\nContent-Type: text/plain", preamble+"--=_alt\r\nContent-Type: text/plain"), explain.CodeBanner},
	{"epilogue put in", ofParts("", ""), func(m *message) { m.body += listFooter }, explain.CodeFooter},
	{"epilogue cut off", ofParts("", "\r\nthe end\r\n"), editOf("\r\nthe end\r\n", ""), ""},
	{"last boundary lost", ofParts("", ""), editOf("--=_alt--\r\n", ""), explain.CodeFrame},
	{"charset of parts in quotes", ofParts("", ""), editOf("charset=utf-8", `charset="utf-8"`), explain.CodeCharsetLabel},
	{"charset of parts in capitals", ofParts("", ""), editOf("charset=utf-8", "charset=UTF-8"), explain.CodeCharsetLabel},
	{"windows-1252 to UTF-8", ofText("It\x92s good \x96 \xfc\r\n"), func(m *message) { m.body = "It\u2019s good \u2013 \u00fc\r\n" }, explain.CodeCharset},
	{"EUC-KR to UTF-8", ofText("\xb5\xb5\xc0\xe5\r\n"), func(m *message) { m.body = "도장\r\n" }, explain.CodeCharset},
	{"UTF-8 to EUC-KR", ofText("도장\r\n"), func(m *message) { m.body = "\xb5\xb5\xc0\xe5\r\n" }, explain.CodeCharset},
	{"no-break space made a blank", ofText("Hello.\u00a0 How are\u00a0you?\r\n"), editOf("\u00a0", " "), explain.CodeCharacters},
	{"blank made a no-break space", ofText("Hello.  How are you?\r\n"), editOf("  ", "\u00a0 "), explain.CodeCharacters},
	{"no-break space named", ofText("<p>Hello.\u00a0 How are you?</p>\r\n"), editOf("\u00a0", "&nbsp;"), explain.CodeCharacters},
	{"quotes named", ofText("<p>He said \"good\" &amp; left</p>\r\n"), editOf(`"`, "&quot;"), explain.CodeCharacters},
	{"quotes made plain", ofText("It\u2019s \u201cgood\u201d \u2013 or \u2026\r\n"), editOf("\u2019", "'", "\u201c", `"`, "\u201d", `"`,
		"\u2013", "-", "\u2026", "..."), explain.CodeCharacters},
	{"quotes made typographic", ofText("It's \"good\" there\r\n"), editOf("'", "\u2019", ` "`, " \u201c", `" `, "\u201d "), explain.CodeCharacters},
	{"one quote of two made typographic", ofText("It's good, isn't it\r\n"), editOf("isn't", "isn\u2019t"), explain.CodeCharacters},
	{"a part in shorter lines of base64", inTwo("base64", func(s string) string { return strings.ReplaceAll(in64(s), "\r\n", "") + "\r\n" }),
		editOf(strings.ReplaceAll(in64(umlauts), "\r\n", ""), strings.TrimSuffix(in64(umlauts), "\r\n"), strings.ReplaceAll(in64(page), "\r\n", ""),
			strings.TrimSuffix(in64(page), "\r\n")), explain.CodeTransferEncoding},
	{"digits of quoted-printable in capitals", coded("quoted-printable", "Gr=c3=bc=c3=9fe\r\n"), editOf("=c3=bc=c3=9f", "=C3=BC=C3=9F"), explain.CodeTransferEncoding},
	{"an image put in", ofText(page), editOf("</body>", `<img src="http://example.net/p.gif"></body>`), explain.CodeFooter},
	{"a body put to none", ofText(""), func(m *message) { m.body = "Hello\r\n" }, explain.CodeSignedEmpty},
	{"a word changed", ofText("Hello there, friend\r\n"), editOf("friend", "foe"), ""},
	{"a line cut off", ofText("Hello there\r\nfriend\r\n"), editOf("friend\r\n", ""), ""},
}

// simple are edits that relaxed canonicalization forgives.
var simple = []struct {
	name string
	m    message
	edit func(*message)
	want string
}{
	{"a blank at a line's end cut off", ofText("Hello \r\nthere\r\n"), editOf("Hello ", "Hello"), explain.CodeWhiteSpace},
	{"a blank at a line's end put in", ofText("Hello \r\nthere\r\n"), editOf("there", "there "), explain.CodeWhiteSpace},
	{"blanks at flowed lines' ends cut off", ofText(formatFlowed), editOf(" \r\n", "\r\n"), explain.CodeWhiteSpace},
	{"blanks put to no body", ofText(""), func(m *message) { m.body = " \r\n" }, explain.CodeWhiteSpace},
	{"tabs made four blanks", ofText("a\tb\r\n"), editOf("\t", "    "), explain.CodeCharacters},
	{"Subject unfolded", about("About\r\n\tit"), fieldOf("Subject", "About it"), explain.CodeWhiteSpace},
	{"a blank of two in Subject lost", about("About  it"), fieldOf("Subject", "About it"), explain.CodeWhiteSpace},
}

// TestKinds: what can be proved is, under its name, and holds for dkimpy once it is undone;
// of what cannot be known nothing is called proved.
func TestKinds(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	arrived, want := map[string]message{}, map[string][]string{}
	edit := func(name string, m message, c dkim.Canonicalization, make func(*message), code string) {
		names := []string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding"}
		signed := signOver(t, m, c, names...)
		m = signed.clone()
		if make(&m); m.String() == signed.String() {
			t.Fatalf("%s changes nothing", name)
		}
		if code != "" {
			arrived[name], want[name] = m, []string{code}
			return
		}
		for _, cause := range story(t, m, record).Causes {
			if cause.Proved {
				t.Errorf("%s: %+v", name, cause)
			}
		}
	}
	for _, k := range kinds {
		for _, c := range []dkim.Canonicalization{dkim.Relaxed, dkim.Simple} {
			edit(k.name+", "+c.String(), k.m, c, k.edit, k.want)
		}
	}
	for _, k := range simple {
		edit(k.name, k.m, dkim.Simple, k.edit, k.want)
	}
	proofs(t, record, arrived, want)
}
