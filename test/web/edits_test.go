package web_test

import (
	"encoding/base64"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/testutil"
	"dojang/internal/words"
	"dojang/test/web/browser"
)

const original = `From: Joe Example <joe@example.com>
To: Ann <ann@example.org>, Bob <bob@example.org>
Subject: Grüße: about the meeting
Date: Mon, 2 Nov 2026 09:30:00 +0900
Message-ID: <1@example.com>
X-Hop: from b
X-Hop: from a
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Hello Ann,
From here it looks well, mit Grüßen.
.hidden	and a tab
-- 
Joe
`

const html = "<html><head><title>x</title></head><body>Hello.</body></html>\n"

var arrived = time.Now().AddDate(0, 0, -10).Truncate(time.Second)

var long = strings.Repeat("word ", 250)

// edit is what happens to a message behind its signer.
type edit struct {
	code   string
	signed string // in the place of original
	sign   func(*dkim.SignOptions)
	change func(string) string
	typed  bool // it is lost in a box, as every line end and octet that is no UTF-8 is
	note   map[string]string
}

func put(old, new string) func(string) string {
	return func(m string) string { return strings.Replace(m, old, new, 1) }
}

func behind(text string) func(string) string { return func(m string) string { return m + text } }

func onBody(f func(string) string) func(string) string {
	return func(m string) string {
		head, body, _ := strings.Cut(m, "\r\n\r\n")
		return head + "\r\n\r\n" + f(body)
	}
}

func quoted(text string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // into memory
	w.Close()
	return b.String()
}

func simple(o *dkim.SignOptions) {
	o.HeaderCanonicalization, o.BodyCanonicalization = dkim.Simple, dkim.Simple
}

func length(n int64) func(*dkim.SignOptions) {
	return func(o *dkim.SignOptions) { o.BodyLength = &n }
}

