package explain

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/testutil"
)

const (
	umlauts = "Grüße,\r\n\r\nbis morgen – schön.\r\nFrom here on.\r\n\r\n-- \r\nJoe\r\n"
	page    = "<html><head><title>x</title></head><body>\r\n<p>Hello</p>\r\n<p>World &amp; all</p>\r\n</body></html>\r\n"
	warning = "CAUTION: this came from outside.\r\n\r\n"
)

func in64(text string) string { return wrap(base64.StdEncoding.EncodeToString([]byte(text))) }

// coded is a message of one text in an encoding.
func coded(encoding, body string) message {
	m := message{[]string{
		"From: Joe Example <joe@example.com>", "To: devel@lists.example.net", "Subject: About it", "Date: Mon, 2 Nov 2026 09:30:00 +0900",
		"Message-ID: <1@example.com>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
	}, body}
	if encoding != "" {
		m.fields = append(m.fields, "Content-Transfer-Encoding: "+encoding)
	}
	return m
}

// inTwo is a message of text and HTML in an encoding.
func inTwo(encoding string, encode func(string) string) message {
	part := func(kind, text string) string {
		return "--=_alt\r\nContent-Type: text/" + kind + "; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" +
			encode(text) + "\r\n"
	}
	m := coded("", part("plain", umlauts)+part("html", page)+"--=_alt--\r\n")
	m.set("Content-Type", `multipart/alternative; boundary="=_alt"`)
	return m
}

// editOf exchanges texts of a body.
func editOf(pairs ...string) func(*message) {
	return func(m *message) { m.body = strings.NewReplacer(pairs...).Replace(m.body) }
}

// fieldOf gives a field another value.
func fieldOf(name, value string) func(*message) {
	return func(m *message) { m.set(name, value) }
}

