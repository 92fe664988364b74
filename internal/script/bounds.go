package script

import (
	"math/bits"
	"reflect"
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// What one instruction is worth of work that library functions do.
const (
	bytesPerInstruction  = 64 // of a text compared, hashed or searched
	valuesPerInstruction = 16 // moved or looked at in an array
	keysPerInstruction   = 8  // passed over in a table
)

// Fields of lua.LTable, whose lengths are the work that some of its methods do.
var (
	tableArray = tableField("array")
	tableKeys  = tableField("keys")
	tableTexts = tableField("strdict")
	tableRest  = tableField("dict")
)

func tableField(name string) int {
	f, ok := reflect.TypeFor[lua.LTable]().FieldByName(name)
	if !ok {
		panic("gopher-lua's LTable has no field " + name)
	}
	return f.Index[0]
}

func lengthOf(t *lua.LTable, field int) int { return reflect.ValueOf(t).Elem().Field(field).Len() }

// arrayLen is how long a table's array is, with the nils at its end.
func arrayLen(t *lua.LTable) int { return lengthOf(t, tableArray) }

// emptied is how many keys a table remembers that have no value any more: next
// passes over them.
func emptied(t *lua.LTable) int {
	return lengthOf(t, tableKeys) - lengthOf(t, tableTexts) - lengthOf(t, tableRest)
}

// spendText counts that a text is compared with another or hashed.
func (m *meter) spendText(l *lua.LState, v lua.LValue) {
	if s, ok := v.(lua.LString); ok && len(s) >= bytesPerInstruction {
		m.spend(l, len(s)/bytesPerInstruction)
	}
}

// spendEnd counts that an array's end is looked for: nils are passed over.
func (m *meter) spendEnd(l *lua.LState, v lua.LValue) {
	if t, ok := v.(*lua.LTable); ok {
		if n := arrayLen(t); n >= valuesPerInstruction {
			m.spend(l, (n-t.MaxN())/valuesPerInstruction)
		}
	}
}

// boundBase replaces functions of Lua's base library.
func (r *run) boundBase(l *lua.LState) {
	function := func(name string) *lua.LFunction { return l.GetGlobal(name).(*lua.LFunction) }
	set := func(name string, f lua.LGFunction) { l.SetGlobal(name, l.NewFunction(f)) }
	set("rawset", r.keyed(function("rawset")))
	set("rawget", r.reading(function("rawget"), 2))
	set("rawequal", r.reading(function("rawequal"), 1))
	set("tonumber", r.reading(function("tonumber"), 1))
	set("error", r.telling(function("error"), 1))
	set("assert", r.telling(function("assert"), 2))
	set("unpack", r.manyValued(function("unpack")))
	set("select", r.manyValued(function("select")))
	next := l.NewFunction(r.next)
	l.SetGlobal("next", next)
	set("pairs", func(l *lua.LState) int {
		t := l.CheckTable(1)
		l.Push(next)
		l.Push(t)
		l.Push(lua.LNil)
		return 3
	})
}

// boundTable replaces functions of Lua's table library.
func (r *run) boundTable(l *lua.LState) {
	tables := l.GetGlobal(lua.TabLibName).(*lua.LTable)
	function := func(name string) *lua.LFunction { return tables.RawGetString(name).(*lua.LFunction) }
	set := func(name string, f lua.LGFunction) { tables.RawSetString(name, l.NewFunction(f)) }
	set("concat", r.join)
	set("sort", r.sort)
	set("insert", r.moving(function("insert"), true))
	set("remove", r.moving(function("remove"), false))
	set("getn", r.ending(function("getn")))
	set("maxn", r.ending(function("maxn")))
}

// reading counts one argument's text before f reads it.
func (r *run) reading(f *lua.LFunction, argument int) lua.LGFunction {
	return func(l *lua.LState) int {
		r.meter.spendText(l, l.Get(argument))
		return f.GFunction(l)
	}
}

// telling counts the text of an error, which is copied.
func (r *run) telling(f *lua.LFunction, argument int) lua.LGFunction {
	return func(l *lua.LState) int {
		if s, ok := l.Get(argument).(lua.LString); ok && (argument == 1 || lua.LVIsFalse(l.Get(1))) {
			r.meter.allocate(l, len(s))
		}
		return f.GFunction(l)
	}
}

// manyValued counts the values that f returns.
func (r *run) manyValued(f *lua.LFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		n := f.GFunction(l)
		r.meter.spend(l, n/valuesPerInstruction)
		return n
	}
}

