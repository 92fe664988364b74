package keyrecord

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/taglist"
)

// Fault is something wrong with a published record, by name. Text and Hint are for
// whoever shows it: package words makes them of Code and Args.
type Fault struct {
	Code  string            `json:"code"`  // one word a script can look for, see the Fault constants
	Fatal bool              `json:"fatal"` // signatures fail because of it; else only some verifiers mind
	Args  map[string]string `json:"args,omitempty"`
	Text  string            `json:"text,omitempty"` // what is wrong
	Hint  string            `json:"hint,omitempty"` // what to do
}

// The codes of faults.
const (
	FaultAbsent         = "absent"           // no record at the name
	FaultOneLabelOff    = "one-label-off"    // it stands at another name
	FaultSeveralRecords = "several-records"  // more than one TXT record
	FaultNotAKey        = "not-a-key"        // a TXT record of another kind
	FaultZoneLine       = "zone-line"        // a whole line of a zone file as value
	FaultQuotes         = "quotes"           // quotation marks inside
	FaultBackslashes    = "backslashes"      // backslashes inside
	FaultBlanks         = "blanks"           // white space inside p=
	FaultVersionMissing = "version-missing"  // no v=
	FaultVersionOrder   = "version-order"    // v= not first
	FaultVersion        = "version"          // v= is not DKIM1
	FaultHash           = "hash"             // h= lacks sha256
	FaultCut            = "cut"              // p= cut short
	FaultNoKey          = "no-key"           // p= missing or not base64
	FaultBadKey         = "bad-key"          // p= is no key
	FaultRevoked        = "revoked"          // p= empty
	FaultType           = "type"             // k= unknown
	FaultService        = "service"          // s= without e-mail
	FaultWeak           = "weak"             // too few bits
	FaultTesting        = "testing"          // t=y
	FaultSyntax         = "syntax"           // cannot be read
	FaultAliasLoop      = "alias-loop"       // CNAMEs go in circles
	FaultBogus          = "bogus"            // DNSSEC validation fails
	FaultLookup         = "lookup"           // DNS does not answer
	FaultMismatch       = "mismatch"         // private and public key differ
	FaultOtherSelector  = "other-selector"   // the private key is another selector's
	FaultPrivateKey     = "private-key"      // the private key cannot be read
	FaultServersDiffer  = "servers-differ"   // authoritative servers disagree
	FaultServer         = "server-no-answer" // an authoritative server does not answer
	FaultUnsigned       = "server-unsigned"  // the zone is signed and a server's answer is not, or not for long
	FaultAliasMissing   = "alias-missing"    // the CNAME that should stand at the name does not
	FaultAliasDangling  = "alias-dangling"   // a CNAME leads to a name without record
	FaultWildcard       = "wildcard"         // the record is a wildcard's: every selector has it
	FaultDelegation     = "delegation"       // parent and child zone name different servers
	FaultCacheDiffers   = "cache-differs"    // the resolver has another answer than the authoritative servers
	FaultLimit          = "limit"            // the check asked as much as it may
)

// NewFault returns a fault; args are the names and values of its arguments in turn.
// Values are cut to what a line can show.
func NewFault(code string, fatal bool, args ...string) Fault {
	f := Fault{Code: code, Fatal: fatal}
	for i := 0; i+1 < len(args); i += 2 {
		if f.Args == nil {
			f.Args = make(map[string]string, len(args)/2)
		}
		value := args[i+1]
		if len(value) > maxArgBytes {
			value = value[:maxArgBytes] + "..."
		}
		f.Args[args[i]] = value
	}
	return f
}

const maxArgBytes = 256

// Inspect finds what is wrong with the TXT records found at a key's name, each
// its strings joined. No fault that is Fatal means that verifiers can use it.
func Inspect(texts []string) []Fault {
	switch len(texts) {
	case 0:
		return []Fault{NewFault(FaultAbsent, true)}
	case 1:
		return inspectText(texts[0])
	}
	return []Fault{inspectSeveral(texts)}
}

