package web

import (
	"net/http"
	"time"

	"dojang/internal/web/html"
)

func (s *Server) loginPage(q *request) {
	token := q.r.URL.Query().Get("token")
	if token == "" {
		q.loginForm(http.StatusOK, nil)
		return
	}
	if !q.mayLogin() {
		return
	}
	session, ok := s.sessions.redeem(token)
	if !ok {
		q.wrong(q.lang.Say("This link is not valid: it opens once, and for an hour. Get a new one with dojang web login, or "+
			"start dojang web again.", "유효하지 않은 링크입니다. 링크는 한 시간 안에 한 번만 쓸 수 있습니다. dojang web login으로 새로 받거나 dojang web을 다시 시작하세요."))
		return
	}
	q.enter(session)
}

func (s *Server) loginPassword(q *request) {
	if s.o.Password == "" {
		q.fail(http.StatusForbidden, q.lang.Say("No password is set up.", "비밀번호가 설정되어 있지 않습니다."))
		return
	}
	if !q.mayLogin() {
		return
	}
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, 8<<10)
	if err := q.r.ParseForm(); err != nil {
		q.fail(http.StatusBadRequest, q.lang.Say("The form cannot be read.", "양식을 읽을 수 없습니다."))
		return
	}
	leave, ok := await(q.r.Context(), s.limits.passwords, passwordWait) // each costs 64 MiB
	if !ok {
		q.tooMany(time.Second)
		return
	}
	fits := passwordFits(s.o.Password, q.r.PostForm.Get("password"))
	leave()
	if !fits {
		q.wrong(q.lang.Say("That is not the password.", "비밀번호가 올바르지 않습니다."))
		return
	}
	q.enter(s.sessions.begin())
}

// mayLogin holds back who tries too often.
func (q *request) mayLogin() bool {
	if wait, ok := q.s.limits.take("l "+neighbourhood(q.client), loginMinute); !ok {
		q.tooMany(wait)
		return false
	}
	return true
}

// wrong answers a wrong token or password, a little later.
func (q *request) wrong(text string) {
	select {
	case <-time.After(q.s.delay):
	case <-q.r.Context().Done():
	}
	if q.api {
		q.fail(http.StatusForbidden, text)
		return
	}
	q.loginForm(http.StatusForbidden, html.Group{answer(bad, text)})
}

func (q *request) enter(session string) {
	http.SetCookie(q.w, &http.Cookie{Name: cookieName, Value: session, Path: "/", HttpOnly: true, Secure: q.isSecure(),
		SameSite: http.SameSiteStrictMode, MaxAge: int(sessionTime.Seconds())})
	http.Redirect(q.w, q.r, q.link("/status"), http.StatusSeeOther)
}

func (q *request) loginForm(code int, above html.Group) {
	if q.api {
		q.fail(http.StatusUnauthorized, q.lang.Say("Log in first.", "먼저 로그인하세요."))
		return
	}
	out := append(above, html.El("div", html.Class("card"),
		html.El("p", q.lang.Say("What the filter did, and with which keys, is for who looks after this server. Open the "+
			"address that was printed when the pages were started:", "필터의 처리 내역과 키는 이 서버의 관리자만 볼 수 있습니다. 페이지를 시작할 때 출력된 주소를 여세요.")),
		html.El("pre", "dojang web"),
		html.El("p", q.lang.Say("Where they run as a service, root gets a fresh address:", "서비스로 실행 중이면 root가 새 주소를 받을 수 있습니다.")),
		html.El("pre", "dojang web login")))
	if q.s.o.Password != "" {
		out = append(out, html.El("form", html.Class("ask"), html.A("method", "post"), html.A("action", q.link("/login")),
			field("password", q.lang.Say("Password", "비밀번호"), html.El("input", html.A("id", "password"),
				html.A("name", "password"), html.A("type", "password"), html.A("autocomplete", "current-password"),
				html.Is("required", true)), ""),
			html.El("button", q.lang.Say("Log in", "로그인"))))
	}
	q.page(code, q.lang.Say("Log in", "로그인"), "", out)
}

func (s *Server) logout(q *request) {
	if c, err := q.r.Cookie(cookieName); err == nil {
		s.sessions.end(c.Value)
	}
	http.SetCookie(q.w, &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: q.isSecure(),
		SameSite: http.SameSiteStrictMode, MaxAge: -1})
	http.Redirect(q.w, q.r, q.link("/"), http.StatusSeeOther)
}

func (s *Server) healthz(q *request) {
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = q.w.Write([]byte("ok\n")) // a client that left does not matter
}
