package web

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"dojang/internal/status"
	"dojang/internal/web/html"
)

// maxQueueID bounds a queue ID that is asked for; Postfix' have 20 characters at most.
const maxQueueID = 128

func (s *Server) statusPage(q *request) {
	if q.api {
		s.statusAPI(q)
		return
	}
	v := q.r.URL.Query()
	span, domain, id := v.Get("range"), v.Get("domain"), strings.TrimSpace(v.Get("q"))
	if !isRange(span) {
		span = "2d"
	}
	var o overview
	var series status.Series
	var found, latest []status.Message
	if !q.filter(func(ctx context.Context, c *status.Client) (err error) {
		if err = o.ask(ctx, c); err != nil {
			return err
		}
		if series, err = c.Series(ctx, domain, span); err != nil {
			return err
		}
		if id != "" && len(id) <= maxQueueID {
			found, err = c.Messages(ctx, id, "", "", 20)
		}
		if err == nil {
			latest, err = c.Messages(ctx, "", domain, status.Unsigned, maxLatest)
		}
		return err
	}) {
		return
	}
	body := html.Group{q.alarm(o), q.reloaded(o.Server), q.reasons(o.Server), q.find(id)}
	if id != "" {
		body = append(body, q.found(id, found))
	}
	body = append(body, q.plots(series, domain, span), q.domains(o.Domains), q.unsigned(latest), q.process(o.Server))
	q.page(http.StatusOK, q.lang.Say("Does my server sign everything it should?", "내 서버가 서명할 메일에 모두 서명하나요?"), "", body)
}

func sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// alarm is the first line: whether mail of ours left unsigned.
func (q *request) alarm(o overview) html.Node {
	signed := uint64(0)
	for _, d := range o.Domains {
		signed += d.SignedDay
	}
	n := sum(o.Server.UnsignedDay)
	domains := len(o.Domains)
	switch {
	case n > 0:
		return answer(bad, q.lang.Countf(int(n),
			"%d message of our domains left unsigned in the last 24 hours; %d were signed.",
			"%d messages of our domains left unsigned in the last 24 hours; %d were signed.",
			"지난 24시간 동안 우리 도메인의 메일 %d통이 서명 없이 나갔습니다. 서명한 것은 %d통입니다.",
			n, signed))
	case signed == 0:
		return answer(neutral, q.lang.Say("No mail of our domains in the last 24 hours: nothing was signed, and nothing left "+
			"unsigned.", "지난 24시간 동안 우리 도메인의 메일이 없었습니다. 서명한 것도, 서명 없이 나간 것도 없습니다."))
	}
	return answer(good, q.lang.Sayf("No mail of our domains left unsigned in the last 24 hours; %d were signed, of %d "+
		"domains.", "지난 24시간 동안 서명 없이 나간 우리 도메인의 메일이 없습니다. %[2]d개 도메인의 메일 %[1]d통에 서명했습니다.", signed, domains))
}

// reloaded tells of a configuration that was refused.
func (q *request) reloaded(s status.Server) html.Node {
	l := s.LastReload
	if l == nil || l.OK {
		return html.Group{}
	}
	var items html.Group
	for _, p := range l.Problems {
		items = append(items, html.El("li", html.El("code", p)))
	}
	return html.Group{answer(warning, q.lang.Sayf("The reload at %s was refused: the configuration of %s is still in force.",
		"%s에 설정을 다시 읽지 못했습니다. %s에 읽은 설정을 계속 쓰고 있습니다.", moment(l.Time), moment(s.Loaded))), html.El("ul", items)}
}

func (q *request) find(id string) html.Node {
	return html.El("form", html.Class("ask"), html.A("method", "get"), html.A("action", "/status"), q.hiddenLanguage(),
		field("q", q.lang.Say("Find a message by its queue ID", "큐 ID로 메일 찾기"), input("q", cut(id, maxQueueID), "4F1A2BE2EF", maxQueueID),
			q.lang.Say("As it stands in the mail log, or in Received: … id 4F1A2BE2EF.", "메일 로그나 Received: … id 4F1A2BE2EF에 적힌 그대로 넣으세요.")),
		html.El("button", q.lang.Say("Find", "찾기")))
}

