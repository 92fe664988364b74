package config

import (
	"dojang/internal/dataset"
	"dojang/internal/policy"
)

// verifyingOptions are about how signatures are judged.
func verifyingOptions() []Option {
	return []Option{
		{Name: "MinimumKeyBits", Type: Integer, Default: "1024", check: warnOfWeakKeys,
			Doc: "RSA keys with fewer bits do not count, whatever they verify. 0 accepts all. RFC 8301 demands 1024."},
		{Name: "MaximumKeyBits", Since: "dojang", Type: Integer, Default: "8192",
			Doc: "RSA keys with more bits are not tried, since checking a giant one takes a processor long. 0 is no limit."},
		{Name: "Minimum", Type: String, Examples: []string{"100%"}, read: as(policy.ParseMinimum, "write bytes, a percentage or bytes with +: 1024, 75% or 512+"),
			Doc: "How much of a body a signature with a length (l=) must cover to count: 1024 means so many bytes, or all of a shorter body; 75% that part of it; 512+ that no more than so many bytes follow the signed part. 100% allows no unsigned tail."},
		{Name: "MustBeSigned", Type: DataSet, Elements: dataset.FieldNames,
			Doc: "Header fields that a signature must cover when the message has them; otherwise it does not count. Example: From,Subject,Date"},
		{Name: "MaximumSignaturesToVerify", Type: Integer, Default: "3",
			Doc: "How many signatures of a message are verified, from the top. Those of domains in TrustSignaturesFrom come first and are always verified. It bounds what a message with hundreds of them can cost."},
		{Name: "TrustSignaturesFrom", Type: DataSet, Elements: dataset.DomainElements,
			Doc: "Domains whose signatures count although they are not the author's domain. When it is not set, every signature counts."},
		{Name: "ClockDrift", Type: Duration, Default: "300",
			Doc: "How many seconds a signature may be ahead of our clock or past its expiry and still count."},
		{Name: "AllowSHA1Only", Type: Boolean, Default: "no",
			Doc: "Lets rsa-sha1 signatures count. OpenDKIM meant by it a library without SHA-256, which does not exist any more. RFC 8301 §3.1 says not to accept them."},
		{Name: "VerifyPreset", Since: "dojang", Type: String, Allowed: []string{"rfc8301", "strict"},
			Doc: "A set of rules in one word. rfc8301: no SHA-1, RSA keys of 1024 bits and more. strict: besides, From, Subject and Date must be signed, nothing may follow the part that l= covers, and fields that may stand once must not be repeated."},
		{Name: "DomainKeysCompat", Type: Boolean, Default: "no", Status: Ignored,
			Doc: "Meant to accept key records in the form of DomainKeys (RFC 4870), the forerunner of DKIM. They always are, here and in OpenDKIM, since RFC 6376 has done away with g=."},
		{Name: "WeakSyntaxChecks", Type: Boolean, Default: "no",
			Doc: "Goes on verifying a message with faults in its header, such as a From field without a domain, where it would otherwise be called malformed at once."},
		{Name: "StrictHeaders", Type: Boolean, Default: "no",
			Doc: "Neither signs nor verifies a message in which fields are missing or repeated against RFC 5322 §3.6: two From fields, no Date."},
		{Name: "RequiredHeaders", Type: Boolean, Default: "no",
			Doc: "Rejects messages in which fields are missing or repeated against RFC 5322 §3.6. With IgnoreMalformedMail they pass untouched."},
		{Name: "MaximumHeaders", Type: Integer, Default: "65536",
			Doc: "The largest header in bytes; a message with a larger one is rejected. 0 is no limit, and an invitation to fill the memory."},
		{Name: "BogusKey", Type: String, Default: "fail", Allowed: []string{"fail", "neutral", "none"}, read: as(policy.ParseKeyTreatment, "write none, neutral or fail"),
			Doc: "What becomes of a good signature whose key DNSSEC shows to be forged: fail and neutral turn the result into that, none leaves it."},
		{Name: "UnprotectedKey", Type: String, Default: "none", Allowed: []string{"none", "neutral", "fail"}, read: as(policy.ParseKeyTreatment, "write none, neutral or fail"),
			Doc: "What becomes of a good signature whose key is not protected by DNSSEC: none leaves it, neutral and fail turn the result into that. Most keys are not protected."},
		{Name: "ATPSDomains", Type: DataSet, Elements: dataset.DomainElements,
			Doc: "Signing domains for which to ask, in the author's domain, whether it lets them sign (RFC 6541, authorised third-party signatures). The result is dkim-atps in Authentication-Results. When signing, the domains whose authorisation is claimed."},
		{Name: "ATPSHashAlgorithm", Type: String, Default: "sha256", Allowed: []string{"sha256", "sha1", "none"},
			Doc: "How the name is hashed under which the author's domain publishes its consent (RFC 6541): sha256, sha1, or none for the plain name."},
		{Name: "VBR-Type", Type: String,
			Doc: "The kind of mail to claim in a VBR-Info field (RFC 5518) when a message has no X-VBR-Type field: all, list, transaction, ..."},
		{Name: "VBR-Certifiers", Type: String,
			Doc: "The vouching services to claim in a VBR-Info field when a message has no X-VBR-Certifiers field, separated by colons."},
		{Name: "VBR-PurgeFields", Type: Boolean, Default: "no",
			Doc: "Takes X-VBR-Type and X-VBR-Certifiers fields out of messages before they go on."},
		{Name: "VBR-TrustedCertifiers", Type: List, Elements: dataset.DomainElements, read: as(asWritten, ""),
			Doc: "The vouching services that are believed when a message carries a VBR-Info field, separated by commas or colons."},
		{Name: "VBR-TrustedCertifiersOnly", Type: Boolean, Default: "no",
			Doc: "Asks all of VBR-TrustedCertifiers whether the message names them or not; otherwise only those that it names."},
	}
}

