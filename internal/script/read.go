package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dojang/header"
	"dojang/internal/event"
)

const everywhere = Setup | Screen | Statistics | Final

// readFunctions look at the message. Compat(opendkim 2.11): what they return at
// load are OpenDKIM's stand-ins.
var readFunctions = []function{
	{name: "get_envfrom", hooks: everywhere, arguments: "c", minimum: 1, atLoad: standIn("dkimf_xs_getenvfrom"), do: getEnvFrom},
	{name: "get_fromdomain", hooks: everywhere, arguments: "c", minimum: 1, atLoad: standIn("dkimf_xs_fromdomain"), do: getFromDomain},
	{name: "get_header", hooks: everywhere, arguments: "csn", minimum: 3, atLoad: standIn("dkimf_xs_getheader"), do: getHeader},
	{name: "get_mtasymbol", hooks: everywhere, arguments: "cs", minimum: 2, atLoad: standIn("dkimf_xs_getmtasymbol"), do: getMTASymbol},
	{name: "get_rcpt", hooks: everywhere, arguments: "cn", minimum: 2, atLoad: standIn("dkimf_xs_rcpt"), do: getRcpt},
	{name: "get_rcptarray", hooks: everywhere, arguments: "c", minimum: 1, atLoad: oneRcpt, do: getRcptArray},
	{name: "rcpt_count", hooks: everywhere, arguments: "c", minimum: 1, atLoad: standInNumber(1), do: rcptCount},
	{name: "get_clienthost", hooks: everywhere, arguments: "c", minimum: 1, atLoad: standIn("dkimf_xs_clienthost"), do: getClientHost},
	{name: "get_clientip", hooks: everywhere, arguments: "c", minimum: 1, atLoad: standIn("dkimf_xs_clientip"), do: getClientIP},
	{name: "internal_ip", hooks: everywhere, arguments: "c", minimum: 1, atLoad: standInNumber(1), do: internalIP},
	{name: "log", hooks: everywhere, arguments: "cs", minimum: 2, do: logLine},
	{name: "export", hooks: everywhere, arguments: "cs*", minimum: 3, rest: true, do: export},
	{name: "parse_field", hooks: everywhere, arguments: "s", minimum: 1, do: parseField},
	{name: "spam", hooks: everywhere, arguments: "c", minimum: 1, do: spam},
}

func getEnvFrom(c *call) []lua.LValue { return one(lua.LString(c.message.Facts.Sender)) }

func getFromDomain(c *call) []lua.LValue {
	domain := c.message.Plan.Author.Domain
	if domain == "" {
		return none()
	}
	return one(lua.LString(strings.ToLower(domain)))
}

// fields are the header as it will be signed or verified.
func (c *call) fields() *header.List { return c.message.Plan.Header(c.message.Facts.Fields) }

// instance finds instance n of a field: from the top from 0, from the end from
// -1. It returns its index in the list and its number among those of its name.
func instance(fields *header.List, name string, n int) (index, number int) {
	if n < 0 {
		if n += fields.Count(name); n < 0 {
			return -1, 0
		}
	}
	for i := range fields.Len() {
		if !fields.At(i).Is(name) {
			continue
		}
		if number == n {
			return i, number
		}
		number++
	}
	return -1, 0
}

func getHeader(c *call) []lua.LValue {
	c.meter.spend(c.l, c.fields().Len()/8)
	index, _ := instance(c.fields(), c.text(2), c.number(3))
	if index < 0 {
		return none()
	}
	// As the MTA gives it: lines end in LF.
	return one(lua.LString(strings.ReplaceAll(string(c.fields().At(index).Value()), "\r\n", "\n")))
}

func getMTASymbol(c *call) []lua.LValue {
	if c.message.Facts.Macro == nil {
		return none()
	}
	value := c.message.Facts.Macro(c.text(2))
	if value == "" {
		return none()
	}
	return one(lua.LString(value))
}

func getRcpt(c *call) []lua.LValue {
	recipients, n := c.message.Facts.Recipients, c.number(2)
	if n < 0 || n >= len(recipients) {
		return none()
	}
	return one(lua.LString(recipients[n]))
}

func getRcptArray(c *call) []lua.LValue {
	recipients := c.message.Facts.Recipients
	return one(c.list(len(recipients), func(i int) lua.LValue { return lua.LString(recipients[i]) }))
}

func oneRcpt(c *call) lua.LValue {
	return c.list(1, func(int) lua.LValue { return lua.LString("dkimf_xs_rcptarray") })
}

func rcptCount(c *call) []lua.LValue { return one(lua.LNumber(len(c.message.Facts.Recipients))) }

func getClientHost(c *call) []lua.LValue { return one(lua.LString(c.message.Facts.ClientName)) }

func getClientIP(c *call) []lua.LValue {
	addr := c.message.Facts.ClientAddr
	if !addr.IsValid() {
		return none()
	}
	return one(lua.LString(addr.String()))
}

func internalIP(c *call) []lua.LValue {
	hosts := c.message.Rules.InternalHosts
	if hosts == nil {
		return truth(false)
	}
	ok, err := hosts.Match(c.ctx, c.message.Facts.ClientName, c.message.Facts.ClientAddr)
	if err != nil {
		c.fail(err.Error())
	}
	return truth(ok)
}

func logLine(c *call) []lua.LValue {
	c.meter.allocate(c.l, min(len(c.text(2)), 1024))
	c.message.Tell(event.ScriptSays(c.text(2)))
	return none()
}

// export hands values to later scripts.
func export(c *call) []lua.LValue {
	n := c.l.GetTop()
	if n%2 == 0 {
		c.fail("incorrect argument count")
	}
	for i := 2; i < n; i += 2 {
		if !isText(c.l.Get(i)) {
			c.fail("incorrect argument type")
		}
		var value any
		switch v := c.l.Get(i + 1).(type) {
		case lua.LString:
			value = string(v)
		case lua.LNumber:
			value = float64(v)
		case lua.LBool:
			value = bool(v)
		case *lua.LNilType:
		default:
			c.fail("incorrect argument type")
		}
		if c.message.Exports == nil {
			c.message.Exports = map[string]any{}
		}
		c.message.Exports[c.text(i)] = value
	}
	return nil
}

func parseField(c *call) []lua.LValue {
	user, domain, err := header.Address([]byte(c.text(1)))
	if err != nil || user == "" || domain == "" {
		return none()
	}
	return []lua.LValue{lua.LString(quotedIfNeeded(user)), lua.LString(domain)}
}

// quotedIfNeeded writes a local part as RFC 5322 §3.4.1 wants it.
func quotedIfNeeded(user string) string {
	if !strings.ContainsAny(user, " \t\"\\(),:;<>@[]") {
		return user
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(user) + `"`
}

func spam(c *call) []lua.LValue {
	c.message.Spam = true
	return nil
}
