package app

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/event"
	"dojang/internal/problem"
	"dojang/internal/status"
)

// statusSource is what StatusSocket tells of the process.
type statusSource struct {
	mu     sync.Mutex
	keys   *build.Keys
	server status.Server
	socket net.Listener // nil for none
}

// loaded takes note of a configuration that is in force from now on.
func (s *statusSource) loaded(keys *build.Keys, c *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
	s.server.Loaded, s.server.Mode = time.Now().UTC(), c.Mode.Text()
}

// keyCache is what Metrics.SigningKeys asks for.
func (s *statusSource) keyCache() (keys int, bytes int64, forgotten uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.keys.CacheStats()
	return st.Keys, st.Bytes, st.Forgotten
}

// reloaded takes note of how a reload ended.
func (s *statusSource) reloaded(ok bool, problems problem.List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.LastReload = &status.Reload{Time: time.Now().UTC(), OK: ok, Problems: []string{}}
	for _, p := range problems {
		s.server.LastReload.Problems = append(s.server.LastReload.Problems, p.Sentence())
	}
}

func recorderOptions(c *config.Config) status.Options {
	o := status.Options{Messages: c.StatusMessages.Value, Domains: c.StatusDomains.Value, Addresses: c.StatusAddresses.Value}
	if o.Messages == 0 {
		o.Messages = -1 // 0 means none in the file
	}
	if o.Domains == 0 {
		o.Domains = -1
	}
	return o
}

// openRecorder makes what remembers messages, when somebody will ask.
func (a *App) openRecorder() {
	if !a.config.StatusSocket.IsSet() && !a.config.MetricsSocket.IsSet() {
		return
	}
	a.recorder = status.New(recorderOptions(a.config), time.Now)
	a.parts.Recorder = a.recorder
	a.metrics.UnsignedByReason(a.recorder.UnsignedByReason)
}

// readStatus takes StatusFile over, and says in it that the process runs: from now
// on an end that is not told is a kill.
func (a *App) readStatus() {
	path := a.config.StatusFile.Value
	if path == "" || a.recorder == nil {
		return
	}
	f := &countFile{option: "StatusFile", file: status.File(path, a.recorder, a.o.KeepInterval), stale: true}
	if err := f.file.Read(); err != nil {
		event.CountsNotRead(f.option, err).Write(a.log, "")
	}
	a.counts = append(a.counts, f)
	a.writeCounts()
}

// openStatus opens StatusSocket: one with an owner or group of its own before root
// goes, any other after, as it is with Socket.
func (a *App) openStatus(early bool) (err error) {
	socket := a.config.StatusSocket.Value
	if !a.config.StatusSocket.IsSet() || (socket.Owner != "" || socket.Group != "") != early {
		return nil
	}
	if early && socket.Owner == "" && a.config.UserID.Value != "" {
		socket.Owner = a.account.Name
	}
	a.status.socket, err = a.listenLocally("StatusSocket", socket)
	return err
}

// serveStatus answers on StatusSocket: GET only, see status.Handler. A browser's page
// may not read it either, whatever name it gives to loopback.
func (a *App) serveStatus(listeners []listener) (stop func()) {
	if a.status.socket == nil {
		return func() {}
	}
	socket := a.config.StatusSocket.Value
	listening := []string{}
	for _, l := range listeners {
		listening = append(listening, l.Addr().Network()+":"+l.Addr().String())
	}
	handler := status.Handler(status.Source{
		Recorder: a.recorder,
		Server: func() status.Server {
			a.status.mu.Lock()
			defer a.status.mu.Unlock()
			server := a.status.server
			server.Version, server.PID, server.Config, server.SigningEngine = a.o.Version, os.Getpid(), a.o.Path, a.engine
			server.Listeners = listening
			return server
		},
		Keys: func(ctx context.Context, domain string) []status.Key {
			a.status.mu.Lock()
			keys := a.status.keys
			a.status.mu.Unlock()
			return keys.List(ctx, domain, a.recorder.Used(domain, 1000))
		},
	})
	if socket.Network != "unix" {
		ours, next := hostsOf(socket), handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !ours[strings.ToLower(r.Host)] {
				http.Error(w, "the Host of the request is none of this server's", http.StatusMisdirectedRequest)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	return a.serveHTTP("StatusSocket", a.status.socket, handler)
}
