package status

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Server is what the filter says of itself.
type Server struct {
	Version       string    `json:"version"`
	Started       time.Time `json:"started"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	PID           int       `json:"pid"`
	Config        string    `json:"config,omitempty"` // the file's path
	Loaded        time.Time `json:"loaded"`           // when the configuration in force was read
	LastReload    *Reload   `json:"last_reload"`      // null: none since the start
	Listeners     []string  `json:"listeners"`
	SigningEngine string    `json:"signing_engine"`
	Mode          string    `json:"mode"`
	// UnlistedLastSigned: a key that /v1/keys does not list may have signed until
	// then; null: it never has.
	UnlistedLastSigned *time.Time        `json:"unlisted_last_signed"`
	Totals             Totals            `json:"totals"`
	UnsignedDay        map[string]uint64 `json:"unsigned_24h_by_reason"`
}

// Reload is how the last reload went.
type Reload struct {
	Time     time.Time `json:"time"`
	OK       bool      `json:"ok"`
	Problems []string  `json:"problems"`
}

// Totals are all messages by result, since the counts began.
type Totals struct {
	Signed   uint64 `json:"signed_total"`
	Unsigned uint64 `json:"unsigned_total"`
	Pass     uint64 `json:"pass_total"`
	Fail     uint64 `json:"fail_total"`
	None     uint64 `json:"none_total"`
}

// Source is what a handler tells.
type Source struct {
	Recorder *Recorder
	// Server fills what the Recorder does not know.
	Server func() Server
	// Keys lists rows of the key tables that can be listed: of a domain, or of all
	// for "", so many that a page can show. A table that fails is left out.
	Keys func(ctx context.Context, domain string) []Key
}

const (
	defaultRows = 50
	maxRows     = 1000
)

// Handler answers GET of /v1/server, keys, domains, series and messages in JSON;
// all else is an error of the 400s.
func Handler(s Source) http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, make func(context.Context, url.Values) (any, int)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			value, code := make(r.Context(), r.URL.Query())
			if code != http.StatusOK {
				value = map[string]string{"error": http.StatusText(code)}
			}
			tell(w, code, value)
		})
	}
	answer("/v1/server", func(context.Context, url.Values) (any, int) { return s.server(), http.StatusOK })
	answer("/v1/domains", func(context.Context, url.Values) (any, int) { return s.Recorder.Domains(), http.StatusOK })
	answer("/v1/keys", s.keys)
	answer("/v1/series", s.series)
	answer("/v1/messages", s.messages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet { // ServeMux lets HEAD pass where GET does
			w.Header().Set("Allow", http.MethodGet)
			tell(w, http.StatusMethodNotAllowed, map[string]string{"error": http.StatusText(http.StatusMethodNotAllowed)})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func tell(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // a client that left does not matter
}

func (s Source) server() Server {
	out := s.Server()
	r := s.Recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	out.Started, out.UptimeSeconds = r.started.UTC(), now.Sub(r.started).Seconds()
	if r.lost() {
		unlisted := roundUp(r.unlisted)
		out.UnlistedLastSigned = &unlisted
	}
	t := r.totals
	out.Totals = Totals{t.signed, t.unsigned, t.pass, t.fail, t.none}
	out.UnsignedDay = map[string]uint64{}
	for reason, w := range r.reasons {
		if n := w.day(now.Unix()); n > 0 {
			out.UnsignedDay[reason] = n
		}
	}
	return out
}

// number reads a parameter; def where it is not given.
func number(text string, def, most int) (int, bool) {
	if text == "" {
		return def, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && n <= most
}

func (s Source) keys(ctx context.Context, q url.Values) (any, int) {
	n, ok := number(q.Get("n"), 0, maxKeys)
	if !ok {
		return nil, http.StatusBadRequest
	}
	var rows []Key
	if s.Keys != nil {
		rows = s.Keys(ctx, q.Get("domain"))
	}
	return s.Recorder.Keys(rows, q.Get("domain"), q.Get("after"), n), http.StatusOK
}

func (s Source) series(_ context.Context, q url.Values) (any, int) {
	span := q.Get("range")
	if span == "" {
		span = "2d"
	}
	known := false
	for _, step := range steps {
		known = known || step.name == span
	}
	if !known {
		return nil, http.StatusBadRequest
	}
	series, ok := s.Recorder.Series(q.Get("domain"), span)
	if !ok {
		return nil, http.StatusNotFound
	}
	return series, http.StatusOK
}

func (s Source) messages(_ context.Context, q url.Values) (any, int) {
	n, ok := number(q.Get("n"), defaultRows, maxRows)
	result := Result(q.Get("result"))
	switch result {
	case "", Signed, Unsigned, Pass, Fail, None:
	default:
		ok = false
	}
	if !ok {
		return nil, http.StatusBadRequest
	}
	return s.Recorder.Messages(q.Get("q"), q.Get("domain"), result, n), http.StatusOK
}
