package explain

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"slices"
	"strings"
)

// writer makes messages as people send them.
type writer struct{ *rand.Rand }

func (w writer) pick(of ...string) string { return of[w.IntN(len(of))] }

var (
	names   = []string{"Joe Doe", `"Doe, Ann"`, "Ann O'Brien", "Dr. Kim", `"Lee Sung-min"`, "=?UTF-8?Q?J=C3=BCrgen?=", "Rüdiger", "", "bob", `"Bob (work)"`, "Jane Q. Public"}
	domains = []string{"example.com", "example.org", "mail.example.net", "example.co.kr"}
)

func (w writer) address() string {
	return fmt.Sprintf("%s%d@%s", w.pick("joe", "ann", "kim", "lee", "bob", "devel", "info"), w.IntN(100), w.pick(domains...))
}

func (w writer) mailbox() string {
	address := w.address()
	switch name := w.pick(names...); {
	case name != "":
		return name + " <" + address + ">"
	case w.IntN(3) == 0:
		return "<" + address + ">"
	default:
		return address
	}
}

func (w writer) mailboxes(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = w.mailbox()
	}
	return list
}

// fold writes a list of addresses as a mail program does.
func (w writer) fold(list []string) string {
	return strings.Join(list, w.pick(", ", ", ", ",\r\n ", ",\r\n\t", ",\r\n        "))
}

