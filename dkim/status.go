package dkim

import "fmt"

// Status is the result of checking one signature, in the words of RFC 8601
// §2.7.1.
type Status uint8

// The results.
const (
	StatusNone      Status = iota // the message is not signed
	StatusPass                    // the signature is good
	StatusFail                    // the signature does not fit the message
	StatusPolicy                  // it may fit, but local policy does not accept it
	StatusNeutral                 // it could not be processed: syntax
	StatusTempError               // trying later may help
	StatusPermError               // trying later will not help
)

// String returns the word used in Authentication-Results.
func (s Status) String() string {
	switch s {
	case StatusNone:
		return "none"
	case StatusPass:
		return "pass"
	case StatusFail:
		return "fail"
	case StatusPolicy:
		return "policy"
	case StatusNeutral:
		return "neutral"
	case StatusTempError:
		return "temperror"
	case StatusPermError:
		return "permerror"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Security is what is known about the DNSSEC protection of a key record.
type Security uint8

// The states of protection.
const (
	SecurityUnknown Security = iota // nobody asked, or the resolver is not to be trusted
	Insecure                        // the zone is not signed
	Secure                          // validated
	Bogus                           // validation failed
)

// String returns the state in one word.
func (s Security) String() string {
	switch s {
	case SecurityUnknown:
		return "unknown"
	case Insecure:
		return "insecure"
	case Secure:
		return "secure"
	case Bogus:
		return "bogus"
	}
	return fmt.Sprintf("Security(%d)", uint8(s))
}
