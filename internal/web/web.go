// Package web is the pages of dojang: whether a record is right, why a message fails, what
// the filter did, which keys are old and what to publish. They are made on the server,
// work without script and change nothing.
//
// It reads no configuration, key, table or log: the filter is known by its StatusSocket
// and the rotation by its summary.
package web

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/status"
)

// Defaults of Options.
const (
	defaultMaxMessage = 10 << 20
	defaultKeyAge     = 200 * 24 * time.Hour
)

// Options configures a Server. The zero value serves on loopback without a filter.
type Options struct {
	// Public offers /check, /explain and /publish to strangers, and nothing else.
	Public bool
	// Names are Host names besides those of loopback.
	Names []string
	// Listen is the address that is listened on; the invalid one for a UNIX socket.
	Listen netip.AddrPort
	// Socket says that requests come over a UNIX socket, from a proxy that is believed:
	// only there UserHeader and X-Forwarded-For count.
	Socket     bool
	UserHeader string
	// TLS says that cookies may travel encrypted alone.
	TLS bool
	// Password, of HashPassword, lets in who knows it. "": nobody.
	Password string

	Check  keycheck.Options // how DNS is asked; Guard, MaxQueries and Time are set here
	Verify Verify           // nil: /explain is not there
	Filter *status.Client   // nil: /status and /keys say so
	// Rotation is the path of the rotation's summary, "" for none.
	Rotation string

	MaxMessage int64         // bytes, default DefaultMaxMessage
	KeyAge     time.Duration // from which on a key is old, default DefaultKeyAge
	Version    string
	Log        *slog.Logger // nil: none
	Now        func() time.Time
}

// isExposed reports whether others than the users of this machine can reach the pages.
func (o *Options) isExposed() bool {
	return o.Public || o.Socket || o.Listen.IsValid() && !o.Listen.Addr().Unmap().IsLoopback()
}

// Verify looks at a message's signatures: evidence is all there is to see, judged what a
// verifier says. body has CRLF line ends.
type Verify func(ctx context.Context, now time.Time, fields *header.List, body []byte) (evidence, judged []dkim.Result)

// Server serves the pages.
type Server struct {
	o        Options
	open     *keycheck.Checker // for who has a session: inner servers too
	guarded  *keycheck.Checker // for all others
	sessions *sessions
	limits   *limits
	hosts    map[string]bool
	routes   map[string]route
	csrf     *http.CrossOriginProtection
	keys     *keyStates
	answers  *answers
	delay    time.Duration // before the answer to a wrong token or password
}

// route is what answers a path.
type route struct {
	get, post func(*request)
	session   bool // wants one
	api       bool // answers in JSON
}

// New makes a Server. Errors are keycheck's.
func New(o Options) (*Server, error) {
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.KeyAge <= 0 {
		o.KeyAge = defaultKeyAge
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, sessions: newSessions(o.Now), limits: newLimits(o.Now, o.MaxMessage),
		csrf: http.NewCrossOriginProtection(), answers: newAnswers(o.Now), delay: wrongDelay}
	if err := s.makeCheckers(); err != nil {
		return nil, err
	}
	s.keys = newKeyStates(s.open, o.Now)
	s.hosts = map[string]bool{"localhost": true}
	for _, n := range o.Names {
		if host, _, err := net.SplitHostPort(n); err == nil {
			n = host // any port will do
		}
		s.hosts[keyrecord.Canonical(n)] = true
	}
	if a := o.Listen.Addr(); a.IsValid() && !a.IsUnspecified() {
		s.hosts[a.Unmap().String()] = true // an address is no name that another site can take
	}
	s.makeRoutes()
	return s, nil
}

// The limits of a check that strangers ask for.
const (
	publicQueries = 40
	publicTime    = 8 * time.Second
)

func (s *Server) makeCheckers() (err error) {
	o := s.o.Check
	o.AskAnyway, o.Now = true, s.o.Now
	if s.open, err = keycheck.New(o); err != nil {
		return err
	}
	o.Guard = keycheck.Global
	if s.o.isExposed() {
		o.MaxQueries, o.Time = publicQueries, publicTime
	}
	s.guarded, err = keycheck.New(o)
	return err
}

func (s *Server) makeRoutes() {
	s.routes = map[string]route{
		"/":                   {get: s.home},
		"/check":              {get: s.checkPage, post: s.checkPage},
		"/explain":            {get: s.explainForm, post: s.explainPage},
		"/publish":            {get: s.publishPage, post: s.publishPage},
		"/licenses":           {get: s.licenses},
		"/healthz":            {get: s.healthz},
		"/api/v1/check":       {get: s.checkAPI, post: s.checkAPI, api: true},
		"/api/v1/explain":     {post: s.explainAPI, api: true},
		"/api/v1/publish":     {get: s.publishAPI, post: s.publishAPI, api: true},
		"/api/v1/schema.json": {get: s.schema, api: true},
	}
	if s.o.Verify == nil {
		delete(s.routes, "/explain")
		delete(s.routes, "/api/v1/explain")
	}
	if s.o.Public {
		return
	}
	maps.Copy(s.routes, map[string]route{
		"/login":           {get: s.loginPage, post: s.loginPassword},
		"/logout":          {post: s.logout},
		"/status":          {get: s.statusPage, session: true},
		"/keys":            {get: s.keysPage, session: true},
		"/metrics":         {get: s.metrics, session: true},
		"/api/v1/status":   {get: s.statusAPI, session: true, api: true},
		"/api/v1/keys":     {get: s.keysAPI, session: true, api: true},
		"/api/v1/messages": {get: s.messagesAPI, session: true, api: true},
		"/api/v1/series":   {get: s.seriesAPI, session: true, api: true},
	})
}

// The bounds of a connection.
const (
	headerTime  = 10 * time.Second
	requestTime = 60 * time.Second
	maxHeader   = 16 << 10
	maxOpen     = 256 // connections
	maxOpenEach = 32  // of them for a neighbourhood of another machine
)

// Serve answers on a listener until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: requestTime,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	go s.keys.run(ctx, s.o.Filter)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			_ = server.Close() // who still reads has had five seconds
		}
	}()
	if err := server.Serve(boundListener(l, maxOpen, maxOpenEach)); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// Token returns a token that opens one session, once, at /login?token=.
func (s *Server) Token() string { return s.sessions.token() }