// message makes a message, not yet signed.
func (w writer) message() message {
	m := message{fields: []string{
		"From: Joe Example <joe@example.com>",
		"To: " + w.fold(slices.Insert(w.mailboxes(w.IntN(2)), 0, "Devel List <devel@lists.example.net>")),
		"Subject: " + w.pick("", "", "Re: ", "RE: ", "Fwd: ") + w.pick("About the meeting", "patch 3/7: fix the leak", "Grüße aus Wien", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_Wien?=", "a question about the keys that are published and those that are not, and more"),
		fmt.Sprintf("Date: Mon, %d Nov 2026 09:30:0%d %s", 2+7*w.IntN(4), w.IntN(10), w.pick("+0900", "+0000", "-0700", "+0100")),
		fmt.Sprintf("Message-ID: <%d@example.com>", w.IntN(1e9)),
		"MIME-Version: 1.0",
	}}
	if n := w.IntN(9); n > 0 { // most mail to lists that fails has Cc
		m.fields = slices.Insert(m.fields, 2, "Cc: "+w.fold(w.mailboxes(n)))
	}
	if w.IntN(4) == 0 {
		m.fields = append(m.fields, "Sender: joe@example.com")
	}
	if w.IntN(3) == 0 {
		m.fields = append(m.fields, "References: <1@example.org>\r\n <2@example.org>", "In-Reply-To: <2@example.org>")
	}
	w.content(&m)
	return m
}

func (w writer) content(m *message) {
	text := w.text()
	html := "<html><head><title>x</title></head><body>\r\n<p>" + strings.ReplaceAll(strings.TrimSuffix(text, "\r\n"), "\r\n",
		"<br>\r\n") + "</p>\r\n" + w.pick("</body></html>\r\n", "</body>\r\n</html>\r\n")
	switch w.IntN(5) {
	case 0, 1:
		m.fields = append(m.fields, "Content-Type: text/plain; charset="+w.pick("utf-8", `"utf-8"`, "UTF-8"), "Content-Transfer-Encoding: 8bit")
		m.body = text
	case 2:
		m.fields = append(m.fields, "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit")
		m.body = html
	case 3:
		m.fields = append(m.fields, `Content-Type: multipart/alternative; boundary="=_alt"`)
		m.body = alternative("=_alt", text, html, w.IntN(2) == 0)
	default:
		m.fields = append(m.fields, `Content-Type: multipart/mixed; boundary="=_mix"`)
		m.body = "--=_mix\r\nContent-Type: multipart/alternative; boundary=\"=_alt\"\r\n\r\n" +
			alternative("=_alt", text, html, w.IntN(2) == 0) +
			"\r\n--=_mix\r\nContent-Type: message/rfc822\r\n\r\nFrom: ann@example.org\r\nSubject: was\r\nContent-Type: " +
			"text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße zurück\r\n\r\n--=_mix--\r\n"
	}
}

func alternative(boundary, text, html string, said bool) string {
	coding := ""
	if said {
		coding = "Content-Transfer-Encoding: 8bit\r\n"
	}
	return "--" + boundary + "\r\nContent-Type: text/plain; charset=utf-8\r\n" + coding + "\r\n" + text + "\r\n--" +
		boundary + "\r\nContent-Type: text/html; charset=utf-8\r\n" + coding + "\r\n" + html + "\r\n--" + boundary + "--\r\n"
}

func (w writer) text() string {
	lines := []string{"Hello,", "", "see you tomorrow   at ten.", "From here it is not far.", ".hidden",
		"Grüße aus Wien, and a line that is longer than seventy-six characters for it must be folded.", "", "-- ", "Joe"}
	if w.IntN(4) == 0 {
		lines = slices.Insert(lines, 3, strings.Repeat("a long line ", 90+w.IntN(120)))
	}
	return strings.Join(lines[w.IntN(3):], "\r\n") + "\r\n"
}

// edit is what a list or a mail server does to a message. It reports whether it applied.
type edit struct {
	name string
	make func(w writer, m *message) bool
}

func (m *message) at(name string) int {
	return slices.IndexFunc(m.fields, func(f string) bool {
		n, _, _ := strings.Cut(f, ":")
		return strings.EqualFold(n, name)
	})
}

func (m *message) value(name string) string {
	if i := m.at(name); i >= 0 {
		_, v, _ := strings.Cut(m.fields[i], ":")
		return strings.TrimSpace(strings.ReplaceAll(v, "\r\n", ""))
	}
	return ""
}

func (m *message) set(name, value string) bool {
	i := m.at(name)
	if i >= 0 {
		m.fields[i] = name + ": " + value
	}
	return i >= 0
}

// move takes a field out and puts it, with another value, at the end of the header.
func (m *message) move(name, value string) {
	if i := m.at(name); i >= 0 {
		m.fields = slices.Delete(m.fields, i, i+1)
	}
	m.fields = append(m.fields, name+": "+value)
}

// cookedList is what Mailman puts below a header.
var cookedList = []string{
	"X-Mailman-Version: 3.3.8", "Precedence: list", "List-Id: Development <devel.lists.example.net>", "X-BeenThere: devel@lists.example.net",
	"List-Post: <mailto:devel@lists.example.net>", "List-Unsubscribe: <mailto:devel-leave@lists.example.net>",
}

const listFooter = "_______________________________________________\r\ndevel mailing list -- devel@lists.example.net\r\nTo " +
	"unsubscribe send an email to devel-leave@lists.example.net\r\n"

var headerEdits = []edit{
	{"cc-anew", func(w writer, m *message) bool {
		cc := m.value("Cc")
		if cc == "" {
			return false
		}
		list := splitAddresses(cc)
		reader := ""
		if len(list) > 1 && w.IntN(3) == 0 { // the reader had a copy
			i := w.IntN(len(list))
			reader, list = bare(list[i]), slices.Delete(list, i, i+1)
		}
		for i := range list {
			list[i] = asPython(list[i])
		}
		if w.IntN(2) == 0 { // Mailman 2: in the order of a Python 2 dictionary
			w.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		m.move("Cc", strings.Join(list, ",\r\n\t"))
		if reader != "" {
			m.fields = slices.Insert(m.fields, 0, "Delivered-To: "+reader)
		}
		return true
	}},
	{"subject-tag", func(w writer, m *message) bool {
		subject := m.value("Subject")
		if strings.HasPrefix(subject, "=?") {
			return m.set("Subject", "[Devel] "+subject)
		}
		for _, re := range []string{"Re: ", "RE: "} {
			if rest, ok := strings.CutPrefix(subject, re); ok {
				return m.set("Subject", w.pick("[Devel] Re: ", "Re: [Devel] ", "[Devel] "+re)+rest)
			}
		}
		return m.set("Subject", w.pick("[Devel] ", "[devel 1234] ", "[EXTERNAL] ", "***SPAM*** ")+subject)
	}},
	{"from-munged", func(w writer, m *message) bool {
		from := m.value("From")
		m.set("From", "Joe Example via Devel <devel@lists.example.net>")
		switch w.IntN(3) {
		case 0:
			m.fields = append(m.fields, "Reply-To: "+from)
		case 1:
			m.fields = append(m.fields, "X-Original-From: "+from)
		default:
			m.fields = append(m.fields, "Reply-To: joe@example.com")
		}
		return true
	}},
	{"sender", func(_ writer, m *message) bool { return m.set("Sender", "Devel <devel-bounces@lists.example.net>") }},
	{"names-quoted", func(_ writer, m *message) bool { // as Sendmail does it
		for _, name := range []string{"To", "Cc"} {
			list := splitAddresses(m.value(name))
			for i, a := range list {
				if at := strings.Index(a, " <"); at > 0 && strings.ContainsAny(a[:at], ".'") && a[0] != '"' {
					list[i] = `"` + a[:at] + `"` + a[at:]
					m.set(name, strings.Join(list, ",\r\n        "))
					return true
				}
			}
		}
		return false
	}},
	{"refolded", func(w writer, m *message) bool {
		name := w.pick("To", "Cc", "References")
		value := m.value(name)
		return value != "" && m.set(name, strings.ReplaceAll(strings.ReplaceAll(value, ", ", ",\r\n\t"), "> <", ">\r\n\t<"))
	}},
	{"date", func(_ writer, m *message) bool {
		return strings.HasSuffix(m.value("Date"), "+0000") && m.set("Date", strings.Replace(m.value("Date"), "+0000", "GMT", 1))
	}},
	{"reply-to", func(_ writer, m *message) bool {
		m.fields = append(m.fields, "Reply-To: devel@lists.example.net")
		return true
	}},
	{"type", func(_ writer, m *message) bool {
		value := m.value("Content-Type")
		return m.set("Content-Type", strings.ReplaceAll(value, `"`, "")) && strings.Contains(value, `"`)
	}},
	{"reworded", func(_ writer, m *message) bool { return m.set("Subject", "something else") }},
}

var bodyEdits = []edit{
	{"footer", func(w writer, m *message) bool {
		footer := listFooter
		if w.IntN(2) == 0 {
			footer = w.pick("-- \r\n", "\r\n-- \r\n") + "You received this message because you are subscribed to the group.\r\n"
		}
		return onLastText(m, func(text string) string { return text + footer })
	}},
	{"html-footer", func(w writer, m *message) bool {
		at := strings.LastIndex(m.body, "</body>")
		if at < 0 {
			return false
		}
		m.body = m.body[:at] + w.pick("<br>\r\n<hr>This list is public.\r\n", "<p>Disclaimer</p>", "<div>--<br>\r\nDisclaimer</div>\r\n") + m.body[at:]
		return true
	}},
	{"footer-part", func(_ writer, m *message) bool {
		return strings.Contains(m.body, "\r\n--=_mix--") &&
			replaceIn(m, "\r\n--=_mix--", "\r\n--=_mix\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: inline\r\n\r\n"+listFooter+"\r\n--=_mix--")
	}},
	{"banner", func(_ writer, m *message) bool {
		return !strings.HasPrefix(m.body, "--") && !strings.HasPrefix(m.body, "<") && replaceIn(m, m.body, "CAUTION: This email is external.\r\n\r\n"+m.body)
	}},
	{"long-lines", func(_ writer, m *message) bool {
		lines := strings.Split(m.body, "\r\n")
		changed := false
		for i, line := range lines {
			for j := 0; len(line) > 998; j++ {
				lines[i] = strings.TrimSuffix(lines[i][:len(lines[i])-len(line)], "") + line[:998] + "\r\n " + line[998:]
				line = " " + line[998:]
				changed = true
			}
		}
		m.body = strings.Join(lines, "\r\n")
		return changed
	}},
	{"quoted-printable", func(_ writer, m *message) bool {
		if m.value("Content-Transfer-Encoding") == "8bit" {
			m.set("Content-Transfer-Encoding", "quoted-printable")
			m.body = quoted(m.body)
			return true
		}
		return recodeParts(m, "quoted-printable", quoted)
	}},
	{"base64", func(_ writer, m *message) bool {
		return m.value("Content-Transfer-Encoding") == "" && recodeParts(m, "base64", func(s string) string {
			return strings.TrimSuffix(wrap(base64.StdEncoding.EncodeToString([]byte(s))), "\r\n")
		})
	}},
	{"from", func(_ writer, m *message) bool { return replaceIn(m, "\r\nFrom here", "\r\n>From here") }},
	{"meta", func(_ writer, m *message) bool {
		return replaceIn(m, "<head>", "<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n")
	}},
	{"wrapped", func(_ writer, m *message) bool {
		kind, coding := m.value("Content-Type"), m.value("Content-Transfer-Encoding")
		if strings.HasPrefix(kind, "multipart/mixed") {
			return false
		}
		head := "Content-Type: " + kind + "\r\n"
		if i := m.at("Content-Transfer-Encoding"); i >= 0 {
			head += "Content-Transfer-Encoding: " + coding + "\r\n"
			m.fields = slices.Delete(m.fields, i, i+1)
		}
		m.move("Content-Type", `multipart/mixed; boundary="===1=="`)
		m.body = "--===1==\r\n" + head + "\r\n" + m.body + "\r\n--===1==\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n" + listFooter + "\r\n--===1==--\r\n"
		return true
	}},
	{"rewritten", func(_ writer, m *message) bool { return replaceIn(m, "tomorrow", "today") }},
}

func replaceIn(m *message, old, with string) bool {
	found := strings.Contains(m.body, old)
	m.body = strings.Replace(m.body, old, with, 1)
	return found
}

// onLastText edits the text of a message, or its first part.
func onLastText(m *message, f func(string) string) bool {
	if at := strings.Index(m.body, "\r\n--=_alt\r\nContent-Type: text/html"); at >= 0 {
		m.body = f(m.body[:at]+"\r\n") + m.body[at+2:]
		return true
	}
	m.body = f(m.body)
	return true
}

func quoted(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func wrap(text string) string {
	var b strings.Builder
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text + "\r\n"
}

// recodeParts converts the text of the inner parts, whether they say 8bit or nothing.
func recodeParts(m *message, coding string, f func(string) string) bool {
	pieces := strings.Split(m.body, "--=_alt\r\n")
	if len(pieces) != 3 {
		return false
	}
	for i := 1; i < 3; i++ {
		head, text, _ := strings.Cut(pieces[i], "\r\n\r\n")
		head = strings.TrimSuffix(strings.ReplaceAll(head+"\r\n", "Content-Transfer-Encoding: 8bit\r\n", ""), "\r\n") +
			"\r\nContent-Transfer-Encoding: " + coding
		rest := ""
		if i == 2 {
			at := strings.Index(text, "\r\n--=_alt--")
			text, rest = text[:at], text[at:]
			pieces[i] = head + "\r\n\r\n" + f(text) + rest
		} else {
			pieces[i] = head + "\r\n\r\n" + f(strings.TrimSuffix(text, "\r\n")) + "\r\n"
		}
	}
	m.body = strings.Join(pieces, "--=_alt\r\n")
	return true
}
