package script

import (
	"context"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dojang/internal/dataset"
	"dojang/internal/policy"
)

// Bounds of a Lua state.
const (
	callDepth      = 200
	firstRegisters = 512
	maxRegisters   = 8192
)

// run is one run of a script.
type run struct {
	script  *Script
	message *policy.Scripted // nil at load
	ctx     context.Context
	meter   *meter
	sets    []dataset.Set // opened by the script
}

func (r *run) newState() *lua.LState {
	l := lua.NewState(lua.Options{
		CallStackSize:       callDepth,
		RegistrySize:        firstRegisters,
		RegistryMaxSize:     maxRegisters,
		RegistryGrowStep:    512,
		MinimizeStackMemory: true,
		SkipOpenLibs:        true,
	})
	if r.script.o.Unsafe {
		l.OpenLibs()
		l.SetGlobal(lua.ChannelLibName, lua.LNil) // none of Lua's: what waits for a channel waits for ever
		system := l.GetGlobal(lua.OsLibName).(*lua.LTable)
		system.RawSetString("exit", l.NewFunction(func(l *lua.LState) int {
			l.RaiseError("os.exit() would end the filter")
			return 0
		}))
	} else {
		for _, lib := range []struct {
			name string
			open lua.LGFunction
		}{{lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString},
			{lua.MathLibName, lua.OpenMath}} {
			l.Push(l.NewFunction(lib.open))
			l.Push(lua.LString(lib.name))
			l.Call(1, 0)
		}
		for _, name := range []string{"collectgarbage", "dofile", "load", "loadfile", "loadstring",
			"module", "newproxy", "require", "_printregs"} {
			l.SetGlobal(name, lua.LNil)
		}
		l.SetGlobal("print", l.NewFunction(func(*lua.LState) int { return 0 })) // a daemon has nowhere to print to
	}
	r.bound(l)
	r.modernize(l)
	l.SetContext(r.meter)
	return l
}

func (r *run) close(l *lua.LState) {
	for _, s := range r.sets {
		if s != nil {
			_ = s.Close() // nothing is left to do with it
		}
	}
	l.Close()
}

// bound replaces library functions whose cost is not bounded by the number of
// instructions.
func (r *run) bound(l *lua.LState) {
	text := l.GetGlobal(lua.StringLibName).(*lua.LTable)
	set := func(t *lua.LTable, name string, f lua.LGFunction) { t.RawSetString(name, l.NewFunction(f)) }
	set(text, "rep", r.repeat)
	set(text, "find", r.find)
	set(text, "match", r.match)
	set(text, "gmatch", r.gmatch)
	set(text, "gfind", r.gmatch)
	set(text, "gsub", r.gsub)
	set(text, "format", r.format(text.RawGetString("format").(*lua.LFunction)))
	set(text, "byte", r.manyValued(text.RawGetString("byte").(*lua.LFunction)))
	for _, name := range []string{"lower", "upper", "reverse", "char"} {
		set(text, name, r.counted(text.RawGetString(name).(*lua.LFunction)))
	}
	r.boundTable(l)
	r.boundBase(l)
}

// modernize adds what scripts written for Lua 5.3 commonly use.
func (r *run) modernize(l *lua.LState) {
	tables := l.GetGlobal(lua.TabLibName).(*lua.LTable)
	tables.RawSetString("unpack", l.GetGlobal("unpack"))
	tables.RawSetString("pack", l.NewFunction(func(l *lua.LState) int {
		n := l.GetTop()
		r.meter.allocate(l, tableBytes+n*slotBytes)
		t := l.CreateTable(n, 1)
		for i := 1; i <= n; i++ {
			t.RawSetInt(i, l.Get(i))
		}
		t.RawSetString("n", lua.LNumber(n))
		l.Push(t)
		return 1
	}))
	l.SetGlobal("rawlen", l.NewFunction(func(l *lua.LState) int {
		switch v := l.Get(1).(type) {
		case lua.LString:
			l.Push(lua.LNumber(len(v)))
		case *lua.LTable:
			r.meter.spendEnd(l, v)
			l.Push(lua.LNumber(v.Len()))
		default:
			l.ArgError(1, "table or string expected")
		}
		return 1
	}))
}

// counted counts the bytes of the strings that f returns. Its arguments bound
// what one call can make.
func (r *run) counted(f *lua.LFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		n := f.GFunction(l)
		size := 0
		for i := 1; i <= n; i++ {
			if s, ok := l.Get(-i).(lua.LString); ok {
				size += len(s)
			}
		}
		r.meter.allocate(l, size)
		return n
	}
}

// keyed counts what a function whose second argument is a key may make a table
// grow by.
func (r *run) keyed(f *lua.LFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		r.meter.key(l, l.Get(2))
		return f.GFunction(l)
	}
}

func (r *run) repeat(l *lua.LState) int {
	text, times, separator := l.CheckString(1), float64(l.CheckNumber(2)), l.OptString(3, "")
	if !(times >= 1) || len(text)+len(separator) == 0 {
		l.Push(lua.LString(""))
		return 1
	}
	// The product may be more than an int holds.
	if times*float64(len(text)+len(separator)) > float64(r.meter.limits.MemoryBytes) {
		r.meter.allocate(l, r.meter.limits.MemoryBytes+1)
	}
	n := int(times)
	r.meter.allocate(l, n*len(text)+(n-1)*len(separator))
	whole := strings.Repeat(text+separator, n)
	l.Push(lua.LString(whole[:len(whole)-len(separator)]))
	return 1
}

// join is table.concat.
func (r *run) join(l *lua.LState) int {
	t, separator := l.CheckTable(1), l.OptString(2, "")
	r.meter.spendEnd(l, t)
	from, to := l.OptInt(3, 1), l.OptInt(4, t.Len())
	var b strings.Builder
	for i := from; i <= to; i++ {
		r.meter.spend(l, 1)
		value := t.RawGetInt(i)
		if !isText(value) {
			l.RaiseError("invalid value (%s) at index %d in table for concat", value.Type(), i)
		}
		part := value.String()
		if i < to {
			part += separator
		}
		r.meter.allocate(l, len(part))
		b.WriteString(part)
	}
	l.Push(lua.LString(b.String()))
	return 1
}
