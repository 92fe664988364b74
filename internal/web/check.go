package web

import (
	"context"
	"crypto"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/status"
	"dojang/internal/web/html"
)

func (s *Server) home(q *request) {
	if q.api {
		q.fail(http.StatusNotFound, "")
		return
	}
	s.checkPage(q)
}

// checkInput is what a check was asked with.
type checkInput struct {
	d, s, record string
	isRecord     bool // record is to be judged, without DNS
}

// readCheck reads a check's boxes, or answers that they cannot be read.
func (q *request) readCheck() (in checkInput, ok bool) {
	v := q.r.URL.Query()
	in = checkInput{d: v.Get("d"), s: v.Get("s")}
	if q.r.Method == http.MethodPost {
		body, _, ok := q.readBody(maxPaste)
		if !ok {
			return in, false
		}
		in.isRecord = true
		in.record = body
	}
	if !in.isRecord && in.s == "" && strings.Contains(in.d, "v=DKIM1") {
		in.record, in.d, in.isRecord = in.d, "", true
	}
	return in, true
}

// readBody reads a short body: a form, of which record is one field, or the text itself,
// whatever type a program that posts it gives it.
func (q *request) readBody(most int64) (text string, form url.Values, ok bool) {
	data, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, most*3+1024)) // a form's escapes make it longer
	text = string(data)
	kind, _, _ := strings.Cut(q.r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) == "application/x-www-form-urlencoded" {
		values, bad := url.ParseQuery(text)
		if bad == nil && values.Has("record") {
			form, text = values, values.Get("record")
		} else {
			text = strings.TrimPrefix(text, "record=")
		}
	}
	if err != nil || int64(len(text)) > most {
		q.fail(http.StatusRequestEntityTooLarge, q.lang.Say("That is too long for a record.", "레코드로는 너무 깁니다."))
		return "", nil, false
	}
	return text, form, true
}

func (s *Server) checkAPI(q *request) {
	in, ok := q.readCheck()
	if !ok {
		return
	}
	if in.isRecord {
		text, err := readRecord(in.record)
		if err != nil {
			q.fail(http.StatusBadRequest, refusal(q.lang, err))
			return
		}
		q.json(q.told(keycheck.Judge(text, q.keyOf(in))))
		return
	}
	p, err := readPlace(in.d, in.s)
	if err != nil {
		q.fail(http.StatusBadRequest, refusal(q.lang, err))
		return
	}
	if leave, ok := q.mayCheck(p); ok {
		defer leave()
		r := q.told(q.check(p))
		leave() // whoever reads slowly keeps nobody out
		q.json(r)
	}
}

// told is a report with its faults in words; the report itself may be others' too.
func (q *request) told(r *keycheck.Report) *keycheck.Report {
	out := *r
	if out.CheckedAt.IsZero() { // a text alone
		out.CheckedAt = q.s.o.Now()
	}
	out.Faults = slices.Clone(r.Faults)
	q.lang.Faults(out.Faults)
	return &out
}

// mayCheck takes a check from the limits, or answers that they are reached.
func (q *request) mayCheck(p place) (leave func(), ok bool) {
	s := q.s
	if q.isStranger() {
		if !isPublic(p.domain) {
			q.fail(http.StatusBadRequest, q.lang.Say("Only domains of the public Internet can be checked here.",
				"여기서는 공개 인터넷의 도메인만 확인할 수 있습니다."))
			return nil, false
		}
		who := neighbourhood(q.client)
		if wait, ok := s.limits.all([]string{"m " + who, "h " + who, "d " + registered(p.domain)},
			[]rate{perMinute, perHour, perDomain}); !ok {
			q.tooMany(wait)
			return nil, false
		}
	}
	if leave, ok = enter(s.limits.checks); !ok {
		q.tooMany(2 * time.Second)
	}
	return leave, ok
}

