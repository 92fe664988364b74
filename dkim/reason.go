package dkim

import "fmt"

// Reason says why a signature has the result it has. The list is closed.
type Reason uint8

// The reasons.
const (
	ReasonNone                   Reason = iota // no signature error
	ReasonVersion                              // unsupported signature version
	ReasonVersionMissing                       // version missing
	ReasonVersionEmpty                         // version empty
	ReasonDomain                               // invalid domain coverage
	ReasonExpired                              // signature expired
	ReasonFuture                               // signature timestamp in the future
	ReasonTimestampOrder                       // signature timestamp order error
	ReasonTimestamp                            // signature timestamp invalid
	ReasonHeaderCanonicalization               // invalid header canonicalization
	ReasonBodyCanonicalization                 // invalid body canonicalization
	ReasonAlgorithmMissing                     // signature algorithm missing
	ReasonAlgorithm                            // signature algorithm invalid
	ReasonHeadersMissing                       // header list missing
	ReasonHeadersEmpty                         // header list tag empty
	ReasonHeadersRequired                      // header list missing required entries
	ReasonLength                               // body length value invalid
	ReasonLengthTooLarge                       // length tag value exceeds body size
	ReasonQueryMethod                          // query method invalid
	ReasonQueryOption                          // query option invalid
	ReasonDomainMissing                        // domain tag missing
	ReasonDomainEmpty                          // domain tag empty
	ReasonDomainInvalid                        // domain tag invalid
	ReasonSelectorMissing                      // selector tag missing
	ReasonSelectorEmpty                        // selector tag empty
	ReasonSelectorInvalid                      // selector tag invalid
	ReasonIdentityInvalid                      // identity tag invalid
	ReasonSignatureMissing                     // signature data missing
	ReasonSignatureEmpty                       // signature data empty
	ReasonSignatureCorrupt                     // signature data corrupt
	ReasonBodyHashMissing                      // body hash missing
	ReasonBodyHashEmpty                        // body hash empty
	ReasonBodyHashCorrupt                      // body hash corrupt
	ReasonSyntax                               // signature syntax error
	ReasonDuplicateTag                         // signature tag repeated
	ReasonKeyNotFound                          // key not found in DNS
	ReasonKeyReply                             // key DNS reply corrupt
	ReasonKeyQuery                             // key DNS query failed
	ReasonMultipleKeys                         // multiple keys found
	ReasonKeySyntax                            // key syntax error
	ReasonKeyEmpty                             // empty key record
	ReasonKeyVersion                           // unknown key version
	ReasonKeyHashUnknown                       // unknown key hash
	ReasonKeyHashMismatch                      // signature-key hash mismatch
	ReasonNotEmailKey                          // not an e-mail key
	ReasonKeyTypeUnknown                       // unknown key type
	ReasonKeyTypeMismatch                      // key type mismatch
	ReasonKeyMissing                           // key missing
	ReasonKeyRevoked                           // key revoked
	ReasonKeyUnusable                          // unable to apply public key
	ReasonKeyTooSmall                          // signing key too small
	ReasonKeyTooLarge                          // signing key too large
	ReasonKeyWeak                              // signing key unsafe
	ReasonSubdomain                            // unauthorized subdomain
	ReasonBadSignature                         // signature verification failed
	ReasonBodyHash                             // signature verification failed
	ReasonUnprotectedHeader                    // unprotected header field
	ReasonSHA1                                 // signature algorithm not accepted
	ReasonBodyCoverage                         // signature covers too little of the body
	ReasonRepeatedField                        // repeated header field not signed
	ReasonCondition                            // condition of the signature not met
	ReasonTooManySignatures                    // signature ignored
	ReasonInternal                             // unable to verify

	reasonCount
)

// reasonInfo holds what is told of one reason.
type reasonInfo struct {
	text    string // Compat(opendkim 2.11): its words where it has some
	status  Status
	explain string
}

