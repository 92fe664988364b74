package script

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"dojang/internal/dataset"
)

// Scripts that would take all time or memory end soon, with an error.
func TestHostileScriptsEnd(t *testing.T) {
	const instructions, memory, depth = "limit of 2000000 instructions", "limit of 67108864 bytes", "stack overflow"
	tests := []struct{ name, script, want string }{
		{"loop", `while true do end`, instructions},
		{"loop under pcall", `while true do pcall(function() while true do end end) end`, instructions},
		{"loop under xpcall", `while true do xpcall(function() while true do end end, function() while true do end end) end`, instructions},
		{"goto", `::a:: goto a`, instructions},
		{"repeat", `repeat until false`, instructions},
		{"metatable loop", `local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]`, ""},
		{"recursion", `local function f() return 1 + f() end f()`, depth},
		{"tail recursion", `local function f() return f() end f()`, instructions},
		{"recursion through gsub", `local function f() return (string.gsub("a", "a", f)) end f()`, ""},
		{"doubling", `local s = "x" while true do s = s .. s end`, memory},
		{"chain", `local s = ("x"):rep(1000000) while true do s = s .. s .. s .. s .. s .. s .. s .. s end`, memory},
		{"keeping", `local t, s = {}, ("x"):rep(1000000) for i = 1, 1e9 do t[i] = s .. i end`, memory},
		{"rep", `return ("x"):rep(1e9)`, memory},
		{"rep with overflow", `return ("x"):rep(1e10):rep(1e10)`, memory},
		{"rep of much", `local s = ("x"):rep(1e6) return s:rep(1e6)`, memory},
		{"upper", `local t, s = {}, ("x"):rep(1000000) for i = 1, 1e9 do t[i] = s:upper() end`, memory},
		{"format", `local t, s = {}, ("x"):rep(1000000) for i = 1, 1e9 do t[i] = ("%s%s"):format(s, s) end`, memory},
		{"concat", `local t, s = {}, ("x"):rep(1000000) for i = 1, 1000 do t[i] = s end return table.concat(t)`, memory},
		{"concat of a gap", `return table.concat({}, "", 1, 1e9)`, ""},
		{"gsub text", `return (("x"):rep(100000):gsub("x", ("y"):rep(100000)))`, memory},
		{"gsub captures", `return (("x"):rep(100000):gsub("x*", "%0%0%0%0%0%0%0%0%0%0"):gsub("x*", "%0%0%0%0%0%0%0%0%0%0"):gsub("x*", "%0%0%0%0%0%0%0%0%0%0"))`, ""},
		{"gsub function", `local s = ("y"):rep(100000) return (("x"):rep(100000):gsub("x", function() return s end))`, memory},
		{"sparse array", `local t = {} for i = 1, 1e9 do t[i] = {} t[i][60000000] = 1 end`, memory},
		{"sparse constructor", `return { [60000000] = 1 }`, memory},
		{"sparse insert", `table.insert({}, 60000000, 1)`, memory},
		{"sparse rawset", `rawset({}, 60000000, 1)`, memory},
		{"tables", `local t = {} while true do t = { t, t, t } end`, ""},
		{"many tables", `local t = {} for i = 1, 1e9 do t[i] = {} end`, ""},
		{"unpacking", `local a, t = {}, {} for i = 1, 5000 do a[i] = 1 end for i = 1, 1e9 do t[i] = { unpack(a) } end`, memory},
		{"too many values", `return unpack({}, 1, 1e7)`, ""},
		{"closures", `local t = {} for i = 1, 1e9 do t[i] = function() return i end end`, ""},
		{"pattern", `return ("a"):rep(1000):find(("a-"):rep(20) .. "b")`, instructions},
		{"pattern under pcall", `while true do pcall(string.find, ("a"):rep(1000), ("a-"):rep(20) .. "b") end`, instructions},
		{"deep pattern", `return ("a"):rep(100000):find(("a?"):rep(100000))`, "pattern too complex"},
		{"balance", `return ("("):rep(1e6):find("%b()")`, instructions},
		{"gmatch", `for a in ("a"):rep(100000):gmatch(".-.-.-.-b") do end`, instructions},
		{"logging", `while true do odkim.log(ctx, ("x"):rep(1000)) end`, memory},
		{"adding", `while true do odkim.add_header(ctx, "X", ("x"):rep(1000)) end`, memory},
		{"exporting", `for i = 1, 1e9 do odkim.export(ctx, "x" .. i, ("x"):rep(1000)) end`, memory},
		{"replacing", `while true do odkim.replace_header(ctx, "Subject", 0, "x") end`, ""},
		{"data sets", `while true do odkim.db_open("csl:a") end`, "too many data sets"},
		{"texts of answers", `local s = ("x"):rep(1e6) .. "@y" for i = 1, 1000 do odkim.parse_field(s) end`, memory},
		{"asking", `while true do odkim.get_header(ctx, "From", 0) end`, ""},
		{"sort", `local t = {} for i = 1, 100000 do t[i] = i end table.sort(t, function() return true end)`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			// Instructions and memory end it, not the clock.
			got := evaluate(t, everywhere, message(t), tt.script, Options{Time: time.Hour})
			runtime.ReadMemStats(&after)
			if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, tt.want) {
				t.Errorf("got %.200s", got)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<30 {
				t.Errorf("allocated %d MiB", allocated>>20)
			}
		})
	}
}

