package script

import (
	"context"
	"errors"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"dojang/internal/dataset"
	"dojang/internal/policy"
)

// dataFunctions ask data sets.
var dataFunctions = []function{
	{name: "check_popauth", hooks: Setup, arguments: "c", minimum: 1, atLoad: standInNumber(0), do: checkPOPAuth},
	{name: "db_open", hooks: Setup | Screen, arguments: "sb", minimum: 1, do: dbOpen},
	{name: "db_check", hooks: Setup | Screen, arguments: "hs", minimum: 2, do: dbCheck},
	{name: "db_close", hooks: Setup | Screen, arguments: "h", minimum: 1, do: dbClose},
	{name: "get_dbhandle", hooks: Setup | Screen, arguments: "cn", minimum: 2, atLoad: emptySet, do: getDBHandle},
}

// handle is a data set in the hands of a script.
type handle struct {
	contains func(ctx context.Context, key string) (bool, error)
	opened   int // its place in run.sets; -1 for one of the configuration
}

// maxSets bounds the sets that one run may open.
const maxSets = 16

func containsKey(set dataset.Set) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, key string) (bool, error) {
		_, err := set.Lookup(ctx, key, 0)
		if errors.Is(err, dataset.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
}

func (c *call) handle(h *handle) []lua.LValue { return one(&lua.LUserData{Value: h, Env: c.l.Env}) }

// emptySet stands for a data set at load.
func emptySet(c *call) lua.LValue {
	return c.handle(&handle{func(context.Context, string) (bool, error) { return false, nil }, -1})[0]
}

func checkPOPAuth(c *call) []lua.LValue {
	set := c.message.Rules.POPDBFile
	if set == nil {
		return none()
	}
	found, err := containsKey(set)(c.ctx, c.message.Facts.ClientAddr.String())
	if err != nil {
		return none()
	}
	return truth(found)
}

func dbOpen(c *call) []lua.LValue {
	if len(c.sets) >= maxSets {
		c.fail("too many data sets")
	}
	name := c.text(1)
	o := c.script.o.Data
	o.FoldCase = c.has(2) && c.l.ToBool(2)
	set, err := dataset.Open(c.ctx, name, o)
	if err != nil {
		c.l.RaiseError("%s: odkim.db_open(): %s", name, err)
	}
	c.sets = append(c.sets, set)
	return c.handle(&handle{containsKey(set), len(c.sets) - 1})
}

func dbCheck(c *call) []lua.LValue {
	h := c.l.Get(1).(*lua.LUserData).Value.(*handle)
	if h.contains == nil {
		return none()
	}
	found, err := h.contains(c.ctx, c.text(2))
	if err != nil {
		return none()
	}
	return truth(found)
}

func dbClose(c *call) []lua.LValue {
	h := c.l.Get(1).(*lua.LUserData).Value.(*handle)
	if h.opened >= 0 && c.sets[h.opened] != nil {
		_ = c.sets[h.opened].Close() // nothing is left to do with it
		c.sets[h.opened], h.contains = nil, nil
	}
	return success(true)
}

func getDBHandle(c *call) []lua.LValue {
	r := c.message.Rules
	var set dataset.Set
	switch c.number(2) {
	case dbDomains:
		set = r.Domain
	case dbDontSignTo:
		set = r.DontSignMailTo
	case dbMTAs:
		set = r.MTA
	case dbSigningTable:
		set = r.SigningTable
	case dbMacros:
		return c.macros(r.MacroList)
	case dbThirdParty:
		set = r.Verdicts.TrustSignaturesFrom
	}
	if set == nil {
		return none()
	}
	return c.handle(&handle{containsKey(set), -1})
}

// macros is MacroList as a data set.
func (c *call) macros(rules []policy.MacroRule) []lua.LValue {
	if len(rules) == 0 {
		return none()
	}
	return c.handle(&handle{func(_ context.Context, key string) (bool, error) {
		return slices.ContainsFunc(rules, func(m policy.MacroRule) bool { return m.Name == key }), nil
	}, -1})
}
