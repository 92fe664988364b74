package publish

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/publish"
)

// script makes a hook of a shell script.
func script(t *testing.T, text string) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

// answering begins a script that tells its version; what follows is asked for a batch.
const answering = `read -r request
case $request in *'"request":"version"'*) echo '{"version":1}'; exit;; esac
`

func TestHookIsAskedAsDocumented(t *testing.T) {
	path, dir := script(t, `cd "$(dirname "$0")"; cat > "request.$(ls | wc -l)"; echo '{"version":1,"results":[
 {"name":"m1._domainkey.example.com","state":"pending","detail":"a ticket","retry_after_seconds":60},{"name":"M2._domainkey.Example.com.","state":"done"}]}'; echo "$@" >&2`)
	p := open(t, "exec", path, "one", "two")
	states, results, err := apply(t, p, zone, publish.Present(name("m1", zone), record(1), time.Hour),
		publish.Replace(name("m2", zone), "v=DKIM1; p=", time.Minute, []string{"old", "er"}))
	if err != nil || states[0] != publish.Pending || states[1] != publish.Done || results[0].RetryAfterSeconds != 60 {
		t.Fatalf("%+v, %v", results, err)
	}
	read := func(name string) (v map[string]any) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := read("request.1"); v["request"] != "version" {
		t.Errorf("%v", v)
	}
	v := read("request.2")
	changes, _ := v["changes"].([]any)
	if v["version"] != 1.0 || v["request"] != "apply" || v["id"] == "" || v["zone"] != zone || len(changes) != 2 {
		t.Fatalf("%v", v)
	}
	for i, wanted := range []string{
		`{"do":"present","if":"absent","name":"m1._domainkey.example.com","strings":` + jsonOf(t, []string{record(1)[:255], record(1)[255:]}) + `,"text":` + jsonOf(t, record(1)) + `,"ttl_seconds":3600,"type":"TXT"}`,
		`{"do":"replace","if_strings":["old","er"],"name":"m2._domainkey.example.com","strings":["v=DKIM1; p="],"text":"v=DKIM1; p=","ttl_seconds":60,"type":"TXT"}`,
	} {
		if got := jsonOf(t, changes[i]); got != wanted {
			t.Errorf("%s, want\n%s", got, wanted)
		}
	}
	// The version is asked once.
	if _, _, err := apply(t, p, zone, publish.Present(name("m1", zone), record(1), time.Hour),
		publish.Present(name("m2", zone), record(1), time.Hour)); err != nil {
		t.Fatal(err)
	}
	if v := read("request.3"); v["request"] != "apply" {
		t.Errorf("%v", v)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What a hook can do wrong, and what is made of it: "" is unknown.
func TestHooksThatMisbehave(t *testing.T) {
	const done = `{"name":"m1._domainkey.example.com","state":"done"}`
	for what, test := range map[string]struct {
		script string
		want   publish.State
		fails  bool
	}{
		"says done":             {answering + `echo '{"version":1,"results":[` + done + `]}'`, publish.Done, false},
		"says nothing":          {answering, "", true},
		"no JSON":               {answering + "echo done", "", true},
		"two objects":           {answering + `echo '{"version":1,"results":[` + done + `]} {}'`, "", true},
		"another version":       {answering + `echo '{"version":2,"results":[` + done + `]}'`, "", true},
		"version of its own":    {`echo '{"version":2}'`, publish.Refused, false},
		"no result":             {answering + `echo '{"version":1,"results":[]}'`, "", true},
		"twice":                 {answering + `echo '{"version":1,"results":[` + done + `,{"name":"m1._domainkey.example.com","state":"conflict"}]}'`, "", true},
		"another name":          {answering + `echo '{"version":1,"results":[` + done + `,{"name":"www.example.com","state":"done"}]}'`, publish.Done, true},
		"a state of its own":    {answering + `echo '{"version":1,"results":[{"name":"m1._domainkey.example.com","state":"perhaps"}]}'`, "", true},
		"tries later":           {answering + `exit 75`, publish.Retry, false},
		"refuses":               {answering + `echo "no $(printf '\033')[31mrights" >&2; exit 1`, publish.Refused, false},
		"refuses after success": {answering + `echo '{"version":1,"results":[` + done + `]}'; exit 2`, publish.Refused, false},
		"dies":                  {answering + `kill -9 $$`, "", true},
		"floods":                {answering + `exec yes`, "", true},
		"floods its log":        {answering + `(yes | head -c 3000000) >&2; echo '{"version":1,"results":[` + done + `]}'`, publish.Done, false},
		"does not read":         {`exec <&-; echo '{"version":1,"results":[` + done + `]}'`, publish.Done, false},
	} {
		t.Run(what, func(t *testing.T) {
			path, _ := script(t, test.script)
			began := time.Now()
			states, results, err := apply(t, open(t, "exec", path), zone, publish.Present(name("m1", zone), record(1), time.Hour))
			if states[0] != test.want || (err != nil) != test.fails {
				t.Errorf("%+v, %v; want %q", results, err, test.want)
			}
			if len(results) > 0 && strings.ContainsRune(results[0].Detail, 0x1b) {
				t.Errorf("not escaped: %q", results[0].Detail)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	p := open(t, "exec", "/nowhere/at/all")
	want(t, p, zone, publish.Present(name("m1", zone), record(1), time.Hour), publish.Refused)
}