func TestTimeLimit(t *testing.T) {
	got := evaluate(t, Final, message(t), `while true do end`, Options{Instructions: math.MaxInt, Time: 50 * time.Millisecond})
	if want := "error: script.lua:1: the limit of 50ms is passed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s, err := compile("x", []byte("while true do end"), Final, Options{Instructions: math.MaxInt})
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	for want, ctx := range map[string]context.Context{"context canceled": gone, "the time for the message is up": late} {
		if err := s.Run(ctx, message(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a run goes on when its message is gone: %v, want %s", err, want)
		}
	}
}

// Without ScriptUnsafe there is no way to a file, a program or code that was not
// checked.
func TestSandbox(t *testing.T) {
	for _, name := range []string{"os", "io", "debug", "package", "coroutine", "channel", "dofile",
		"load", "loadfile", "loadstring", "module", "require", "newproxy", "collectgarbage", "_printregs"} {
		if got := evaluate(t, Setup, message(t), "return "+name, Options{}); got != "nil" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := evaluate(t, Setup, message(t), "return type(os.time()), type(io.open), type(load)",
		Options{Unsafe: true}); got != "number|function|function" {
		t.Errorf("unsafe: %s", got)
	}
	if got := evaluate(t, Setup, message(t), "print(1) return ...", Options{}); got != "" {
		t.Errorf("what a script is given: %s", got)
	}
}

// A run begins with nothing of an earlier one.
func TestRunsAreSeparate(t *testing.T) {
	s, err := compile("x", []byte(`assert(leak == nil and string.leak == nil and odkim.leak == nil and getmetatable("").leak == nil)
		leak = 1 string.leak = 1 odkim.leak = 1 getmetatable("").leak = 1`), Setup, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Run(t.Context(), message(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// What scripts of Lua 5.3 use and 5.1 has under another name or not at all.
func TestModernNames(t *testing.T) {
	script := `local p = table.pack(1, nil, 3) return p.n, table.unpack({ 4, 5 }), select("#", table.unpack({ 4, 5 })), rawlen({ 1, 2 }), ("ab"):rep(2, ","), 1 .. "", "THE (quick) fox":find("%f[%a]%a+%f[%A]")`
	script = strings.Replace(script, `"THE (quick) fox":find`, `("THE (quick) fox"):find`, 1)
	if got, want := evaluate(t, Setup, message(t), script, Options{}), "3|4|2|2|ab,ab|1|1|3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Operators that are rewritten mean what they meant.
func TestRewrittenOperators(t *testing.T) {
	tests := []struct{ script, want string }{
		{`return "a" .. 1 .. 2.5 .. "b"`, "a12.5b"},
		{`local m = { __concat = function(a, b) return "(" .. tostring(type(a)) .. "+" .. tostring(type(b)) .. ")" end } local t = setmetatable({}, m) return "a" .. t, t .. "b", "a" .. "b" .. t .. "c"`, "(string+table)|(table+string)|ab(table+string)"},
		{`local n = 0 local function f() n = n + 1 return n end return f() .. f() .. f()`, "123"},
		{`local t = { 1, 2, [10] = 3, x = 4, "5" } return t[10], t.x, t[3]`, "3|4|5"},
		{`local function f(...) return { ... } end return #f(1, 2, 3), #{ f(), f() }`, "3|2"},
		{`local t = {} t[1], t[2] = 1, 2 t["a"] = 3 t[1.5] = 4 t[true] = 5 return #t, t.a, t[1.5], t[true]`, "2|3|4|5"},
		{`local function f(n) if n == 0 then return "" end return n .. f(n - 1) end return f(3)`, "321"},
		{`local t = { 3, 1, 2 } table.sort(t, nil) return t[1], t[2], t[3]`, "1|2|3"},
		{`return ("abc"):match("x*"), ("abc"):match("()"), ("abc"):find("x*")`, "|1|1|0"},
		{`local f = ("ab"):gmatch("%a") return f(), f(), f(), f()`, "a|b|nil|nil"},
		{`return ("x"):rep(0) .. ("x"):rep(-1) .. (""):rep(9), ("ab"):rep(1), ("a"):rep(3, "-"), (""):rep(3, "-")`, "|ab|a-a-a|--"},
		{`return ("%5.1f|%-3d|%%|%s"):format(1.25, 7, "x")`, "  1.2|7  |%|x"},
		{`local t = { f = function(self, x) return self.v .. x end, v = "v" } return t:f("x"), #t.f(t, "yy")`, "vx|3"},
	}
	for _, tt := range tests {
		if got := evaluate(t, Setup, message(t), tt.script, Options{}); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.script, got, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.lua")
	text := `if query == "one" then return "k1" end
		if query == "two" then return "k2", "joe@example.com" end
		if query == "number" then return 5 end
		if query == "there" then return true end
		if query == "nil" then return nil end
		if query == "false" then return false end
		if query == "colons" then return "a:b:c" end
		if query == "many" then return "a", "b", "c" end
		if query == "table" then return {} end
		if query == "error" then error("x") end
		if query then assert(odkim == nil and ctx == nil) end`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := dataset.Open(t.Context(), "lua:"+path,
		dataset.Options{Openers: map[string]dataset.Opener{dataset.TypeLua: NewOpener(Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	tests := []struct {
		key     string
		columns int
		want    string
	}{
		{"one", 1, "k1"}, {"two", 2, "k2|joe@example.com"}, {"number", 1, "5"}, {"there", 0, ""}, {"there", 1, ""},
		{"nil", 1, "not found"}, {"false", 1, "not found"}, {"none", 1, "not found"}, {"colons", 2, "a|b:c"}, {"many", 2, "a|b:c"},
		{"table", 1, "lua:PATH: PATH: value 1 is a table, not a string"}, {"error", 1, "lua:PATH: PATH:10: x"},
	}
	for _, tt := range tests {
		values, err := table.Lookup(t.Context(), tt.key, tt.columns)
		got := strings.Join(values, "|")
		if errors.Is(err, dataset.ErrNotFound) {
			got = "not found"
		} else if err != nil {
			if !dataset.IsTemporary(err) {
				t.Errorf("%s: a permanent error", tt.key)
			}
			got = strings.ReplaceAll(err.Error(), path, "PATH")
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.key, got, tt.want)
		}
	}
	if _, err := dataset.Open(t.Context(), "lua:/nonexistent",
		dataset.Options{Openers: map[string]dataset.Opener{dataset.TypeLua: NewOpener(Options{})}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func BenchmarkRun(b *testing.B) {
	s, err := compile("x", []byte(`if odkim.get_fromdomain(ctx) == "example.com" then odkim.sign(ctx, "k1") end`), Setup, Options{})
	if err != nil {
		b.Fatal(err)
	}
	m := message(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// TestUnsetLimits: a script for which nothing is set has the documented limits.
func TestUnsetLimits(t *testing.T) {
	if o := (Options{}).withDefaults(); o.Time != 5*time.Second || o.Instructions != 2_000_000 || o.MemoryBytes != 64<<20 {
		t.Errorf("%+v", o)
	}
}

// TestCallDepth: 150 calls within calls are fine, and 400 are not.
func TestCallDepth(t *testing.T) {
	for n, want := range map[string]bool{"150": true, "400": false} {
		got := evaluate(t, Final, message(t), `local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end f(`+n+`)`, Options{})
		if ok := !strings.HasPrefix(got, "error"); ok != want {
			t.Errorf("%s calls: %s", n, got)
		}
	}
}
