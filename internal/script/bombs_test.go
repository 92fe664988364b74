package script

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/dataset"
)

// bombs are scripts that once ended the process, or made one instruction do the
// work of millions. Each ends by an error that names a limit of work or memory, or
// the machine's own bounds, never by the clock.
var bombs = []struct{ name, script, want string }{
	// The machine panics outside its protected call.
	{"registers full in an error", `local function f(...) return f(..., ...) end f(1)`, ""},
	{"registers full", `local function f(...) return f(1, ...) end f()`, ""},
	{"registers full by values", `local function f(a, ...) return f(a, a, a, a, ...) end f(1)`, ""},
	{"registers full in a handler", `local function f(...) return f(..., ...) end xpcall(f, function(...) f(1, ...) end) f(1)`, ""},
	{"registers full under pcall", `local function f(...) return f(..., ...) end for i = 1, 1e9 do pcall(f, 1) end`, ""},
	{"registers full in a metamethod", `local t = setmetatable({}, {}) getmetatable(t).__index = function(...) return t[...] end return t[1]`, ""},
	{"registers full in a comparison", `local m = {} m.__lt = function(a, b) return a < b end return setmetatable({}, m) < setmetatable({}, m)`, ""},
	{"registers full in a call", `local t = {} setmetatable(t, { __call = function(...) return t(...) end }) t(1)`, ""},
	{"tostring of itself", `local t = setmetatable({}, { __tostring = function(t) return tostring(t) end }) tostring(t)`, ""},
	{"an error that is a table", `error(setmetatable({}, { __tostring = function() error("x") end }))`, ""},
	{"an error that is nil", `error()`, ""},
	{"recursion in sort", `local function f() table.sort({ 3, 2, 1 }, f) end f()`, ""},
	// One instruction that does much.
	{"insert at the front", `local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end`, "limit of"},
	{"remove at the front", `local t = {} for i = 1, 300000 do t[i] = i end for i = 1, 1e9 do table.remove(t, 1) t[300000] = 1 end`, "limit of"},
	{"length over a hole", `local t = {} for i = 1, 300000 do t[i] = i end for i = 2, 300000 do t[i] = nil end while true do local n = #t end`, "limit of"},
	{"insert over a hole", `local t = {} for i = 1, 300000 do t[i] = i end for i = 1, 300000 do t[i] = nil end for i = 1, 1e9 do table.insert(t, nil) end`, ""},
	{"maxn over a hole", `local t = {} for i = 1, 300000 do t[i] = i end for i = 2, 300000 do t[i] = nil end while true do table.maxn(t) table.getn(t) end`, "limit of"},
	{"rawlen over a hole", `local t = {} for i = 1, 300000 do t[i] = i end for i = 2, 300000 do t[i] = nil end while true do rawlen(t) end`, "limit of"},
	{"next over a hole", `local t = {} for i = 1, 300000 do t[i] = i end for i = 2, 300000 do t[i] = nil end while true do next(t, 1) end`, "limit of"},
	{"next over old keys", `local t = {} for i = 1, 100000 do t["x" .. i] = 1 t["x" .. i] = nil end while true do next(t) end`, "limit of"},
	{"sort without a function", `local t = {} for i = 1, 300000 do t[i] = i % 1000 end while true do table.sort(t) end`, "limit of"},
	{"sort of long texts", `local t, s = {}, ("x"):rep(1e7) for i = 1, 1000 do t[i] = s .. "" if i > 4 then t[i] = t[i % 4 + 1] end end table.sort(t)`, "limit of"},
	{"texts compared", `local s = ("x"):rep(1e7) local a, b = s .. "y", s .. "y" while true do local c = a == b end`, "limit of"},
	{"texts ordered", `local s = ("x"):rep(1e7) local a, b = s .. "y", s .. "y" while true do local c = a < b end`, "limit of"},
	{"texts as keys", `local s, t = ("x"):rep(1e7), {} while true do local c = t[s] end`, "limit of"},
	{"texts as keys of many", `local s, t = ("x"):rep(1e7), {} for i = 1, 20 do t["k" .. i] = i end while true do local c = t[s] end`, "limit of"},
	{"texts as keys of many, set", `local s, t = ("x"):rep(1e7), {} for i = 1, 20 do t["k" .. i] = i end while true do t[s] = 1 end`, "limit of"},
	{"sort over a hole", `local t = {} for i = 1, 300000 do t[i] = i end for i = 2, 300000 do t[i] = nil end while true do table.sort(t) end`, "limit of"},
	{"texts as keys, set", `local s, t = ("x"):rep(1e7), {} while true do t[s] = nil end`, "limit of"},
	{"rawequal, rawget", `local s, t = ("x"):rep(1e7), {} local u = s .. "" while true do rawequal(s, u) rawget(t, s) end`, "limit of"},
	{"numbers read", `local s = (" "):rep(1e7) while true do tonumber(s) end`, "limit of"},
	{"errors copied", `local s = ("x"):rep(1e7) while true do pcall(error, s) end`, "limit of"},
	{"many values", `local function f(...) return ... end local t = {} for i = 1, 3000 do t[i] = i end while true do f(f(f(unpack(t)))) end`, "limit of"},
	{"values selected", `local function f(...) while true do select(1, ...) end end local t = {} for i = 1, 3000 do t[i] = i end f(unpack(t))`, "limit of"},
	{"bytes", `local s = ("x"):rep(3000) while true do s:byte(1, -1) end`, "limit of"},
	{"width of a format", `return ("%99d"):rep(1e6):format(1)`, "limit of"},
	{"Go's width of a format", `return ("%999999d"):format(1)`, "width or precision too long"},
	{"Go's index of a format", `return ("%[1]99d"):rep(10000):format(1)`, "invalid option"},
	{"Go's star of a format", `return ("%*d"):format(99999999, 1)`, "invalid option"},
	{"texts in a format", `local s, t = ("x"):rep(1e6), {} for i = 1, 200 do t[i] = s end return ("%s"):rep(200):format(unpack(t))`, "limit of"},
}