// found tells what became of a message.
func (q *request) found(id string, rows []status.Message) html.Node {
	if len(rows) == 0 {
		return answer(neutral, html.El("bdi", cut(id, maxQueueID)),
			q.lang.Say(": the filter does not remember it. It is older than StatusMessages reaches, or went another way.",
				": 필터에 남아 있지 않습니다. StatusMessages 한도보다 오래되었거나 이 필터를 거치지 않은 메일입니다."))
	}
	var out html.Group
	for _, m := range rows {
		out = append(out, q.message(m))
	}
	return out
}

func (q *request) resultWord(r status.Result) (mark, string) {
	switch r {
	case status.Signed:
		return good, q.lang.Say("signed", "서명함")
	case status.Unsigned:
		return bad, q.lang.Say("left unsigned", "서명 없이 나감")
	case status.Pass:
		return good, q.lang.Say("verified: pass", "검증: 통과")
	case status.Fail:
		return warning, q.lang.Say("verified: fail", "검증: 실패")
	case status.None:
	}
	return neutral, q.lang.Say("without a signature", "서명 없음")
}

func (q *request) message(m status.Message) html.Node {
	mark, word := q.resultWord(m.Result)
	parts := []any{html.Class("card"), html.El("h2", sign(mark), " ", html.El("bdi", m.QueueID), ": ", word)}
	if m.Reason != "" {
		text, hint := q.lang.Unsigned(m.Reason)
		parts = append(parts, html.El("p", sentence(text), " ", html.El("code", m.Reason)))
		if hint != "" {
			parts = append(parts, html.El("p", html.Class("todo"), html.El("strong", q.lang.Say("Do this: ", "조치: ")), sentence(hint)))
		}
	}
	yes := func(b bool) string {
		if b {
			return q.lang.Say("yes", "예")
		}
		return q.lang.Say("no", "아니요")
	}
	var list html.Group
	add := func(name, value string) {
		if value != "" {
			list = append(list, html.El("dt", name), html.El("dd", html.El("bdi", value)))
		}
	}
	add(q.lang.Say("time", "시각"), m.Time.Local().Format(time.DateTime))
	add(q.lang.Say("domain", "도메인"), m.Domain)
	add(q.lang.Say("author", "작성자"), m.Author)
	add(q.lang.Say("client", "클라이언트"), m.Client)
	add(q.lang.Say("from inside", "내부에서"), yes(m.Internal))
	add(q.lang.Say("logged in", "로그인"), yes(m.Authenticated))
	for _, g := range m.Signatures {
		add(q.lang.Say("signed by", "서명한 키"), g.Selector+"._domainkey."+g.Domain+" ("+g.Algorithm+")")
	}
	add(q.lang.Say("answer to the mail server", "메일 서버에 준 응답"), m.Answer)
	add(q.lang.Say("events", "이벤트"), strings.Join(m.Events, ", "))
	add(q.lang.Say("took", "걸린 시간"), took(m.TookSeconds))
	return html.El("section", append(parts, html.El("dl", list))...)
}

// perPoint adds points up so that a plot can be read: of ten minutes to hours.
func perPoint(values []uint32, n int) []uint32 {
	var out []uint32
	for i := 0; i < len(values); i += n {
		var sum uint32
		for _, v := range values[i:min(i+n, len(values))] {
			sum += v
		}
		out = append(out, sum)
	}
	return out
}

