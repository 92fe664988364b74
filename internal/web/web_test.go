package web

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/testutil"
	"dojang/internal/web/html"
	"dojang/internal/words"
)

var form1 = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

// TestWhoMayAskWhat: Host, origin, method and session, on every path.
func TestWhoMayAskWhat(t *testing.T) {
	c := serve(t, newWorld(t).options())
	for host, want := range map[string]int{
		"localhost": 200, "localhost:1": 200, "127.0.0.1:8892": 200, "127.8.8.8": 200, "[::1]:8892": 200, "[::1]": 200, "LOCALHOST": 200,
		"evil.example": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "127.0.0.1:x": 421, "127.0.0.1:0": 421, "0x7f.1": 421, "2130706433": 421,
		"10.0.0.1": 421, "localhost:99999": 421, "[localhost]": 421, "127.1": 421, "0.0.0.0": 421, "[::ffff:127.0.0.1]": 200,
	} {
		if r := c.get("/check", map[string]string{"Host": host}); r.code != want {
			t.Errorf("Host %q: %d, want %d", host, r.code, want)
		}
	}
	for path, want := range map[string][3]int{ // GET, POST and PUT
		"/": {200, 405, 405}, "/check": {200, 400, 405}, "/explain": {200, 400, 405}, "/publish": {200, 400, 405}, "/licenses": {200, 405, 405}, "/healthz": {200, 405, 405},
		"/login": {200, 403, 405}, "/logout": {405, 303, 405}, "/status": {303, 405, 405}, "/keys": {303, 405, 405}, "/nothing": {404, 404, 404},
		"/api/v1/check": {400, 200, 405}, "/api/v1/explain": {405, 400, 405}, "/api/v1/publish": {400, 400, 405}, "/api/v1/schema.json": {200, 405, 405},
		"/metrics": {401, 405, 405}, "/api/v1/status": {401, 405, 405}, "/api/v1/keys": {401, 405, 405}, "/api/v1/messages": {401, 405, 405}, "/api/v1/series": {401, 405, 405},
		"/static/" + styleFile.name: {200, 405, 405}, "/static/x.css": {404, 405, 405}, "/static/../web.go": {404, 405, 405},
	} {
		for i, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			r := c.do(method, path, "", nil)
			if r.code != want[i] {
				t.Errorf("%s %s: %d, want %d", method, path, r.code, want[i])
			}
			for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy",
				"Cross-Origin-Resource-Policy", "Permissions-Policy", "Cache-Control"} {
				if r.header.Get(h) == "" {
					t.Errorf("%s %s: no %s", method, path, h)
				}
			}
			if strings.Contains(r.header.Get("Content-Security-Policy"), "unsafe") {
				t.Error("the policy is unsafe")
			}
			if r.code == http.StatusMethodNotAllowed && r.header.Get("Allow") == "" {
				t.Errorf("%s %s: no Allow", method, path)
			}
		}
		for _, origin := range []map[string]string{{"Sec-Fetch-Site": "cross-site"},
			{"Origin": "https://evil.example"}, {"Origin": "null"}} {
			if r := c.do(http.MethodPost, path, "", origin); r.code != http.StatusForbidden {
				t.Errorf("POST %s from %v: %d", path, origin, r.code)
			}
		}
	}
	for _, method := range []string{http.MethodHead, http.MethodOptions, http.MethodDelete, http.MethodPatch,
		http.MethodTrace, "PROPFIND"} {
		if r := c.do(method, "/check", "", nil); r.code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, r.code)
		}
	}
}