// check asks DNS. With a session the record is held against the key that the filter uses.
func (q *request) check(p place) *keycheck.Report {
	s, ctx := q.s, q.r.Context()
	c := keycheck.Check{Domain: p.domain, Selector: p.selector, Diagnose: true}
	if q.session {
		c.Key, c.Others = s.filterKey(ctx, p)
		q.expects = c.Key != nil
		r := s.open.Check(ctx, c)
		if q.expects && ctx.Err() == nil {
			s.keys.put(p.record(), r)
		}
		return r
	}
	if !q.isStranger() {
		return s.guarded.Check(ctx, c)
	}
	if r := s.answers.get(p.record()); r != nil {
		return r
	}
	r := s.guarded.Check(ctx, c)
	if ctx.Err() == nil { // who left early must not decide what others are told
		s.answers.put(p.record(), r)
	}
	return r
}

// keyOf is the key that a pasted record is held against: with a session, that of the
// filter under the name that stands beside it.
func (q *request) keyOf(in checkInput) crypto.PublicKey {
	if p, err := readPlace(in.d, in.s); err == nil && q.session {
		key, _ := q.s.filterKey(q.r.Context(), p)
		return key
	}
	return nil
}

// filterTime bounds what is asked of the filter.
const filterTime = 3 * time.Second

// filterKeys are the filter's keys of a domain; nil when it does not answer.
func (s *Server) filterKeys(ctx context.Context, domain string) []status.Key {
	if s.o.Filter == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, filterTime)
	defer cancel()
	keys, err := s.o.Filter.Keys(ctx, keyrecord.Canonical(domain), "", 0)
	if err != nil {
		return nil
	}
	return keys
}

// filterKey is the public half that the filter signs with under a name, nil without one,
// and the domain's other keys, one of which the record may hold instead.
func (s *Server) filterKey(ctx context.Context, p place) (key crypto.PublicKey, others []keycheck.Other) {
	for _, k := range s.filterKeys(ctx, p.domain) {
		if strings.EqualFold(k.Selector, p.selector) {
			key = publicKey(k.Record)
			continue
		}
		others = append(others, keycheck.Other{Name: k.Name, Place: k.RecordName(), Domain: k.Domain, Selector: k.Selector,
			Key: func() (crypto.PublicKey, error) { return publicKey(k.Record), nil }})
	}
	return key, others
}

func publicKey(record string) crypto.PublicKey {
	key, err := dkim.ParseKeyRecord(record)
	if err != nil {
		return nil
	}
	return key.Key
}

func (s *Server) checkPage(q *request) {
	if q.api {
		s.checkAPI(q)
		return
	}
	title := q.lang.Say("Is my DKIM record right?", "내 DKIM 레코드가 올바른가요?")
	lead := q.lang.Say("Ask every name server of the domain for the record of a key, and see what receivers see.",
		"도메인의 모든 네임 서버에서 키 레코드를 조회해, 수신 서버가 보는 그대로 보여 줍니다.")
	in, ok := q.readCheck()
	switch {
	case !ok:
	case in.isRecord:
		text, err := readRecord(in.record)
		if err != nil || text == "" {
			q.refuse(err, title, lead, func() html.Group { return q.checkForms(in.d, in.s, "", true) })
			return
		}
		r := q.told(keycheck.Judge(text, q.keyOf(in)))
		q.page(http.StatusOK, title, lead, append(q.checkForms(in.d, in.s, text, true),
			html.El("section", html.A("id", "result"), html.A("aria-label", q.lang.Say("Result", "결과")), q.judged(r))))
	case in.d == "" && in.s == "":
		q.page(http.StatusOK, title, lead, append(q.checkForms("", "", "", false), q.ownKeys("", "/check")...))
	default:
		s.checkPlace(q, in, title, lead)
	}
}