// plots draws the counts over time, with the same as a table below.
func (q *request) plots(s status.Series, domain, span string) html.Node {
	n, step, format := 1, q.lang.Say("per minute, the last hour", "분당, 최근 한 시간"), "15:04"
	switch span {
	case "2d":
		n, step, format = 6, q.lang.Say("per hour, two days", "시간당, 최근 이틀"), "01-02 15:04"
	case "90d":
		n, step, format = 1, q.lang.Say("per day, 90 days", "일별, 최근 90일"), "01-02"
	}
	lines := []plotLine{
		{q.lang.Say("signed", "서명함"), "signed", perPoint(s.Signed, n)}, {q.lang.Say("left unsigned", "서명 없이 나감"), "unsigned", perPoint(s.Unsigned, n)},
		{q.lang.Say("verified: pass", "검증 통과"), "pass", perPoint(s.Pass, n)}, {q.lang.Say("verified: fail", "검증 실패"), "fail", perPoint(s.Fail, n)},
	}
	at := func(i int) time.Time {
		return s.From.Add(time.Duration(int64(i*n)*s.StepSeconds) * time.Second).Local()
	}
	points := len(lines[0].values)
	var labels []string
	for i := range 5 {
		labels = append(labels, at(i*max(points-1, 0)/4).Format(format))
	}
	var ranges, legend html.Group
	for _, r := range [][2]string{{"hour", q.lang.Say("an hour", "한 시간")}, {"2d", q.lang.Say("two days", "이틀")},
		{"90d", q.lang.Say("90 days", "90일")}} {
		if r[0] == span {
			ranges = append(ranges, html.El("li", html.El("strong", html.A("aria-current", "true"), r[1])))
		} else {
			ranges = append(ranges, html.El("li", html.El("a", html.A("href", q.link("/status", "range", r[0], "domain", domain)), r[1])))
		}
	}
	var rows []html.Group
	for i := points - 1; i >= 0; i-- {
		row, any := html.Group{html.Text(at(i).Format(format))}, false
		for _, l := range lines {
			any = any || l.values[i] > 0
			row = append(row, html.Text(strconv.Itoa(int(l.values[i]))))
		}
		if any {
			rows = append(rows, row)
		}
	}
	columns := []string{q.lang.Say("since", "시작")}
	for _, l := range lines {
		var total uint64
		for _, v := range l.values {
			total += uint64(v)
		}
		columns = append(columns, l.name)
		legend = append(legend, html.El("li", html.El("svg", html.A("viewBox", "0 0 28 10"), html.A("aria-hidden", "true"),
			html.El("line", html.Class(l.class), html.A("x1", "0"), html.A("x2", "28"), html.A("y1", "5"), html.A("y2", "5"))),
			l.name+": ", html.El("strong", html.Class("num"), strconv.FormatUint(total, 10))))
	}
	title := q.lang.Say("Messages ", "메일 수, ") + step
	if domain != "" {
		title += ", " + domain
	}
	return html.Group{html.El("h2", title), html.El("ul", html.Class("choices"), ranges), html.El("p"),
		plot(title, lines, labels), html.El("ul", html.Class("legend"), legend),
		more(q.lang.Say("The same as a table", "표로 보기"), table(title, columns, rows))}
}

// maxDomains is how many domains stand on the page, those with unsigned mail first, and
// maxLatest how many messages that left unsigned.
const maxDomains, maxLatest = 25, 20

func (q *request) domains(list []status.Domain) html.Node {
	var rows []html.Group
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b status.Domain) int {
		return cmp.Or(cmp.Compare(b.UnsignedDay, a.UnsignedDay), cmp.Compare(b.SignedDay, a.SignedDay))
	})
	for i, d := range list {
		if i == maxDomains {
			rows = append(rows, html.Group{html.Text("…"), html.Text(q.tooLong(len(list) - i))})
			break
		}
		var title html.Node = html.El("a", html.A("href", q.link("/status", "domain", d.Domain)), name(d.Domain))
		if d.Other {
			title = html.Text(q.lang.Say("(all others)", "(그 밖의 도메인)"))
		}
		last, failed := q.lang.Say("never", "없음"), html.Group{html.Text("–")}
		if d.LastSigned != nil {
			last = moment(*d.LastSigned)
		}
		if f := d.LastUnsigned; f != nil {
			text, _ := q.lang.Unsigned(f.Reason)
			failed = html.Group{html.El("a", html.A("href", q.link("/status", "q", f.QueueID)), html.El("bdi", f.QueueID)),
				html.Text(" " + moment(f.Time) + ", " + text)}
		}
		m := neutral
		switch {
		case d.UnsignedDay > 0:
			m = bad
		case d.SignedDay > 0:
			m = good
		}
		rows = append(rows, html.Group{html.Group{sign(m), title}, html.El("span", html.Class("num"),
			strconv.FormatUint(d.SignedDay, 10)), html.El("span", html.Class("num"), strconv.FormatUint(d.UnsignedDay, 10)),
			html.El("span", html.Class("num"), last), failed})
	}
	if len(rows) == 0 {
		return html.El("p", html.Class("dim"), q.lang.Say("No mail of a signing domain was seen yet.", "서명 도메인의 메일이 아직 없습니다."))
	}
	return table(q.lang.Say("Our domains", "우리 도메인"), []string{q.lang.Say("domain", "도메인"),
		q.lang.Say("signed, 24 h", "서명, 24시간"), q.lang.Say("not signed", "미서명"), q.lang.Say("last signed", "마지막 서명"), q.lang.Say("last not signed", "마지막 미서명")}, rows)
}