// TestSession: a token opens one session, once; nothing else does.
func TestSession(t *testing.T) {
	c := serve(t, newWorld(t).options())
	token := c.server.Token()
	first := c.get("/login?token="+token, nil)
	cookie := first.header.Get("Set-Cookie")
	if first.code != http.StatusSeeOther || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") ||
		!strings.Contains(cookie, "Path=/") {
		t.Errorf("%d %q", first.code, cookie)
	}
	for _, bad := range []string{token, "", "x", token + "x", strings.ToLower(token)} {
		if r := c.get("/login?token="+bad, nil); r.code == http.StatusSeeOther || r.header.Get("Set-Cookie") != "" {
			t.Errorf("token %q is taken: %d", bad, r.code)
		}
	}
	value, _, _ := strings.Cut(cookie, ";")
	for session, want := range map[string]int{value: http.StatusBadGateway, value + "x": http.StatusUnauthorized,
		"dojang=": http.StatusUnauthorized, "dojang=x": http.StatusUnauthorized} {
		if r := c.get("/api/v1/status", map[string]string{"Cookie": session}); r.code != want { // there is no filter
			t.Errorf("%q: %d", session, r.code)
		}
	}
	if r := c.do(http.MethodPost, "/logout", "", map[string]string{"Cookie": value}); r.code != http.StatusSeeOther {
		t.Errorf("logout: %d", r.code)
	}
	if r := c.get("/api/v1/status", map[string]string{"Cookie": value}); r.code != http.StatusUnauthorized {
		t.Errorf("after logout: %d", r.code)
	}
	for _, h := range []string{"X-Remote-User", "X-Forwarded-For"} { // without a UNIX socket they are strangers' words
		if r := c.get("/api/v1/status", map[string]string{h: "root"}); r.code != http.StatusUnauthorized {
			t.Errorf("%s: %d", h, r.code)
		}
	}
	for range 30 {
		if c.get("/login?token=x", map[string]string{"Accept": "application/json"}).code == http.StatusTooManyRequests {
			return
		}
		c.server.limits.take("l 127.0.0.1", loginMinute)
	}
	t.Error("guessing is not held back")
}

// hostile is what strangers put into boxes.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "' onfocus=alert(1) '", "a\x00b", "\r\nSet-Cookie: x=y", "\u202egnp", "{{.}}", "%00", "../../etc/passwd",
	strings.Repeat("a", 300), strings.Repeat("a.", 200) + "com", "xn--" + strings.Repeat("z", 70), "도장..한국", "\xff\xfe", "javascript:alert(1)", "</textarea><svg onload=alert(1)>",
}

// TestHostileInput: what is no name is 400, and comes back as text if at all.
func TestHostileInput(t *testing.T) {
	c := serve(t, newWorld(t).options()).login()
	for _, bad := range hostile {
		for _, path := range []string{
			query("/check", "d", bad, "s", "x"), query("/check", "d", "example.com", "s", bad), query("/publish", "d", bad, "s", "x"), query("/publish", "d", "example.com", "s", bad),
			query("/api/v1/check", "d", bad, "s", "x"), query("/api/v1/publish", "d", "example.com", "s", bad), query("/api/v1/publish", "d", "example.com", "s", "x", "format", bad),
		} {
			r := c.get(path, nil)
			if r.code != http.StatusBadRequest {
				t.Errorf("%s: %d", path, r.code)
			}
			for _, tag := range []string{"<script>alert", "<img", "<svg onload"} {
				if strings.Contains(r.body, tag) && strings.Contains(r.header.Get("Content-Type"), "html") {
					t.Errorf("%s: %s", path, r.body)
				}
			}
		}
		for _, path := range []string{query("/check", "lang", bad), query("/status", "q", bad, "range", bad, "domain", bad),
			query("/", "lang", bad, bad, bad)} {
			if r := c.get(path, nil); strings.Contains(r.body, "<script>alert") || strings.Contains(r.body, "<img") ||
				r.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: %s", path, r.body)
			}
		}
	}
}

