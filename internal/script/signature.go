package script

import (
	lua "github.com/yuin/gopher-lua"

	"dojang/dkim"
	"dojang/internal/policy"
	"dojang/internal/statistics"
)

const verified = Screen | Statistics | Final

// signatureFunctions look at the signatures that a message carries.
var signatureFunctions = []function{
	{name: "get_sigarray", hooks: verified, arguments: "c", minimum: 1, atLoad: noSignatures, do: getSigArray},
	{name: "get_sigcount", hooks: verified, arguments: "c", minimum: 1, atLoad: standInNumber(1), do: getSigCount},
	{name: "get_sighandle", hooks: verified, arguments: "cn", minimum: 2, atLoad: noSignature, do: getSigHandle},
	{name: "sig_getdomain", hooks: verified, arguments: "g", minimum: 1, atLoad: standIn("dkimf_xs_getsigdomain"), do: sigGetDomain},
	{name: "sig_getidentity", hooks: verified, arguments: "g", minimum: 1, atLoad: standIn("dkimf_xs_getsigidentity"), do: sigGetIdentity},
	{name: "sig_ignore", hooks: Screen, arguments: "g", minimum: 1, do: sigIgnore},
	{name: "sig_result", hooks: Statistics | Final, arguments: "g", minimum: 1, atLoad: standInNumber(0), do: sigResult},
	{name: "sig_bhresult", hooks: Statistics | Final, arguments: "g", minimum: 1, atLoad: standInNumber(0), do: sigBHResult},
	{name: "sig_bodylength", hooks: Statistics | Final, arguments: "g*", minimum: 1, atLoad: standInNumber(0), do: sigBodyLength},
	{name: "sig_canonlength", hooks: Statistics | Final, arguments: "g*", minimum: 1, atLoad: standInNumber(0), do: sigCanonLength},
}

// signature is a signature's handle; the zero one stands for none, at load.
type signature struct{ *policy.ScriptedSignature }

func (c *call) signature() signature { return c.l.Get(1).(*lua.LUserData).Value.(signature) }

func (c *call) sigHandle(i int) lua.LValue {
	return &lua.LUserData{Value: signature{&c.message.Signatures[i]}, Env: c.l.Env}
}

func noSignature(c *call) lua.LValue { return &lua.LUserData{Value: signature{}, Env: c.l.Env} }

func noSignatures(c *call) lua.LValue {
	return c.list(1, func(int) lua.LValue { return noSignature(c) })
}

func getSigArray(c *call) []lua.LValue {
	return one(c.list(len(c.message.Signatures), c.sigHandle))
}

func getSigCount(c *call) []lua.LValue { return one(lua.LNumber(len(c.message.Signatures))) }

func getSigHandle(c *call) []lua.LValue {
	if len(c.message.Signatures) == 0 && !c.message.Plan.Verify {
		return none()
	}
	n := c.number(2)
	if n < 0 || n >= len(c.message.Signatures) {
		c.fail("invalid request")
	}
	return one(c.sigHandle(n))
}

func sigGetDomain(c *call) []lua.LValue {
	if s := c.signature(); s.Domain != "" {
		return one(lua.LString(s.Domain))
	}
	return none()
}

func sigGetIdentity(c *call) []lua.LValue {
	s := c.signature()
	switch {
	case s.Identity != "":
		return one(lua.LString(s.Identity))
	case s.Domain != "":
		return one(lua.LString("@" + s.Domain))
	}
	return none()
}

func sigIgnore(c *call) []lua.LValue {
	c.signature().Ignored = true
	return none()
}

// checked is a signature's result, nil when there is none to tell.
func (s signature) checked() *dkim.Result {
	if s.Ignored || s.Result == nil || s.Result.Reason == dkim.ReasonTooManySignatures {
		return nil
	}
	return s.Result
}

func sigResult(c *call) []lua.LValue {
	result := c.signature().checked()
	if result == nil {
		return one(lua.LNumber(statistics.UnknownError))
	}
	return one(lua.LNumber(statistics.ErrorNumber(result.Reason)))
}

// sigBHResult: Compat(opendkim 2.11): a body is tested for a signature whose
// header fits.
func sigBHResult(c *call) []lua.LValue {
	result := c.signature().checked()
	switch {
	case result == nil || !result.HeaderOK || result.Reason == dkim.ReasonLengthTooLarge:
		return one(lua.LNumber(bodyUntested))
	case result.BodyOK:
		return one(lua.LNumber(bodyMatch))
	}
	return one(lua.LNumber(bodyMismatch))
}

func sigBodyLength(c *call) []lua.LValue {
	result := c.signature().checked()
	if result == nil {
		return none()
	}
	return one(lua.LNumber(result.CanonicalBodyLength))
}

func sigCanonLength(c *call) []lua.LValue {
	result := c.signature().checked()
	if result == nil {
		return none()
	}
	length := result.CanonicalBodyLength
	if l := result.Signature.Length; l >= 0 {
		length = min(length, l)
	}
	return one(lua.LNumber(length))
}
