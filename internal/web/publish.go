package web

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"

	"dojang/dkim"
	"dojang/internal/keyrecord"
	"dojang/internal/web/html"
)

// form is a way to hand a record to a provider.
type form struct {
	format  keyrecord.Format
	english string
	korean  string
}

// forms are the providers and servers, in the order of the page; "" is a panel with boxes
// for name and value.
var forms = []form{
	{"", "form with name and value", "이름과 값 입력란"},
	{keyrecord.Split255, "255 characters at most", "255자 제한"},
	{keyrecord.ZoneLine, "zone line", "존 파일 한 줄"},
	{keyrecord.Bind, "BIND", "BIND"},
	{keyrecord.NSUpdate, "nsupdate", "nsupdate"},
	{keyrecord.PowerDNS, "PowerDNS", "PowerDNS"},
	{keyrecord.Route53, "Route 53", "Route 53"},
	{keyrecord.Cloudflare, "Cloudflare", "Cloudflare"},
	{keyrecord.Terraform, "Terraform", "Terraform"},
}

var (
	errNoRecord = errors.New("no record")
	errNoKey    = errors.New("no public key")
)

// readPublish finds the record that is to be published: what was pasted, or with a
// session the one that the filter signs with.
func (q *request) readPublish() (p place, r keyrecord.Record, err error) {
	v := q.r.URL.Query()
	text := v.Get("record")
	if q.r.Method == http.MethodPost {
		body, form, ok := q.readBody(maxPaste)
		if !ok {
			return p, r, http.ErrAbortHandler
		}
		text = body
		if form.Has("d") {
			v = form
		}
	}
	if p, err = readPlace(v.Get("d"), v.Get("s")); err != nil {
		return p, r, err
	}
	if text == "" {
		text = q.ownRecord(p)
	}
	if text == "" {
		return p, r, errNoRecord
	}
	value, err := readRecord(text)
	if err != nil {
		return p, r, err
	}
	r, err = recordOf(p, value)
	return p, r, err
}

func (q *request) ownRecord(p place) string {
	if !q.session {
		return ""
	}
	for _, k := range q.s.filterKeys(q.r.Context(), p.domain) {
		if strings.EqualFold(k.Selector, p.selector) {
			return k.Record
		}
	}
	return ""
}

// maxPublished bounds a record that is to be published: one of 16,384 bits has 2,800 bytes.
const maxPublished = 4096

// recordOf makes the record of a text: a record's value, a line of a zone file, or a
// public key in PEM or base64.
func recordOf(p place, text string) (keyrecord.Record, error) {
	if len(text) > maxPublished {
		return keyrecord.Record{}, errNoKey
	}
	text = zoneValue(text)
	r := keyrecord.Record{Selector: p.selector, Domain: p.domain}
	if public, ok := pastedKey(text); ok {
		var err error
		if r.KeyType, r.PublicKey, err = keyrecord.PublicKey(public); err != nil {
			return r, errNoKey
		}
		r.Hashes = "sha256"
		return r, nil
	}
	key, err := dkim.ParseKeyRecord(text)
	if err != nil {
		return r, errNoKey
	}
	r.KeyType, r.Hashes, r.Note = key.Type, strings.Join(key.Hashes, ":"), strings.Trim(key.Notes, `"`)
	r.Testing, r.NoSubdomains = key.Testing, key.NoSubdomains
	r.EmailOnly = len(key.Services) == 1 && key.Services[0] == "email"
	if _, r.PublicKey, err = keyrecord.PublicKey(key.Key); err != nil {
		return r, errNoKey
	}
	if r.Text() == text {
		return r, nil
	}
	// Another hand wrote it: it stays to the letter.
	return keyrecord.Published(p.record(), p.domain, text, 0), nil
}

// pastedKey reads a public key in PEM, or its base64 alone.
func pastedKey(text string) (key any, ok bool) {
	var der []byte
	if block, _ := pem.Decode([]byte(text)); block != nil && block.Type == "PUBLIC KEY" {
		der = block.Bytes
	} else {
		var err error
		if der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err != nil {
			return nil, false
		}
	}
	key, err := x509.ParsePKIXPublicKey(der)
	return key, err == nil
}