// edits are all that explain knows, but for too-large: it is of 32 MiB, and a page takes 10.
var edits = []edit{
	{code: explain.CodeSubjectTag, change: put("\r\nSubject: ", "\r\nSubject: [list] ")},
	{code: explain.CodeEncoding, signed: strings.Replace(original, "Grüße:", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", 1), change: put("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?UTF-8?B?R3LDvMOfZQ==?=")},
	{code: explain.CodeRewritten, change: put("From: Joe Example <joe@example.com>", "From: list <list@lists.example.net>\r\nX-Original-From: Joe Example <joe@example.com>")},
	{code: explain.CodeFromRewritten, change: put("From: Joe Example <joe@example.com>", "From: Joe Example via list <list@lists.example.net>\r\nCc: Joe Example <joe@example.com>")},
	{code: explain.CodeAddresses, change: put("Ann <ann@example.org>, Bob <bob@example.org>", "Bob <bob@example.org>, Ann <ann@example.org>")},
	{code: explain.CodePlaceholder, signed: strings.Replace(original, "To: Ann <ann@example.org>, Bob <bob@example.org>\n", "", 1), change: put("\r\nSubject:", "\r\nTo: undisclosed-recipients:;\r\nSubject:")},
	{code: explain.CodeFieldAdded, change: put("\r\nMIME-V", "\r\nReply-To: list@lists.example.net\r\nMIME-V")},
	{code: explain.CodeFieldRepeated, change: put("\r\nMIME-V", "\r\nSubject: <script>alert(1)</script>\r\nMIME-V")},
	{code: explain.CodeFieldRemoved, change: put("\r\nMIME-Version: 1.0", "")},
	{code: explain.CodeFieldChanged, sign: func(o *dkim.SignOptions) { o.CopyHeaders = true }, change: put("about the", "concerning that")},
	{code: explain.CodeCopiedHeaders, sign: func(o *dkim.SignOptions) { o.CopyHeaders, o.Selector = true, "absent" }, change: put("z=From", "z==ZZ|From")},
	{code: explain.CodeOrder, change: put("X-Hop: from b\r\nX-Hop: from a", "X-Hop: from a\r\nX-Hop: from b")},
	{code: explain.CodeWhiteSpace, sign: simple, change: put("example.org>, Bob", "example.org>,\r\n Bob")},
	{code: explain.CodeRefolded, sign: simple, change: func(m string) string {
		return put("org>, Bob", "org>,\r\n\tBob")(put("about the", "about\r\n\tthe")(m))
	}},
	{code: explain.CodeLongLines, signed: original + long + "\n", change: put(long[:1000], long[:990]+"\r\n "+long[990:1000])},
	{code: explain.CodeTransferEncoding, change: func(m string) string { return put("8bit", "quoted-printable")(onBody(quoted)(m)) }},
	{code: explain.CodeTransferEncoding, change: func(m string) string {
		return put("8bit", "base64")(onBody(func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) + "\r\n" })(m))
	}},
	{code: explain.CodeDate, change: put("Mon, 2 Nov 2026 09:30:00 +0900", "Mon, 2 Nov 2026 00:30:00 +0000")},
	{code: explain.CodeHeaderCut, change: put("\r\nMIME-V", "\r\n\r\nMIME-V")},
	{code: explain.CodeMailingList, change: func(m string) string {
		return put("about the", "concerning that")(put("\r\nMIME-V", "\r\nList-Id: <script>x</script> <list.example.net>\r\nMIME-V")(m))
	}},
	{code: explain.CodeExchange, change: func(m string) string {
		return put("about the", "concerning that")(put("\r\nMIME-V", "\r\nX-MS-Exchange-CrossTenant-id: 1\r\nMIME-V")(m))
	}},
	{code: explain.CodeWrongKey, sign: func(o *dkim.SignOptions) { o.Selector = "other" }, change: put("", "")},
	{code: explain.CodeTruncated, sign: length(50), change: onBody(func(b string) string { return b[:20] })},
	{code: explain.CodeBodyMissing, change: onBody(func(string) string { return "" })},
	{code: explain.CodeFooter, change: behind("_____\r\nlist@lists.example.net\r\nhttps://lists.example.net/<script>alert(1)</script>\r\n")},
	{code: explain.CodeBanner, change: onBody(func(b string) string { return "CAUTION: external\r\n\r\n" + b })},
	{code: explain.CodeInserted, signed: strings.Replace(strings.Split(original, "\n\n")[0], "text/plain", "text/html", 1) + "\n\n" + html,
		change: put("<head>", "<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">")},
	{code: explain.CodeBlankLines, change: onBody(func(b string) string { return "\r\n" + b })},
	{code: explain.CodeListWrapping, change: func(m string) string {
		head, body, _ := strings.Cut(m, "\r\n\r\n")
		return put("text/plain; charset=utf-8", `multipart/mixed; boundary="xx"`)(head) + "\r\n\r\n--xx\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
			body + "--xx\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--xx--\r\n"
	}},
	{code: explain.CodeSignatureBlank, change: put("-- \r\nJoe", "--\r\nJoe"), sign: simple},
	{code: explain.CodeFromQuoting, change: put("\r\nFrom here", "\r\n>From here")},
	{code: explain.CodeDotStuffing, change: put(".hidden", "..hidden")},
	{code: explain.CodeLineEnds, change: onBody(func(b string) string { return strings.ReplaceAll(b, "\r\n", "\r\n\r\n") })},
	{code: explain.CodeTabs, sign: simple, change: put("\tand", "        and")},
	{code: explain.CodeCharset, change: onBody(func(b string) string { return strings.NewReplacer("ü", "\xfc", "ß", "\xdf").Replace(b) }), typed: true},
	{code: explain.CodeCharsetLabel, signed: inParts, change: put("\r\nContent-Type: text/plain; charset=utf-8", "\r\nContent-Type: text/plain; charset=\"UTF-8\"")},
	{code: explain.CodeCharacters, change: put("From here", "From\u00a0here")},
	{code: explain.CodeFrame, signed: inParts, change: put("--xx--\r\n", "")},
	{code: explain.CodeSignedEmpty, signed: strings.SplitAfter(original, "\n\n")[0], change: func(m string) string { return m + "<script>alert(1)</script>\r\n" }},
	{code: explain.CodeLinksRewritten, change: onBody(func(b string) string {
		return "https://nam02.safelinks.protection.outlook.com/?url=x\r\n" + strings.ReplaceAll(b, "e", "E")
	})},
	{code: explain.CodeUnknown, change: put("about the", "concerning that")},

	{code: explain.NoteLength, sign: length(50), change: put("", ""), note: map[string]string{"length": "50", "body": "80"}},
	{code: explain.NoteTesting, sign: func(o *dkim.SignOptions) { o.Selector = "testing" }, change: put("", "")},
	{code: explain.NoteSeveralKeys, sign: func(o *dkim.SignOptions) { o.Selector = "several" }, change: put("", "")},
	{code: explain.NoteFieldUnsigned, sign: func(o *dkim.SignOptions) {
		o.Sign, o.Oversign = dkim.NewHeaderSet("From", "Date", "To"), dkim.NewHeaderSet()
	}, change: put("", ""),
		note: map[string]string{"field": "Subject"}},
	{code: explain.NoteExpiredSince, sign: func(o *dkim.SignOptions) { o.Time, o.TTL = arrived, 24*time.Hour },
		change: func(m string) string {
			return "Received: from a.example by b.example; " + arrived.Format(time.RFC1123Z) + "\r\n" + m
		}, note: map[string]string{"time": arrived.Add(24 * time.Hour).UTC().Format(time.RFC3339)}},
}

// inParts is a message of one part.
var inParts = strings.NewReplacer("text/plain; charset=utf-8", `multipart/mixed; boundary="xx"`, "8bit\n\n",
	"8bit\n\n--xx\nContent-Type: text/plain; charset=utf-8\n\n").Replace(original) + "--xx--\n"

// TestEveryEditIsListed: a code of package explain that no edit is for is missing here.
func TestEveryEditIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/explain/cause.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") && !strings.HasPrefix(spec.Names[0].Name, "Note") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if n++; code != explain.CodeTooLarge && !slices.ContainsFunc(edits, func(e edit) bool { return e.code == code }) {
			t.Errorf("%s is not tried", code)
		}
		return true
	})
	if n < 40 {
		t.Errorf("only %d codes were found", n)
	}
}

