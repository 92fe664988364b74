package script

import (
	lua "github.com/yuin/gopher-lua"

	"dojang/header"
)

// setupFunctions ask for signatures and verification.
var setupFunctions = []function{
	{name: "sign", hooks: Setup, rest: true, do: sign},
	{name: "signfor", hooks: Setup, arguments: "cs*", minimum: 2, atLoad: standInNumber(0), do: signFor},
	{name: "verify", hooks: Setup, arguments: "c", minimum: 1, do: verify},
	{name: "resign", hooks: Setup, arguments: "c", minimum: 1, atLoad: standInNumber(1), do: resign},
	{name: "use_ltag", hooks: Setup, arguments: "c", minimum: 1, do: useLTag},
	{name: "xtag", hooks: Setup | Final, arguments: "css", minimum: 3, atLoad: standInNumber(0), do: xtag},
	{name: "replace_header", hooks: Setup, arguments: "csns", minimum: 4, atLoad: standIn("dkimf_xs_replaceheader"), do: replaceHeader},
	{name: "set_result", hooks: Setup | Final, arguments: "cn", minimum: 2, atLoad: standInNumber(1), do: setResult},
}

// sign takes a key's name and, in either order, a signer and a length; without
// KeyTable there is no name.
func sign(c *call) []lua.LValue {
	if !c.fits(1, 'c') || c.has(2) && !c.fits(2, 's') || c.l.GetTop() > 4 {
		c.fail("incorrect argument type")
	}
	identity, length := "", (*int64)(nil)
	signer := false
	for i := 3; i <= c.l.GetTop(); i++ {
		switch v := c.l.Get(i).(type) {
		case lua.LNumber:
			if length != nil {
				c.fail("incorrect argument type")
			}
			length = new(int64)
			*length = int64(max(-1, min(float64(v), 1<<53)))
		case lua.LString:
			if signer {
				c.fail("incorrect argument type")
			}
			identity, signer = string(v), true
		default:
			c.fail("incorrect argument type")
		}
	}
	if c.message == nil {
		return truth(false)
	}
	key := ""
	if c.has(2) {
		if key = c.text(2); key == "" {
			return truth(false)
		}
	}
	ok, err := c.message.Sign(c.ctx, key, identity, length)
	if err != nil {
		c.fail(err.Error())
	}
	return truth(ok)
}

func signFor(c *call) []lua.LValue {
	if c.has(3) && !c.fits(3, 'b') {
		c.fail("invalid argument")
	}
	user, host, err := header.Address([]byte(c.text(2)))
	if err != nil || user == "" || host == "" {
		c.fail("can't parse address")
	}
	n, err := c.message.SignFor(c.ctx, user, host, c.has(3) && c.l.ToBool(3))
	if err != nil {
		c.fail("can't read signing table")
	}
	return one(lua.LNumber(n))
}

func verify(c *call) []lua.LValue {
	c.message.Plan.Verify = true
	return none()
}

func resign(c *call) []lua.LValue { return success(c.message.Resign()) }

func useLTag(c *call) []lua.LValue {
	c.message.Plan.BodyLength = true
	return none()
}

func xtag(c *call) []lua.LValue {
	if c.script.hook == Final && len(c.message.Plan.Sign) == 0 {
		return truth(false)
	}
	return one(lua.LNumber(c.message.AddTag(c.text(2), c.text(3))))
}

// replaceHeader returns nothing when it is done, nil when there is no such field.
func replaceHeader(c *call) []lua.LValue {
	c.meter.spend(c.l, c.fields().Len())
	index, _ := instance(c.fields(), c.text(2), c.number(3))
	value := c.text(4)
	if index < 0 || !isFieldValue(value) {
		return none()
	}
	c.meter.allocate(c.l, c.fields().Size())
	c.message.ReplaceField(index, value)
	return nil
}

func setResult(c *call) []lua.LValue {
	action, ok := actions[c.number(2)]
	if !ok {
		return none()
	}
	c.message.Reply.Action = action
	return success(true)
}

// isFieldValue reports whether a text is a field's value and not more than one
// field: each line end is followed by a blank.
func isFieldValue(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case 0:
			return false
		case '\r':
			if i+1 == len(s) || s[i+1] != '\n' {
				return false
			}
		case '\n':
			if i+1 == len(s) || s[i+1] != ' ' && s[i+1] != '\t' {
				return false
			}
		}
	}
	return true
}

func isFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == ':' {
			return false
		}
	}
	return s != ""
}
