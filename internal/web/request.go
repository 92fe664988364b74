package web

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"dojang/internal/event"
	"dojang/internal/keycheck"
	"dojang/internal/web/html"
	"dojang/internal/words"
)

// request is one request on its way.
type request struct {
	w       http.ResponseWriter
	r       *http.Request
	s       *Server
	lang    words.Language
	session bool // it is of somebody who is logged in
	api     bool // it wants JSON
	client  netip.Addr
	expects bool // a check is held against a key of the filter
}

const cookieName = "dojang"

// policy is the Content-Security-Policy: nothing but our own style, script and pictures.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // by no-referrer a form's Origin is null: at a name without TLS that is all there is
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{w: w, r: r, s: s}
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // a value, not an error
			event.PageBroke(r.URL.Path, v, debug.Stack()).Write(s.o.Log, "")
			panic(http.ErrAbortHandler) // half a page may be there: the connection ends
		}
	}()
	setHeaders(w.Header())
	q.api = strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics" || wantsJSON(r.Header.Get("Accept"))
	q.lang = language(r)
	q.client = s.clientOf(r)
	switch {
	case !s.isHost(r.Host):
		q.fail(http.StatusMisdirectedRequest, q.lang.Sayf("This server is not %q. Add the name with --name.",
			"%q: 이 서버의 이름이 아닙니다. --name으로 추가하세요.", cut(r.Host, 100)))
		return
	case s.csrf.Check(r) != nil:
		q.fail(http.StatusForbidden, q.lang.Say("Another site sent this form.", "다른 사이트가 보낸 양식입니다."))
		return
	case isFetched(r):
		q.fail(http.StatusForbidden, q.lang.Say("Another site may link here, and not load what is here.",
			"다른 사이트는 이 페이지를 링크할 수만 있고, 불러올 수는 없습니다."))
		return
	}
	for _, values := range r.URL.Query() {
		if slices.ContainsFunc(values, keycheck.HoldsPrivateKey) {
			q.fail(http.StatusBadRequest, refusal(q.lang, errPrivateKey))
			return
		}
	}
	q.session = s.isIn(r)
	q.route()
}

// isFetched reports whether a browser loads what it asks for into another site's page, as
// a picture or a frame: a link is followed, but a page must not make this server ask DNS
// behind its reader's back (W3C Fetch Metadata).
func isFetched(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	}
	return false
}

func (q *request) route() {
	path := q.r.URL.Path
	if strings.HasPrefix(path, "/static/") {
		q.only(http.MethodGet, q.static)
		return
	}
	route, known := q.s.routes[path]
	switch {
	case !known:
		q.fail(http.StatusNotFound, q.lang.Say("There is no such page.", "그런 페이지가 없습니다."))
	case q.r.Method == http.MethodGet && route.get != nil, q.r.Method == http.MethodPost && route.post != nil:
		if route.session && !q.session {
			q.wantLogin()
			return
		}
		if q.r.Method == http.MethodPost {
			route.post(q)
		} else {
			route.get(q)
		}
	default:
		allow := http.MethodGet
		if route.post != nil {
			allow = http.MethodPost
			if route.get != nil {
				allow = "GET, POST"
			}
		}
		q.methodNotAllowed(allow)
	}
}

func (q *request) only(method string, f func()) {
	if q.r.Method != method {
		q.methodNotAllowed(method)
		return
	}
	f()
}

func (q *request) methodNotAllowed(allow string) {
	q.w.Header().Set("Allow", allow)
	q.fail(http.StatusMethodNotAllowed, q.lang.Say("This page cannot be asked that way.", "이 페이지에서 지원하지 않는 요청 방식입니다."))
}

func (q *request) wantLogin() {
	if q.api {
		q.fail(http.StatusUnauthorized, q.lang.Say("Log in first.", "먼저 로그인하세요."))
		return
	}
	http.Redirect(q.w, q.r, q.link("/login"), http.StatusSeeOther)
}

// language is of ?lang=, else of the browser.
func language(r *http.Request) words.Language {
	if l := words.Language(r.URL.Query().Get("lang")); l == words.English || l == words.Korean {
		return l
	}
	return words.ParseLanguage(r.Header.Get("Accept-Language"))
}

