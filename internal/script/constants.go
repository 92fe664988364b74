package script

import (
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dojang/internal/policy"
)

// The numbers that set_result and get_dbhandle take. Compat(opendkim 2.11).
const (
	smfisReject   = 1
	smfisDiscard  = 2
	smfisAccept   = 3
	smfisTempFail = 4

	dbDomains      = 1
	dbThirdParty   = 2
	dbDontSignTo   = 3
	dbMTAs         = 4
	dbMacros       = 5
	dbSigningTable = 6
)

var actions = map[int]policy.Action{smfisReject: policy.Reject, smfisDiscard: policy.Discard,
	smfisAccept: policy.Accept, smfisTempFail: policy.TempFail}

// constants are the numbers that scripts know by name. Compat(opendkim 2.11): the
// values are those of its library.
var constants = []struct {
	hooks  Hook
	values map[string]int
}{
	{Setup | Final, map[string]int{"SMFIS_REJECT": smfisReject, "SMFIS_DISCARD": smfisDiscard, "SMFIS_ACCEPT": smfisAccept, "SMFIS_TEMPFAIL": smfisTempFail}},
	{Setup | Screen, map[string]int{"DB_DOMAINS": dbDomains, "DB_THIRDPARTY": dbThirdParty, "DB_DONTSIGNTO": dbDontSignTo, "DB_MTAS": dbMTAs, "DB_MACROS": dbMacros, "DB_SIGNINGTABLE": dbSigningTable}},
	{Statistics | Final, map[string]int{"DKIM_SIGBH_UNTESTED": bodyUntested, "DKIM_SIGBH_MATCH": bodyMatch, "DKIM_SIGBH_MISMATCH": bodyMismatch}},
	{Statistics | Final, map[string]int{
		"DKIM_SIGERROR_UNKNOWN": -1, "DKIM_SIGERROR_OK": 0, "DKIM_SIGERROR_VERSION": 1, "DKIM_SIGERROR_DOMAIN": 2, "DKIM_SIGERROR_EXPIRED": 3,
		"DKIM_SIGERROR_FUTURE": 4, "DKIM_SIGERROR_TIMESTAMPS": 5, "DKIM_SIGERROR_INVALID_HC": 7, "DKIM_SIGERROR_INVALID_BC": 8,
		"DKIM_SIGERROR_MISSING_A": 9, "DKIM_SIGERROR_INVALID_A": 10, "DKIM_SIGERROR_MISSING_H": 11, "DKIM_SIGERROR_INVALID_L": 12,
		"DKIM_SIGERROR_INVALID_Q": 13, "DKIM_SIGERROR_INVALID_QO": 14, "DKIM_SIGERROR_MISSING_D": 15, "DKIM_SIGERROR_EMPTY_D": 16,
		"DKIM_SIGERROR_MISSING_S": 17, "DKIM_SIGERROR_EMPTY_S": 18, "DKIM_SIGERROR_MISSING_B": 19, "DKIM_SIGERROR_EMPTY_B": 20,
		"DKIM_SIGERROR_CORRUPT_B": 21, "DKIM_SIGERROR_NOKEY": 22, "DKIM_SIGERROR_DNSSYNTAX": 23, "DKIM_SIGERROR_KEYFAIL": 24,
		"DKIM_SIGERROR_MISSING_BH": 25, "DKIM_SIGERROR_EMPTY_BH": 26, "DKIM_SIGERROR_CORRUPT_BH": 27, "DKIM_SIGERROR_BADSIG": 28,
		"DKIM_SIGERROR_SUBDOMAIN": 29, "DKIM_SIGERROR_MULTIREPLY": 30, "DKIM_SIGERROR_EMPTY_H": 31, "DKIM_SIGERROR_INVALID_H": 32,
		"DKIM_SIGERROR_TOOLARGE_L": 33, "DKIM_SIGERROR_MBSFAILED": 34, "DKIM_SIGERROR_KEYVERSION": 35, "DKIM_SIGERROR_KEYUNKNOWNHASH": 36,
		"DKIM_SIGERROR_KEYHASHMISMATCH": 37, "DKIM_SIGERROR_NOTEMAILKEY": 38, "DKIM_SIGERROR_KEYTYPEMISSING": 40,
		"DKIM_SIGERROR_KEYTYPEUNKNOWN": 41, "DKIM_SIGERROR_KEYREVOKED": 42, "DKIM_SIGERROR_KEYDECODE": 43,
	}},
}

// What sig_bhresult says of the body.
const (
	bodyUntested = -1
	bodyMatch    = 0
	bodyMismatch = 1
)

// parseNumber reads a string as Lua does where it wants a number.
func parseNumber(s string) (lua.LNumber, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return lua.LNumber(n), nil
	}
	n, err := strconv.ParseFloat(s, 64)
	return lua.LNumber(n), err
}
