package script

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/policy"
)

// keys is a KeyTable.
type keys map[string]string // name → domain

func (k keys) Key(_ context.Context, name, senderDomain string) (*keystore.SigningKey, error) {
	domain, ok := k[name]
	if !ok {
		return nil, dataset.ErrNotFound
	}
	return &keystore.SigningKey{Name: name, Domain: strings.ReplaceAll(domain, "%", senderDomain), Selector: "s-" + name}, nil
}

func set(t testing.TB, spec string) dataset.Set {
	t.Helper()
	s, err := dataset.Open(t.Context(), spec, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const testHeader = "Received: first\nReceived:  second (x)\nFrom: Joe <joe@Example.com>\nTo: a@example.net\nSubject: old\nX-Fold: a\n\tb\n"

// message is a message in the hands of scripts, as it is at a hook.
func message(t testing.TB, signatures ...policy.ScriptedSignature) *policy.Scripted {
	t.Helper()
	fields, _, err := header.Parse([]byte(testHeader + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	macros := map[string]string{"i": "JOB", "daemon_name": "MSA"}
	hosts, err := dataset.NewHostSet(t.Context(), set(t, "10.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Scripted{
		Rules: &policy.Rules{
			Keys: policy.Keys{
				KeyTable:     keys{"k1": "example.com", "k2": "other.example", "any": "%"},
				SigningTable: set(t, "csl:x@other.example=k2,example.com=k1"),
			},
			Origin: policy.Origin{InternalHosts: hosts, MTA: set(t, "MSA"), MacroList: []policy.MacroRule{{Name: "auth"}}},
		},
		Facts: &policy.Facts{
			JobID: "JOB", ClientName: "mx.example.net", ClientAddr: netip.MustParseAddr("10.1.2.3"), Sender: "bounce@example.com",
			Recipients: []string{"a@example.net", "b@example.net"}, Fields: fields,
			Macro: func(name string) string { return macros[strings.Trim(name, "{}")] },
		},
		Plan:       &policy.Plan{Author: policy.Author{User: "joe", Domain: "Example.com", Field: "From"}, Verify: len(signatures) > 0},
		Signatures: signatures,
	}
}

// evaluate runs a script and returns what it returns, "|" between the values, or
// its error.
func evaluate(t testing.TB, hook Hook, m *policy.Scripted, text string, o Options) string {
	t.Helper()
	s, err := compile("script.lua", []byte(text), hook, o)
	if err != nil {
		return "error: " + err.Error()
	}
	values, err := s.call(t.Context(), m, func(l *lua.LState, r *run) { r.openOdkim(l) })
	if err != nil {
		return "error: " + err.Error()
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
		if v.Type() == lua.LTUserData {
			texts[i] = "userdata"
		}
	}
	return strings.Join(texts, "|")
}

// The values are those that opendkim 2.11 gave for the same calls, but for the
// recipients, whose order and number it mixes up, and the handles of tables.
func TestReading(t *testing.T) {
	tests := []struct{ script, want string }{
		{`return odkim.get_envfrom(ctx), odkim.get_fromdomain(ctx)`, "bounce@example.com|example.com"},
		{`return odkim.get_header(ctx, "from", 0)`, " Joe <joe@Example.com>"},
		{`return odkim.get_header(ctx, "Received", 0), odkim.get_header(ctx, "Received", 1), odkim.get_header(ctx, "Received", 2)`, " first|  second (x)|nil"},
		{`return odkim.get_header(ctx, "Received", -1), odkim.get_header(ctx, "Received", -2), odkim.get_header(ctx, "Received", -3)`, "  second (x)| first|nil"},
		{`return odkim.get_header(ctx, "Received", "1"), odkim.get_header(ctx, "Received", 0.5), odkim.get_header(ctx, 5, 0)`, "  second (x)| first|nil"},
		{`return odkim.get_header(ctx, "X-Fold", 0)`, " a\n\tb"},
		{`return odkim.get_mtasymbol(ctx, "{daemon_name}"), odkim.get_mtasymbol(ctx, "i"), odkim.get_mtasymbol(ctx, "none")`, "MSA|JOB|nil"},
		{`return odkim.rcpt_count(ctx), odkim.get_rcpt(ctx, 0), odkim.get_rcpt(ctx, 1), odkim.get_rcpt(ctx, 2), odkim.get_rcpt(ctx, -1)`, "2|a@example.net|b@example.net|nil|nil"},
		{`local r = odkim.get_rcptarray(ctx) return #r, r[1], r[2]`, "2|a@example.net|b@example.net"},
		{`return odkim.get_clienthost(ctx), odkim.get_clientip(ctx), odkim.internal_ip(ctx)`, "mx.example.net|10.1.2.3|1"},
		{`return odkim.parse_field("Joe <joe@example.com> (c)")`, "joe|example.com"},
		{`return odkim.parse_field('"a b"@x.y')`, `"a b"|x.y`},
		{`return odkim.parse_field("grp: a@b, c@d;")`, "a|b"},
		{`return odkim.parse_field("nothing")`, "nil"},
		{`return odkim.check_popauth(ctx)`, "nil"},
		{`local d = odkim.db_open("csl:a,b=c,D") return odkim.db_check(d, "a"), odkim.db_check(d, "b"), odkim.db_check(d, "A"), odkim.db_check(d, "d"), odkim.db_close(d)`, "1|1|0|0|1"},
		{`local d = odkim.db_open("csl:A,b", true) return odkim.db_check(d, "a"), odkim.db_check(d, "B"), odkim.db_check(d, 5)`, "1|1|0"},
		{`local d = odkim.db_open("csl:a") odkim.db_close(d) return odkim.db_check(d, "a")`, "nil"},
		{`return odkim.db_check(odkim.get_dbhandle(ctx, DB_MTAS), "MSA"), odkim.db_check(odkim.get_dbhandle(ctx, DB_MACROS), "auth"), odkim.get_dbhandle(ctx, DB_DOMAINS)`, "1|1|nil"},
		{`return odkim.db_check(odkim.get_dbhandle(ctx, DB_SIGNINGTABLE), "example.com"), odkim.get_dbhandle(ctx, 99)`, "1|nil"},
	}
	for _, tt := range tests {
		if got := evaluate(t, Setup|Screen, message(t), tt.script, Options{}); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.script, got, tt.want)
		}
	}
}

// The words are opendkim 2.11's; the place before them is ours.
func TestWrongArguments(t *testing.T) {
	tests := []struct{ script, want string }{
		{`odkim.get_header(ctx, "From")`, "odkim.get_header(): incorrect argument count"},
		{`odkim.get_header(ctx, "From", "x")`, "odkim.get_header(): incorrect argument type"},
		{`odkim.get_envfrom()`, "odkim.get_envfrom(): incorrect argument count"},
		{`odkim.get_envfrom(ctx, 1)`, "odkim.get_envfrom(): incorrect argument count"},
		{`odkim.get_envfrom(nil)`, "odkim.get_envfrom(): incorrect argument type"},
		{`odkim.get_envfrom("x")`, "odkim.get_envfrom(): incorrect argument type"},
		{`odkim.log("a", "b")`, "odkim.log(): incorrect argument type"},
		{`odkim.db_check(nil, "x")`, "odkim.db_check(): incorrect argument type"},
		{`odkim.db_open("csl:A", "true")`, "odkim.db_open(): incorrect argument type"},
		{`odkim.db_close(5)`, "odkim.db_close(): incorrect argument type"},
		{`odkim.get_dbhandle(ctx, "x")`, "odkim.get_dbhandle(): incorrect argument type"},
		{`odkim.sign()`, "odkim.sign(): incorrect argument type"},
		{`odkim.sign(ctx, nil)`, "odkim.sign(): incorrect argument type"},
		{`odkim.sign(ctx, "k1", true)`, "odkim.sign(): incorrect argument type"},
		{`odkim.sign(ctx, "k1", 5, 6)`, "odkim.sign(): incorrect argument type"},
		{`odkim.sign(ctx, "k1", "a@example.com", "b@example.com")`, "odkim.sign(): incorrect argument type"},
		{`odkim.signfor(ctx, "a@other.com", 5)`, "odkim.signfor(): invalid argument"},
		{`odkim.signfor(ctx, "junk")`, "odkim.signfor(): can't parse address"},
		{`odkim.set_result(ctx, "x")`, "odkim.set_result(): incorrect argument type"},
		{`odkim.export(ctx, "a")`, "odkim.export(): incorrect argument count"},
		{`odkim.export(ctx, "a", {})`, "odkim.export(): incorrect argument type"},
		{`odkim.xtag(ctx, "a")`, "odkim.xtag(): incorrect argument count"},
		{`odkim.get_sighandle(ctx, 3)`, "odkim.get_sighandle(): invalid request"},
		{`odkim.sig_getdomain(nil)`, "odkim.sig_getdomain(): incorrect argument type"},
		{`odkim.sig_getdomain(ctx)`, "odkim.sig_getdomain(): incorrect argument type"},
		{`local x = nil; x.y = 1`, "attempt to index a non-table object(nil) with key 'y'"},
		{`return "a" .. nil`, "attempt to concatenate a nil value"},
		{`error("boom")`, "boom"},
	}
	signed := policy.ScriptedSignature{Signature: &dkim.Signature{Domain: "example.com"}}
	for _, tt := range tests {
		want := "error: script.lua:2: " + tt.want
		if got := evaluate(t, everywhere, message(t, signed), "\n"+tt.script, Options{}); got != want {
			t.Errorf("%s\n got %s\nwant %s", tt.script, got, want)
		}
	}
	if got := evaluate(t, Setup, message(t), "error({})", Options{}); got != "error: script.lua: error object is not a string" {
		t.Errorf("an error that is a table: %s", got)
	}
}

// describePlan is a plan in words.
func describePlan(p *policy.Plan) []string {
	var list []string
	for _, s := range p.Sign {
		line := s.Key.Selector + " d=" + s.Domain
		if s.Identity != "" {
			line += " i=" + s.Identity
		}
		if s.BodyLength != nil {
			line += " l=" + lua.LNumber(*s.BodyLength).String()
		}
		list = append(list, line)
	}
	if p.Verify {
		list = append(list, "verify")
	}
	if p.BodyLength {
		list = append(list, "l=")
	}
	for _, tag := range p.ExtraTags {
		list = append(list, tag[0]+"="+tag[1])
	}
	return list
}

// failing is a table that cannot be read.
type failing struct{ dataset.Set }

func (failing) Lookup(context.Context, string, int) ([]string, error) {
	return nil, errors.New("connection refused")
}

func TestSigning(t *testing.T) {
	tests := []struct {
		script, returns string
		plan            []string
	}{
		{`return odkim.sign(ctx, "k1")`, "1", []string{"s-k1 d=example.com"}},
		{`return odkim.sign(ctx, "any")`, "1", []string{"s-any d=example.com"}},
		{`return odkim.sign(ctx, "nokey")`, "0", nil},
		{`return odkim.sign(ctx)`, "0", nil},
		{`return odkim.sign(ctx, "k1", "joe@sub.example.com", 20)`, "1", []string{"s-k1 d=example.com i=joe@sub.example.com l=20"}},
		{`return odkim.sign(ctx, "k1", 0, "@example.com")`, "1", []string{"s-k1 d=example.com i=@example.com l=0"}},
		{`return odkim.sign(ctx, "k1", "x@elsewhere.example")`, "1", []string{"s-k1 d=example.com"}},
		{`return odkim.sign(ctx, "k1", -3)`, "1", []string{"s-k1 d=example.com l=-1"}},
		{`return odkim.sign(ctx, "k1"), odkim.sign(ctx, "k2"), odkim.sign(ctx, "any")`, "1|1|1", []string{"s-k1 d=example.com", "s-k2 d=other.example", "s-any d=example.com"}},
		{`return odkim.verify(ctx), odkim.use_ltag(ctx)`, "nil|nil", []string{"verify", "l="}},
		{`return odkim.signfor(ctx, "X <x@other.example>")`, "1", []string{"s-k2 d=other.example"}},
		{`return odkim.signfor(ctx, "y@none.example", true)`, "0", nil},
		{`return odkim.resign(ctx)`, "nil", nil},
		{`odkim.sign(ctx, "k1") return odkim.resign(ctx)`, "1", []string{"s-k1 d=example.com", "verify"}},
		{`return odkim.xtag(ctx, "foo", "bar"), odkim.sign(ctx, "k1"), odkim.xtag(ctx, "n", "p q")`, "0|1|1", []string{"s-k1 d=example.com", "n=p q", "foo=bar"}},
		{`odkim.xtag(ctx, "u", "v") return odkim.xtag(ctx, "u", "v"), odkim.xtag(ctx, "d", "v"), odkim.xtag(ctx, "bad tag", "v"), odkim.xtag(ctx, "e", ""), odkim.xtag(ctx, "e", "x;y"), odkim.xtag(ctx, "e", "x\ny")`,
			"-1|-1|-1|-1|-1|-1", []string{"u=v"}},
	}
	for _, tt := range tests {
		m := message(t)
		if got := evaluate(t, Setup, m, tt.script, Options{}); got != tt.returns {
			t.Errorf("%s: returned %s, want %s", tt.script, got, tt.returns)
		}
		if diff := cmp.Diff(tt.plan, describePlan(m.Plan)); diff != "" {
			t.Errorf("%s: plan (-want +got)\n%s", tt.script, diff)
		}
	}
	m := message(t)
	m.Rules.KeyTable = nil
	if got, want := evaluate(t, Setup, m, `return odkim.sign(ctx, "k1")`, Options{}), "error: script.lua:1: odkim.sign(): request requires KeyTable"; got != want {
		t.Errorf("without KeyTable: %s", got)
	}
	m.Rules.SigningTable = failing{}
	if got, want := evaluate(t, Setup, m, `return odkim.signfor(ctx, "x@y.example")`, Options{}), "error: script.lua:1: odkim.signfor(): can't read signing table"; got != want {
		t.Errorf("of a table that fails: %s", got)
	}
	m.Rules.MacroList = nil
	if got := evaluate(t, Setup, m, `return odkim.get_dbhandle(ctx, DB_MACROS)`, Options{}); got != "nil" {
		t.Errorf("without MacroList: %s", got)
	}
}

func TestReplaceHeader(t *testing.T) {
	m := message(t)
	script := `
		local r = { odkim.replace_header(ctx, "Subject", 0, "new") }
		return #r, odkim.get_header(ctx, "Subject", 0), odkim.replace_header(ctx, "Subject", 1, "x"), odkim.replace_header(ctx, "Subject", 0, "a\nEvil: x"),
			odkim.get_header(ctx, "Evil", 0), odkim.get_fromdomain(ctx)`
	if got, want := evaluate(t, Setup, m, script, Options{}), "0| new|nil|nil|nil|example.com"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if field, _, _ := m.Facts.Fields.First("Subject"); string(field.Value()) != " old" {
		t.Errorf("the message itself changed: %q", field.Value())
	}
	if field, _, _ := m.Plan.Header(m.Facts.Fields).First("Subject"); string(field.Value()) != " new" {
		t.Errorf("what is signed: %q", field.Value())
	}
}

func TestExport(t *testing.T) {
	m := message(t)
	if got := evaluate(t, Setup, m, `odkim.export(ctx, "text", "a", "number", 5, "truth", true, "none", nil) leak = 1 string.leak = 1 return text`, Options{}); got != "nil" {
		t.Errorf("at once: %s", got)
	}
	if got, want := evaluate(t, Final, m, `return text, number, truth, none, leak, string.leak`, Options{}), "a|5|true|nil|nil|nil"; got != want {
		t.Errorf("later: got %s, want %s", got, want)
	}
	if got, want := evaluate(t, Final, message(t), `return text`, Options{}), "nil"; got != want {
		t.Errorf("in another message: got %s", got)
	}
}

// At load there is no message; scripts get what opendkim 2.11 gives them then.
func TestAtLoad(t *testing.T) {
	tests := []struct {
		hook         Hook
		script, want string
	}{
		{Setup, `return type(ctx), tostring(ctx)`, "userdata|userdata: (nil)"},
		{Setup, `return odkim.get_envfrom(ctx), odkim.get_header(ctx, "From", 0), #odkim.get_rcptarray(ctx), odkim.rcpt_count(ctx), odkim.internal_ip(ctx)`, "dkimf_xs_getenvfrom|dkimf_xs_getheader|1|1|1"},
		{Setup, `return odkim.sign(ctx, "k"), odkim.verify(ctx), odkim.resign(ctx), odkim.xtag(ctx, "a", "b"), odkim.set_result(ctx, SMFIS_REJECT), odkim.use_ltag(ctx)`, "0|nil|1|0|1|nil"},
		{Setup, `return odkim.db_check(odkim.get_dbhandle(ctx, DB_MTAS), "x"), odkim.db_check(odkim.db_open("csl:x"), "x")`, "0|1"},
		{Screen, `return odkim.get_sigcount(ctx), odkim.sig_getdomain(odkim.get_sighandle(ctx, 0)), odkim.sig_ignore(odkim.get_sighandle(ctx, 7))`, "1|dkimf_xs_getsigdomain|nil"},
		{Final, `return odkim.sig_result(odkim.get_sighandle(ctx, 0)), odkim.add_header(ctx, "a", "b"), odkim.set_reply(ctx, "550", "", "x"), odkim.quarantine(ctx, "x"), odkim.rbl_check(ctx, "a", "b")`, "0|nil|1|1|nil"},
	}
	for _, tt := range tests {
		if got := evaluate(t, tt.hook, nil, tt.script, Options{}); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.script, got, tt.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ text, want string }{
		{"x = 1\n", ""},
		{"#!/usr/bin/lua\nodkim.log(ctx, 'x')\n", ""},
		{"\n\nx = = 3\n", `PATH:3: syntax error near "="`},
		{"\nerror('at load')\n", "PATH:2: at load"},
		{"\nlocal h = 5 .. {}\n", "PATH:2: attempt to concatenate a table value"},
		{"goto nowhere\n", "PATH:1: no visible label 'nowhere' for <goto> at line 1"},
		{"\x1bLuaQ", "PATH:1: compiled Lua: give the source text"},
		{strings.Repeat("x", 300<<10), "PATH: larger than 262144 bytes"},
		{"while true do end", "PATH:1: the limit of 2000000 instructions is passed"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, "s.lua")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(t.Context(), path, Setup, Options{})
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), path, "PATH")
		}
		if got != tt.want {
			t.Errorf("%.40q: got %q, want %q", tt.text, got, tt.want)
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%.40q: %T", tt.text, err)
		}
	}
	if _, err := Load(t.Context(), filepath.Join(dir, "none"), Setup, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestMacros(t *testing.T) {
	s, err := compile("x", []byte(`if odkim.get_mtasymbol(ctx, "{auth_authen}") then local f = function() return odkim.get_mtasymbol(ctx, "v") .. name end end`), Setup, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"auth_authen", "v"}, s.Macros()); diff != "" {
		t.Error(diff)
	}
}

// The scripts of the guide are scripts.
func TestDocumentedScripts(t *testing.T) {
	text, err := os.ReadFile("../../docs/lua.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```lua\n")[1:]
	if len(blocks) < 2 {
		t.Fatal("no scripts in docs/lua.md")
	}
	for i, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		hook := Setup
		if strings.Contains(block, "set_reply") {
			hook = Final
		}
		for _, m := range []*policy.Scripted{nil, message(t)} {
			if got := evaluate(t, hook, m, block, Options{}); strings.HasPrefix(got, "error") {
				t.Errorf("script %d: %s", i+1, got)
			}
		}
	}
}