var reasons = [reasonCount]reasonInfo{
	ReasonNone: {"no signature error", StatusPass,
		"The signature is good."},
	ReasonVersion: {"unsupported signature version", StatusPermError,
		"The signature's v= is not 1, the only version there is."},
	ReasonVersionMissing: {"version missing", StatusPermError,
		"The signature has no v= tag."},
	ReasonVersionEmpty: {"version empty", StatusPermError,
		"The signature's v= tag is empty."},
	ReasonDomain: {"invalid domain coverage", StatusPermError,
		"The identity in i= is not inside the signing domain d=."},
	ReasonExpired: {"signature expired", StatusPermError,
		"The signature's expiration time x= has passed."},
	ReasonFuture: {"signature timestamp in the future", StatusPermError,
		"The signature's time t= lies in the future; one of the two clocks is wrong."},
	ReasonTimestampOrder: {"signature timestamp order error", StatusPermError,
		"The signature expires (x=) before it was made (t=)."},
	ReasonTimestamp: {"signature timestamp invalid", StatusPermError,
		"The signature's t= or x= is not a time in seconds since 1970."},
	ReasonHeaderCanonicalization: {"invalid header canonicalization", StatusPermError,
		"The signature's c= names an unknown header canonicalization."},
	ReasonBodyCanonicalization: {"invalid body canonicalization", StatusPermError,
		"The signature's c= names an unknown body canonicalization."},
	ReasonAlgorithmMissing: {"signature algorithm missing", StatusPermError,
		"The signature has no a= tag."},
	ReasonAlgorithm: {"signature algorithm invalid", StatusPermError,
		"The signature's a= names an algorithm that does not exist."},
	ReasonHeadersMissing: {"header list missing", StatusPermError,
		"The signature has no h= tag, so it does not say which header fields it covers."},
	ReasonHeadersEmpty: {"header list tag empty", StatusPermError,
		"The signature's h= tag is empty."},
	ReasonHeadersRequired: {"header list missing required entries", StatusPermError,
		"The signature does not cover the From field, which every signature must."},
	ReasonLength: {"body length value invalid", StatusPermError,
		"The signature's l= is not a number."},
	ReasonLengthTooLarge: {"length tag value exceeds body size", StatusFail,
		"The signature covers more bytes (l=) than the body has: the body was shortened."},
	ReasonQueryMethod: {"query method invalid", StatusPermError,
		"The signature's q= names no way of fetching the key that is known; dns/txt is the only one."},
	ReasonQueryOption: {"query option invalid", StatusPermError,
		"The signature's q= has an option for dns other than txt."},
	ReasonDomainMissing: {"domain tag missing", StatusPermError,
		"The signature has no d= tag, so it names no signing domain."},
	ReasonDomainEmpty: {"domain tag empty", StatusPermError,
		"The signature's d= tag is empty."},
	ReasonDomainInvalid: {"domain tag invalid", StatusPermError,
		"The signature's d= is not a domain name."},
	ReasonSelectorMissing: {"selector tag missing", StatusPermError,
		"The signature has no s= tag, so it names no key."},
	ReasonSelectorEmpty: {"selector tag empty", StatusPermError,
		"The signature's s= tag is empty."},
	ReasonSelectorInvalid: {"selector tag invalid", StatusPermError,
		"The signature's s= is not a selector: labels of letters, digits and hyphens."},
	ReasonIdentityInvalid: {"identity tag invalid", StatusPermError,
		"The signature's i= has no @, or is badly encoded."},
	ReasonSignatureMissing: {"signature data missing", StatusPermError,
		"The signature has no b= tag."},
	ReasonSignatureEmpty: {"signature data empty", StatusPermError,
		"The signature's b= tag is empty."},
	ReasonSignatureCorrupt: {"signature data corrupt", StatusPermError,
		"The signature's b= is not base64."},
	ReasonBodyHashMissing: {"body hash missing", StatusPermError,
		"The signature has no bh= tag."},
	ReasonBodyHashEmpty: {"body hash empty", StatusPermError,
		"The signature's bh= tag is empty."},
	ReasonBodyHashCorrupt: {"body hash corrupt", StatusPermError,
		"The signature's bh= is not base64 of a hash of the right size."},
	ReasonSyntax: {"signature syntax error", StatusPermError,
		"The signature is not a list of tags."},
	ReasonDuplicateTag: {"signature tag repeated", StatusPermError,
		"The signature has the same tag twice."},
	ReasonKeyNotFound: {"key not found in DNS", StatusFail,
		"There is no key record at this selector and domain: it was never published, or has been withdrawn."},
	ReasonKeyReply: {"key DNS reply corrupt", StatusPermError,
		"What the name server answered is no usable TXT record."},
	ReasonKeyQuery: {"key DNS query failed", StatusTempError,
		"The key could not be looked up: the name servers did not answer or reported an error. Trying later may work."},
	ReasonMultipleKeys: {"multiple keys found", StatusPermError,
		"There are several key records at this name; which is meant is undefined."},
	ReasonKeySyntax: {"key syntax error", StatusPermError,
		"The key record is not a list of tags."},
	ReasonKeyEmpty: {"empty key record", StatusPermError,
		"The key record holds nothing."},
	ReasonKeyVersion: {"unknown key version", StatusFail,
		"The key record's v= is not DKIM1, or does not stand first."},
	ReasonKeyHashUnknown: {"unknown key hash", StatusFail,
		"The key record's h= names no hash function that exists (it must be sha256; a common mistake is rsa-sha256)."},
	ReasonKeyHashMismatch: {"signature-key hash mismatch", StatusFail,
		"The key record's h= does not allow the hash function of the signature."},
	ReasonNotEmailKey: {"not an e-mail key", StatusFail,
		"The key record's s= says that the key is not for mail."},
	ReasonKeyTypeUnknown: {"unknown key type", StatusFail,
		"The key record's k= is empty or names a type of key that is not known."},
	ReasonKeyTypeMismatch: {"key type mismatch", StatusPermError,
		"The key is of another type than the signature's algorithm."},
	ReasonKeyMissing: {"key missing", StatusPermError,
		"The key record has no p= tag."},
	ReasonKeyRevoked: {"key revoked", StatusFail,
		"The key record's p= is empty: the domain has withdrawn this key."},
	ReasonKeyUnusable: {"unable to apply public key", StatusPermError,
		"The key record's p= does not hold a public key: it is cut short, or characters were added or changed."},
	ReasonKeyTooSmall: {"signing key too small", StatusPolicy,
		"The key is shorter than accepted here (1024 bits by RFC 8301, unless set otherwise)."},
	ReasonKeyTooLarge: {"signing key too large", StatusPolicy,
		"The key is longer than accepted here; checking it would cost too much."},
	ReasonKeyWeak: {"signing key unsafe", StatusPolicy,
		"The key's numbers (exponent, modulus or point) are such that anybody could sign with it."},
	ReasonSubdomain: {"unauthorized subdomain", StatusFail,
		"The key record (t=s) forbids an identity i= in a subdomain of d=."},
	ReasonBadSignature: {"signature verification failed", StatusFail,
		"The header was changed after signing, or the signature was made with another key."},
	ReasonBodyHash: {"signature verification failed", StatusFail,
		"The body was changed after signing."},
	ReasonUnprotectedHeader: {"unprotected header field", StatusPolicy,
		"A header field that must be signed here is not covered by the signature."},
	ReasonSHA1: {"signature algorithm not accepted", StatusPolicy,
		"The signature uses SHA-1, which RFC 8301 forbids."},
	ReasonBodyCoverage: {"signature covers too little of the body", StatusPolicy,
		"The signature's l= leaves more of the body unsigned than accepted here."},
	ReasonRepeatedField: {"repeated header field not signed", StatusPolicy,
		"A header field that may occur once only occurs more often than the signature covers."},
	ReasonCondition: {"condition of the signature not met", StatusFail,
		"The signature counts only together with one of another domain (!cd=), which is missing or wrong."},
	ReasonTooManySignatures: {"signature ignored", StatusNeutral,
		"The message has more signatures than are looked at here."},
	ReasonInternal: {"unable to verify", StatusTempError,
		"An internal error kept the signature from being checked."},
}

// String returns the reason in the words of OpenDKIM, where it has words for it.
func (r Reason) String() string {
	if r < reasonCount {
		return reasons[r].text
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Error makes a Reason an error, for functions that judge one thing.
func (r Reason) Error() string { return r.String() }

// Explain says in plain words what is the matter.
func (r Reason) Explain() string {
	if r < reasonCount {
		return reasons[r].explain
	}
	return r.String()
}

// Status returns the result a signature has for this reason.
//
// Compat(opendkim 2.11): a key that is absent, revoked or of no use for mail is
// a fail and not a permerror; a signature out of its time is a permerror.
func (r Reason) Status() Status {
	if r < reasonCount {
		return reasons[r].status
	}
	return StatusPermError
}
