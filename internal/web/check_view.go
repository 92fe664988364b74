package web

import (
	"strconv"
	"strings"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/web/html"
)

// clock is a time as people here read it.
func clock(t time.Time) string { return t.Local().Format("15:04:05") }

// took is a time that work took.
func took(seconds float64) string {
	if seconds < 0.001 {
		return strconv.FormatFloat(seconds*1000, 'f', 2, 64) + " ms"
	}
	if seconds < 1 {
		return strconv.FormatFloat(seconds*1000, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// lasting is a number of seconds in words.
func (q *request) lasting(seconds int64) string {
	switch {
	case seconds >= 2*86400:
		return q.lang.Sayf("%d days", "%d일", seconds/86400)
	case seconds >= 2*3600:
		return q.lang.Sayf("%d hours", "%d시간", seconds/3600)
	case seconds >= 120:
		return q.lang.Sayf("%d minutes", "%d분", seconds/60)
	}
	return q.lang.Countf(int(seconds), "%d second", "%d seconds", "%d초", seconds)
}

// verdict is the first line: what it means for mail.
func (q *request) verdict(r *keycheck.Report) html.Node {
	for _, f := range r.Faults {
		if f.Fatal {
			return answer(bad, q.lang.Say("Receivers cannot rely on this key: ", "수신 서버가 이 키로 검증할 수 없습니다: "), f.Text, ".")
		}
	}
	switch {
	case !r.OK:
		return answer(bad, q.lang.Say("Receivers cannot use this key.", "수신 서버가 이 키로 검증할 수 없습니다."))
	case len(r.Faults) > 0:
		return answer(warning, q.lang.Say("Receivers can use this key, but: ", "수신 서버가 이 키로 검증할 수 있지만, 확인할 점이 있습니다: "),
			r.Faults[0].Text, ".")
	}
	return answer(good, q.lang.Say("Receivers can use this key. Nothing is wrong.", "수신 서버가 이 키로 검증할 수 있습니다. 문제가 없습니다."))
}

// sentence is a text that begins with a capital letter, unless that is of a name or a tag,
// and ends with a full stop.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	first, _, _ := strings.Cut(text, " ")
	if c := text[0]; c >= 'a' && c <= 'z' && !strings.ContainsFunc(strings.TrimRight(first, ",:;"),
		func(r rune) bool { return r < 'a' || r > 'z' }) {
		text = string(c-'a'+'A') + text[1:]
	}
	return text + "."
}

// faults are what is wrong, each with its code, cause and remedy.
func (q *request) faults(list []keyrecord.Fault) html.Node {
	if len(list) == 0 {
		return html.Group{}
	}
	var items html.Group
	for _, f := range list {
		m, weight := warning, q.lang.Say("some receivers mind", "일부 수신 서버가 문제로 봅니다")
		if f.Fatal {
			m, weight = bad, q.lang.Say("signatures fail", "서명 검증이 실패합니다")
		}
		item := []any{html.Class(string(m)), html.El("p", sign(m), " ", html.El("strong", sentence(f.Text)), " ",
			html.El("code", f.Code), " ", html.El("small", weight))}
		if f.Hint != "" {
			item = append(item, html.El("p", html.Class("todo"), html.El("strong", q.lang.Say("Do this: ", "조치: ")), sentence(f.Hint)))
		}
		items = append(items, html.El("li", item...))
	}
	return html.El("ul", html.Class("faults"), items)
}

// judged is what is said of a record that was pasted.
func (q *request) judged(r *keycheck.Report) html.Group {
	return html.Group{q.verdict(r), q.faults(r.Faults), q.tags(r), q.strings(r.Texts),
		html.El("p", html.Class("dim"), q.lang.Say("Only the text was judged; no name server was asked.",
			"붙여 넣은 텍스트만 검사했으며, 네임 서버는 조회하지 않았습니다."))}
}

// checked is what is said of a record in DNS.
func (q *request) checked(p place, r *keycheck.Report) html.Group {
	out := html.Group{q.verdict(r), q.faults(r.Faults)}
	if !r.OK {
		out = append(out, html.El("p", html.El("a", html.A("href", q.link("/publish", "d", p.domain, "s", p.selector)),
			q.lang.Say("What to publish, and in which form →", "게시할 내용과 형식 보기 →"))))
	}
	out = append(out, q.servers(r), q.caches(r), q.tags(r), q.strings(r.Texts), q.aliases(r), q.commands(r))
	api := "/api/v1/check?" + strings.TrimPrefix(q.link("", "d", p.domain, "s", p.selector), "?")
	return append(out, html.El("p", html.Class("row"),
		html.El("span", html.Class("dim"), q.lang.Countf(int(r.Queries), "Checked at %s, took %s, %d query.",
			"Checked at %s, took %s, %d queries.", "%s에 확인, %s 걸림, 질의 %d개.", clock(r.CheckedAt), took(r.TookSeconds), r.Queries)),
		html.El("a", html.A("href", q.link("/check", "d", p.domain, "s", p.selector)), q.lang.Say("Check again", "다시 확인")),
		html.El("a", html.A("href", api), "JSON")), q.keep())
}

// said is what a server answered, short.
func (q *request) said(texts []keycheck.Text, alias string) string {
	switch {
	case alias != "":
		return "CNAME " + alias
	case len(texts) == 0:
		return q.lang.Say("no record", "레코드 없음")
	case len(texts) > 1:
		return q.lang.Sayf("%d records", "레코드 %d개", len(texts))
	}
	return q.lang.Countf(len(texts[0].Text), "%d character", "%d characters", "%d자", len(texts[0].Text))
}

func (q *request) stateOf(s keycheck.Server, expecting bool) (mark, string) {
	switch s.State {
	case keycheck.Same:
		if s.Signature != "" && s.Signature != keycheck.SignatureValid {
			return warning, q.lang.Say("DNSSEC: ", "DNSSEC: ") + string(s.Signature)
		}
		if expecting {
			return good, q.lang.Say("your key", "필터의 키와 일치")
		}
		return good, q.lang.Say("this record", "이 레코드와 같음")
	case keycheck.Differs:
		return bad, q.lang.Say("another record", "다른 레코드")
	case keycheck.Missing:
		return bad, q.lang.Say("absent", "없음")
	case keycheck.NoAnswer:
	}
	return warning, q.lang.Say("no answer: ", "응답 없음: ") + string(s.Error)
}

// servers is the table of everybody who was asked.
func (q *request) servers(r *keycheck.Report) html.Node {
	var rows []html.Group
	dash := html.Text("–")
	orDash := func(text string) html.Node {
		if text == "" {
			return dash
		}
		return html.El("span", html.Class("num"), text)
	}
	if c := r.Cache; c != nil {
		m, state := q.stateOf(keycheck.Server{State: c.State}, false)
		if c.State == keycheck.Same {
			state = q.lang.Say("the same", "같음")
		}
		ttl := ""
		if c.TTLSeconds > 0 {
			ttl = q.lasting(c.TTLSeconds)
		}
		rows = append(rows, html.Group{html.Text(q.lang.Say("this server's resolver", "이 서버의 리졸버")),
			html.Text(q.said(c.Texts, "")), orDash(ttl), dash, html.Group{sign(m), html.Text(state)}})
	}
	for _, s := range r.Servers {
		m, state := q.stateOf(s, q.expects)
		ttl, serial := "", ""
		if s.TTLSeconds != nil {
			ttl = q.lasting(*s.TTLSeconds)
		}
		if s.SOASerial != nil {
			serial = strconv.FormatUint(uint64(*s.SOASerial), 10)
		}
		name := html.Group{html.El("bdi", s.Name)}
		if s.Address != "" {
			name = append(name, html.El("br"), html.El("small", s.Address))
		}
		said := dash
		if s.State != keycheck.NoAnswer {
			said = html.Text(q.said(s.Texts, s.Alias))
		}
		rows = append(rows, html.Group{name, said, orDash(ttl), orDash(serial), html.Group{sign(m), html.Text(state)}})
	}
	if len(rows) == 0 {
		return html.Group{}
	}
	return table(q.lang.Say("Who was asked, and what they answered", "조회한 서버와 응답"),
		[]string{q.lang.Say("asked", "조회한 서버"), q.lang.Say("answer", "응답"), "TTL", q.lang.Say("serial", "시리얼"),
			q.lang.Say("state", "상태")}, rows)
}

// caches says how long others may remember what was, and what DNSSEC says.
func (q *request) caches(r *keycheck.Report) html.Node {
	ttl := r.TTLSeconds
	for _, s := range r.Servers {
		if s.TTLSeconds != nil {
			ttl = max(ttl, *s.TTLSeconds)
		}
	}
	var parts html.Group
	if ttl > 0 {
		until := r.CheckedAt.Add(time.Duration(ttl) * time.Second)
		parts = append(parts, html.El("dt", q.lang.Say("Caches", "캐시")), html.El("dd",
			q.lang.Sayf("may keep an answer of now until %s at the latest (%s)",
				"지금의 응답이 늦어도 %s까지 캐시에 남습니다(%s)", moment(until), q.lasting(ttl))))
	} else if r.Zone.MinimumSeconds > 0 {
		until := r.CheckedAt.Add(time.Duration(r.Zone.MinimumSeconds) * time.Second)
		parts = append(parts, html.El("dt", q.lang.Say("Caches", "캐시")), html.El("dd",
			q.lang.Sayf("may keep the absence until %s at the latest (SOA minimum %s)",
				"레코드가 없다는 응답이 늦어도 %s까지 캐시에 남습니다(SOA minimum %s)",
				moment(until), q.lasting(r.Zone.MinimumSeconds))))
	}
	text := map[string]string{
		"secure":   q.lang.Say("signed, and the chain of trust holds", "존이 서명되어 있고 신뢰 사슬이 유효합니다"),
		"insecure": q.lang.Say("the zone is not signed (that is no fault)", "존이 서명되어 있지 않습니다(오류는 아닙니다)"),
		"bogus":    q.lang.Say("the chain of trust is broken", "신뢰 사슬이 끊어졌습니다"),
	}[r.DNSSEC]
	if text == "" {
		text = q.lang.Say("not checked", "확인하지 않음")
	}
	if l := r.Link; l != nil {
		text += ": " + strings.Join(strings.Fields(strings.Join([]string{l.Type, l.Zone, l.Detail}, " ")), " ")
	}
	parts = append(parts, html.El("dt", "DNSSEC"), html.El("dd", text))
	if z := r.Zone; z.Name != "" {
		parts = append(parts, html.El("dt", q.lang.Say("Zone", "존")), html.El("dd", html.El("bdi", z.Name)))
	}
	return html.El("dl", parts)
}

// meaning says what a tag of a key record is for (RFC 6376 §3.6.1).
func (q *request) meaning(t keycheck.Tag, r *keycheck.Report) string {
	switch t.Name {
	case "v":
		return q.lang.Say("a DKIM key", "DKIM 키 레코드")
	case "k":
		return q.lang.Say("type of key", "키 종류")
	case "p":
		if r.Bits > 0 {
			return q.lang.Sayf("the public key, %d bits", "공개 키, %d비트", r.Bits)
		}
		return q.lang.Say("the public key", "공개 키")
	case "h":
		if t.Value == "" {
			return q.lang.Say("hashes allowed: any", "허용하는 해시: 모두")
		}
		return q.lang.Say("hashes allowed", "허용하는 해시")
	case "s":
		if t.Value == "*" {
			return q.lang.Say("for every kind of service", "모든 서비스에 사용")
		}
		return q.lang.Say("for these services", "이 서비스에 사용")
	case "t":
		switch {
		case t.Value == "":
			return q.lang.Say("no flags", "플래그 없음")
		case strings.Contains(t.Value, "y"):
			return q.lang.Say("y: only testing", "y: 테스트 중")
		case t.Value == "s":
			return q.lang.Say("s: not for subdomains", "s: 하위 도메인에는 사용하지 않음")
		}
		return q.lang.Say("flags", "플래그")
	case "n":
		return q.lang.Say("a note for people", "관리자용 메모")
	case "g":
		return q.lang.Say("of RFC 4871; ignored today", "RFC 4871의 옛 태그, 지금은 무시됨")
	}
	return q.lang.Say("unknown; ignored", "알 수 없음, 무시됨")
}

// The most of a record that a page shows. Who owns a zone decides what stands in it, and
// that is up to 64 KB; the JSON has all.
const (
	maxShown        = 2000 // bytes of a text
	maxShownTags    = 40
	maxShownStrings = 20
)

// tooLong says that a list goes on.
func (q *request) tooLong(n int) string {
	return q.lang.Sayf("and %d more, in the JSON", "그 밖에 %d개(JSON에 있음)", n)
}

func (q *request) tags(r *keycheck.Report) html.Node {
	var rows []html.Group
	for i, t := range r.Tags {
		if i == maxShownTags {
			rows = append(rows, html.Group{html.Text("…"), html.Text(q.tooLong(len(r.Tags) - i))})
			break
		}
		var value html.Node = html.El("code", cut(t.Value, 60))
		switch {
		case t.Value == "":
			value = html.Text("–")
		case len(t.Value) > 60:
			value = html.Group{html.El("code", cut(t.Value, 24)), html.El("details",
				html.El("summary", q.lang.Say("show", "보기")), html.El("pre", cut(t.Value, maxShown)))}
		}
		set := q.lang.Say("in the record", "레코드에 있음")
		if !t.Set {
			set = q.lang.Say("left out: default", "생략됨(기본값)")
		}
		rows = append(rows, html.Group{html.El("code", cut(t.Name, 40)), value, html.Text(q.meaning(t, r)), html.Text(set)})
	}
	if len(rows) == 0 {
		return html.Group{}
	}
	return table(q.lang.Say("The record, tag by tag", "태그별 내용"), []string{q.lang.Say("tag", "태그"), q.lang.Say("value", "값"),
		q.lang.Say("meaning", "의미"), q.lang.Say("set", "출처")}, rows)
}

func (q *request) strings(texts []keycheck.Text) html.Node {
	var out html.Group
	shown := 0
	for i, t := range texts {
		if shown > maxShownStrings {
			break
		}
		list := t.Strings
		if len(list) == 0 {
			list = []string{t.Text}
		}
		var items html.Group
		for j, s := range list {
			if shown++; shown > maxShownStrings {
				items = append(items, html.El("li", q.tooLong(len(list)-j)))
				break
			}
			items = append(items, html.El("li", html.El("pre", cut(s, maxShown)), html.El("small",
				q.lang.Countf(len(s), "%d character", "%d characters", "%d자", len(s)))))
		}
		summary := q.lang.Countf(len(list), "The text as it stands in DNS: %d string",
			"The text as it stands in DNS: %d strings", "DNS에 저장된 문자열 %d개", len(list))
		if len(texts) > 1 {
			summary += " (TXT " + strconv.Itoa(i+1) + ")"
		}
		out = append(out, more(summary, html.El("ol", items)))
	}
	return out
}

func (q *request) aliases(r *keycheck.Report) html.Node {
	if len(r.Aliases) == 0 {
		return html.Group{}
	}
	var items html.Group
	for _, a := range r.Aliases {
		items = append(items, html.El("li", html.El("bdi", a.Name), " ", html.El("code", a.Type), " → ",
			html.El("bdi", a.Target), " ", html.El("small", "TTL "+q.lasting(a.TTLSeconds))))
	}
	return html.El("details", html.Is("open", true), html.El("summary", q.lang.Say("The way to the record", "레코드를 찾아간 경로")),
		html.El("ol", items))
}

// commands are how to see the same in a terminal.
func (q *request) commands(r *keycheck.Report) html.Node {
	lines := "dig +short TXT " + r.Record + "\n"
	seen := map[string]bool{}
	for _, s := range r.Servers {
		if s.Name != "" && !seen[s.Name] {
			seen[s.Name] = true
			lines += "dig +norecurse @" + s.Name + " TXT " + r.Record + "\n"
		}
	}
	lines += "opendkim-testkey -d " + keyrecord.ASCII(r.Domain) + " -s " + keyrecord.ASCII(r.Selector) + " -vvv\n"
	return more(q.lang.Say("The same in a terminal", "터미널에서 확인하는 명령"), q.copied("commands", q.lang.Say("Commands", "명령"), lines))
}
