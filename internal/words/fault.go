// Package words says in sentences what other packages found out by code.
package words

import (
	"fmt"
	"strconv"

	"dojang/internal/keyrecord"
)

// Faults gives faults their Text and Hint, in English.
func Faults(list []keyrecord.Fault) {
	for i := range list {
		list[i].Text, list[i].Hint = Fault(list[i].Code, list[i].Args)
	}
}

// Fault returns what is wrong in a fault with that code and those arguments, and what
// to do about it, in English. An unknown code is its own text.
func Fault(code string, args map[string]string) (text, hint string) {
	say, ok := faultsEnglish[code]
	if !ok {
		return code, ""
	}
	return say(values(args))
}

// values are a fault's arguments.
type values map[string]string

func (v values) number(name string) int {
	n, _ := strconv.Atoi(v[name])
	return n
}

// most is a value cut to n bytes, for the middle of a sentence.
func (v values) most(name string, n int) string { return fmt.Sprintf("%.*s", n, v[name]) }

// who is a name server.
func (v values) who() string {
	if v["address"] == "" {
		return v["server"]
	}
	return v["server"] + " (" + v["address"] + ")"
}

const (
	singleLine = "enter the value in one line without them, as `dojang genkey --format single-line` prints it"
	longValues = "the provider keeps only 255 characters: use its form for long values, two strings, or an Ed25519 key"
)

// always is a fault that is always told in the same words.
func always(text, hint string) func(values) (string, string) {
	return func(values) (string, string) { return text, hint }
}

