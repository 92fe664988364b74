package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"dojang/internal/config"
	"dojang/internal/event"
	"dojang/internal/exit"
)

// serveMetrics opens MetricsSocket: GET /metrics for Prometheus, GET /healthz
// for monitors, POST /reload for `dojang reload`. It takes a UNIX socket or a
// loopback address only, since nobody is asked for a password there.
func (a *App) serveMetrics() (stop func(), err error) {
	if !a.config.MetricsSocket.IsSet() {
		return func() {}, nil
	}
	socket := a.config.MetricsSocket.Value
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /reload", a.reloadOverHTTP)
	l, err := a.listenLocally("MetricsSocket", socket)
	if err != nil {
		return nil, err
	}
	return a.serveHTTP("MetricsSocket", l, refuseBrowsers(mux, socket)), nil
}

// listenLocally opens the socket of an option that nobody from elsewhere may reach.
func (a *App) listenLocally(option string, socket config.Socket) (net.Listener, error) {
	if err := onlyLocal(option, socket); err != nil {
		return nil, exit.With(exit.Config, err)
	}
	l, err := Listen(socket, a.account)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return l, nil
}

// serveHTTP serves on the socket of an option.
func (a *App) serveHTTP(option string, l net.Listener, handler http.Handler) (stop func()) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			event.HTTPFailed(option, err).Write(a.log, "")
		}
	}()
	return func() { _ = server.Close() }
}

// refuseBrowsers answers 403 to whatever could change something and may come
// from a page in a browser of this machine, since nobody is asked for a password:
// a request that another site made (Sec-Fetch-Site, Origin), or one whose Host is
// not ours, which a name that a stranger points here (DNS rebinding) is. What only
// reads is answered under any name: proxies and Prometheus have names of their
// own for us.
func refuseBrowsers(next http.Handler, socket config.Socket) http.Handler {
	ours := hostsOf(socket)
	sameSite := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			next.ServeHTTP(w, r)
			return
		}
		if !ours[strings.ToLower(r.Host)] {
			http.Error(w, "the Host of the request is none of this server's", http.StatusForbidden)
			return
		}
		sameSite.ServeHTTP(w, r)
	})
}

// hostsOf are the values that Host may have in a request to a socket: the names of
// loopback and the address that it listens on, with its port or without one.
func hostsOf(s config.Socket) map[string]bool {
	names, port := []string{"localhost", "127.0.0.1", "[::1]"}, ""
	if host, p, err := net.SplitHostPort(s.Address); s.Network != "unix" && err == nil {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		names, port = append(names, strings.ToLower(host)), p
	}
	hosts := map[string]bool{}
	for _, name := range names {
		hosts[name] = true
		if port != "" {
			hosts[name+":"+port] = true
		}
	}
	return hosts
}

func onlyLocal(option string, s config.Socket) error {
	if s.Network == "unix" {
		return nil
	}
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s: %s is not on loopback: write a UNIX socket or inet:9890@127.0.0.1 and let a proxy guard it", option, s.Address)
}

// reloadReport is the answer to POST /reload.
type reloadReport struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
}

func (a *App) reloadOverHTTP(w http.ResponseWriter, _ *http.Request) {
	problems := a.Reload(context.Background())
	report := reloadReport{OK: !problems.HasErrors(), Problems: []string{}}
	for _, p := range problems {
		report.Problems = append(report.Problems, p.Sentence())
	}
	w.Header().Set("Content-Type", "application/json")
	if !report.OK {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_ = json.NewEncoder(w).Encode(report) // a client that left does not matter
}
