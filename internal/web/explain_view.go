package web

import (
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/web/html"
)

func (q *request) explainBox() html.Node {
	file := html.El("input", html.A("id", "file"), html.A("name", "file"), html.A("type", "file"),
		html.A("accept", ".eml,.txt,message/rfc822,text/plain"), html.A("aria-describedby", "file-hint"))
	text := html.El("textarea", html.A("id", "message"), html.A("name", "message"), html.A("rows", "8"),
		html.A("spellcheck", "false"), html.A("placeholder", "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; …"))
	return html.El("form", html.Class("ask"), html.A("method", "post"), html.A("enctype", "multipart/form-data"),
		html.A("action", q.link("/explain")),
		html.El("div", html.Class("drop"), html.A("data-drop", "file"), field("file",
			q.lang.Say("Drop the message here (.eml), or choose a file", "메일 파일(.eml)을 여기에 끌어다 놓거나 파일을 선택하세요"), file,
			q.lang.Sayf("As it was received; at most %d MiB.", "수신한 원문 그대로, 최대 %d MiB.", max(1, q.s.o.MaxMessage>>20)))),
		field("message", q.lang.Say("Or paste its whole source", "또는 원문 전체를 붙여 넣으세요"), text, ""),
		html.El("button", q.lang.Say("Explain", "원인 찾기")),
		more(q.lang.Say("How to get the source of a message", "메일 원문을 얻는 방법"), html.El("ul",
			html.El("li", q.lang.Say("Gmail: More (⋮) → Show original → Download original", "Gmail: 더보기(⋮) → 원본 보기 → 원본 다운로드")),
			html.El("li", q.lang.Say("Naver: More → View source (Save as .eml)", "네이버 메일: 더보기 → 원문 보기(.eml로 저장)")),
			html.El("li", q.lang.Say("Thunderbird: More → Save as… (.eml)", "Thunderbird: 자세히 → 다른 이름으로 저장(.eml)")),
			html.El("li", q.lang.Say("Outlook on the web: ⋯ → Save as → .eml; the Windows program stores messages anew, so "+
				"that their signatures break", "웹용 Outlook: ⋯ → 다른 이름으로 저장 → .eml. Windows용 Outlook은 메일을 변환해 저장하므로 서명이 깨집니다")),
			html.El("li", q.lang.Say("Best of all: the file in the Maildir of the server", "가장 확실한 방법: 서버의 Maildir에 있는 파일")))))
}

// storied is a message's story.
func (q *request) storied(s story) html.Group {
	out := html.Group{q.summary(s)}
	if s.Messages > 1 {
		out = append(out, answer(neutral, q.lang.Sayf("A mailbox of %d messages was given: this is of the first alone.",
			"메일 %d개가 든 메일함 파일입니다. 첫 번째 메일만 확인했습니다.", s.Messages)))
	}
	if s.HeaderOnly {
		out = append(out, answer(neutral, q.lang.Say("Only a header was given: the body hash cannot be checked, and nothing "+
			"is said of the body.", "헤더만 있습니다. 본문 해시는 확인할 수 없으므로 본문은 판단하지 않습니다.")))
	}
	size := 0
	for i, g := range s.Signatures {
		card := q.signature(g, s, s.reasons[i])
		if size += len(html.Render(card)); size > maxStory && i > 0 {
			out = append(out, q.others(s.Signatures[i:]))
			break
		}
		out = append(out, card)
	}
	return append(out, q.keep())
}

// maxStory is how many bytes of a page tell of signatures in full: who sends a message
// decides how many it has.
const maxStory = 36 << 10

// others are signatures of which there is no more than a line.
func (q *request) others(list []explain.Signature) html.Node {
	var items html.Group
	for _, g := range list {
		items = append(items, html.El("li", strconv.Itoa(g.Number)+": ", html.El("bdi", cut(g.Domain, 60)),
			" ("+cut(g.Selector, 30)+") ", html.El("code", g.Result)))
	}
	return html.El("section", html.Class("card"),
		html.El("h2", q.lang.Countf(len(list), "%d more signature", "%d more signatures", "그 밖의 서명 %d개", len(list))),
		html.El("p", html.Class("dim"), q.lang.Say(
			"All of each is in the JSON of /api/v1/explain and of dojang explain.",
			"전체 내용은 /api/v1/explain의 JSON과 dojang explain에서 볼 수 있습니다.")),
		html.El("ul", items))
}

