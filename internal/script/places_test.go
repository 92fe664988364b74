package script

import (
	"fmt"
	"strings"
	"testing"
)

// TestWorkIsCountedEverywhere: wherever in a script an operator stands, what it allocates is
// counted (Lua 5.1 manual §8, the whole syntax).
func TestWorkIsCountedEverywhere(t *testing.T) {
	const begin = "local s = ('x'):rep(6000) local t, o = { x = 1 }, { m = function() return 1 end } local function f() return 1 end\n"
	for _, place := range []string{
		"local a = EVIL", "local a, b = 1, EVIL", "a = EVIL", "a, b = 1, EVIL", "t[EVIL] = 1", "t[1] = EVIL", "t[EVIL].x = 1", "t.x = EVIL",
		"f(EVIL)", "f(1, EVIL)", "f{ EVIL }", "f{ x = EVIL }", "f{ [EVIL] = 1 }", "o:m(EVIL)", "o.m(EVIL)", "(EVIL):len()", "f(f(EVIL))",
		"do f(EVIL) end", "while EVIL do break end", "while true do f(EVIL) break end", "repeat f(EVIL) until true", "repeat until EVIL",
		"if EVIL then end", "if f() then f(EVIL) end", "if not f() then else f(EVIL) end", "if not f() then elseif EVIL then end",
		"for i = #(EVIL), 1 do end", "for i = 1, #(EVIL) do end", "for i = 1, 1, #(EVIL) do end", "for i = 1, 1 do f(EVIL) end",
		"for k in pairs({ EVIL }) do end", "for k in pairs(t) do f(EVIL) end", "local function g() f(EVIL) end g()", "local g = function() f(EVIL) end g()",
		"function g() f(EVIL) end g()", "function t.g() f(EVIL) end t.g()", "function t:g() f(EVIL) end t:g()", "f((function() return EVIL end)())",
		"return EVIL", "return 1, EVIL", "return EVIL .. 'a'", "return 'a' .. EVIL", "return 'a' .. (EVIL) .. 'b'", "return (EVIL) == 'a'",
		"return 'a' == EVIL", "return s < EVIL", "return (EVIL) and 1", "return f() and EVIL", "return nil or EVIL", "return (EVIL) or 1",
		"return #(EVIL) + 1", "return 1 + #(EVIL)", "return -#(EVIL)", "return not (EVIL)", "return #{ EVIL }", "return t[EVIL]", "return ({ EVIL }).x",
		"return (EVIL)[1]", "return function() end, EVIL", "return select('#', (function(...) return ..., EVIL end)(1))",
		"goto on ::on:: f(EVIL)", "local function g(...) return f(EVIL, ...) end return g()",
	} {
		for evil, limit := range map[string]int{"s .. s": 12_000, "{ 1, { 2 }, { 3 } }": 600} {
			text := begin + strings.ReplaceAll(place, "EVIL", evil)
			if strings.Contains(place, "#(EVIL)") && limit == 600 || strings.Contains(place, ":len") && limit == 600 {
				continue // of texts
			}
			needs := evaluate(t, Setup, message(t), begin, Options{MemoryBytes: 6000 + limit})
			got := evaluate(t, Setup, message(t), text, Options{MemoryBytes: 6000 + limit})
			if want := fmt.Sprintf("the limit of %d bytes is passed", 6000+limit); needs != "" || !strings.Contains(got, want) {
				t.Errorf("%s: %q, %q before", text[len(begin):], got, needs)
			}
		}
	}
}