func (q *request) publishRefusal(err error) string {
	switch {
	case errors.Is(err, errNoRecord):
		return q.lang.Say("Paste the record or the public key; whoever is logged in can have the filter's own.",
			"레코드나 공개 키를 붙여 넣으세요. 로그인하면 필터의 것을 바로 쓸 수 있습니다.")
	case errors.Is(err, errNoKey):
		return q.lang.Say("That is no key record and no public key.", "키 레코드도 공개 키도 아닙니다.")
	}
	return refusal(q.lang, err)
}

func (s *Server) publishAPI(q *request) {
	format := keyrecord.SingleLine
	if name := q.r.URL.Query().Get("format"); name != "" {
		var err error
		if format, err = keyrecord.ParseFormat(name); err != nil {
			q.fail(http.StatusBadRequest, cut(err.Error(), 300))
			return
		}
	}
	_, r, err := q.readPublish()
	switch {
	case errors.Is(err, http.ErrAbortHandler):
		return
	case errors.Is(err, errNoRecord):
		q.fail(http.StatusNotFound, q.publishRefusal(err))
		return
	case err != nil:
		q.fail(http.StatusBadRequest, q.publishRefusal(err))
		return
	}
	kind := "text/plain; charset=utf-8"
	if wantsJSON(q.r.Header.Get("Accept")) || format == keyrecord.JSON {
		format, kind = keyrecord.JSON, "application/json; charset=utf-8"
	}
	var b strings.Builder
	if err := keyrecord.Write(&b, format, r); err != nil {
		q.fail(http.StatusBadRequest, err.Error())
		return
	}
	q.w.Header().Set("Content-Type", kind)
	_, _ = q.w.Write([]byte(b.String())) // a client that left does not matter
}

func (s *Server) publishPage(q *request) {
	if q.api {
		s.publishAPI(q)
		return
	}
	title := q.lang.Say("What should I publish?", "무엇을 게시해야 하나요?")
	lead := q.lang.Say("The record in the form that your DNS provider or server wants.", "DNS 업체나 서버가 원하는 형식으로 레코드를 보여 줍니다.")
	v := q.r.URL.Query()
	if v.Get("d") == "" && q.r.Method == http.MethodGet {
		q.page(http.StatusOK, title, lead, append(html.Group{q.publishForm(place{}, "")}, q.ownKeys("", "/publish")...))
		return
	}
	p, r, err := q.readPublish()
	switch {
	case errors.Is(err, http.ErrAbortHandler):
	case errors.Is(err, errNoRecord):
		q.page(http.StatusOK, title, lead, append(html.Group{answer(neutral, q.publishRefusal(err)), q.publishForm(p, "")},
			q.ownKeys(p.domain, "/publish")...))
	case err != nil:
		q.page(http.StatusBadRequest, title, lead, html.Group{answer(bad, q.publishRefusal(err)), q.publishForm(p, "")})
	default:
		q.page(http.StatusOK, title, lead, q.published(p, r))
	}
}

// publishForm asks for a record. It is posted: a private key that is pasted by mistake
// must not stand in an address.
func (q *request) publishForm(p place, record string) html.Node {
	name := func(id, value, example string) html.Node {
		return input(id, value, example, 300, html.Is("required", true))
	}
	return html.El("form", html.Class("ask"), html.A("method", "post"), html.A("action", q.link("/publish")),
		html.El("div", html.Class("grid2"), field("d", q.lang.Say("Domain", "도메인"), name("d", p.domain, "example.com"), ""),
			field("s", q.lang.Say("Selector", "셀렉터"), name("s", p.selector, "mail2026"), "")),
		field("record", q.lang.Say("The record, the .txt file of genkey, or the public key", "레코드, genkey의 .txt 파일, 또는 공개 키"),
			html.El("textarea", html.A("id", "record"), html.A("name", "record"), html.A("rows", "5"),
				html.A("maxlength", "12000"), html.A("spellcheck", "false"), again(record)),
			q.lang.Say("Never the private key.", "개인 키는 절대 넣지 마세요.")),
		html.El("button", q.lang.Say("Show", "보기")))
}

