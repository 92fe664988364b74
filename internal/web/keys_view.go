package web

import (
	"strconv"
	"strings"

	"dojang/internal/status"
	"dojang/internal/web/html"
)

// advice says how a key stands, what that is called, and what to do.
func (q *request) advice(k keyRow) (m mark, word, todo string) {
	used := k.Use == "used"
	old := k.Since != nil && q.s.o.Now().Sub(*k.Since) > q.s.o.KeyAge
	switch {
	case k.Problem != "":
		return bad, q.lang.Say("cannot be used", "쓸 수 없음"), k.Problem
	case used && k.DNS == dnsAbsent:
		return bad, q.lang.Say("signs and is not published", "서명에 쓰이지만 게시되지 않음"), q.lang.Say("receivers find no key: publish "+
			"it at once", "수신 서버가 키를 찾지 못합니다. 바로 게시하세요")
	case k.DNS == dnsDiffers:
		return bad, q.lang.Say("DNS has another record", "DNS의 레코드가 다름"), q.lang.Say("see what is wrong", "무엇이 다른지 확인하세요")
	case k.DNS == dnsAbsent:
		return warning, q.lang.Say("neither published nor used",
			"게시도 사용도 되지 않음"), q.lang.Say("publish it before it signs, or take it out of the table", "서명에 쓰기 전에 게시하거나 테이블에서 빼세요")
	case used && k.Algorithm == "rsa" && k.Bits > 0 && k.Bits < 2048:
		return warning, q.lang.Sayf("in use, and short (%d bits)", "사용 중이지만 짧음(%d비트)",
			k.Bits), q.lang.Say("make a new key of 2048 bits", "2048비트 새 키를 만드세요")
	case used && old:
		return warning, q.lang.Say("in use, and old", "사용 중이지만 오래됨"), q.lang.Say("make a new key", "새 키를 만드세요")
	case k.DNS == dnsPublished && !used:
		return warning, q.lang.Say("published and not used", "게시되었지만 사용되지 않음"), q.lang.Say("start using it, or take it out "+
			"once no mail signed with it is on its way", "서명에 쓰기 시작하거나, 이 키로 서명한 메일이 모두 배달된 뒤 레코드를 삭제하세요")
	case k.DNS == dnsUnknown:
		return neutral, q.lang.Say("DNS not asked yet", "DNS를 아직 조회하지 않음"), q.lang.Say("open this page again in a moment",
			"잠시 뒤 이 페이지를 다시 여세요")
	}
	return good, q.lang.Say("published and in use", "게시되어 사용 중"), ""
}

func (q *request) keyPage(rows []keyRow, next string) html.Group {
	v := q.r.URL.Query()
	if len(rows) == 0 && (v.Get("domain") != "" || v.Get("state") != "") {
		out := html.Group{answer(neutral, q.lang.Say("No key is like that.", "조건에 맞는 키가 없습니다.")), q.keyFilter()}
		return append(out, q.moreKeys(next)...)
	}
	if len(rows) == 0 {
		return html.Group{answer(neutral, q.lang.Say("The filter lists no keys: its tables cannot be listed, and no key has "+
			"signed yet.", "필터가 보여 줄 키가 없습니다. 테이블 목록을 읽을 수 없고, 서명에 쓰인 키도 아직 없습니다."))}
	}
	attention, worst := 0, warning
	var cells []html.Group
	partial := false
	for _, k := range rows {
		m, word, todo := q.advice(k)
		if m == bad || m == warning {
			attention++
		}
		if m == bad {
			worst = bad
		}
		partial = partial || k.Name == "" && k.Record == ""
		cells = append(cells, q.keyCells(k, m, word, todo))
	}
	first := answer(good, q.lang.Countf(len(rows), "The key is published and in use.",
		"All %d keys are published and in use.", "키 %d개가 모두 게시되어 사용 중입니다.", len(rows)))
	if attention > 0 {
		first = answer(worst, q.lang.Countf(attention, "%d of %d keys wants attention.", "%d of %d keys want attention.",
			"키 %[2]d개 중 %[1]d개를 확인해야 합니다.", attention, len(rows)))
	}
	out := html.Group{first, q.keyFilter(), table(q.lang.Say("Keys", "키"), []string{q.lang.Say("record", "레코드"),
		q.lang.Say("type", "유형"), q.lang.Say("since", "시작일"), q.lang.Say("used", "사용"), "DNS", q.lang.Say("state", "상태")}, cells)}
	out = append(out, html.El("p", html.El("a", html.A("href", q.link("/keys", "domain", v.Get("domain"), "state",
		v.Get("state"), "after", v.Get("after"), "again", "1")),
		q.lang.Say("Ask DNS again", "DNS 다시 조회"))))
	out = append(out, q.moreKeys(next)...)
	if partial {
		out = append(out, html.El("p", html.Class("dim"), q.lang.Say("Of tables that cannot be listed, as in a database, only "+
			"the keys that have signed are shown.", "데이터베이스처럼 목록을 읽을 수 없는 테이블은 서명에 쓰인 키만 보여 줍니다.")))
	}
	return append(out, q.howToChange(rows[0].Key))
}

func (q *request) moreKeys(next string) html.Group {
	if next == "" {
		return nil
	}
	v := q.r.URL.Query()
	return html.Group{html.El("p", html.El("a", html.A("href", q.link("/keys", "after", next, "domain", v.Get("domain"),
		"state", v.Get("state"))), q.lang.Say("More keys →", "키 더 보기 →")))}
}

