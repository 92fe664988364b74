package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// shell is a child of a shell script, in Serve's place.
func shell(t *testing.T, script string, log *[]string) *Child {
	t.Helper()
	c := &Child{Program: "/bin/sh", Args: []string{"-c", script}, Log: func(line string) { *log = append(*log, line) }}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A child is believed in nothing that it cannot know, and cannot hold a run up.
func TestChildrenThatLie(t *testing.T) {
	b := Batch{Zone: "example.com", Changes: []Change{Present(testName, long, time.Hour)}}
	for what, test := range map[string]struct {
		script string
		want   State
		fails  bool
	}{
		"good":        {`read x; echo '{"results":[{"name":"m1._domainkey.example.com","state":"done"}]}'; read x`, Done, false},
		"unknown":     {`read x; echo '{"error":"lost \u001b[31m"}'; read x`, "", true},
		"foreign":     {`read x; echo '{"results":[{"name":"www.example.com","state":"done"}]}'; read x`, "", true},
		"other state": {`read x; echo '{"results":[{"name":"m1._domainkey.example.com","state":"fine"}]}'; read x`, "", true},
		"no JSON":     {`read x; echo done; read x`, "", true},
		"floods":      {`read x; exec yes '{"results":['`, "", true},
		"endless":     {`read x; printf '{"error":"'; exec tr '\0' x < /dev/zero`, "", true},
		"dies":        {`read x; kill -9 $$`, "", true},
		"is gone":     {`exit 1`, "", true},
		"hangs":       {`read x; sleep 3600`, "", true},
		"logs":        {`read x; printf 'a \033[31m line\n' >&2; head -c 1000000 /dev/zero | tr '\0' y >&2; echo >&2; echo '{"results":[{"name":"m1._domainkey.example.com","state":"done"}]}'; read x`, Done, false},
	} {
		t.Run(what, func(t *testing.T) {
			var log []string
			c := shell(t, test.script, &log)
			wait := time.Minute
			if what == "hangs" {
				wait = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			results, err := c.Publisher(Spec{Type: TypeManual}).Apply(ctx, b)
			var state State
			if len(results) > 0 {
				state = results[0].State
			}
			if state != test.want || (err != nil) != test.fails {
				t.Errorf("%+v, %v; want %q", results, err, test.want)
			}
			if err != nil && strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("not escaped: %q", err)
			}
			_ = c.Close()
			if what == "logs" && (len(log) != 2 || log[0] != `a \x1b[31m line` || len(log[1]) > 2*maxDetailBytes) {
				t.Errorf("%d lines: %.200q", len(log), log)
			}
		})
	}
	var log []string
	gone := shell(t, "", &log)
	gone.Program = "/nowhere/at/all"
	if results, err := gone.Publisher(Spec{Type: TypeManual}).Apply(t.Context(), b); err != nil || results[0].State != Retry {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestServe(t *testing.T) {
	b := Batch{Zone: "example.com", Changes: []Change{Present(testName, long, time.Hour)}}
	for _, spec := range []string{"rfc2136 server=127.0.0.1 key=/nowhere/at/all", "unheard of"} {
		words := strings.Fields(spec)
		request, err := json.Marshal(childRequest{Spec{words[0], words[1:]}, b})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := Serve(t.Context(), bytes.NewReader(request), &out, os.Stderr); err != nil || !strings.Contains(out.String(), `"state":"refused"`) {
			t.Errorf("%s: %s, %v", spec, &out, err)
		}
	}
	if err := Serve(t.Context(), strings.NewReader("x"), new(strings.Builder), os.Stderr); err == nil {
		t.Error("garbage is served")
	}
}