var faultsEnglish = map[string]func(values) (text, hint string){
	keyrecord.FaultAbsent: func(v values) (string, string) {
		if v["record"] == "" {
			return "there is no TXT record", "publish the record"
		}
		return "there is no TXT record at " + v["record"], "publish the record; if you just did, wait until caches have forgotten that it was absent"
	},
	keyrecord.FaultOneLabelOff: oneLabelOff,
	keyrecord.FaultSeveralRecords: func(v values) (string, string) {
		if v["case"] == "halves" {
			return "one key record is cut into two TXT records",
				"put both parts into one record as two quoted strings, or give the provider's form the value in one line"
		}
		return fmt.Sprintf("%s TXT records stand at this name, %s of them keys: verifiers take any of them, or none", v["records"], v["keys"]),
			"leave one record there; give a second key a selector of its own"
	},
	keyrecord.FaultNotAKey: func(v values) (string, string) {
		return fmt.Sprintf("a TXT record stands there that is no key: %.60q", v["text"]), "publish the key's record at this name"
	},
	keyrecord.FaultZoneLine: always("the value holds a zone file's line, name and parentheses included",
		"enter the value alone: v=DKIM1; ... p=..."),
	keyrecord.FaultQuotes: func(v values) (string, string) {
		what := "quotation marks stand inside the value"
		if v["backslashes"] != "" {
			what = "quotation marks and backslashes stand inside the value"
		}
		return packaging(v, what)
	},
	keyrecord.FaultBackslashes: func(v values) (string, string) { return packaging(v, "backslashes stand inside the value") },
	keyrecord.FaultBlanks: always("white space inside p=: its strings seem to have been joined with blanks; some verifiers fail on it",
		"publish the strings without a blank between: verifiers join them as they are"),
	keyrecord.FaultVersionMissing: always("v=DKIM1 is missing: some verifiers take no record without it", "begin the record with v=DKIM1;"),
	keyrecord.FaultVersionOrder:   always("v=DKIM1 is not the first tag: verifiers must discard the record", "move v=DKIM1; to the front"),
	keyrecord.FaultVersion: func(v values) (string, string) {
		return fmt.Sprintf("v=%s is not the version of a key record", v.most("v", 40)), "write v=DKIM1"
	},
	keyrecord.FaultHash: hash,
	keyrecord.FaultCut: func(v values) (string, string) {
		switch v["case"] {
		case "length":
			return fmt.Sprintf("p= is cut off: the record ends after %s characters", v["characters"]), longValues
		case "key":
			return fmt.Sprintf("p= is cut off: the key says it has %s bytes and %s are there", v["expected_bytes"], v["bytes"]), longValues
		}
		return fmt.Sprintf("p= is no base64: characters are missing or too many (%s of them)", v["characters"]), "publish the record once more, whole"
	},
	keyrecord.FaultNoKey: func(v values) (string, string) {
		switch v["case"] {
		case "missing":
			return "p=, the key, is missing", "publish the whole record"
		case "url-alphabet":
			return "p= is in the URL alphabet of base64 (- and _)", "use + and / as `dojang genkey` prints them"
		}
		return "p= is no base64", "publish the record once more"
	},
	keyrecord.FaultBadKey: func(v values) (string, string) {
		if v["k"] == "ed25519" {
			return fmt.Sprintf("p= is no Ed25519 key: %s bytes instead of 32 (RFC 8463 publishes the bare key)", v["bytes"]),
				"publish the record `dojang genkey --type ed25519` prints"
		}
		return "p= is no RSA public key", "publish the record of the key"
	},
	keyrecord.FaultRevoked: always("the key is revoked: p= is empty", "if that is not meant, publish the record with its key"),
	keyrecord.FaultType: func(v values) (string, string) {
		return fmt.Sprintf("k=%s is no type of key", v.most("k", 40)), "write k=rsa or k=ed25519"
	},
	keyrecord.FaultService: func(v values) (string, string) {
		return fmt.Sprintf("s=%s does not let the key sign e-mail", v.most("s", 40)), "write s=email or leave s= out"
	},
	keyrecord.FaultWeak: func(v values) (string, string) {
		if v.number("bits") < 1024 {
			return fmt.Sprintf("the key has %s bits: receivers must not accept less than 1024 (RFC 8301)", v["bits"]), "make a key of 2048 bits"
		}
		return fmt.Sprintf("the key has %s bits: 2048 are advised (RFC 8301)", v["bits"]), "make a key of 2048 bits under a new selector"
	},
	keyrecord.FaultTesting: always("t=y: receivers are told that this domain only tests DKIM", "take t=y out when all is well"),
	keyrecord.FaultSyntax: func(v values) (string, string) {
		switch {
		case v["record"] != "":
			return v["record"] + " is no domain name", "correct domain or selector"
		case v["case"] == "duplicate":
			return "a tag stands in the record twice: it was perhaps pasted twice", "publish the record once"
		}
		return "the record cannot be read: " + v["detail"], "publish it as `dojang genkey --format single-line` prints it"
	},
	keyrecord.FaultAliasLoop: func(v values) (string, string) {
		return fmt.Sprintf("the CNAME at %s leads in a circle or too far", v["record"]), "point the CNAME at the name that holds the TXT record"
	},
	keyrecord.FaultBogus: func(v values) (string, string) {
		return or(v["detail"], "DNSSEC validation fails"), "mend the zone's signatures: validating receivers see no key at all"
	},
	keyrecord.FaultLookup: func(v values) (string, string) {
		return or(v["detail"], "no name server answers for "+v["record"]), ""
	},
	keyrecord.FaultMismatch: always("the record publishes another key than the private one's", "publish the record that belongs to the private key"),
	keyrecord.FaultOtherSelector: func(v values) (string, string) {
		const hint = "correct selector or path in the KeyTable, or publish the record of this key"
		if v["selector"] != "" {
			return "the private key belongs to the selector " + v["selector"], hint
		}
		return fmt.Sprintf("the record publishes the key of '%s' (%s)", v["row"], v["place"]), hint
	},
	keyrecord.FaultPrivateKey: func(v values) (string, string) {
		switch v["case"] {
		case "path":
			return "the private key's file cannot be found: " + v["path"], "correct the path in the KeyTable"
		case "denied":
			return "you may not read the private key: " + v["path"], "ask as root, or as the user of the filter"
		}
		return "the private key cannot be read: " + v["detail"], "check the row and the file that it names"
	},
	keyrecord.FaultServersDiffer: func(v values) (string, string) {
		const hint = "check that the zone is transferred to it and its serial number was raised; do not sign with the key until it has"
		if v["state"] == "absent" {
			return "the name server " + v.who() + " has no record yet", hint
		}
		return "the name server " + v.who() + " still has another record", hint
	},
	keyrecord.FaultServer: serverError,
	keyrecord.FaultUnsigned: func(v values) (string, string) {
		return fmt.Sprintf("the zone is signed, and the signature that the name server %s gives is %s", v.who(), v["signature"]),
			"sign the zone again, and check that all of it is transferred: validating receivers see no key at all"
	},
	keyrecord.FaultAliasMissing: func(v values) (string, string) {
		return fmt.Sprintf("%s is no alias of %s", v["record"], v["target"]), "put a CNAME to " + v["target"] + " there"
	},
	keyrecord.FaultAliasDangling: func(v values) (string, string) {
		return fmt.Sprintf("%s is an alias of %s, where there is no TXT record", v["record"], v["target"]), "publish the record there, or correct the CNAME"
	},
	keyrecord.FaultWildcard: func(v values) (string, string) {
		return "the record is a wildcard's (*): any other selector has the same", "publish the record at its own name"
	},
	keyrecord.FaultDelegation: func(v values) (string, string) {
		return fmt.Sprintf("the zone above delegates %s to %s, and the zone itself names %s", v["zone"], v["parent"], v["child"]),
			"make both lists the same: a receiver may ask any of these servers"
	},
	keyrecord.FaultCacheDiffers: func(v values) (string, string) {
		return "all authoritative servers have the right record: only this machine's resolver remembers another answer", "wait until it forgets the old answer"
	},
	keyrecord.FaultLimit: func(v values) (string, string) {
		return "not everything was asked: the limit of " + v["queries"] + " queries was reached", ""
	},
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func packaging(v values, what string) (text, hint string) {
	if v["mended"] == "yes" {
		return what + "; without them the record would be right", singleLine
	}
	return what, "quotes and backslashes belong into zone files only: enter the value in one line without them"
}

func hash(v values) (text, hint string) {
	hint = "write h=sha256, or leave h= out"
	switch h := v.most("h", 60); v["case"] {
	case "sha1":
		return "h=" + h + " does not let the key be used with sha256, as every signature must be (RFC 8301)", hint
	case "algorithm":
		return "h=" + h + " names a signature algorithm where a hash belongs, so that no verifier may use the key", hint
	default:
		return "h=" + h + " names no hash that verifiers know", hint
	}
}

func oneLabelOff(v values) (text, hint string) {
	enter := "enter " + v["relative"] + " as name"
	hints := map[string]string{
		"domain-doubled":     "the provider appended the domain once more: " + enter,
		"domainkey-appended": "the provider appended ._domainkey." + v["domain"] + ": enter " + v["selector"] + " as name",
		"domainkey-doubled":  "the provider appended ._domainkey itself: enter " + v["selector"] + " as name",
		"domainkey-missing":  "._domainkey is missing: " + enter,
		"underscore-missing": "the underscore is missing: " + enter,
		"domainkeys":         enter + ", without an s",
		"order":              "the labels are in the wrong order: " + enter,
		"selector-missing":   "the selector is missing: " + enter,
		"name-missing":       "the name is missing: " + enter,
		"parent":             "the record belongs below " + v["domain"] + ", not below " + v["parent"],
	}
	return "a key record stands at " + v["found"] + " instead", hints[v["how"]]
}

func serverError(v values) (text, hint string) {
	what := map[string]string{
		"silent":            "does not answer",
		"unreachable":       "cannot be reached",
		"no-route":          "cannot be asked from here: this host has no way to its address",
		"refused":           "refuses to answer",
		"failure":           "answers with an error",
		"not-authoritative": "does not answer with authority: from a cache, or it does not know the zone",
		"malformed":         "gives an answer that cannot be read",
		"no-address":        "has no address",
		"forbidden":         "is not asked",
		"limit":             "was not asked: the check reached its limit",
	}
	text = "the name server " + v.who() + " " + or(what[v["error"]], "does not answer")
	if v["detail"] != "" {
		text += ": " + v["detail"]
	}
	return text, ""
}
