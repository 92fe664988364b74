package keyrecord

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/taglist"
)

// Fault is something wrong with a published record, by name.
type Fault struct {
	Code  string            `json:"code"`  // one word a script can look for, see the Fault constants
	Fatal bool              `json:"fatal"` // signatures fail because of it; else only some verifiers mind
	Args  map[string]string `json:"args,omitempty"`
	Text  string            `json:"text"` // what is wrong
	Hint  string            `json:"hint,omitempty"`
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

func fault(code string, fatal bool, text, hint string) Fault {
	return Fault{Code: code, Fatal: fatal, Text: text, Hint: hint}
}

// Inspect finds what is wrong with the TXT records found at a key's name, each
// its strings joined. No fault that is Fatal means that verifiers can use it.
func Inspect(texts []string) []Fault {
	switch len(texts) {
	case 0:
		return []Fault{fault(FaultAbsent, true, "there is no TXT record", "publish the record")}
	case 1:
		return inspectText(texts[0])
	}
	return []Fault{inspectSeveral(texts)}
}

func inspectSeveral(texts []string) Fault {
	keys := 0
	for _, text := range texts {
		if _, err := dkim.ParseKeyRecord(text); err == nil {
			keys++
		}
	}
	f := fault(FaultSeveralRecords, true, fmt.Sprintf("%d TXT records stand at this name, %d of them keys: verifiers take any of them, or none", len(texts), keys),
		"leave one record there; give a second key a selector of its own")
	// Panels that cut long values make two records of one.
	for i := range texts {
		for j := range texts {
			if i != j && keys < 2 && usable(texts[i]+texts[j]) && strings.Contains(texts[i], "p=") && !strings.Contains(texts[j], "=DKIM1") {
				f.Text = "one key record is cut into two TXT records"
				f.Hint = "put both parts into one record as two quoted strings, or give the provider's form the value in one line"
				return f
			}
		}
	}
	return f
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
		return []Fault{fault(FaultRevoked, true, "the key is revoked: p= is empty", "if that is not meant, publish the record with its key")}
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
	add := func(code string, fatal bool, text, hint string) {
		faults = append(faults, fault(code, fatal, text, hint))
	}
	tags, _ := taglist.Parse([]byte(text))
	if tags.Value("v") == nil {
		add(FaultVersionMissing, false, "v=DKIM1 is missing: some verifiers take no record without it", "begin the record with v=DKIM1;")
	}
	if p := string(tags.Value("p")); strings.ContainsAny(p, " \t") {
		hint := "publish the strings without a blank between: verifiers join them as they are"
		add(FaultBlanks, false, "white space inside p=: its strings seem to have been joined with blanks; some verifiers fail on it", hint)
	}
	switch {
	case r.Type == "rsa" && r.Bits < 1024:
		add(FaultWeak, true, fmt.Sprintf("the key has %d bits: receivers must not accept less than 1024 (RFC 8301)", r.Bits), "make a key of 2048 bits")
	case r.Type == "rsa" && r.Bits < 2048:
		add(FaultWeak, false, fmt.Sprintf("the key has %d bits: 2048 are advised (RFC 8301)", r.Bits), "make a key of 2048 bits under a new selector")
	}
	if !slices.ContainsFunc(r.Hashes, func(h string) bool { return strings.EqualFold(h, "sha256") }) && r.Hashes != nil {
		// RFC 8301 §3.1: rsa-sha1 must not be used, and all other algorithms are of SHA-256.
		add(FaultHash, true, fmt.Sprintf("h=%.60s does not let the key be used with sha256, which every signature needs", tags.Value("h")), "write h=sha256, or leave h= out")
	}
	if r.Testing {
		add(FaultTesting, false, "t=y: receivers are told that this domain only tests DKIM", "take t=y out when all is well")
	}
	return faults
}

// inspectPackaging recognizes a good record spoiled on its way into DNS.
func inspectPackaging(text string) (Fault, bool) {
	if strings.Contains(text, "IN") && strings.Contains(text, "TXT") && strings.Contains(text, "_domainkey") || strings.HasPrefix(strings.TrimSpace(text), "(") {
		return fault(FaultZoneLine, true, "the value holds a zone file's line, name and parentheses included", "enter the value alone: v=DKIM1; ... p=..."), true
	}
	mended := text
	var code, what string
	if strings.ContainsAny(mended, `"“”`) {
		code, what = FaultQuotes, "quotation marks stand inside the value"
		mended = joinQuoted(mended)
	}
	if strings.Contains(mended, `\`) {
		if code == "" {
			code, what = FaultBackslashes, `backslashes stand inside the value`
		} else {
			what = "quotation marks and backslashes stand inside the value"
		}
		mended = strings.ReplaceAll(mended, `\`, "")
	}
	if code == "" {
		return Fault{}, false
	}
	f := Fault{Code: code, Fatal: true, Text: what}
	if usable(mended) {
		f.Text += "; without them the record would be right"
		f.Hint = "enter the value in one line without them, as `dojang genkey --format single-line` prints it"
	} else {
		f.Hint = "quotes and backslashes belong into zone files only: enter the value in one line without them"
	}
	return f, true
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
			return fault(FaultVersionOrder, true, "v=DKIM1 is not the first tag: verifiers must discard the record", "move v=DKIM1; to the front")
		}
		return fault(FaultVersion, true, fmt.Sprintf("v=%.40s is not the version of a key record", value("v")), "write v=DKIM1")
	case dkim.ReasonKeyHashUnknown:
		return inspectHash(value("h"))
	case dkim.ReasonNotEmailKey:
		return fault(FaultService, true, fmt.Sprintf("s=%.40s does not let the key sign e-mail", value("s")), "write s=email or leave s= out")
	case dkim.ReasonKeyTypeUnknown:
		return fault(FaultType, true, fmt.Sprintf("k=%.40s is no type of key", value("k")), "write k=rsa or k=ed25519")
	case dkim.ReasonKeyMissing:
		return fault(FaultNoKey, true, "p=, the key, is missing", "publish the whole record")
	case dkim.ReasonKeyUnusable:
		return inspectKeyData(text, value("k"), value("p"))
	}
	if tagErr == nil || !strings.Contains(text, "p=") {
		return fault(FaultNotAKey, true, fmt.Sprintf("a TXT record stands there that is no key: %.60q", text), "publish the key's record at this name")
	}
	if errors.Is(tagErr, taglist.ErrDuplicate) {
		return fault(FaultSyntax, true, "a tag stands in the record twice: it was perhaps pasted twice", "publish the record once")
	}
	return fault(FaultSyntax, true, "the record cannot be read: "+SyntaxError(text), "publish it as `dojang genkey --format single-line` prints it")
}

func inspectHash(list string) Fault {
	for h := range strings.SplitSeq(list, ":") {
		if h = strings.ToLower(strings.TrimSpace(h)); strings.HasPrefix(h, "rsa-") || strings.HasPrefix(h, "ed25519-") {
			return fault(FaultHash, true, fmt.Sprintf("h=%.60s names a signature algorithm where a hash belongs, so that no verifier may use the key", list), "write h=sha256, or leave h= out")
		}
	}
	return fault(FaultHash, true, fmt.Sprintf("h=%.60s names no hash that verifiers know", list), "write h=sha256, or leave h= out")
}

// inspectKeyData tells a key cut short from one that never was one.
func inspectKeyData(text, keyType, p string) Fault {
	p = strings.Join(strings.Fields(p), "")
	const cutHint = "the provider keeps only 255 characters: use its form for long values, two strings, or an Ed25519 key"
	if len(text) >= 240 && len(text) <= 256 {
		return fault(FaultCut, true, fmt.Sprintf("p= is cut off: the record ends after %d characters", len(text)), cutHint)
	}
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		der, err = base64.RawStdEncoding.DecodeString(p)
	}
	if err != nil {
		if strings.ContainsAny(p, "-_") {
			return fault(FaultNoKey, true, "p= is in the URL alphabet of base64 (- and _)", "use + and / as `dojang genkey` prints them")
		}
		if len(p)%4 != 0 {
			return fault(FaultCut, true, fmt.Sprintf("p= is no base64: characters are missing or too many (%d of them)", len(p)), "publish the record once more, whole")
		}
		return fault(FaultNoKey, true, "p= is no base64", "publish the record once more")
	}
	if want, ok := derLength(der); ok && want != len(der) {
		return fault(FaultCut, true, fmt.Sprintf("p= is cut off: the key says it has %d bytes and %d are there", want, len(der)), cutHint)
	}
	if keyType == "ed25519" {
		return fault(FaultBadKey, true, fmt.Sprintf("p= is no Ed25519 key: %d bytes instead of 32 (RFC 8463 publishes the bare key)", len(der)), "publish the record `dojang genkey --type ed25519` prints")
	}
	return fault(FaultBadKey, true, "p= is no RSA public key", "publish the record of the key")
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