// wantsJSON reports whether an Accept header names JSON and not a page.
func wantsJSON(accept string) bool {
	return (strings.Contains(accept, "application/json") || strings.Contains(accept, "application/problem+json")) &&
		!strings.Contains(accept, "text/html")
}

// isHost reports whether a Host header is of this server: a name of loopback, or one that
// was told, with any port. It is read as an address, and never by its beginning.
func (s *Server) isHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
		name = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name = host[1 : len(host)-1]
		if !strings.Contains(name, ":") {
			return false
		}
	}
	if s.hosts[strings.ToLower(name)] {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Zone() == "" && (a.Unmap().IsLoopback() || s.hosts[a.Unmap().String()])
}

// clientOf is who asks: on a UNIX socket the last address that the proxy names.
func (s *Server) clientOf(r *http.Request) netip.Addr {
	if s.o.Socket {
		list := r.Header.Values("X-Forwarded-For")
		if len(list) == 0 {
			return netip.Addr{}
		}
		last := list[len(list)-1]
		last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
		a, _ := netip.ParseAddr(last)
		return a
	}
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}

// isStranger reports whether a request is of somebody whom the limits are for.
func (q *request) isStranger() bool { return !q.session && q.s.o.isExposed() }

// isSecure reports whether a request came encrypted, to us or to the proxy.
func (q *request) isSecure() bool {
	return q.s.o.TLS || q.s.o.Socket && q.r.Header.Get("X-Forwarded-Proto") == "https"
}

// isIn reports whether a request is of somebody who is logged in.
func (s *Server) isIn(r *http.Request) bool {
	if s.o.Public {
		return false
	}
	if s.o.Socket && s.o.UserHeader != "" {
		// Two are one that the proxy set and one that it let through.
		if users := r.Header.Values(s.o.UserHeader); len(users) == 1 && users[0] != "" {
			return true
		}
	}
	if c, err := r.Cookie(cookieName); err == nil && s.sessions.has(c.Value) {
		return true
	}
	return s.basicFits(r)
}

// basicFits reports whether a program gives the password with its request (RFC 7617), as
// Prometheus and curl do; the name does not matter. Nobody is asked for it that way, so
// that no browser sends it by itself.
func (s *Server) basicFits(r *http.Request) bool {
	_, password, ok := r.BasicAuth()
	if !ok || s.o.Password == "" {
		return false
	}
	who := neighbourhood(s.clientOf(r))
	if !s.limits.has("l "+who, loginMinute) {
		return false // a guess costs nothing where the right one is remembered
	}
	if s.sessions.remembers(who, password) {
		return true
	}
	if _, ok := s.limits.take("l "+who, loginMinute); !ok {
		return false
	}
	leave, ok := await(r.Context(), s.limits.passwords, passwordWait)
	if !ok {
		return false
	}
	defer leave()
	if !passwordFits(s.o.Password, password) {
		return false
	}
	s.sessions.remember(who, password)
	return true
}

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// problem is an error as the API tells it (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// fail answers that it cannot be done; detail says why, in words.
func (q *request) fail(code int, detail string) {
	if q.api {
		q.writeJSON("application/problem+json", code, problem{http.StatusText(code), code, detail})
		return
	}
	q.page(code, q.lang.Say("This cannot be done", "요청을 처리할 수 없습니다"), "", html.Group{
		answer(bad, detail),
		html.El("p", html.Class("dim"), strconv.Itoa(code)+" "+http.StatusText(code)),
	})
}

// tooMany answers that a limit is reached, and when it is not any more.
func (q *request) tooMany(wait time.Duration) {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	q.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	q.fail(http.StatusTooManyRequests, q.lang.Countf(seconds, "Too many requests: ask again in %d second.",
		"Too many requests: ask again in %d seconds.", "요청이 너무 많습니다. %d초 뒤에 다시 시도하세요.", seconds))
}

// json answers with a value.
func (q *request) json(value any) { q.writeJSON("application/json", http.StatusOK, value) }

func (q *request) writeJSON(kind string, code int, value any) {
	q.w.Header().Set("Content-Type", kind+"; charset=utf-8")
	q.w.WriteHeader(code)
	e := json.NewEncoder(q.w)
	e.SetIndent("", "  ")
	_ = e.Encode(value) // a client that left does not matter
}