// summary is the first line: what became of the message as a whole.
func (q *request) summary(s story) html.Node {
	pass, alignedPass := 0, 0
	for _, g := range s.Signatures {
		if g.Result == "pass" {
			pass++
			if g.Alignment.Relaxed {
				alignedPass++
			}
		}
	}
	switch {
	case len(s.Signatures) == 0:
		return answer(bad, q.lang.Say("The message has no DKIM signature.", "이 메일에는 DKIM 서명이 없습니다."))
	case s.HeaderOnly && pass == 0:
		return answer(neutral, q.lang.Countf(len(s.Signatures), "%d signature, seen by the header alone.",
			"%d signatures, seen by the header alone.", "헤더만으로 확인한 서명 %d개입니다.", len(s.Signatures)))
	case alignedPass > 0:
		return answer(good, q.lang.Say("A signature of the author's domain holds: DKIM passes, for DMARC too.",
			"작성자 도메인의 서명이 유효합니다. DKIM을 통과했고 DMARC에서도 인정됩니다."))
	case pass > 0 && s.Signatures[0].Alignment.Author == "":
		return answer(warning, q.lang.Say("A signature holds, but the message has no readable From: DMARC does not count it.",
			"유효한 서명이 있지만 읽을 수 있는 From이 없어 DMARC에서는 인정되지 않습니다."))
	case pass > 0:
		return answer(warning, q.lang.Say("A signature holds, but of another domain than the author's: DMARC does not count "+
			"it.", "유효한 서명이 있지만 작성자 도메인의 서명이 아니어서 DMARC에서는 인정되지 않습니다."))
	}
	text := q.lang.Countf(len(s.Signatures), "The signature does not hold.", "None of the %d signatures holds.",
		"서명 %d개 중 유효한 것이 없습니다.", len(s.Signatures))
	if list := s.Signatures[0].Causes; len(list) > 0 && list[0].Proved {
		what, _ := q.inWords(list[0])
		text += " " + sentence(what)
	}
	return answer(bad, text)
}

// part says how one part of a signature stands.
func (q *request) part(name string, ok, checked bool) html.Node {
	m, word := bad, q.lang.Say("changed", "변경됨")
	switch {
	case ok:
		m, word = good, q.lang.Say("fits", "일치")
	case !checked:
		m, word = neutral, q.lang.Say("not known", "알 수 없음")
	}
	return html.El("span", sign(m), " ", name+": "+word)
}

func (q *request) keyPart(k explain.Key) html.Node {
	m, word := good, q.lang.Sayf("%d bits", "%d비트", k.Bits)
	switch {
	case k.Error != "":
		m, word = warning, q.lang.Say("could not be asked for", "조회 실패")
	case k.Absent:
		m, word = bad, q.lang.Say("not found", "없음")
	case !k.Found:
		m, word = neutral, q.lang.Say("not asked for", "조회하지 않음")
	default:
		for _, f := range k.Faults {
			if f.Fatal {
				m, word = bad, f.Code
			}
		}
	}
	return html.El("span", sign(m), " "+q.lang.Say("key: ", "키: ")+word)
}

func (q *request) signature(g explain.Signature, s story, reason dkim.Reason) html.Node {
	m := bad
	switch g.Result {
	case "pass":
		m = good
		if !g.Alignment.Relaxed {
			m = warning
		}
	case "temperror", "neutral", "policy":
		m = warning
	}
	unread := s.HeaderOnly && g.HeaderOK && g.BodyChecked // all that can be said is that the header fits
	var result html.Node = html.El("code", g.Result)
	if unread {
		m, result = neutral, html.Group{}
	}
	q.lang.Faults(g.Key.Faults)
	parts := []any{html.Class("card"),
		html.El("h2", sign(m), " ", q.lang.Sayf("Signature %d of %d", "서명 %[1]d / %[2]d", g.Number, len(s.Signatures)), ": ", html.El("bdi", g.Domain), " ",
			html.El("small", "("+g.Selector+", "+g.Algorithm+") "), result),
		html.El("p", html.Class("row"), q.keyPart(g.Key), q.part(q.lang.Say("header", "헤더"), g.HeaderOK, g.HeaderChecked), q.part(q.lang.Say("body", "본문"), g.BodyOK && !s.HeaderOnly, g.BodyChecked && !s.HeaderOnly))}
	if g.Reason != "" && !unread {
		parts = append(parts, html.El("p", q.lang.Reason(reason), " ", html.El("code", g.Reason)))
	}
	parts = append(parts, q.causes(g, s), q.alignment(g.Alignment), q.faults(g.Key.Faults))
	for _, n := range g.Notes {
		parts = append(parts, html.El("p", html.Class("dim"), q.lang.Cause("note", n.Code, n.Args)))
	}
	return html.El("section", append(parts, more(q.lang.Say("In the words of RFC 6376", "RFC 6376 용어로 보기"), q.details(g)))...)
}

