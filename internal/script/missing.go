package script

import (
	"context"
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// uses are the functions that a script calls by names that it did not make: "f",
// or "library.f".
type uses struct {
	calls   []use
	modules []use // what it requires by a literal name
}

type use struct {
	library string // "" for none
	name    string
	line    int
}

// usesOf finds them. A script that mentions a name beside calling it may test
// whether it is there ("if os then"), and one that handles its globals as a table
// may make any: these are left to the run.
func usesOf(chunk []ast.Stmt) uses {
	var found uses
	made, called := map[string]bool{}, map[*ast.IdentExpr]bool{}
	w := walker{
		names: func(names ...string) {
			for _, n := range names {
				made[n] = true
			}
		},
		visit: func(e ast.Expr) {
			switch e := e.(type) {
			case *ast.FuncCallExpr:
				if u, ident, ok := useOf(e); ok {
					called[ident] = true
					found.calls = append(found.calls, u)
					if module, ok := constantArgument(e); ok && u.library == "" && u.name == "require" {
						found.modules = append(found.modules, use{name: module, line: e.Line()})
					}
				}
			case *ast.IdentExpr:
				if !called[e] {
					made[e.Value] = true // or looked at
				}
			}
		},
	}
	w.stmts(chunk)
	if made["_G"] || made["setfenv"] || made["getfenv"] || made["module"] {
		return uses{}
	}
	made["odkim"] = true // its functions are those of the hook; a script may serve several
	found.calls = slices.DeleteFunc(found.calls, func(u use) bool { return made[u.name] && u.library == "" || made[u.library] })
	if made["require"] || made["package"] { // package.path may be the script's own
		found.modules = nil
	}
	return found
}

// useOf tells what a call calls, when its names stand there, and the name that
// must be known.
func useOf(e *ast.FuncCallExpr) (use, *ast.IdentExpr, bool) {
	switch f := e.Func.(type) {
	case *ast.IdentExpr:
		return use{name: f.Value, line: e.Line()}, f, true
	case *ast.AttrGetExpr:
		library, ok := f.Object.(*ast.IdentExpr)
		name, literal := f.Key.(*ast.StringExpr)
		if ok && literal {
			return use{library.Value, name.Value, e.Line()}, library, true
		}
	}
	return use{}, nil, false
}

func constantArgument(e *ast.FuncCallExpr) (string, bool) {
	if len(e.Args) != 1 {
		return "", false
	}
	s, ok := e.Args[0].(*ast.StringExpr)
	if !ok {
		return "", false
	}
	return s.Value, true
}

// onlyUnsafe are the names that ScriptUnsafe brings.
var onlyUnsafe = []string{"os", "io", "debug", "package", "coroutine", "dofile", "load", "loadfile",
	"loadstring", "module", "require", "newproxy", "collectgarbage"}

// missing is an error for the first function that the script calls and that no
// run will have. With ScriptUnsafe modules may bring functions, so there it is the
// first module that cannot be found.
func (s *Script) missing(ctx context.Context) (err error) {
	defer caught(s.path, &err)
	r := &run{script: s, ctx: ctx, meter: newMeter(ctx, s.o)}
	l := r.newState()
	defer r.close(l)
	if s.o.Unsafe {
		return s.missingModule(l)
	}
	for _, u := range s.uses.calls {
		known := l.GetGlobal(u.name) != lua.LNil
		if u.library != "" {
			library, ok := l.GetGlobal(u.library).(*lua.LTable)
			known = ok && library.RawGetString(u.name) != lua.LNil
			if !ok && !slices.Contains(onlyUnsafe, u.library) {
				continue // a table that an earlier script or a metatable may bring
			}
		}
		if known {
			continue
		}
		text := fmt.Sprintf("%s() is no function of Lua 5.1", u)
		if slices.Contains(onlyUnsafe, u.name) && u.library == "" || slices.Contains(onlyUnsafe, u.library) {
			text = fmt.Sprintf("%s() is not there: scripts reach no files, programs or modules unless ScriptUnsafe is yes", u)
		}
		return &Error{File: s.path, Line: u.line, Text: text}
	}
	return nil
}

func (u use) String() string {
	if u.library == "" {
		return u.name
	}
	return u.library + "." + u.name
}

// missingModule asks the searchers of Lua's package library for each module, as
// require does, without running it.
func (s *Script) missingModule(l *lua.LState) error {
	preloaded, _ := l.GetField(l.GetGlobal(lua.LoadLibName), "loaded").(*lua.LTable)
	searchers, ok := l.GetField(l.Get(lua.RegistryIndex), "_LOADERS").(*lua.LTable)
	if !ok {
		return nil
	}
next:
	for _, m := range s.uses.modules {
		if preloaded != nil && preloaded.RawGetString(m.name) != lua.LNil {
			continue
		}
		for i := 1; i <= searchers.Len(); i++ {
			l.Push(searchers.RawGetInt(i))
			l.Push(lua.LString(m.name))
			l.Call(1, 1)
			found := l.Get(-1)
			l.Pop(1)
			if found.Type() == lua.LTFunction {
				continue next
			}
		}
		return &Error{File: s.path, Line: m.line,
			Text: fmt.Sprintf("require: no Lua module %q in package.path (modules written in C cannot be used)", m.name)}
	}
	return nil
}