// resultOptions are about the Authentication-Results field.
func resultOptions() []Option {
	return []Option{
		{Name: "AuthservID", Type: String, read: as(parseAuthservID, ""), check: checkAuthservID,
			Doc: "The name under which results are written in Authentication-Results, and whose forged fields are removed. Left out, the mail server's own name (macro j). HOSTNAME stands for the name of this machine. Use one name for all filters of a site."},
		{Name: "AuthservIDWithJobID", Type: Boolean, Default: "no",
			Doc: "Puts the mail server's queue ID behind the name, with a slash between."},
		{Name: "AlwaysAddARHeader", Type: Boolean, Default: "no",
			Doc: "Adds an Authentication-Results field with dkim=none to messages without a signature too."},
		{Name: "NoHeaderB", Type: Boolean, Default: "no",
			Doc: "Leaves header.b, the beginning of the signature a result is about, out of Authentication-Results (RFC 6008)."},
		{Name: "RemoveARFrom", Type: DataSet, Elements: dataset.BelowDomains,
			Doc: "Names whose Authentication-Results fields are removed from what comes in, besides our own: whole host names, or .domain for all below it. Name every filter of your site whose word readers trust."},
		{Name: "RemoveARAll", Type: Boolean, Default: "no",
			Doc: "Removes such fields whatever results they hold. When not set, only those with a result that the filter writes itself (dkim, dkim-atps, vbr) or that RemoveARMethods names."},
		{Name: "RemoveARMethods", Since: "dojang", Type: List, Examples: []string{"spf,dmarc,arc,iprev"}, read: as(methodNames, "write method names: RemoveARMethods spf,dmarc,arc,iprev"),
			Doc: "Methods whose results in our name are removed as well. When not set, only results that we write ourselves go (dkim, dkim-atps and vbr), because policy servers write spf and others in our name before the filter sees the message. Where no policy server does, name them: other filters, such as OpenDMARC, believe what a stranger writes."},
		{Name: "KeepAuthResults", Type: Boolean, Default: "no",
			Doc: "Leaves Authentication-Results fields that claim to be ours in place. They are forged or show a mistake in the set-up: readers who trust the name can be deceived."},
		{Name: "AddCanonicalizedData", Since: "2026", Type: Boolean, Default: "no",
			Doc: "Adds X-DKIM-Canonicalized-Header and X-DKIM-Canonicalized-Body fields with the very bytes that were verified, base64, for a DMARC filter that puts them into failure reports (RFC 9991) and removes them."},
		{Name: "SoftwareHeader", Type: Boolean, Default: "no",
			Doc: "Adds a DKIM-Filter field with the filter's name, version, host and the queue ID to each message it signed or verified."},
		{Name: "X-Header", Type: Boolean, Default: "no",
			Doc: "The former name of SoftwareHeader. Either is enough."},
	}
}

// actionOptions say what is done with a message after its verdict.
func actionOptions() []Option {
	actions := []string{"accept", "discard", "quarantine", "reject", "tempfail"}
	const words = " One of accept, discard, quarantine, reject and tempfail, or its first letter."
	return []Option{
		{Name: "On-Default", Type: String, Allowed: actions, read: as(parseAction, ""),
			Doc: "Sets all the On- options at once; those given by themselves outrank it, wherever they stand." + words},
		{Name: "On-BadSignature", Type: String, Default: "accept", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done with a message whose signature does not verify." + words + " A key that its owner marks as being tested (t=y) is exempt. When the signature asks for reports (r=y), the reply of reject and tempfail begins with the text that its domain publishes for it (rs= of RFC 6651)."},
		{Name: "On-DNSError", Type: String, Default: "tempfail", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done when a key cannot be looked up for now." + words},
		{Name: "On-InternalError", Type: String, Default: "tempfail", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done when the filter itself fails: a table out of reach, a script that breaks." + words},
		{Name: "On-KeyNotFound", Type: String, Default: "accept", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done when the key that a signature names does not exist." + words},
		{Name: "On-NoSignature", Type: String, Default: "accept", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done with a message without a signature." + words},
		{Name: "On-Security", Type: String, Default: "tempfail", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done with a message that looks like an attack on the filter, such as a header above MaximumHeaders, which is answered with 552 5.3.4 or 452 4.3.4." + words},
		{Name: "On-SignatureError", Type: String, Default: "reject", Allowed: actions, read: as(parseAction, ""),
			Doc: "What is done with a message that should be signed and cannot be." + words},
		{Name: "Quarantine", Type: Boolean, Default: "no", NeedsRestart: true,
			Doc: "Asks the mail server to hold messages that fail verification in its quarantine (Postfix: the hold queue)."},
		{Name: "CaptureUnknownErrors", Type: Boolean, Default: "no",
			Doc: "Asks the mail server to hold a message that made the filter fail, so that it can be looked at."},
		{Name: "RedirectFailuresTo", Type: String,
			Doc: "Sends messages that fail verification to this address instead of to their recipients, who are noted in the header."},
	}
}