// message is an edit's message, signed and changed.
func (e edit) message(w *world) string {
	text := original
	if e.signed != "" {
		text = e.signed
	}
	all := dkim.NewHeaderSet("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "X-Hop", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding")
	o := dkim.SignOptions{Domain: "example.com", Selector: "mail2026", Key: w.key, Sign: all, Oversign: all,
		HeaderCanonicalization: dkim.Relaxed, BodyCanonicalization: dkim.Relaxed}
	if e.sign != nil {
		e.sign(&o)
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	field, err := dkim.Sign([]byte(text), o)
	if err != nil {
		w.t.Fatalf("%s: %v", e.code, err)
	}
	return e.change(string(field) + text)
}

// TestEveryEdit: each edit that explain knows is told on the page, however the message comes
// there, and alike.
func TestEveryEdit(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.recursive.AddTXT("other._domainkey.example.com", testutil.KeyRecord(testutil.ReadKey(t,
		"../../internal/keyrecord/testdata/s4096.private")))
	w.recursive.AddTXT("testing._domainkey.example.com", w.record+"; t=y")
	w.recursive.AddTXT("several._domainkey.example.com", w.record)
	w.recursive.AddTXT("several._domainkey.example.com", "v=spf1 -all")
	p := browser.Start(t).Open(browser.Options{})
	folder := t.TempDir()
	ways := []string{"upload", "drop", "paste", "drag"}
	first := rand.IntN(len(ways))
	for i, e := range edits {
		message := e.message(w)
		file := filepath.Join(folder, strconv.Itoa(i)+".eml")
		if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
			t.Fatal(err)
		}
		use := ways
		if !testutil.Long() {
			use = ways[(first+i)%len(ways):][:1]
		}
		var told []string
		for _, way := range use {
			if (way == "paste" || way == "drag") && e.typed {
				way = "upload"
			}
			lang := []words.Language{words.English, words.Korean}[i%2]
			p.Go(w.url + "/explain?lang=" + string(lang))
			switch way {
			case "upload":
				p.SetFile("#file", file)
				p.Load(func() { p.Click("form button") })
			case "drop":
				p.Load(func() { p.Drop(".drop", file) })
			case "drag":
				p.Load(func() { p.DropText(".drop", strings.ReplaceAll(message, "\r\n", "\n")) })
			case "paste":
				p.Click("#message")
				p.Type(strings.ReplaceAll(message, "\r\n", "\n"))
				p.Load(func() { p.Click("form button") })
			}
			result := p.Text("#result")
			told = append(told, result)
			want := " " + e.code + " "
			if text := lang.Cause("note", e.code, e.note); strings.HasPrefix(e.code, "note-") {
				want = text
			}
			if !strings.Contains(strings.ToLower(" "+result), strings.ToLower(want)) {
				t.Errorf("%s by %s: %q is not told:\n%s", e.code, way, want, result)
			}
		}
		if slices.ContainsFunc(told, func(s string) bool { return s != told[0] }) {
			t.Errorf("%s: the ways differ:\n%s", e.code, strings.Join(told, "\n---\n"))
		}
	}
	var scripts int
	if p.Eval(`document.querySelectorAll("main script").length`, &scripts); scripts != 0 || len(p.Console()) > 0 {
		t.Errorf("%d scripts, %v", scripts, p.Console())
	}
}
