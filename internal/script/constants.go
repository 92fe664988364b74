package script

import (
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"dojang/dkim"
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

var actions = map[int]policy.Action{smfisReject: policy.Reject, smfisDiscard: policy.Discard, smfisAccept: policy.Accept, smfisTempFail: policy.TempFail}

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

const unknownError = -1

// errorNumbers are the DKIM_SIGERROR numbers of reasons; others are unknown.
var errorNumbers = map[dkim.Reason]int{
	dkim.ReasonNone:                   0,
	dkim.ReasonVersion:                1,
	dkim.ReasonDomain:                 2,
	dkim.ReasonIdentityInvalid:        2,
	dkim.ReasonExpired:                3,
	dkim.ReasonFuture:                 4,
	dkim.ReasonTimestampOrder:         5,
	dkim.ReasonTimestamp:              5,
	dkim.ReasonHeaderCanonicalization: 7,
	dkim.ReasonBodyCanonicalization:   8,
	dkim.ReasonAlgorithmMissing:       9,
	dkim.ReasonAlgorithm:              10,
	dkim.ReasonSHA1:                   10,
	dkim.ReasonHeadersMissing:         11,
	dkim.ReasonLength:                 12,
	dkim.ReasonQueryMethod:            13,
	dkim.ReasonQueryOption:            14,
	dkim.ReasonDomainMissing:          15,
	dkim.ReasonDomainEmpty:            16,
	dkim.ReasonSelectorMissing:        17,
	dkim.ReasonSelectorEmpty:          18,
	dkim.ReasonSignatureMissing:       19,
	dkim.ReasonSignatureEmpty:         20,
	dkim.ReasonSignatureCorrupt:       21,
	dkim.ReasonKeyNotFound:            22,
	dkim.ReasonKeyReply:               23,
	dkim.ReasonKeySyntax:              23,
	dkim.ReasonKeyEmpty:               23,
	dkim.ReasonKeyMissing:             23,
	dkim.ReasonKeyQuery:               24,
	dkim.ReasonBodyHashMissing:        25,
	dkim.ReasonBodyHashEmpty:          26,
	dkim.ReasonBodyHashCorrupt:        27,
	dkim.ReasonBadSignature:           28,
	dkim.ReasonBodyHash:               28,
	dkim.ReasonSubdomain:              29,
	dkim.ReasonMultipleKeys:           30,
	dkim.ReasonHeadersEmpty:           31,
	dkim.ReasonHeadersRequired:        32,
	dkim.ReasonLengthTooLarge:         33,
	dkim.ReasonUnprotectedHeader:      34,
	dkim.ReasonKeyVersion:             35,
	dkim.ReasonKeyHashUnknown:         36,
	dkim.ReasonKeyHashMismatch:        37,
	dkim.ReasonNotEmailKey:            38,
	dkim.ReasonKeyTypeUnknown:         41,
	dkim.ReasonKeyTypeMismatch:        41,
	dkim.ReasonKeyRevoked:             42,
	dkim.ReasonKeyUnusable:            43,
	dkim.ReasonVersionMissing:         44,
	dkim.ReasonVersionEmpty:           45,
	dkim.ReasonKeyTooSmall:            46,
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