// Each is run in the three ways in which the filter runs scripts, in short for a message.
func TestBombs(t *testing.T) {
	o := Options{Time: time.Hour} // the clock is not what ends them
	for _, b := range bombs {
		t.Run(b.name, func(t *testing.T) {
			check := func(way string, err error) {
				t.Helper()
				var e *Error
				if !errors.As(err, &e) || !strings.Contains(e.Text, b.want) || e.File == "" {
					t.Errorf("%s: %.200v, want an error with %q", way, err, b.want)
				}
			}
			path := filepath.Join(t.TempDir(), "bomb.lua")
			load := func(text string, hook Hook) (*Script, error) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return Load(t.Context(), path, hook, o)
			}
			later := `if tostring(ctx) == "userdata: (nil)" then return end ` + b.script
			s, err := load(later, Final)
			if err != nil {
				t.Fatal(err)
			}
			check("for a message", s.Run(t.Context(), message(t)))
			if err := s.Run(t.Context(), nil); err != nil {
				t.Errorf("the next run: %v", err)
			}
			if testing.Short() {
				return // they take their time to go off
			}
			_, err = load(b.script, Setup)
			check("at load", err)
			if _, err = load("if query then "+b.script+" end", Table); err != nil {
				t.Fatal(err)
			}
			set, err := dataset.Open(t.Context(), "lua:"+path,
				dataset.Options{Openers: map[string]dataset.Opener{dataset.TypeLua: NewOpener(o)}})
			if err != nil {
				t.Fatal(err)
			}
			defer set.Close()
			_, err = set.Lookup(t.Context(), "key", 1)
			check("as a table", err)
		})
	}
}