// published is the record in the form that was chosen.
func (q *request) published(p place, r keyrecord.Record) html.Group {
	v := q.r.URL.Query()
	format := keyrecord.Format(v.Get("format"))
	var choices html.Group
	known := false
	for _, f := range forms {
		name := q.lang.Say(f.english, f.korean)
		if f.format == format {
			known = true
			choices = append(choices, html.El("li", html.El("strong", html.A("aria-current", "true"), name)))
			continue
		}
		choices = append(choices, html.El("li", html.El("a", html.A("href", q.link("/publish", "d", p.domain, "s",
			p.selector, "format", string(f.format), "record", q.carried(r))), name)))
	}
	out := html.Group{html.El("h2", name(strings.TrimSuffix(r.Name(), "."))),
		html.El("section", html.A("aria-label", q.lang.Say("Provider", "업체")), html.El("h3",
			q.lang.Say("My provider wants", "내 DNS 업체의 형식")), html.El("ul", html.Class("choices"), choices))}
	if format == "" || !known {
		out = append(out, q.boxes(r)...)
	} else {
		var b strings.Builder
		if err := keyrecord.Write(&b, format, r); err != nil {
			out = append(out, answer(bad, err.Error()))
		} else {
			out = append(out, q.copied("text", string(format), b.String()))
		}
	}
	if strs := r.Strings(); len(strs) > 1 && (format == "" || format == keyrecord.Split255) {
		out = append(out, html.El("p", html.Class("dim"), q.lang.Sayf("The value has %d characters; in DNS it is cut into %d "+
			"strings of at most 255, which receivers join without a blank. Where a form takes no more than 255, "+
			"enter the strings one after another as one record, or use an Ed25519 key beside, or a CNAME into a zone that can hold it.",
			"값은 %d자이고, DNS에는 255자 이하의 문자열 %d개로 나뉘어 저장되며 수신 서버가 공백 없이 이어 붙입니다. 255자까지만 받는 입력란이라면 문자열을 한 레코드에 차례로 넣거나, Ed25519 "+
				"키를 함께 쓰거나, 긴 값을 담을 수 있는 존으로 CNAME을 두세요.", len(r.Text()), len(strs))))
	}
	out = append(out, html.El("p", html.Class("row"), html.El("strong", q.lang.Say("After that:", "다음 단계:")),
		html.El("a", html.A("href", q.link("/check", "d", p.domain, "s", p.selector)), q.lang.Say("Check now →", "지금 확인하기 →")),
		html.El("span", html.Class("dim"), q.lang.Say("Who asked for the name before may be told that it is absent for some "+
			"minutes more (the zone's SOA minimum).", "이 이름을 이미 조회한 곳에는 레코드가 없다는 응답이 몇 분 더 남아 있을 수 있습니다(존의 SOA minimum)."))))
	return append(out, more(q.lang.Say("Another record", "다른 레코드"), q.publishForm(p, "")))
}

// carried is the record for a link, "" where the filter's own is shown.
func (q *request) carried(r keyrecord.Record) string {
	if q.r.Method == http.MethodGet && q.r.URL.Query().Get("record") == "" {
		return ""
	}
	return r.Text()
}

// boxes are what goes into a panel's boxes.
func (q *request) boxes(r keyrecord.Record) html.Group {
	return html.Group{
		html.El("h3", q.lang.Say("Type", "유형"), " ", html.El("code", "TXT")),
		html.El("h3", q.lang.Say("Name", "이름")), q.copied("name", q.lang.Say("Name", "이름"), r.Relative()),
		html.El("p", html.Class("dim"), q.lang.Sayf("Without %s: nearly every provider appends it. Where yours does not, "+
			"enter ", "도메인 %s 부분은 빼세요. 대부분의 업체가 자동으로 붙입니다. 자동으로 붙지 않는다면 이렇게 넣으세요: ", r.Domain), html.El("code", r.Name())),
		html.El("h3", q.lang.Say("Value", "값")), q.copied("value", q.lang.Say("Value", "값"), r.Text()),
		html.El("p", html.Class("dim"), q.lang.Say("One line, without quotes.", "한 줄로, 따옴표 없이.")),
	}
}