func inspectSeveral(texts []string) Fault {
	keys := 0
	for _, text := range texts {
		if usable(text) {
			keys++
		}
	}
	// Panels that cut long values make two records of one.
	for i := range texts {
		for j := range texts {
			if i != j && keys < 2 && usable(texts[i]+texts[j]) && strings.Contains(texts[i], "p=") &&
				!strings.Contains(texts[j], "=DKIM1") {
				return NewFault(FaultSeveralRecords, true, "case", "halves")
			}
		}
	}
	return NewFault(FaultSeveralRecords, true, "records", strconv.Itoa(len(texts)), "keys", strconv.Itoa(keys))
}

func usable(text string) bool {
	_, err := dkim.ParseKeyRecord(text)
	return err == nil
}

// inspectText judges one record: first whether a verifier can use it as it is,
// then what spoils it.
func inspectText(text string) []Fault {
	record, err := dkim.ParseKeyRecord(text)
	if err == nil {
		return warnings(text, record)
	}
	if errors.Is(err, dkim.ReasonKeyRevoked) {
		return []Fault{NewFault(FaultRevoked, true)}
	}
	if f, found := inspectPackaging(text); found {
		return []Fault{f}
	}
	reason, _ := err.(dkim.Reason)
	return []Fault{inspectReason(text, reason)}
}

// warnings are what does not keep a record from use, or not everywhere.
func warnings(text string, r *dkim.KeyRecord) []Fault {
	var faults []Fault
	add := func(code string, fatal bool, args ...string) {
		faults = append(faults, NewFault(code, fatal, args...))
	}
	tags, _ := taglist.Parse([]byte(text))
	if tags.Value("v") == nil {
		add(FaultVersionMissing, false)
	}
	if p := string(tags.Value("p")); strings.ContainsAny(p, " \t") {
		add(FaultBlanks, false)
	}
	// RFC 8301 §3.2: receivers must not take less than 1024 bits, signers should use 2048.
	if r.Type == "rsa" && r.Bits < 2048 {
		add(FaultWeak, r.Bits < 1024, "bits", strconv.Itoa(r.Bits))
	}
	// RFC 8301 §3.1: rsa-sha1 must not be used, and every other algorithm is of SHA-256.
	if r.Hashes != nil && !slices.ContainsFunc(r.Hashes, func(h string) bool { return strings.EqualFold(h, "sha256") }) {
		add(FaultHash, true, "h", string(tags.Value("h")), "case", "sha1")
	}
	if r.Testing {
		add(FaultTesting, false)
	}
	return faults
}