// What scripts of real life do is not taken for a bomb.
func TestOrdinaryWorkIsWithinLimits(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{`local t = {} table.insert(t, 1764400000) table.insert(t, 1, 60000001) return t[1], t[2], #t`, "60000001|1764400000|2"},
		{`local t = {} for i = 1, 3000 do table.insert(t, 1, i) end return #t, t[1], table.remove(t, 1), #t`, "3000|3000|3000|2999"},
		{`local t = {} for i = 1, 20000 do t[i] = i end for i = 1, 20000 do table.remove(t) end return #t`, "0"},
		{`local t = {} for i = 1, 2000 do t["k" .. i] = i end local n = 0 for k in pairs(t) do t[k] = nil n = n + 1 end return n, next(t)`, "2000|nil"},
		{`local t = { 3, 1, 2, x = 1 } local n = 0 for k, v in pairs(t) do n = n + 1 end table.sort(t) return n, t[1], t[2], t[3]`, "4|1|2|3"},
		{`local t = { "b", "c", "a" } table.sort(t, function(a, b) return a > b end) return table.concat(t, ",")`, "c,b,a"},
		{`return ("%5.2f|%-4s|%04d|%q|%x|%%|%c"):format(1.5, "ab", 7, "a", 255, 65)`, ` 1.50|ab  |0007|"a"|ff|%|A`},
		{`local function f(...) local a, b = ... return select("#", ...), a, b, (...) end return f(1, nil, 3)`, "3|1|nil|1"},
		{`local a, b = "x", "y" return a == b, a < b, a ~= b, a >= b, #a, #{ 1, 2 }, ({ x = 1 })[a]`, "false|true|true|false|1|2|1"},
		{`local ok, why = pcall(error, "x", 0) return ok, why, pcall(error, { 1 })`, "false|x|false|table"},
	} {
		got := evaluate(t, Setup, message(t), tt.script, Options{})
		if i := strings.Index(got, "table: 0x"); i >= 0 {
			got = got[:i] + "table"
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.script, got, tt.want)
		}
	}
}

// What a script calls in a branch that no run at load takes is looked for all the
// same.
func TestMissingFunctionsAreFoundAtLoad(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LUA_PATH", dir+"/?.lua")
	if err := os.WriteFile(filepath.Join(dir, "there.lua"), []byte("return { f = 1 }"), 0o600); err != nil {
		t.Fatal(err)
	}
	const later = "if odkim.get_fromdomain(ctx) == 'example.com' then\n"
	for _, tt := range []struct {
		script string
		unsafe bool
		want   string
	}{
		{later + `require "socket" end`, false, "2: require() is not there: scripts reach no files, programs or modules unless ScriptUnsafe is yes"},
		{later + `local h = io.open("/x") end`, false, "2: io.open() is not there: scripts reach no files"},
		{later + `os.execute("x") end`, false, "2: os.execute() is not there"},
		{later + `local x = string.pack("i", 1) end`, false, "2: string.pack() is no function of Lua 5.1"},
		{later + `utf8x(1) end`, false, "2: utf8x() is no function of Lua 5.1"},
		{later + `local t = { f = function() return loadstring("x") end } end`, false, "2: loadstring() is not there"},
		{later + `require "socket" end`, true, `2: require: no Lua module "socket" in package.path`},
		{later + `require "there" os.time() end`, true, ""},
		{later + `package.path = "/y/?.lua" require "elsewhere" end`, true, ""},
		{later + `os.exit(1) end`, true, ""},
		{later + `local name = "x" require(name) end`, true, ""},
		{later + `local f = { require = print } f.require("x") end`, true, ""},
		{later + `local f = "log" odkim[f](ctx, "x") print(tostring(1).x.y) end`, false, ""},
		{later + `(function() end)().f(1) end`, false, ""},
		{later + `if os then os.execute("x") end end`, false, ""},
		{later + `local require = function() end require "x" end`, false, ""},
		{later + `helper(1) end function helper() end`, false, ""},
		{later + `helper(1) end helper = print`, false, ""},
		{later + `for helper = 1, 0 do helper(1) end end`, false, ""},
		{later + `for _, helper in pairs({}) do helper(1) end end`, false, ""},
		{later + `local function f(helper) helper(1) end local helper2 = f helper2(1) end`, false, ""},
		{later + `local function helper() helper(1) end end`, false, ""},
		{later + `other.f(1) end`, false, ""},
		{later + `f(1) end _G.f = print`, false, ""},
		{later + `odkim.no_such(ctx) end`, false, ""},
		{later + `pcall(require, "x") print(tostring(1), math.floor(1), ("x"):upper()) end`, false, ""},
	} {
		path := filepath.Join(dir, "s.lua")
		if err := os.WriteFile(path, []byte(tt.script), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(context.Background(), path, Setup, Options{Unsafe: tt.unsafe})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), path+":"+tt.want)) {
			t.Errorf("%s: %v, want %q", tt.script, err, tt.want)
		}
	}
	if got := evaluate(t, Setup, message(t), "os.exit(3)", Options{Unsafe: true}); !strings.Contains(got,
		"os.exit() would end the filter") {
		t.Errorf("os.exit: %s", got)
	}
}
