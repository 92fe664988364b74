package script

import (
	"context"
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// meter is the context of a run. The virtual machine asks it before each
// instruction whether the run is over; that is where instructions are counted.
type meter struct {
	context.Context
	limits       Options
	instructions int // left
	bytes        int // left
	keys         int // assignments by key so far
	err          error
	over         chan struct{} // closed
}

func newMeter(ctx context.Context, o Options) *meter {
	over := make(chan struct{})
	close(over)
	return &meter{Context: ctx, limits: o, instructions: o.Instructions, bytes: o.MemoryBytes, over: over}
}

// Done is closed when a limit is passed.
func (m *meter) Done() <-chan struct{} {
	m.instructions--
	if m.instructions < 0 && m.err == nil {
		m.err = fmt.Errorf("the limit of %d instructions is passed", m.limits.Instructions)
	}
	if m.err != nil {
		return m.over
	}
	return m.Context.Done()
}

// Err says which limit it was.
func (m *meter) Err() error {
	if m.err != nil {
		return m.err
	}
	err := context.Cause(m.Context)
	if errors.Is(err, context.DeadlineExceeded) { // and not by the script's own limit
		return errors.New("the time for the message is up")
	}
	return err
}

// spend counts work that one instruction does, and ends the run when that is
// too much.
func (m *meter) spend(l *lua.LState, instructions int) {
	m.instructions -= instructions
	m.check(l)
}

// allocate counts bytes that one instruction takes.
func (m *meter) allocate(l *lua.LState, bytes int) {
	if m.bytes -= bytes; (m.bytes < 0 || bytes < 0) && m.err == nil {
		m.err = fmt.Errorf("the limit of %d bytes is passed", m.limits.MemoryBytes)
	}
	m.check(l)
}

func (m *meter) check(l *lua.LState) {
	select {
	case <-m.Done():
		l.RaiseError("%s", m.Err())
	default:
	}
}

const (
	tableBytes = 160 // an empty table takes about as much
	slotBytes  = 48  // one entry of a table
)

// key counts what an assignment to a key may cost: an array grows up to it.
func (m *meter) key(l *lua.LState, key lua.LValue) {
	m.keys++
	m.spendText(l, key)
	n, ok := key.(lua.LNumber)
	if !ok {
		m.allocate(l, slotBytes)
		return
	}
	if n > lua.LNumber(m.keys+64) && n < lua.LNumber(lua.MaxArrayIndex) {
		m.allocate(l, int(n)*16)
		return
	}
	m.allocate(l, slotBytes)
}

// guards are the functions that a rewritten script calls for some operators, in
// the order of guardNames. All but the first return what they are given.
func (r *run) guards(l *lua.LState) []lua.LValue {
	passing := func(count func(l *lua.LState, v lua.LValue)) lua.LValue {
		return l.NewFunction(func(l *lua.LState) int {
			count(l, l.Get(1))
			l.SetTop(1)
			return 1
		})
	}
	table := func(l *lua.LState, v lua.LValue) {
		n := 0
		if t, ok := v.(*lua.LTable); ok {
			n = t.Len()
		}
		r.meter.allocate(l, tableBytes+n*slotBytes)
	}
	values := func(l *lua.LState) int {
		r.meter.spend(l, l.GetTop()/valuesPerInstruction)
		return l.GetTop()
	}
	return []lua.LValue{
		l.NewFunction(r.concat), passing(r.meter.key), passing(table),
		passing(r.meter.spendText), passing(r.meter.spendEnd), l.NewFunction(values),
	}
}

// concat is the operator "..", from the right to the left.
func (r *run) concat(l *lua.LState) int {
	n := l.GetTop()
	size, plain := 0, true
	for i := 1; i <= n; i++ {
		switch v := l.Get(i).(type) {
		case lua.LString:
			size += len(v)
		case lua.LNumber:
			size += 16
		default:
			plain = false
		}
	}
	if plain {
		r.meter.allocate(l, size)
		text := make([]byte, 0, size)
		for i := 1; i <= n; i++ {
			text = append(text, l.Get(i).String()...)
		}
		l.Push(lua.LString(text))
		return 1
	}
	value := l.Get(n)
	for i := n - 1; i >= 1; i-- {
		value = r.concatTwo(l, l.Get(i), value)
	}
	l.Push(value)
	return 1
}

func (r *run) concatTwo(l *lua.LState, a, b lua.LValue) lua.LValue {
	if isText(a) && isText(b) {
		r.meter.allocate(l, len(a.String())+len(b.String()))
		return lua.LString(a.String() + b.String())
	}
	operation := l.GetMetaField(a, "__concat")
	if operation == lua.LNil {
		operation = l.GetMetaField(b, "__concat")
	}
	if operation == lua.LNil {
		bad := a
		if isText(a) {
			bad = b
		}
		l.RaiseError("attempt to concatenate a %s value", bad.Type())
	}
	l.Push(operation)
	l.Push(a)
	l.Push(b)
	l.Call(2, 1)
	value := l.Get(-1)
	l.Pop(1)
	return value
}

func isText(v lua.LValue) bool {
	return v.Type() == lua.LTString || v.Type() == lua.LTNumber
}