// ending counts the nils that f passes over at the end of an array.
func (r *run) ending(f *lua.LFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		r.meter.spendEnd(l, l.Get(1))
		return f.GFunction(l)
	}
}

// moving counts the values that table.insert and table.remove move.
func (r *run) moving(f *lua.LFunction, insert bool) lua.LGFunction {
	return func(l *lua.LState) int {
		r.meter.spendEnd(l, l.Get(1))
		place := l.GetTop() > 1
		if insert {
			if place = l.GetTop() > 2; place {
				r.meter.key(l, l.Get(2))
			} else {
				r.meter.allocate(l, slotBytes)
			}
		}
		if t, ok := l.Get(1).(*lua.LTable); ok && place {
			r.meter.spend(l, max(0, arrayLen(t)-max(0, l.OptInt(2, 0)))/valuesPerInstruction)
		}
		return f.GFunction(l)
	}
}

// next is Lua's next. A step passes over holes and over keys without a value.
func (r *run) next(l *lua.LState) int {
	t, from := l.CheckTable(1), l.Get(2)
	r.meter.spendText(l, from)
	r.meter.spend(l, max(0, emptied(t))/keysPerInstruction)
	key, value := t.Next(from)
	start, end := 0, arrayLen(t)
	if n, ok := from.(lua.LNumber); ok {
		start = int(n)
	}
	if n, ok := key.(lua.LNumber); ok {
		end = int(n)
	}
	if end <= arrayLen(t) {
		r.meter.spend(l, max(0, end-start)/valuesPerInstruction)
	}
	l.Push(key)
	if key == lua.LNil {
		return 1
	}
	l.Push(value)
	return 2
}

// sort is table.sort.
func (r *run) sort(l *lua.LState) int {
	t := l.CheckTable(1)
	r.meter.spendEnd(l, t)
	s := &sorter{run: r, l: l, table: t, n: t.Len()}
	if l.Get(2) != lua.LNil {
		s.less = l.CheckFunction(2)
	}
	r.meter.spend(l, s.n*bits.Len(uint(s.n))/keysPerInstruction)
	sort.Sort(s)
	return 0
}

type sorter struct {
	*run
	l     *lua.LState
	table *lua.LTable
	n     int
	less  *lua.LFunction // nil: the operator <
}

func (s *sorter) Len() int { return s.n }

func (s *sorter) Swap(i, j int) {
	a, b := s.table.RawGetInt(i+1), s.table.RawGetInt(j+1)
	s.table.RawSetInt(i+1, b)
	s.table.RawSetInt(j+1, a)
}

func (s *sorter) Less(i, j int) bool {
	a, b := s.table.RawGetInt(i+1), s.table.RawGetInt(j+1)
	if s.less == nil {
		s.meter.spendText(s.l, a)
		return s.l.LessThan(a, b)
	}
	s.l.Push(s.less)
	s.l.Push(a)
	s.l.Push(b)
	s.l.Call(2, 1)
	result := lua.LVAsBool(s.l.Get(-1))
	s.l.Pop(1)
	return result
}

// format is string.format, whose result is counted before it is made.
//
// It takes Lua's directives: a width and a precision have two digits at most, and
// each takes the next argument. Go's, by which the machine writes, know more, such
// as "%[1]999999d".
func (r *run) format(f *lua.LFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		text, size := l.CheckString(1), 0
		for rest := text; ; {
			_, after, found := strings.Cut(rest, "%")
			if !found {
				break
			}
			directive := after[:len(after)-len(strings.TrimLeft(after, "-+ #0"))]
			after = after[len(directive):]
			for _, point := range []string{"", "."} {
				trimmed := strings.TrimPrefix(after, point)
				after = strings.TrimLeft(trimmed, "0123456789")
				if digits := len(trimmed) - len(after); digits > 2 {
					l.RaiseError("invalid format (width or precision too long)")
				}
				size += 99
			}
			if strings.HasPrefix(after, "[") || strings.HasPrefix(after, "*") || after == "" {
				l.RaiseError("invalid option to 'format'")
			}
			size += 320 // digits of the largest number
			rest = after[1:]
		}
		for i := 1; i <= l.GetTop(); i++ {
			if s, ok := l.Get(i).(lua.LString); ok {
				size += 4 * len(s) // %q writes an octet as up to four
			}
		}
		r.meter.allocate(l, size)
		return f.GFunction(l)
	}
}