// TestPrivateKeyIsRefused: in every box, and no byte of it comes back.
func TestPrivateKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	c := serve(t, w.options()).login()
	pem := testutil.KeyPEM(w.key)
	bare := strings.Join(strings.Split(strings.TrimSpace(pem), "\n")[1:len(strings.Split(strings.TrimSpace(pem), "\n"))-1], "")
	secret := bare[60:120]
	for _, text := range []string{pem, bare, "v=DKIM1; k=rsa; p=" + bare} {
		body := query("", "record", text, "d", "example.com", "s", "x")[1:]
		for _, r := range []reply{
			c.do("POST", "/check", body, form1), c.do("POST", "/publish", body, form1), c.do("POST", "/api/v1/check", text, nil), c.do("POST", "/api/v1/publish?d=example.com&s=x", text, nil),
			c.do("POST", "/explain", text, nil), c.do("POST", "/api/v1/explain", text, nil), c.get(query("/check", "d", text, "s", "x"), nil), c.get(query("/check", "d", "example.com", "s", text), nil),
		} {
			if r.code != http.StatusBadRequest || strings.Contains(r.body, secret) || !strings.Contains(r.body, "private key") {
				t.Errorf("%.30q: %d, echoed: %v\n%s", text, r.code, strings.Contains(r.body, secret), r.body)
			}
		}
	}
}

// TestHeaderAlone: of a header without its body, with or without the empty line below it, only
// the header is judged. A mailbox is told from one message, and a message without a readable
// author from another's.
func TestHeaderAlone(t *testing.T) {
	w := newWorld(t)
	w.recursive.AddTXT("s2048._domainkey.example.com", testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/s2048.private")))
	data, err := os.ReadFile("../explain/testdata/relaxed.eml")
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, w.options())
	whole := string(data)
	top, _, _ := strings.Cut(whole, "\r\n\r\n")
	const header, holds, changed = "only a header was given", "dkim passes, for dmarc too", "changed"
	mailbox := "From - Mon Nov 23 10:00:00 2026\r\n" + whole + "\r\n"
	for name, e := range map[string]struct{ source, says, not string }{
		"whole": {whole, holds, changed}, "header": {top, header, changed}, "header and line": {top + "\r\n", header, changed},
		"header and empty lines": {top + "\r\n\r\n\r\n", header, changed}, "header, LF": {strings.ReplaceAll(top, "\r", "") + "\n\n", header, changed},
		"another body": {top + "\r\n\r\nanother\r\n", changed, header}, "changed header": {"Subject: x\r\n" + strings.Replace(top, "Subject:", "X:", 1), changed, holds},
		"mailbox": {mailbox + mailbox, "a mailbox of 2 messages", changed}, "one of a mailbox": {mailbox, holds, "mailbox"},
		"byte order mark": {"\ufeff" + whole, holds, changed}, "two authors": {"From: a@example.org\r\n" + whole, "no readable from", "another domain"},
	} {
		r := c.do("POST", "/explain?lang=en", e.source, nil)
		body := strings.ToLower(r.body)
		if r.code != http.StatusOK || !strings.Contains(body, e.says) || strings.Contains(body, e.not) {
			t.Errorf("%s: %d, %q: %v, %q: %v", name, r.code, e.says, strings.Contains(body, e.says), e.not, strings.Contains(body, e.not))
		}
	}
}