func (s *Server) checkPlace(q *request, in checkInput, title, lead string) {
	p, err := readPlace(in.d, in.s)
	if err != nil {
		q.refuse(err, title, lead, func() html.Group {
			return append(q.checkForms(p.domain, "", "", false), q.ownKeys(p.domain, "/check")...)
		})
		return
	}
	leave, ok := q.mayCheck(p)
	if !ok {
		return
	}
	defer leave()
	wait := q.lang.Sayf("Asking the name servers of %s …", "%s의 네임 서버를 조회하는 중…", p.domain)
	q.slowly(title, lead, q.checkForms(p.domain, p.selector, "", false), wait, func() html.Group {
		defer leave()
		return q.checked(p, q.told(q.check(p)))
	})
}

// refuse answers that what was entered is malformed, with the forms to try again.
func (q *request) refuse(err error, title, lead string, forms func() html.Group) {
	text := q.lang.Say("Nothing was entered.", "입력한 내용이 없습니다.")
	if err != nil {
		text = refusal(q.lang, err)
	}
	q.page(http.StatusBadRequest, title, lead, append(html.Group{answer(bad, text)}, forms()...))
}

// again is what was entered, to be mended; not what no record is as long as.
func again(text string) string {
	if len(text) > maxShown {
		return ""
	}
	return text
}

func (q *request) checkForms(d, s, record string, open bool) html.Group {
	name := input("d", d, "example.com", 8000, html.Is("required", true), html.A("aria-describedby", "d-hint"))
	ask := html.El("form", html.Class("ask"), html.A("method", "get"), html.A("action", "/check"), q.hiddenLanguage(),
		html.El("div", html.Class("grid2"),
			field("d", q.lang.Say("Domain", "도메인"), name, q.lang.Say("Or the record's full name, or a DKIM-Signature field "+
				"from a message.", "레코드의 전체 이름이나, 메일의 DKIM-Signature 필드를 붙여 넣어도 됩니다.")),
			field("s", q.lang.Say("Selector", "셀렉터"), input("s", s, "mail2026", 300), "")),
		html.El("button", q.lang.Say("Check", "확인")))
	paste := html.El("form", html.Class("ask"), html.A("method", "post"), html.A("action", q.link("/check", "d", d, "s", s)),
		field("record", q.lang.Say("The record's value, as v=DKIM1; k=rsa; p=…", "레코드의 값. 예: v=DKIM1; k=rsa; p=…"),
			html.El("textarea", html.A("id", "record"), html.A("name", "record"), html.A("rows", "4"),
				html.A("maxlength", "32000"), html.A("spellcheck", "false"), html.Is("required", true), again(record)), ""),
		html.El("button", q.lang.Say("Judge the text", "텍스트만 검사")))
	return html.Group{ask, html.El("details", html.Is("open", open), html.El("summary",
		q.lang.Say("Not published yet? Paste the record", "아직 게시하지 않았나요? 레코드를 붙여 넣으세요")), paste)}
}

// hiddenLanguage carries the language that was asked for through a form.
func (q *request) hiddenLanguage() html.Node {
	if q.r.URL.Query().Get("lang") == "" {
		return html.Group{}
	}
	return html.El("input", html.A("type", "hidden"), html.A("name", "lang"), html.A("value", string(q.lang)))
}

// ownKeys are links to the filter's own keys, for who has a session.
func (q *request) ownKeys(domain, path string) html.Group {
	if !q.session {
		return nil
	}
	const most = 30
	keys := q.s.filterKeys(q.r.Context(), domain)
	var links html.Group
	for i, k := range keys {
		if i == most {
			links = append(links, html.El("li", html.El("a", html.A("href", q.link("/keys")), q.lang.Say("all keys", "모든 키"))))
			break
		}
		links = append(links, html.El("li", html.El("a", html.A("href", q.link(path, "d", k.Domain, "s", k.Selector)),
			name(k.RecordName()))))
	}
	if len(links) == 0 {
		return nil
	}
	return html.Group{html.El("h2", q.lang.Say("Keys that this server signs with", "이 서버가 서명에 쓰는 키")), html.El("ul", links)}
}
