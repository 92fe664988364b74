package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// validator is Debian's python3-jsonschema: it holds each answer against its part of the schema.
const validator = `
import json, sys
from jsonschema import Draft202012Validator as V
schema = json.load(open(sys.argv[1]))
V.check_schema(schema)
for at, name, text in json.load(sys.stdin):
    part = {"$ref": "#/$defs/" + name, "$defs": schema["$defs"]}
    for e in V(part).iter_errors(json.loads(text)):
        print(at, list(e.absolute_path), e.message[:200])
    for e in list(V(part).iter_errors({"nobody": "knows"})) or ["none"]:
        if e == "none":
            print(name, "takes everything")
`

// TestSchema: /api/v1/schema.json is true of every answer there is.
func TestSchema(t *testing.T) {
	python := testutil.Need(t, "/usr/bin/python3") // for which Debian's packages are
	w := newWorld(t)
	w.fill()
	at := func(s string) string { return s + "._domainkey.example.com" }
	w.everywhere(at("broken"), w.record[:255]+`"`)
	for _, s := range w.servers {
		s.AddCNAME(at("alias"), at("mail2026"))
	}
	c := w.login()
	var answers [][3]string
	add := func(name, method, path, body string, headers ...string) {
		r := must(t)(http.NewRequest(method, w.url+path, strings.NewReader(body)))
		r.Header.Set("Cookie", c.cookie)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err != nil || !json.Valid(data) || (name == "problem") != (response.StatusCode >= 400) ||
			!strings.HasPrefix(response.Header.Get("Content-Type"), map[bool]string{true: "application/problem+json",
				false: "application/json"}[name == "problem"]) {
			t.Errorf("%s %s: %s %v %s %.300s", method, path, response.Status, err, response.Header.Get("Content-Type"), data)
			return
		}
		answers = append(answers, [3]string{method + " " + path, name, string(data)})
	}
	for _, s := range []string{"mail2026", "cut", "broken", "alias", "nothing"} {
		for _, lang := range []string{"en", "ko"} {
			add("check", "GET", link("/api/v1/check", "d", "example.com", "s", s, "lang", lang), "")
		}
	}
	add("check", "GET", "/check?d=example.com&s=mail2026", "", "Accept", "application/json")
	for _, text := range []string{w.record, "v=DKIM1; p=", "nonsense", `"` + w.record + `"`} {
		add("check", "POST", "/api/v1/check", text)
	}
	for _, e := range edits {
		add("explain", "POST", "/api/v1/explain", e.message(w))
	}
	add("explain", "POST", "/api/v1/explain", "From: a@example.com\n\nx\n")
	add("publish", "GET", "/api/v1/publish?d=example.com&s=mail2026&format=json", "")
	add("publish", "POST", "/api/v1/publish?d=example.com&s=x", w.record, "Accept", "application/json")
	add("status", "GET", "/api/v1/status", "")
	add("status", "GET", "/status", "", "Accept", "application/json")
	for _, query := range []string{"", "?domain=example.com", "?domain=nosuch.example", "?state=absent", "?again=1"} {
		add("keys", "GET", "/api/v1/keys"+query, "")
	}
	for _, query := range []string{"", "?q=4F1A2BE2ED", "?q=NOSUCH", "?result=pass", "?domain=example.com&n=1000"} {
		add("messages", "GET", "/api/v1/messages"+query, "")
	}
	for _, query := range []string{"", "?range=hour", "?range=90d&domain=example.com"} {
		add("series", "GET", "/api/v1/series"+query, "")
	}
	for _, path := range []string{"/api/v1/nothing", "/api/v1/check?d=%00&s=x", "/api/v1/check", "/api/v1/keys?n=0",
		"/api/v1/messages?result=x", "/api/v1/series?range=x", "/api/v1/series?domain=nosuch.example", "/api/v1/publish?d=nosuch.example&s=x", "/api/v1/publish?format=x", "/api/v1/explain"} {
		add("problem", "GET", path, "")
	}
	add("problem", "POST", "/api/v1/explain", "")
	add("problem", "PUT", "/api/v1/status", "")
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(c.get("/api/v1/schema.json")), 0o600); err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	if out := proctest.Run(t, string(input), python, "-c", validator, file); out != "" {
		t.Error(out)
	}
}