// TestCheck: the address is a link, JSON the report itself, and a text needs no DNS.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	w.everywhere("mail._domainkey.example.com", w.record)
	c := serve(t, w.options())
	want := []string{"Nothing is wrong", "ns1.example.com", "ns2.example.com", "185.199.0.1", "20261129", "20261128", "2048 bits"}
	signature := "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.com;\r\n\ts=mail; h=from; bh=x; b=y"
	for _, path := range []string{"/check?d=example.com&s=mail", "/check?d=mail._domainkey.example.com", "/?d=EXAMPLE.com.&s=mail",
		query("/check", "d", signature)} {
		r := c.get(path, nil)
		for _, text := range want {
			if !strings.Contains(r.body, text) {
				t.Errorf("%s: no %q in\n%s", path, text, r.body)
			}
		}
	}
	if r := c.get("/check?d=example.com&s=mail&lang=ko", nil); !strings.Contains(r.body, "문제가 없습니다") || !strings.Contains(r.body, `lang="ko"`) {
		t.Error("no Korean")
	}
	for _, r := range []reply{c.get("/api/v1/check?d=example.com&s=mail", nil),
		c.get("/check?d=example.com&s=mail", map[string]string{"Accept": "application/json"})} {
		var report keycheck.Report
		if err := json.Unmarshal([]byte(r.body), &report); err != nil || !report.OK || len(report.Servers) != 2 ||
			report.Record != "mail._domainkey.example.com" {
			t.Errorf("%v %s", err, r.body)
		}
	}
	before, _ := w.recursive.Total()
	for _, r := range []reply{c.do("POST", "/check", query("", "record", w.record)[1:], form1),
		c.do("POST", "/api/v1/check", w.record, map[string]string{"Content-Type": "text/plain"}),
		c.do("POST", "/api/v1/check", w.record, form1)} {
		if r.code != 200 || !strings.Contains(r.body, `"ok": true`) && !strings.Contains(r.body, "Nothing is wrong") {
			t.Errorf("%d %s", r.code, r.body)
		}
	}
	if after, _ := w.recursive.Total(); after != before {
		t.Error("DNS was asked for a text")
	}
}

// TestPublish: what was pasted comes back in every form, as keyrecord writes it.
func TestPublish(t *testing.T) {
	w := newWorld(t)
	c := serve(t, w.options())
	line := `mail._domainkey	IN	TXT	( "v=DKIM1; k=rsa; " "` + strings.TrimPrefix(w.record, "v=DKIM1; k=rsa; ") + `" )`
	for _, text := range []string{w.record, line} {
		for _, f := range forms {
			if f.format == "" {
				continue
			}
			r := c.do("POST", query("/api/v1/publish", "d", "example.com", "s", "mail", "format", string(f.format)), text,
				map[string]string{"Content-Type": "text/plain"})
			if r.code != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") ||
				!strings.Contains(strings.NewReplacer("\"", "", "\n", "", "\\", "", "\t", "", " ", "").Replace(r.body),
					strings.ReplaceAll(w.record, " ", "")[:60]) {
				t.Errorf("%s: %d %s", f.format, r.code, r.body)
			}
		}
	}
	if r := c.do("POST", "/publish", query("", "record", w.record, "d", "example.com", "s", "mail")[1:], form1); r.code != 200 ||
		!strings.Contains(r.body, "mail._domainkey") || !strings.Contains(r.body, "Terraform") {
		t.Errorf("%d %s", r.code, r.body)
	}
	if r := c.get("/api/v1/publish?d=example.com&s=mail", nil); r.code != http.StatusNotFound {
		t.Errorf("without a record: %d", r.code)
	}
}

// TestPagesAreSmall: 60 kB is a page's HTML.
func TestPagesAreSmall(t *testing.T) {
	w := newWorld(t)
	w.everywhere("mail._domainkey.example.com", strings.Replace(w.record, "v=DKIM1", "v=DKIM2", 1))
	c := serve(t, w.options())
	for _, path := range []string{"/check?d=example.com&s=mail", "/explain", "/publish", "/licenses", "/login"} {
		if r := c.get(path, nil); len(r.body) > 60<<10 {
			t.Errorf("%s: %d bytes", path, len(r.body))
		}
	}
	label := strings.Repeat("w", 60) + "."
	var many strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.%s%sexample.com; s=%s; h=from; bh=eA==; b=eQ==\r\n",
			i, label, label, strings.Repeat("s", 60))
	}
	for name, message := range map[string]string{
		"many signatures": many.String() + smallMessage,
		"a long body": "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x; h=from; bh=eA==; b=eQ==\r\n" + smallMessage +
			strings.Repeat("<b>&\r\n", 1<<16),
	} {
		if r := c.do("POST", "/explain", message, map[string]string{"Content-Type": "message/rfc822"}); len(r.body) > 60<<10 ||
			r.code != http.StatusOK {
			t.Errorf("%s: %d, %d bytes", name, r.code, len(r.body))
		}
	}
	for name, text := range map[string]string{"many tags": strings.Repeat("<b>", 5000) + "v=DKIM1" + tags(1500), "a long tag": "v=DKIM1; n=" + strings.Repeat("&", 30000), "backslashes": "v=DKIM1; p=" + strings.Repeat(`\"`, 10000)} {
		if r := c.do("POST", "/check", query("", "record", text)[1:], form1); len(r.body) > 60<<10 || r.code != http.StatusOK {
			t.Errorf("%s: %d, %d bytes", name, r.code, len(r.body))
		}
	}
}

