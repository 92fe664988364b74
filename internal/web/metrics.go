package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"dojang/internal/status"
)

// metrics tells in Prometheus' text format what DNS says of the filter's keys, so that a
// record that vanished raises an alarm.
func (s *Server) metrics(q *request) {
	var keys []status.Key
	if !q.filter(func(ctx context.Context, c *status.Client) (err error) {
		keys, err = c.Keys(ctx, "", "", keysBackstage)
		return err
	}) {
		return
	}
	var b strings.Builder
	b.WriteString("# HELP dojang_web_key_state What DNS says of a key of the filter: published, absent, differs or " +
		"unknown.\n# TYPE dojang_web_key_state gauge\n")
	label := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for _, k := range s.keyRows(keys) {
		fmt.Fprintf(&b, "dojang_web_key_state{record=\"%s\",state=\"%s\",use=\"%s\"} 1\n", label.Replace(k.RecordName()), k.DNS, k.Use)
	}
	q.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	q.w.WriteHeader(http.StatusOK)
	_, _ = q.w.Write([]byte(b.String())) // a client that left does not matter
}