// keyFilter asks which keys to show.
func (q *request) keyFilter() html.Node {
	v := q.r.URL.Query()
	words := map[string]string{
		"attention": q.lang.Say("want attention", "확인 필요"), dnsPublished: q.lang.Say("published", "게시됨"), dnsAbsent: q.lang.Say("absent from DNS", "DNS에 없음"),
		dnsDiffers: q.lang.Say("differ in DNS", "DNS와 다름"), dnsUnknown: q.lang.Say("DNS not known", "DNS 확인 안 됨"), keyUsed: q.lang.Say("used", "사용 중"), keyUnused: q.lang.Say("not used", "사용 안 함"),
	}
	options := html.Group{html.El("option", html.A("value", ""), q.lang.Say("all", "모두"))}
	for _, name := range keyStateNames {
		options = append(options, html.El("option", html.A("value", name), html.Is("selected", v.Get("state") == name), words[name]))
	}
	domain := input("domain", cut(v.Get("domain"), 253), "example.com", 253)
	return html.El("form", html.Class("ask inline"), html.A("method", "get"), html.A("action", "/keys"), q.hiddenLanguage(),
		field("domain", q.lang.Say("Domain", "도메인"), domain, ""),
		field("state", q.lang.Say("State", "상태"), html.El("select", html.A("id", "state"), html.A("name", "state"), options), ""),
		html.El("button", q.lang.Say("Show", "보기")))
}

func (q *request) keyCells(k keyRow, m mark, word, todo string) html.Group {
	kind := strings.TrimSpace(k.Algorithm + " " + bits(k.Bits))
	if kind == "" {
		kind = "–"
	}
	var from html.Node = html.Text("–")
	if k.Since != nil {
		by := map[string]string{"file": q.lang.Say("the file's date", "파일 날짜"), "signed": q.lang.Say("signed first", "첫 서명"),
			"selector": q.lang.Say("by its name", "셀렉터 이름")}[k.SinceBy]
		from = html.Group{html.El("span", html.Class("num"), k.Since.Local().Format("2006-01-02")), html.El("br"), html.El("small", by)}
	}
	use := html.Group{html.El("span", html.Class("num"), q.lang.Sayf("%d in 24 h", "24시간 %d통", k.SignedDay))}
	if k.LastSigned != nil && k.Use == "used" {
		use = append(use, html.El("br"), html.El("small", q.lang.Say("last ", "마지막 "),
			html.El("span", html.Class("num"), moment(*k.LastSigned))))
	}
	dns := html.Group{html.Text(q.dnsWord(k.DNS))}
	if k.CheckedAt != nil {
		dns = append(dns, html.El("br"), html.El("small", q.lang.Say("asked ", "확인 ")+clock(*k.CheckedAt)))
	}
	state := html.Group{sign(m), html.El("strong", word)}
	if todo != "" {
		state = append(state, html.El("br"), html.Text(todo+" "))
		target, label := "/check", q.lang.Say("check", "확인")
		if k.DNS == dnsAbsent {
			target, label = "/publish", q.lang.Say("what to publish", "게시할 내용")
		}
		state = append(state, html.El("a", html.A("href", q.link(target, "d", k.Domain, "s", k.Selector)),
			html.A("aria-label", label+": "+k.RecordName()), label+" →"))
	}
	if k.State != "" {
		text := q.lang.Say("rotation: ", "교체: ") + k.State
		if k.Next != "" {
			text += q.lang.Say("; next: ", ", 다음: ") + k.Next
		}
		if k.NextAt != nil {
			text += " " + moment(*k.NextAt)
		}
		state = append(state, html.El("br"), html.El("small", text))
	}
	return html.Group{html.El("a", html.A("href", q.link("/check", "d", k.Domain, "s", k.Selector)), name(k.RecordName())),
		html.El("span", html.Class("num"), kind), from, use, dns, state}
}

func bits(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (q *request) dnsWord(state string) string {
	switch state {
	case dnsPublished:
		return q.lang.Say("published", "게시됨")
	case dnsAbsent:
		return q.lang.Say("absent", "없음")
	case dnsDiffers:
		return q.lang.Say("differs", "다름")
	}
	return q.lang.Say("not known", "알 수 없음")
}

// howToChange is the way to a new key without losing mail.
func (q *request) howToChange(k status.Key) html.Node {
	domain := "example.com"
	if k.Domain != "" && k.Domain != "%" {
		domain = k.Domain
	}
	selector := "s" + q.s.o.Now().Format("200601")
	return more(q.lang.Say("How to change a key without losing mail", "메일을 잃지 않고 키를 바꾸는 방법"), html.El("ol",
		html.El("li", q.lang.Say("Make a new key under a new selector:", "새 셀렉터로 새 키를 만듭니다."),
			q.copied("step1", q.lang.Say("Command", "명령"), "dojang genkey -d "+domain+" -s "+selector+" -D /etc/opendkim/keys\n")),
		html.El("li", q.lang.Say("Publish its record, and wait until every name server has it and caches have forgotten its "+
			"absence:", "레코드를 게시하고, 모든 네임 서버에 반영되고 레코드가 없다는 응답이 캐시에서 사라질 때까지 "+
			"기다립니다."), q.copied("step2", q.lang.Say("Command", "명령"), "opendkim-testkey -d "+domain+" -s "+selector+" -vvv\n")),
		html.El("li", q.lang.Say("Put the new key into the tables and reload:", "테이블에 새 키를 넣고 설정을 다시 읽게 합니다."),
			q.copied("step3", q.lang.Say("Command", "명령"), "dojang config check && dojang reload\n")),
		html.El("li", q.lang.Say("Leave the old record for a week or more, for mail on its way; then take it out. dojang "+
			"rotate does all of this by itself.", "옛 레코드는 배달 중인 메일을 위해 일주일 이상 두었다가 삭제합니다. dojang rotate는 이 과정을 자동으로 합니다."))))
}