// reasons are why mail left unsigned, with what to do.
func (q *request) reasons(s status.Server) html.Node {
	if len(s.UnsignedDay) == 0 {
		return html.Group{}
	}
	var rows []html.Group
	mostFirst := func(a, b string) int { return cmp.Compare(s.UnsignedDay[b], s.UnsignedDay[a]) }
	for _, name := range slices.SortedFunc(maps.Keys(s.UnsignedDay), mostFirst) {
		text, hint := q.lang.Unsigned(name)
		rows = append(rows, html.Group{html.El("code", name), html.El("span", html.Class("num"),
			strconv.FormatUint(s.UnsignedDay[name], 10)), html.Text(text), html.Text(hint)})
	}
	return table(q.lang.Say("Why mail of ours left unsigned, 24 hours", "우리 메일이 서명 없이 나간 이유(24시간)"),
		[]string{q.lang.Say("reason", "이유"), q.lang.Say("messages", "메일 수"), q.lang.Say("in words", "설명"),
			q.lang.Say("do this", "조치")}, rows)
}

func (q *request) unsigned(list []status.Message) html.Node {
	if len(list) == 0 {
		return html.Group{}
	}
	var rows []html.Group
	for _, m := range list {
		text, _ := q.lang.Unsigned(m.Reason)
		rows = append(rows, html.Group{html.El("span", html.Class("num"), m.Time.Local().Format(time.DateTime)),
			html.El("a", html.A("href", q.link("/status", "q", m.QueueID)), html.El("bdi", m.QueueID)),
			html.El("bdi", m.Domain), html.Text(text)})
	}
	return more(q.lang.Countf(len(rows), "The last message that left unsigned", "The last %d messages that left unsigned",
		"서명 없이 나간 마지막 %d통", len(rows)),
		table(q.lang.Say("Left unsigned", "서명 없이 나감"), []string{q.lang.Say("time", "시각"), q.lang.Say("queue ID", "큐 ID"),
			q.lang.Say("domain", "도메인"), q.lang.Say("why", "이유")}, rows))
}

func (q *request) process(s status.Server) html.Node {
	t := s.Totals
	return html.El("dl",
		html.El("dt", q.lang.Say("Since the counts began", "집계 시작 이후")), html.El("dd", html.Class("num"),
			q.lang.Sayf("signed %d, not signed %d; verified: pass %d, fail %d, without a signature %d",
				"서명 %d, 미서명 %d, 검증 통과 %d, 실패 %d, 서명 없음 %d",
				t.Signed, t.Unsigned, t.Pass, t.Fail, t.None)),
		html.El("dt", q.lang.Say("Filter", "필터")), html.El("dd", "dojang "+s.Version+q.lang.Say(", running since ",
			", 시작 시각 ")+moment(s.Started)),
		html.El("dt", q.lang.Say("Configuration", "설정")), html.El("dd", html.El("bdi", s.Config),
			q.lang.Say(", loaded ", ", 읽은 시각 ")+moment(s.Loaded)),
		html.El("dt", q.lang.Say("Asked at", "조회 시각")), html.El("dd", clock(q.s.o.Now())))
}
