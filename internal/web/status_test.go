package web

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/status"
)

// TestStatusIsSmall: the page of a busy server, of hundreds of domains and with mail in every hour
// and day, is as small as any.
func TestStatusIsSmall(t *testing.T) {
	end := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	clock := end.AddDate(0, 0, -89)
	r := status.New(status.Options{}, func() time.Time { return clock })
	results := []status.Result{status.Signed, status.Unsigned, status.Pass, status.Fail}
	record := func(i int) {
		m := status.Message{Time: clock, QueueID: fmt.Sprintf("4F1A2B%06X", i), Result: results[i%4], Answer: "accept"}
		if m.Result == status.Signed || m.Result == status.Unsigned {
			m.Domain = fmt.Sprintf("a-longer-name-of-a-customer-%d.example.com", i%400)
		}
		if m.Result == status.Unsigned {
			m.Reason = "not_internal"
		}
		r.Record(m, m.Domain != "")
	}
	n := 0
	for ; clock.Before(end); clock = clock.Add(5 * time.Minute) {
		n++
		record(n)
	}
	clock = end.Add(-time.Hour)
	for ; clock.Before(end); clock = clock.Add(5 * time.Second) {
		n++
		record(n)
	}
	path := filepath.Join(t.TempDir(), "status.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: status.Handler(status.Source{Recorder: r,
		Server: func() status.Server { return status.Server{Version: "1.0"} }})}
	go func() { _ = server.Serve(l) }() // it ends with the test
	t.Cleanup(func() { server.Close() })
	o := newWorld(t).options()
	if o.Filter, err = status.NewClient(path); err != nil {
		t.Fatal(err)
	}
	c := serve(t, o).login()
	for _, span := range []string{"hour", "2d", "90d"} {
		for _, lang := range []string{"en", "ko"} {
			page := c.get("/status?range="+span+"&lang="+lang, nil)
			if page.code != http.StatusOK || len(page.body) > 60<<10 || strings.Count(page.body, "<tr>") < 60 {
				t.Errorf("%s %s: %d, %d bytes, %d rows", span, lang, page.code, len(page.body), strings.Count(page.body, "<tr>"))
			}
		}
	}
}
