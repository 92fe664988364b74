package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// function is one function of the odkim library.
type function struct {
	name  string
	hooks Hook // where it is available
	// Arguments: one letter for each. c is the context, s a string, n a number, b
	// a boolean, h a data set, g a signature, and * anything. minimum of them must
	// be there.
	arguments string
	minimum   int
	rest      bool // any number of arguments may follow
	// atLoad makes what is returned when there is no message; nil stands for nil.
	atLoad func(*call) lua.LValue
	do     func(*call) []lua.LValue
}

// call is one call of a function.
type call struct {
	*run
	l        *lua.LState
	function *function
}

const callBytes = 256 // what a call may make us remember beside its strings

// openOdkim gives a script the library, its constants, what earlier scripts
// exported, and ctx.
func (r *run) openOdkim(l *lua.LState) {
	library := l.NewTable()
	for _, list := range [][]function{readFunctions, dataFunctions, setupFunctions, signatureFunctions, finalFunctions} {
		for i := range list {
			if f := &list[i]; f.hooks&r.script.hook != 0 {
				library.RawSetString(f.name, l.NewFunction(r.handler(f)))
			}
		}
	}
	l.SetGlobal("odkim", library)
	for _, group := range constants {
		if group.hooks&r.script.hook != 0 {
			for name, value := range group.values {
				l.SetGlobal(name, lua.LNumber(value))
			}
		}
	}
	ctx := &lua.LUserData{Value: r, Env: l.Env}
	l.SetGlobal("ctx", ctx)
	if r.message == nil {
		// Compat(opendkim 2.11): ctx is a null pointer at load, by which a script can
		// know that it is.
		meta := l.NewTable()
		meta.RawSetString("__tostring", l.NewFunction(func(l *lua.LState) int {
			l.Push(lua.LString("userdata: (nil)"))
			return 1
		}))
		ctx.Metatable = meta
		return
	}
	for name, value := range r.message.Exports {
		switch value := value.(type) {
		case string:
			l.SetGlobal(name, lua.LString(value))
		case float64:
			l.SetGlobal(name, lua.LNumber(value))
		case bool:
			l.SetGlobal(name, lua.LBool(value))
		}
	}
}

// handler checks a call's arguments in the order that OpenDKIM does, number and
// then types, and answers for a message that is not there.
func (r *run) handler(f *function) lua.LGFunction {
	return func(l *lua.LState) int {
		c := &call{run: r, l: l, function: f}
		r.meter.allocate(l, callBytes)
		if n := l.GetTop(); n < f.minimum || n > len(f.arguments) && !f.rest {
			c.fail("incorrect argument count")
		}
		for i := range min(l.GetTop(), len(f.arguments)) {
			if !c.fits(i+1, f.arguments[i]) {
				c.fail("incorrect argument type")
			}
		}
		if r.message == nil && f.arguments != "" && f.arguments[0] != 's' && f.arguments[0] != 'h' {
			if f.atLoad == nil {
				l.Push(lua.LNil)
			} else {
				l.Push(f.atLoad(c))
			}
			return 1
		}
		values := f.do(c)
		for _, v := range values {
			if s, ok := v.(lua.LString); ok {
				r.meter.allocate(l, len(s))
			}
			l.Push(v)
		}
		return len(values)
	}
}

// fail raises an error of the function, which names the script's line.
func (c *call) fail(why string) { c.l.RaiseError("odkim.%s(): %s", c.function.name, why) }

func (c *call) fits(i int, kind byte) bool {
	switch value := c.l.Get(i); kind {
	case 'c':
		return holds[*run](value)
	case 's':
		return isText(value)
	case 'n':
		return value.Type() == lua.LTNumber || value.Type() == lua.LTString && lua.LVAsNumber(value) == parsed(value)
	case 'b':
		return value.Type() == lua.LTBool
	case 'h':
		return holds[*handle](value)
	case 'g':
		return holds[signature](value)
	}
	return true
}

// holds reports whether a value is one of ours, of type T.
func holds[T any](value lua.LValue) bool {
	u, ok := value.(*lua.LUserData)
	if !ok {
		return false
	}
	_, ok = u.Value.(T)
	return ok
}

// parsed is a string's number; NaN, which equals nothing, for none.
func parsed(v lua.LValue) lua.LNumber {
	n, err := parseNumber(v.String())
	if err != nil {
		return lua.LNumber(math.NaN())
	}
	return n
}

func (c *call) text(i int) string { return c.l.Get(i).String() }

// number is an argument cut to an int32, as large numbers are all out of range.
func (c *call) number(i int) int {
	n := float64(lua.LVAsNumber(c.l.Get(i)))
	return int(max(math.MinInt32, min(math.MaxInt32, n)))
}

func (c *call) has(i int) bool { return c.l.GetTop() >= i }

// standIn is a text that stands for one of a message at load.
func standIn(text string) func(*call) lua.LValue {
	return func(*call) lua.LValue { return lua.LString(text) }
}

// standInNumber is a number that stands for one of a message at load.
func standInNumber(n int) func(*call) lua.LValue {
	return func(*call) lua.LValue { return lua.LNumber(n) }
}

// one returns one value.
func one(v lua.LValue) []lua.LValue { return []lua.LValue{v} }

func none() []lua.LValue { return one(lua.LNil) }

// success returns 1 or nil, failure being nil.
func success(ok bool) []lua.LValue {
	if ok {
		return one(lua.LNumber(1))
	}
	return none()
}

// truth returns 1 or 0.
func truth(ok bool) []lua.LValue {
	if ok {
		return one(lua.LNumber(1))
	}
	return one(lua.LNumber(0))
}

// list makes a Lua array and counts its memory.
func (c *call) list(n int, value func(i int) lua.LValue) *lua.LTable {
	c.meter.allocate(c.l, tableBytes+n*slotBytes)
	t := c.l.CreateTable(n, 0)
	for i := range n {
		v := value(i)
		if s, ok := v.(lua.LString); ok {
			c.meter.allocate(c.l, len(s))
		}
		t.RawSetInt(i+1, v)
	}
	return t
}