// strangers are edits that gateways, lists and disclaimers make to encoded text, and
// others that real mail shows.
var strangers = []struct {
	name string
	m    message
	edit func(*message)
	want string
}{
	{"footer in base64", coded("base64", in64(umlauts)), editOf(in64(umlauts), in64(umlauts+listFooter)), explain.CodeFooter},
	{"banner in base64", coded("base64", in64(umlauts)), editOf(in64(umlauts), in64(warning+umlauts)), explain.CodeBanner},
	{"base64 in one line", coded("base64", in64(umlauts)), func(m *message) {
		m.body = base64.StdEncoding.EncodeToString([]byte(umlauts)) + "\r\n"
	}, explain.CodeTransferEncoding},
	{"base64 to quoted-printable", coded("base64", in64(umlauts)), func(m *message) {
		m.set("Content-Transfer-Encoding", "quoted-printable")
		m.body = quoted(umlauts)
	}, explain.CodeTransferEncoding},
	{"quoted-printable to base64", coded("quoted-printable", quoted(umlauts)), func(m *message) {
		m.set("Content-Transfer-Encoding", "base64")
		m.body = in64(umlauts)
	}, explain.CodeTransferEncoding},
	{"quoted-printable in shorter lines", coded("quoted-printable", quoted(strings.Repeat("word ", 40)+"end\r\n")), func(m *message) {
		m.body = strings.Repeat("word ", 13) + "word=\r\n " + strings.Repeat("word ", 13) + "word=\r\n " + strings.Repeat("word ", 12) + "end\r\n"
	}, explain.CodeTransferEncoding},
	{"footer in both parts, base64", inTwo("base64", in64), editOf(in64(umlauts), in64(umlauts+listFooter),
		in64(page), in64(strings.Replace(page, "</body>", "<hr>list</body>", 1))), explain.CodeFooter},
	{"footer in both parts, quoted-printable", inTwo("quoted-printable", quoted), editOf(quoted(umlauts), quoted(umlauts+listFooter),
		quoted(page), quoted(strings.Replace(page, "</body>", "<hr>list</body>", 1))), explain.CodeFooter},
	{"parts from quoted-printable to base64", inTwo("quoted-printable", quoted), editOf("quoted-printable", "base64",
		quoted(umlauts), strings.TrimSuffix(in64(umlauts), "\r\n"), quoted(page), strings.TrimSuffix(in64(page), "\r\n")), explain.CodeTransferEncoding},
	{"banner in text and HTML", inTwo("8bit", strings.Clone), editOf("\r\n\r\nGr", "\r\n\r\n"+warning+"Gr", "<body>",
		"<body><div>CAUTION</div>"), explain.CodeBanner},
	{"byte order mark put in", coded("8bit", umlauts), editOf("Grüße", "\ufeffGrüße"), explain.CodeCharset},
	{"byte order mark cut off", coded("8bit", "\ufeff"+umlauts), editOf("\ufeff", ""), explain.CodeCharset},
	{"empty line lost", coded("8bit", umlauts), editOf("Grüße,\r\n\r\n", "Grüße,\r\n"), explain.CodeBlankLines},
	{"empty line put in", coded("8bit", umlauts), editOf("From", "\r\nFrom"), explain.CodeBlankLines},
	{"lines in the middle", coded("8bit", umlauts), editOf("From", "an advertisement\r\nof two lines\r\nFrom"), explain.CodeInserted},
	{"broken between words", coded("", strings.Repeat("word ", 40)+"end\r\n\r\nJoe\r\n"), editOf(strings.Repeat("word ", 15),
		strings.Repeat("word ", 14)+"word\r\n"), explain.CodeLongLines},
	{"From quoted at each depth", coded("", ">From a\r\nFrom b\r\n"), editOf(">From a", ">>From a", "\r\nFrom b", "\r\n>From b"), explain.CodeFromQuoting},
	{"one From of two quoted", coded("", ">From a\r\n\r\nFrom b\r\n"), editOf("\r\nFrom b", "\r\n>From b"), explain.CodeFromQuoting},
	{"From with = for @", coded("", umlauts), fieldOf("From", `"Joe Example via groups.example" <joe=example.com@groups.example>`), explain.CodeFromRewritten},
	{"From with dots for @", coded("", umlauts), fieldOf("From", "Joe Example <joe.example.com@dmarc.example.net>"), explain.CodeFromRewritten},
	{"From that is invalid", coded("", umlauts), fieldOf("From", "Joe Example <joe@example.com.invalid>"), explain.CodeFromRewritten},
	{"Message-ID without angles", coded("", umlauts), fieldOf("Message-ID", "1@example.com"), explain.CodeRewritten},
	{"a tag in angles", coded("", umlauts), fieldOf("Subject", "<EXTERNAL> About it"), explain.CodeSubjectTag},
	{"a tag of words", coded("", umlauts), fieldOf("Subject", "External Email - About it"), explain.CodeSubjectTag},
}

// TestStrangers: each is proved under its name, and verified by dkimpy once it is undone.
func TestStrangers(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	arrived, want := map[string]message{}, map[string][]string{}
	for _, c := range []dkim.Canonicalization{dkim.Relaxed, dkim.Simple} {
		for _, s := range strangers {
			signed := sign(t, s.m, c, c, "From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding")
			m := signed.clone()
			if s.edit(&m); m.String() == signed.String() {
				t.Fatalf("%s changes nothing", s.name)
			}
			name := s.name + ", " + c.String()
			arrived[name], want[name] = m, []string{s.want}
		}
	}
	proofs(t, record, arrived, want)
}

// TestReplyCutOff: a "Re: " that was taken away is proved too.
func TestReplyCutOff(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	m := coded("", umlauts)
	m.set("Subject", "Re: About it")
	m = sign(t, m, dkim.Relaxed, dkim.Relaxed, "From", "Subject")
	m.fields = slices.Clone(m.fields)
	m.set("Subject", "About it")
	proofs(t, record, map[string]message{"Re:": m}, map[string][]string{"Re:": {explain.CodeSubjectTag}})
}