func (q *request) alignment(a explain.Alignment) html.Node {
	switch {
	case a.Author == "":
		return html.El("p", sign(warning), " ", q.lang.Say("The message has no readable From: no signature counts for "+
			"DMARC.", "읽을 수 있는 From이 없어 DMARC에서는 어떤 서명도 인정되지 않습니다."))
	case a.Relaxed:
		return html.El("p", sign(good), " ", q.lang.Say("d= is of the author's domain", "d=가 작성자의 도메인과 일치합니다"), " (",
			html.El("bdi", a.Author), ")")
	}
	return html.El("p", sign(warning), " ", q.lang.Say("d= is not of the author's domain, so DMARC does not count it",
		"d=가 작성자의 도메인과 달라 DMARC에서는 인정되지 않습니다"), " (", html.El("bdi", a.Author), ")")
}

// causes are the edits that account for a failure.
func (q *request) causes(g explain.Signature, s story) html.Node {
	var items html.Group
	for _, c := range g.Causes {
		items = append(items, q.cause(c))
	}
	if len(items) == 0 {
		return html.Group{}
	}
	if s.HeaderOnly && g.HeaderOK {
		return html.Group{html.El("ol", items)} // nothing is known to be changed
	}
	return html.Group{html.El("h3", q.lang.Say("What was changed", "바뀐 내용")), html.El("ol", items)}
}

func (q *request) details(g explain.Signature) html.Node {
	var list html.Group
	add := func(name, value string) {
		if value != "" {
			list = append(list, html.El("dt", name), html.El("dd", html.El("code", value)))
		}
	}
	add("d=", g.Domain)
	add("s=", g.Selector)
	add("i=", g.Identity)
	add("a=", g.Algorithm)
	add("c=", g.Canonicalization)
	add("t=", g.Signed)
	add("x=", g.Expires)
	add("h=", strings.Join(g.Headers, " : "))
	add(q.lang.Say("key record", "키 레코드"), g.Key.Record)
	if g.Key.Bits > 0 {
		add(q.lang.Say("key", "키"), g.Key.Type+", "+strconv.Itoa(g.Key.Bits)+" bit")
	}
	add("DNSSEC", g.Key.DNSSEC)
	add(q.lang.Say("look-up", "조회"), g.Key.Error)
	return html.El("dl", list)
}

// cause is one edit, with what was there, what is there, and what helps.
func (q *request) cause(c explain.Cause) html.Node {
	mark := q.lang.Say("likely", "추정")
	if c.Proved {
		mark = q.lang.Say("proved", "확인됨")
	}
	what, helps := q.inWords(c)
	parts := []any{html.El("p", html.El("strong", mark), " · ", html.El("code", c.Code), " ", sentence(what))}
	if c.Was != "" || c.Is != "" {
		parts = append(parts, q.difference(c))
	}
	if helps != "" {
		parts = append(parts, html.El("p", html.Class("todo"), html.El("strong", q.lang.Say("What helps: ", "해결 방법: ")), sentence(helps)))
	}
	return html.El("li", parts...)
}

// inWords says what a cause is, and what helps.
func (q *request) inWords(c explain.Cause) (what, helps string) {
	if c.Part == explain.PartKey && c.Code != explain.CodeWrongKey {
		return q.lang.Fault(c.Code, c.Args)
	}
	return q.lang.Cause(c.Part, c.Code, c.Args), q.lang.Helps(c.Code)
}

// maxDifference is how much of an edit is shown.
const maxDifference = 2000

// difference shows what stood there when it was signed, and what stands there now.
func (q *request) difference(c explain.Cause) html.Node {
	out := []any{html.Class("difference")}
	if c.Was != "" {
		out = append(out, html.El("del", html.A("aria-label", q.lang.Say("before", "이전")),
			cut(strings.TrimRight(c.Was, "\r\n"), maxDifference)))
	}
	if c.Is != "" {
		out = append(out, html.El("ins", html.A("aria-label", q.lang.Say("now", "현재")),
			cut(strings.TrimRight(c.Is, "\r\n"), maxDifference)))
	}
	pre := html.El("pre", out...)
	if c.Line > 0 {
		return html.Group{html.El("small", q.lang.Sayf("from line %d of the body", "본문 %d번째 줄부터", c.Line)), pre}
	}
	return pre
}