// inspectPackaging recognizes a good record spoiled on its way into DNS.
func inspectPackaging(text string) (Fault, bool) {
	if strings.Contains(text, "IN") && strings.Contains(text, "TXT") && strings.Contains(text, "_domainkey") ||
		strings.HasPrefix(strings.TrimSpace(text), "(") {
		return NewFault(FaultZoneLine, true), true
	}
	mended, code := text, ""
	args := []string{"mended", "no"}
	if strings.ContainsAny(mended, `"“”`) {
		code, mended = FaultQuotes, joinQuoted(mended)
	}
	if strings.Contains(mended, `\`) {
		if code == "" {
			code = FaultBackslashes
		} else {
			args = append(args, "backslashes", "yes")
		}
		mended = strings.ReplaceAll(mended, `\`, "")
	}
	if code == "" {
		return Fault{}, false
	}
	if usable(mended) {
		args[1] = "yes"
	}
	return NewFault(code, true, args...), true
}

// joinQuoted joins what was meant to be several strings.
func joinQuoted(text string) string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '"' || r == '“' || r == '”' })
	var b strings.Builder
	for _, part := range parts {
		if strings.TrimSpace(part) != "" {
			b.WriteString(part)
		}
	}
	return b.String()
}

func inspectReason(text string, reason dkim.Reason) Fault {
	tags, tagErr := taglist.Parse([]byte(text))
	value := func(name string) string { return string(tags.Value(name)) }
	switch reason {
	case dkim.ReasonKeyVersion:
		if value("v") == "DKIM1" {
			return NewFault(FaultVersionOrder, true)
		}
		return NewFault(FaultVersion, true, "v", value("v"))
	case dkim.ReasonKeyHashUnknown:
		return inspectHash(value("h"))
	case dkim.ReasonNotEmailKey:
		return NewFault(FaultService, true, "s", value("s"))
	case dkim.ReasonKeyTypeUnknown:
		return NewFault(FaultType, true, "k", value("k"))
	case dkim.ReasonKeyMissing:
		return NewFault(FaultNoKey, true, "case", "missing")
	case dkim.ReasonKeyUnusable:
		return inspectKeyData(text, value("k"), value("p"))
	}
	switch {
	case tagErr == nil || !strings.Contains(text, "p="):
		return NewFault(FaultNotAKey, true, "text", text)
	case errors.Is(tagErr, taglist.ErrDuplicate):
		return NewFault(FaultSyntax, true, "case", "duplicate")
	}
	return NewFault(FaultSyntax, true, "detail", SyntaxError(text))
}

func inspectHash(list string) Fault {
	for h := range strings.SplitSeq(list, ":") {
		if h = strings.ToLower(strings.TrimSpace(h)); strings.HasPrefix(h, "rsa-") || strings.HasPrefix(h, "ed25519-") {
			return NewFault(FaultHash, true, "h", list, "case", "algorithm")
		}
	}
	return NewFault(FaultHash, true, "h", list)
}

// inspectKeyData tells a key cut short from one that never was one.
func inspectKeyData(text, keyType, p string) Fault {
	p = strings.Join(strings.Fields(p), "")
	if len(text) >= 240 && len(text) <= 256 {
		return NewFault(FaultCut, true, "case", "length", "characters", strconv.Itoa(len(text)))
	}
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		der, err = base64.RawStdEncoding.DecodeString(p)
	}
	switch {
	case err == nil:
	case strings.ContainsAny(p, "-_"):
		return NewFault(FaultNoKey, true, "case", "url-alphabet")
	case len(p)%4 != 0:
		return NewFault(FaultCut, true, "case", "base64", "characters", strconv.Itoa(len(p)))
	default:
		return NewFault(FaultNoKey, true, "case", "base64")
	}
	if want, ok := derLength(der); ok && want != len(der) {
		return NewFault(FaultCut, true, "case", "key", "expected_bytes", strconv.Itoa(want), "bytes", strconv.Itoa(len(der)))
	}
	return NewFault(FaultBadKey, true, "k", cmp.Or(keyType, "rsa"), "bytes", strconv.Itoa(len(der)))
}

// derLength is the length a DER SEQUENCE gives itself, with its head.
func derLength(der []byte) (int, bool) {
	if len(der) < 4 || der[0] != 0x30 {
		return 0, false
	}
	switch {
	case der[1] < 0x80:
		return int(der[1]) + 2, true
	case der[1] == 0x81:
		return int(der[2]) + 3, true
	case der[1] == 0x82:
		return int(der[2])<<8 + int(der[3]) + 4, true
	}
	return 0, false
}

// SyntaxError says where the tags of text stop being tags, in opendkim-testkey's
// words, "" when they are well formed.
func SyntaxError(text string) string {
	const before, inName, afterName, inValue = 0, 1, 2, 3
	state := before
	for i := 0; i < len(text); i++ {
		c := text[i]
		blank := c == ' ' || c >= '\t' && c <= '\r'
		word := c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		ok := true
		switch state {
		case before:
			if word {
				state = inName
			} else {
				ok = blank || c == ';'
			}
		case inName:
			switch {
			case c == '=':
				state = inValue
			case blank:
				state = afterName
			default:
				ok = word
			}
		case afterName:
			if c == '=' {
				state = inValue
			} else {
				ok = blank
			}
		case inValue:
			if c == ';' {
				state = before
			} else {
				ok = blank || c >= ' ' && c < 0x7f
			}
		}
		if !ok {
			return fmt.Sprintf("syntax error in key data (ASCII 0x%02x at offset %d)", c, i)
		}
	}
	if state == inName || state == afterName {
		return "tag without value at end of key data"
	}
	return ""
}
