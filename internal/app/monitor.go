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
	"dojang/internal/problem"
)

// serveMetrics opens MetricsSocket: GET /metrics for Prometheus, GET /healthz
// for monitors, POST /reload for `dojang reload`. It takes a UNIX socket or a
// loopback address only, since nobody is asked for a password there.
func (a *App) serveMetrics() (stop func(), err error) {
	text := a.config.String("MetricsSocket")
	if text == "" {
		return func() {}, nil
	}
	socket, err := config.ParseSocket(text)
	if err != nil {
		return nil, fmt.Errorf("MetricsSocket: %w", err)
	}
	if err := onlyLocal(socket); err != nil {
		return nil, &StartError{exConfig, err.Error()}
	}
	l, err := listen(socket, a.account.Name)
	if err != nil {
		return nil, fmt.Errorf("MetricsSocket: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /reload", a.reloadOverHTTP)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("MetricsSocket: " + err.Error())
		}
	}()
	return func() { _ = server.Close() }, nil
}

func onlyLocal(s config.Socket) error {
	if s.Network == "unix" {
		return nil
	}
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return fmt.Errorf("MetricsSocket: %w", err)
	}
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("MetricsSocket: %s is not on loopback: write a UNIX socket or inet:9890@127.0.0.1 and let a proxy guard it", s.Address)
}

// ReloadReport is the answer to POST /reload.
type ReloadReport struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
}

func (a *App) reloadOverHTTP(w http.ResponseWriter, _ *http.Request) {
	problems := a.Reload(context.Background())
	report := ReloadReport{OK: !problems.HasErrors(), Problems: []string{}}
	for _, p := range problems {
		report.Problems = append(report.Problems, describe(p))
	}
	w.Header().Set("Content-Type", "application/json")
	if !report.OK {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_ = json.NewEncoder(w).Encode(report) // a client that left does not matter
}

func describe(p problem.Problem) string {
	if p.Hint == "" {
		return p.String()
	}
	return p.String() + "; " + p.Hint
}