func FuzzPlace(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, "mail")
	}
	f.Add("mail._domainkey.example.com", "")
	f.Add("DKIM-Signature: v=1; d=example.com; s=mail", "")
	f.Fuzz(func(t *testing.T, d, s string) {
		p, err := readPlace(d, s)
		if err == nil && (len(p.record()) > 253 || strings.ContainsAny(p.domain+p.selector, "<>\"' \t\r\n\x00/") ||
			p.domain == "" || p.selector == "") {
			t.Errorf("%q %q: %+v", d, s, p)
		}
		_ = isPublic(d)
		if text, err := readRecord(d); err == nil {
			_, _ = recordOf(place{"example.com", "x"}, text)
		}
	})
}

// TestEveryFaultIsShown: with its code, its cause and its remedy in both languages, also
// where no check of a page can find it, as what is wrong with a key file.
func TestEveryFaultIsShown(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../keyrecord/inspect.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Fault") {
			return true
		}
		n++
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range []words.Language{words.English, words.Korean} {
			q := &request{lang: lang}
			list := []keyrecord.Fault{keyrecord.NewFault(code, true, "record", "mail._domainkey.example.com", "target", "k.example.net",
				"case", "path", "path", "/<b>")}
			lang.Faults(list)
			page := string(html.Render(q.faults(list)))
			for _, want := range []html.Node{html.El("code", code), html.Text(sentence(list[0].Text)), html.Text(sentence(list[0].Hint))} {
				if !strings.Contains(page, string(html.Render(want))) {
					t.Errorf("%s in %s: no %q in %s", code, lang, want, page)
				}
			}
		}
		return true
	})
	if n < 29 {
		t.Errorf("only %d codes were found", n)
	}
}

// TestPublishIsSmall: a record with a long note is no larger than a page may be, nor is it cut.
func TestPublishIsSmall(t *testing.T) {
	w := newWorld(t)
	c := serve(t, w.options())
	for n, want := range map[int]int{10: 200, 3500: 200, 5000: 400, 30000: 400} {
		text := w.record + "; n=" + strings.Repeat("&", n)
		r := c.do("POST", "/publish", query("", "d", "example.com", "s", "mail", "record", text)[1:], form1)
		if r.code != want || len(r.body) > 120<<10 {
			t.Errorf("%d: %d, %d bytes", n, r.code, len(r.body))
		}
	}
}

func tags(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "; t%d=<b>", i)
	}
	return b.String()
}

// TestSentence: what begins with a name or a tag stays as it is.
func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"there is no record": "There is no record.", "p= is cut off": "p= is cut off.", "mail._domainkey.example.com is an alias": "mail._domainkey.example.com is an alias.",
		"mail2026._domainkey.example.com에 TXT 레코드가 없습니다": "mail2026._domainkey.example.com에 TXT 레코드가 없습니다.", "also, this": "Also, this.", "t=y: testing": "t=y: testing.", "done.": "done.", "": "",
		"l=이 본문보다 깁니다": "l=이 본문보다 깁니다.", "존의 서명": "존의 서명.", "x": "X.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
